"""A PDF's pages → lines, page after page: a page's words are let go as soon as its lines are made of them.

Ranges of one book in several processes were tried and do not pay: reading is half of a book's work, and starting a
process and handing it the lines of half a book take back what that saves. Processes take whole books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.quality import complaint
from tripletkit.pdf.reader import Document, Frame, RawPage, Word, read_page

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
    frames: tuple[Frame, ...]
    strokes: tuple[Frame, ...]
    complaint: str | None  # why its text is no good
    again: bool = False  # its text is the second reader's


def read_pages(path: Path, document: Document, backend: str = "pdfium") -> list[ReadPage]:
    """Every page; ``document`` is the open file ``path``."""
    numbers = range(1, len(document) + 1)
    words = _plumbed(path, numbers) if backend == "pdfplumber" else {}
    pages = [_read(read_page(document, number), words.get(number)) for number in numbers]
    return _mended(path, pages) if backend == "pdfium" else pages


def _mended(path: Path, pages: Sequence[ReadPage]) -> list[ReadPage]:
    """The same pages, those whose text is no good read again by pdfplumber where it reads them better."""
    bad = [page.number for page in pages if page.complaint is not None][:MOST_SECOND_OPINIONS]
    found = _plumbed(path, bad) if bad else {}
    return [_reread(page, found.get(page.number)) for page in pages]


def _plumbed(path: Path, numbers: Sequence[int]) -> Mapping[int, list[Word]]:
    # pdfplumber takes a tenth of a second to import, and few books need it.
    from tripletkit.pdf.plumber import read_words

    return read_words(path, numbers)


def _read(page: RawPage, words: list[Word] | None) -> ReadPage:
    if words is not None:
        page = replace(page, words=words)
    texts = [word.text for word in page.words]
    told, chars = complaint(texts, page.lost), sum(map(len, texts))
    return ReadPage(
        page.number, page.label, page.height, chars, page.images, page_lines(page), page.frames, page.strokes, told
    )


def _reread(page: ReadPage, words: list[Word] | None) -> ReadPage:
    if not words or complaint([word.text for word in words]) is not None:
        return page
    raw = RawPage(
        page.number, page.label, 0.0, page.height, words, page.images, frames=page.frames, strokes=page.strokes
    )
    return replace(_read(raw, None), again=True)
