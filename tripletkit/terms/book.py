"""One book's lines and pages as the parsers want them: by page, without running heads and page numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import running_heads, text_size, title_label
from tripletkit.rules import Rules
from tripletkit.terms.joins import Joiner
from tripletkit.terms.locators import Labels

_GEOMETRY = ("page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1")


@dataclass(frozen=True)
class Book:
    """A book to harvest. ``pages[i]`` holds the lines of physical page i + 1, those known as furniture left out."""

    book_id: str
    pages: list[list[Line]]
    kinds: list[list[str]]  # what extraction said each of these lines is
    roles: list[str]
    labels: Labels
    printed: list[str]
    heads: frozenset[str]
    text_size: float
    joiner: Joiner

    def pages_of(self, role: str) -> list[int]:
        """Page indexes from 0 that have the role."""
        return [page for page, own in enumerate(self.roles) if own == role]


def tables_to_book(book_id: str, lines: pl.DataFrame, pages: pl.DataFrame) -> Book:
    """The rows of one book in ``lines`` and ``pages``; both may hold other books too."""
    own = pages.filter(pl.col("book_id") == book_id).sort("page")
    count = own["page"].max() if own.height else 0
    size = int(count) if isinstance(count, int) else 0
    by_page: list[list[Line]] = [[] for _ in range(size)]
    kinds: list[list[str]] = [[] for _ in range(size)]
    printed, roles = [""] * size, ["body"] * size
    for page, label, role in own.select("page", "label", "role").iter_rows():
        printed[page - 1], roles[page - 1] = label, role
    rows = lines.filter(pl.col("book_id") == book_id).sort("page", "line")
    for kind, *values in rows.select("kind", *_GEOMETRY).iter_rows():
        if kind != "furniture" and 0 < values[0] <= size:
            by_page[values[0] - 1].append(Line(*values))
            kinds[values[0] - 1].append(kind)
    texts = (line.text for page in by_page for line in page)
    return Book(
        book_id,
        by_page,
        kinds,
        roles,
        Labels(printed),
        printed,
        running_heads(by_page),
        text_size(by_page),
        Joiner(texts),
    )


def without_edges(
    lines: Sequence[Line], label: str, heads: frozenset[str], rules: Rules
) -> tuple[list[Line], list[Line]]:
    """A page's lines, and those at its edges that are a running head, page number or footer all the same."""
    baselines = sorted({round(line.baseline) for line in lines})
    steps = sorted(b - a for a, b in pairwise(baselines) if b - a > 4)
    pitch = steps[len(steps) // 3] if steps else 12.0
    outer = _apart(baselines, pitch) | _apart(baselines[::-1], pitch)
    size = text_size([lines])
    kept: list[Line] = []
    edges: list[Line] = []
    outermost = {*baselines[:2], *baselines[-2:]}
    for line in lines:
        is_folio = bool(label) and line.text == label and round(line.baseline) in outermost
        is_edge = is_folio or (round(line.baseline) in outer and _is_furniture(line, label, heads, size, rules))
        (edges if is_edge else kept).append(line)
    return kept, edges


def _apart(baselines: Sequence[int], pitch: float) -> set[int]:
    """The outermost baselines, up to two, that stand off from the next by more than a line."""
    found: set[int] = set()
    for a, b in list(pairwise(baselines))[:2]:
        found.add(a)
        if abs(b - a) > 1.35 * pitch:
            return found
    return set()


def _is_furniture(line: Line, label: str, heads: frozenset[str], size: float, rules: Rules) -> bool:
    words = line.text.split()
    bare = " ".join(word for word in words if not word.strip("[]()-–—|·•.").isdigit() and word != label)
    if not bare or (
        label
        and label in (words[0], words[-1])
        and len(words) > 1
        and not line.text.rstrip(label).rstrip().endswith(",")
    ):
        return True
    if line.size > 1.1 * size or re.search(r",\s*\d+$", line.text):  # the latter is an entry, set apart by a gap
        return False
    undigited = " ".join(word for word in line.text.lower().split() if not word.isdigit()).strip()
    return undigited in heads or title_label(bare, rules) is not None or line.size < 0.88 * size
