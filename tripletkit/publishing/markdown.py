"""Text that Markdown shows as it is, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """One line, with everything escaped that Markdown or HTML would read as mark-up."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells come escaped."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def details(summary: str, body: str) -> str:
    """``body`` behind a line that opens it."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def count(number: int, unit: str) -> str:
    """``1 book``, ``2 books``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
