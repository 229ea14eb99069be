"""A PDF's pages → lines, page after page: a page's words are let go as soon as its lines are made of them.

A range of pages needs nothing of the others, so ranges may be read by processes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.quality import complaint
from tripletkit.pdf.reader import RawPage, Word, open_pdf, read_page

#: pdfplumber takes a tenth of a second a page: a book that is bad throughout is not read twice.
MOST_SECOND_OPINIONS = 60


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page as lines in reading order. ``height`` is in points, ``chars`` counts its words' characters."""

    number: int
    label: str
    height: float
    chars: int
    images: int
    lines: list[Line]
    complaint: str | None  # why its text is no good
    again: bool = False  # its text is the second reader's


def count_pages(path: Path) -> int:
    """Pages of the file. Raises SourceError for one that cannot be opened."""
    with open_pdf(path) as document:
        return len(document)


def read_pages(path: Path, first: int, last: int, backend: str = "pdfium") -> list[ReadPage]:
    """Pages ``first`` to ``last`` (1-based, both included)."""
    numbers = range(first, last + 1)
    words = _plumbed(path, numbers) if backend == "pdfplumber" else {}
    with open_pdf(path) as document:
        return [_read(read_page(document, number), words.get(number)) for number in numbers]


def mend_pages(path: Path, pages: Sequence[ReadPage]) -> list[ReadPage]:
    """The same pages, those whose text is no good read again by pdfplumber where it reads them better."""
    bad = [page.number for page in pages if page.complaint is not None][:MOST_SECOND_OPINIONS]
    found = _plumbed(path, bad) if bad else {}
    return [_mended(page, found.get(page.number)) for page in pages]


def _plumbed(path: Path, numbers: Sequence[int]) -> Mapping[int, list[Word]]:
    # pdfplumber takes a tenth of a second to import, and few books need it.
    from tripletkit.pdf.plumber import read_words

    return read_words(path, numbers)


def _read(page: RawPage, words: list[Word] | None) -> ReadPage:
    if words is not None:
        page = replace(page, words=words)
    told, chars = complaint(page.words, page.lost), sum(len(word.text) for word in page.words)
    return ReadPage(page.number, page.label, page.height, chars, page.images, page_lines(page), told)


def _mended(page: ReadPage, words: list[Word] | None) -> ReadPage:
    if not words or complaint(words) is not None:
        return page
    raw = RawPage(page.number, page.label, 0.0, page.height, words, page.images)
    return replace(_read(raw, None), again=True)
