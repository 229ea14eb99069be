"""Text and tables that Markdown shows as they are, and cards made from the templates beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

TEMPLATES = Path(__file__).parent / "templates"

#: Stands in a card where the repository's name will stand once it is pushed.
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


def render_dataset_card(data: DatasetCardData, **values: Any) -> str:  # noqa: ANN401 - what a template takes
    """The README.md of a dataset: ``data`` as its YAML head, ``values`` filled into dataset_card.md.jinja."""
    path = str(TEMPLATES / "dataset_card.md.jinja")
    return _text(DatasetCard.from_template(data, template_path=path, **_helpers(), **values))


def render_model_card(data: ModelCardData, **values: Any) -> str:  # noqa: ANN401 - what a template takes
    """The README.md of an encoder: ``data`` as its YAML head, ``values`` filled into model_card.md.jinja."""
    path = str(TEMPLATES / "model_card.md.jinja")
    return _text(ModelCard.from_template(data, template_path=path, **_helpers(), **values))


def _helpers() -> dict[str, Any]:
    return {"plain": plain, "table": table, "count": count}


def _text(card: DatasetCard | ModelCard) -> str:
    return str(card).rstrip() + "\n"
