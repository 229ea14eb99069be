"""What an output folder holds, and what the settings are, for a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tripletkit.errors import TableError
from tripletkit.settings import Section, Settings
from tripletkit.store import Store


def report_lines(output: Path) -> Iterator[str]:
    """One paragraph a stage: when, how long, what, and what was dropped by reason; then the rounds, if there were several."""
    from tripletkit.pipeline import STAGES
    from tripletkit.rounds import rounds_lines

    store = Store(output)
    made = [(stage, store.manifest(stage)) for stage in STAGES]
    if not any(manifest for _, manifest in made):
        raise TableError(f"{output}: nothing was made here yet", "Start with `tripletkit run BOOK.pdf`.")
    dropped = store.read("dropped") if store.has("dropped") else None
    for stage, manifest in made:
        yield f"{stage:9} " + (
            f"{manifest.summary}  [{manifest.seconds:.1f} s, {manifest.made}]" if manifest else "not made yet"
        )
        if dropped is not None:
            reasons = Counter(dropped.filter(stage=stage)["reason"].to_list())
            yield from (f"          dropped {count:,}: {reason}" for reason, count in reasons.most_common())
    yield from rounds_lines(output)


def settings_lines(settings: Settings) -> Iterator[str]:
    """A TOML file that gives exactly these settings."""
    flat = [name for name in Settings.model_fields if not isinstance(getattr(settings, name), Section)]
    yield from _lines(settings, flat)
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            yield f"\n[{name}]"
            yield from _lines(section, list(type(section).model_fields))


def _lines(section: Section, names: list[str]) -> Iterator[str]:
    values = section.model_dump(mode="json")
    for name in names:
        meaning, value = type(section).model_fields[name].description, values[name]
        # JSON's strings, numbers, lists and booleans are TOML's too; TOML has no null.
        text = f"# {name} =" if value is None else f"{name} = {_toml(value)}"
        yield f"{text}  # {meaning}"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
