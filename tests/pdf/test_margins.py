"""Notes and numbers beside the text are out of it; labels that hang there are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pdf.make import count_words
from tests.pdfs import Box, Text, write_pdf
from tripletkit.pdf.book_tables import extract_book
from tripletkit.pdf.workers import BookTables, PassageLimits
from tripletkit.rules import load_rules

RULES = load_rules()
LEFT, TOP, LEADING = 90.0, 80.0, 13.0
WORDS = ["river", "sand", "mud", "silt", "loam", "clay", "delta", "estuary", "meander", "terrace", "levee", "channel"]


def text_line(n: int, page: int) -> str:
    """About as long as every other, of different words."""
    chosen = [WORDS[(n * 7 + page * 5 + i * (3 + n % 4)) % len(WORDS)] for i in range(9)]
    return " ".join(["The", *chosen])[:44].rsplit(" ", 1)[0] + " and"


def paragraphs(page: int, *, lines: int = 30, left: float = LEFT) -> list[Text | Box]:
    """A page of paragraphs of six lines."""
    return [
        Text(left, TOP + LEADING * n, text_line(n, page) if n % 6 < 5 else f"and so it ends on page {page}.")
        for n in range(lines)
    ]


def extract(
    tmp_path: Path, extra: Callable[[int], list[Text | Box]], *, pages: int = 6, width: int = 480
) -> BookTables:
    book = [[*paragraphs(n), *extra(n)] for n in range(1, pages + 1)]
    path = write_pdf(tmp_path / "water.pdf", book, width=width)
    limits = PassageLimits(120, 80, 10)
    return extract_book(path, book_id="b", limits=limits, count_tokens=count_words, rules=RULES)


def prose(tables: BookTables) -> str:
    return " ".join(str(row["text"]) for row in tables.passages if row["kind"] != "margin")


def margin(tables: BookTables) -> list[str]:
    return [
        str(text) for text, kind in zip(tables.lines["text"], tables.lines["kind"], strict=True) if kind == "margin"
    ]


def bare(tmp_path: Path) -> str:
    return prose(extract(tmp_path, lambda _: []))


NUMBERED: dict[str, Callable[[int], list[Text | Box]]] = {
    "every line, at the left": lambda n: [Text(70, TOP + LEADING * i, str(i + 1), size=6) for i in range(30)],
    "every line, at the right, in the text's letters": lambda n: [
        Text(380, TOP + LEADING * i, str(i + 1)) for i in range(30)
    ],
    "every fifth line": lambda n: [Text(64, TOP + LEADING * i, str(30 * n + i + 1), size=7) for i in range(4, 30, 5)],
    "every paragraph": lambda n: [Text(60, TOP + LEADING * i, str(5 * n + i // 6), size=7) for i in range(0, 30, 6)],
}


@pytest.mark.parametrize("how", NUMBERED)
def test_numbers_of_lines_and_paragraphs_are_out_of_the_text(how: str, tmp_path: Path) -> None:
    tables = extract(tmp_path, NUMBERED[how])
    assert prose(tables) == bare(tmp_path)
    assert margin(tables) == [line.text for n in range(1, 7) for line in NUMBERED[how](n) if isinstance(line, Text)]
    assert "margin" not in {row["kind"] for row in tables.passages}


@pytest.mark.parametrize("x", [375.0, 20.0])
def test_notes_are_passages_of_their_own(x: float, tmp_path: Path) -> None:
    def notes(n: int) -> list[Text | Box]:
        at = TOP + LEADING * (n + 3)
        return [Text(x, at, "Paralleliza-", size=8), Text(x, at + 9, f"tion of {WORDS[n]}", size=8)]

    tables = extract(tmp_path, notes)
    assert prose(tables) == bare(tmp_path)
    made = [row for row in tables.passages if row["kind"] == "margin"]
    assert "\n".join(str(row["text"]) for row in made).split("\n") == [
        f"Parallelization of {WORDS[n]}" for n in range(1, 7)
    ]
    assert sum(len(row["boxes"]) for row in made) == 12  # type: ignore[arg-type, misc]


HANGING: dict[str, Callable[[int], list[Text | Box]]] = {
    "exercises": lambda n: [Text(70, TOP + LEADING * i, str(5 * n + i // 6)) for i in range(0, 30, 6)],
    "equations": lambda n: [Text(325, TOP + LEADING * 5, f"({n}.1)")],
    "list labels": lambda n: [Text(74, TOP + LEADING * i, f"{5 * n + i // 6}.") for i in range(0, 30, 6)],
    "headings": lambda n: [Text(40, TOP + LEADING * 31.5, "See"), Text(90, TOP + LEADING * 33, text_line(3, n))],
    "indented blocks": lambda n: [
        Text(LEFT + 30, TOP + LEADING * (31 + i), text_line(i + 3, n)[:40]) for i in range(3)
    ],
    "a second column": lambda n: [Text(LEFT + 290, TOP + LEADING * i, text_line(i + 4, n + 1)) for i in range(30)],
}


@pytest.mark.parametrize("what", HANGING)
def test_what_belongs_to_the_text_stays(what: str, tmp_path: Path) -> None:
    assert margin(extract(tmp_path, HANGING[what], width=740)) == []
