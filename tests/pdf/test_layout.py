from pathlib import Path

from tests.book import write_book
from tests.pdf.make import block
from tripletkit.pdf.layout import mark_book
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import RawBook, ReadPage, read_book
from tripletkit.rules import load_rules

RULES = load_rules()


def read_page(number: int, lines: list[Line], *, images: int = 0, complaint: str | None = None) -> ReadPage:
    chars = sum(len(line.text) for line in lines)
    return ReadPage(number, "", 600.0, chars, images, lines, complaint)


def prose(number: int) -> list[Line]:
    return block([f"Line {i} of page {number} goes on and on with its words" for i in range(12)], page=number)


def test_pages_without_lines_are_blank_or_images() -> None:
    pages = [read_page(1, prose(1)), read_page(2, []), read_page(3, [], images=1), read_page(4, prose(4))]
    marked = mark_book(RawBook("", pages, []), RULES)
    assert marked.roles == ["body", "blank", "image_only", "body"]
    assert [len(kinds) for kinds in marked.kinds] == [12, 0, 0, 12]


def test_an_unreadable_page_makes_no_paragraph() -> None:
    pages = [read_page(1, prose(1)), read_page(2, prose(2), complaint="its words are glued together")]
    marked = mark_book(RawBook("", pages, []), RULES)
    assert {number for paragraph in marked.paragraphs for _, number in paragraph.starts} == {1}


def test_a_chapter_whose_number_is_its_pages_ends_the_contents(tmp_path: Path) -> None:
    """The first chapter's title, "1 Soil" on page 1, looks like furniture."""
    roles = mark_book(read_book(write_book(tmp_path / "earth.pdf")), RULES).roles
    assert roles == ["front", "toc", *["body"] * 18, "index"]
