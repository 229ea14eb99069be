"""Every shape of glossary, printed as a book, gives its entries exactly; other text under such a title gives none."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests import glossaries
from tests.glossaries import ENTRIES, PROSE, RIGHT, Row, Shape, prose, row, wrap, write_glossary
from tripletkit.pdf.book_tables import extract_book
from tripletkit.pdf.workers import BookTables, PassageLimits
from tripletkit.rules import load_rules
from tripletkit.schemas import LINES, PAGES, make_table
from tripletkit.terms.book_text import tables_to_book
from tripletkit.terms.glossary_entries import Definition, parse_glossaries

RULES = load_rules()
LEFT = glossaries.LEFT
SHAPES: dict[str, tuple[Shape, str]] = {
    "run-in bold, hanging": (glossaries.run_in, "bold terms"),
    "run-in bold, no indent": (partial(glossaries.run_in, hang=0), "bold terms"),
    "run-in bold, colon": (partial(glossaries.run_in, joint=": "), "bold terms"),
    "run-in italics": (partial(glossaries.run_in, font="i"), "terms in italics"),
    "run-in monospaced": (partial(glossaries.run_in, font="m"), "monospaced terms"),
    "bold, own line": (glossaries.own_line, "bold terms"),
    "bold, own line, set in by little": (partial(glossaries.own_line, set_in=6), "bold terms"),
    "bold, own line, not set in": (partial(glossaries.own_line, set_in=0), "bold terms"),
    "plain, own line": (partial(glossaries.own_line, font="r"), "terms over their definitions"),
    "plain, own line, no space": (partial(glossaries.own_line, font="r", above=0), "terms over their definitions"),
    "two columns": (glossaries.two_columns, "two columns"),
    "two columns, bold": (partial(glossaries.two_columns, font="b"), "bold terms"),
    "colon": (glossaries.signed, "terms before a colon or dash"),
    "dash": (partial(glossaries.signed, sign=" – "), "terms before a colon or dash"),
    "bulleted": (partial(glossaries.signed, lead="• "), "terms before a colon or dash"),
    "bulleted, no hanging": (partial(glossaries.signed, lead="• ", hang=0), "terms before a colon or dash"),
    "numbered": (partial(glossaries.signed, lead="#"), "terms before a colon or dash"),
    "numbered as in standards": (glossaries.numbered, "bold terms"),
    "capitals": (glossaries.capitals, "terms in capitals"),
    "headings": (glossaries.headings, "terms as headings"),
}


def read(path: Path) -> tuple[BookTables, list[Definition]]:
    def count(texts: object) -> list[int]:
        return [len(text.split()) for text in texts]  # type: ignore[attr-defined]

    held = extract_book(path, book_id="b", limits=PassageLimits(250), count_tokens=count, rules=RULES)
    book = tables_to_book("b", make_table(LINES, held.lines), make_table(PAGES, held.pages))
    return held, parse_glossaries(book, RULES)[0]


@pytest.mark.parametrize("serif", [False, True], ids=["sans", "serif"])
@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_gives_its_entries_and_their_whole_definitions(name: str, serif: bool, tmp_path: Path) -> None:
    shape, called = SHAPES[name]
    _, found = read(write_glossary(tmp_path / "book.pdf", shape(ENTRIES, serif), serif=serif))
    terms = {term.upper() if name == "capitals" else term: text.replace("\n", " ") for term, text in ENTRIES.items()}
    assert [(entry.term, entry.text) for entry in found] == list(terms.items())
    assert {entry.shape for entry in found} == {called}


@pytest.mark.parametrize("title", ["The Earth Glossary", "Key Words", "Definitions", "Terminology", "List of Terms"])
def test_other_titles_of_glossaries(title: str, tmp_path: Path) -> None:
    _, found = read(write_glossary(tmp_path / "book.pdf", glossaries.own_line(ENTRIES, False), title=title))
    assert [entry.term for entry in found] == list(ENTRIES)


@pytest.mark.parametrize("shape", [glossaries.run_in, glossaries.own_line, glossaries.two_columns])
def test_a_glossary_without_a_title_is_known_by_its_shape(shape: Shape, tmp_path: Path) -> None:
    _, found = read(write_glossary(tmp_path / "book.pdf", shape(ENTRIES, False), title=""))
    assert [entry.term for entry in found] == list(ENTRIES)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(prose(8), id="prose"),
        pytest.param(glossaries.run_in(dict(reversed(ENTRIES.items())), False), id="out of order"),
        pytest.param(glossaries.run_in({f"--{term}": text for term, text in ENTRIES.items()}, False), id="options"),
        pytest.param(glossaries.run_in(dict.fromkeys(ENTRIES, "12, 15"), False), id="pages"),
    ],
)
def test_other_text_without_a_title_gives_nothing(rows: list[Row], tmp_path: Path) -> None:
    assert read(write_glossary(tmp_path / "book.pdf", rows, title=""))[1] == []


def statements() -> list[Row]:
    """Definitions of mathematics, numbered."""
    rows = []
    for number, (term, text) in enumerate(ENTRIES.items(), 1):
        first, *others = wrap(f"A {term} is one of these. {text}", RIGHT - LEFT, first=210)
        rows += [Row(((0, f"Definition 3.{number}", "b", 10), (80, first, "r", 10)), 6), *(row(0, s) for s in others)]
    return [*prose(1), *rows]


def questions() -> list[Row]:
    """Numbered questions."""
    return [row(0, line) for n in range(1, 20) for line in wrap(f"{n}. What holds of matter {n}? {PROSE[:90]}", 300)]


def code() -> list[Row]:
    """A listing."""
    return [row(0, f"value_{n} = read(file_{n})", "m") for n in range(30)]


def sections() -> list[Row]:
    """Sections whose titles are set like terms."""
    titles = ("BLACKLETTER", "OLDSTYLE", "TRANSITIONAL", "MODERN", "SQUARE SERIF")
    return [line for title in titles for line in (row(0, f"{title} It is said that", "r", above=6), *prose(4))]


TEXTS = {
    "prose": prose(8),
    "numbered statements": statements(),
    "questions": questions(),
    "code": code(),
    "sections": sections(),
}


@pytest.mark.parametrize("title", ["Glossary", "Definitions", "4 Terminology", "Key Words"])
@pytest.mark.parametrize("name", TEXTS)
def test_other_text_under_such_a_title_gives_nothing(name: str, title: str, tmp_path: Path) -> None:
    held, found = read(write_glossary(tmp_path / "book.pdf", TEXTS[name], title=title))
    assert found == []
    assert "glossary" not in {page["role"] for page in held.pages}


def test_a_glossary_that_is_not_understood_stays_in_the_passages(tmp_path: Path) -> None:
    held, _ = read(write_glossary(tmp_path / "book.pdf", prose(8), title="Glossary"))
    sections = {passage["section"] for passage in held.passages if "In matter 7 of the book" in str(passage["text"])}
    assert "Glossary" in sections
