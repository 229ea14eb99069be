"""Pages drawn as text: one character is five points wide, one line twelve points high.

Leading spaces are an indent. Words in *stars* are bold, in /slashes/ italic, in `ticks` monospaced; "# " begins a big
bold heading.
"""

from __future__ import annotations

import polars as pl

from tripletkit import schemas
from tripletkit.pdf.lines import Line
from tripletkit.rules import Rules, load_rules
from tripletkit.terms.book_text import Book, tables_to_book
from tripletkit.terms.harvest import Harvest, harvest_book

WIDTH, PITCH, SIZE, LEFT, TOP = 5.0, 12.0, 10.0, 50.0, 80.0
_STYLES = {"*": "b", "/": "i", "`": "m"}


def column(page: int, text: str, *, number: int = 0, left: float = LEFT, top: float = TOP) -> list[Line]:
    """The lines of one column; blank lines leave a gap."""
    lines = []
    rows = text.strip("\n").split("\n")
    margin = min((len(row) - len(row.lstrip()) for row in rows if row.strip()), default=0)
    for at, row in enumerate(rows):
        if row.strip():
            lines.append(_line(page, row[margin:], number, left, top + at * PITCH))
    return lines


def _line(page: int, row: str, number: int, left: float, top: float) -> Line:
    indent = len(row) - len(row.lstrip())
    size = SIZE
    content = row.strip()
    if content.startswith("# "):
        size, content = 2 * SIZE, " ".join(f"*{word}*" for word in content[2:].split())
    words, styles, style = [], "", "r"
    for raw in content.split():
        word = raw
        if word[0] in _STYLES and len(word) > 1:
            style, word = _STYLES[word[0]], word[1:]
        mark = next((sign for sign, letter in _STYLES.items() if letter == style), "")
        styles += style
        if mark and word.rstrip(",;:.)").endswith(mark):
            word, style = word.replace(mark, ""), "r"
        words.append(word)
    text = " ".join(words)
    x0 = left + indent * WIDTH
    return Line(
        page,
        number,
        text,
        styles,
        x0,
        x0 + len(text) * WIDTH,
        top,
        top + size,
        top + 0.8 * size,
        size,
        left,
        left + 160,
    )


def page(number: int, *columns: str, apart: float = 170.0, left: float = LEFT) -> list[Line]:
    """One page of one to three columns, side by side."""
    return [line for at, text in enumerate(columns) for line in column(number, text, number=at, left=left + at * apart)]


def tables(
    pages: dict[int, list[Line]], roles: dict[int, str], labels: dict[int, str] | None = None, last: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables of book "b": pages up to ``last``, labelled by their own number unless ``labels`` says otherwise."""
    last = max([last, *pages])
    rows = [("b", n, (labels or {}).get(n, str(n)), roles.get(n, "body"), 0) for n in range(1, last + 1)]
    lines = [
        (
            "b",
            n,
            at,
            x.column,
            _kind(x, (labels or {}).get(n, str(n)), roles.get(n, "body")),
            x.text,
            x.styles,
            x.x0,
            x.x1,
            x.top,
            x.bottom,
            x.baseline,
            x.size,
            x.col_x0,
            x.col_x1,
            x.gap_word,
        )
        for n, held in pages.items()
        for at, x in enumerate(held)
    ]
    return pl.DataFrame(lines, schema=schemas.LINES.schema, orient="row"), pl.DataFrame(
        rows, schema=schemas.PAGES.schema, orient="row"
    )


def _kind(line: Line, label: str, role: str) -> str:
    """As extraction marks lines: a page's number is furniture, headings are told in the body only."""
    if line.text == label:
        return "furniture"
    return "heading" if role == "body" and line.size > SIZE else "prose"


def book(pages: dict[int, list[Line]], roles: dict[int, str], last: int = 500) -> Book:
    """The parsers' view of such pages."""
    return tables_to_book("b", *tables(pages, roles, last=last))


def harvested(
    pages: dict[int, list[Line]], roles: dict[int, str], rules: Rules | None = None, last: int = 500
) -> Harvest:
    """The whole harvest of such pages."""
    return harvest_book("b", *tables(pages, roles, last=last), rules or load_rules())
