"""Text and tables that Markdown shows as they are, and cards made from the templates beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, ModelCard

TEMPLATES = Path(__file__).parent / "templates"

#: Used in a card for the repository's name; a push replaces it.
PLACEHOLDER = "OWNER/NAME"


def plain(text: str) -> str:
    """``text`` in one line, with everything escaped that Markdown or HTML would read as mark-up."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table. Cells are escaped by the caller; whole numbers get thousands separators."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def count(number: int, unit: str) -> str:
    """``1 book``, ``2 books``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def citation(kind: str, title: str, note: str) -> str:
    """A BibTeX entry. It has no year, so that the same data always get the same card."""
    key = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or f"tripletkit-{kind.lower()}"
    bare = re.sub(r"[{}\\]", "", title)
    lines = (
        f"@misc{{{key},",
        f"  title = {{{bare}}},",
        f"  howpublished = {{{kind}, {PLACEHOLDER}}},",
        f"  note = {{{note}}}",
        "}",
    )
    return "\n".join(lines)


def render_card(card: type[DatasetCard | ModelCard], data: Any, template: str, **values: Any) -> str:  # noqa: ANN401
    """The README.md of a repository: ``data`` as its YAML head, ``values`` filled into ``template``."""
    # The client's templates cannot include others.
    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("scores.md.jinja", template))
    helpers: dict[str, Any] = {"plain": plain, "table": table, "count": count}
    return str(card.from_template(data, template_str=text, **helpers, **values)).rstrip() + "\n"
