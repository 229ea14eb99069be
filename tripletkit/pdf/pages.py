"""A PDF → its pages as lines. A page that PDFium reads badly is read again by pdfplumber."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tripletkit.errors import ConfigError
from tripletkit.language.layout_words import LONGEST_MEAN_WORD
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.reader import (
    Bookmark,
    RawPage,
    Word,
    open_pdf,
    read_metadata,
    read_outline,
    read_page,
    style_of,
    word_text,
)

if TYPE_CHECKING:
    from pdfplumber.page import Page as PlumberPage

BACKENDS = ("pdfium", "pdfplumber")
#: pdfplumber takes a tenth of a second a page: a book that is bad throughout is not read twice.
MOST_READ_AGAIN = 60
#: A page with less text than this says nothing about its fonts.
ENOUGH_CHARACTERS = 80
#: Largest share of characters without a meaning: control, private-use and replacement characters.
MOST_UNREADABLE = 0.12
#: Smallest share of letters and digits. Pages of dense mathematics reach 0.5.
LEAST_ALPHANUMERIC = 0.35

#: Gap between words in font sizes, for pdfplumber. Its default, three points, glues words in most books.
TOLERANCE_RATIO = 0.15

_SIGN, _CID = re.compile(r"[\W_]"), re.compile(r"\(cid:\d+\)")
#: Characters that no font says the meaning of.
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\u0080-\u009f]")


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
    again: bool = False  # its text is pdfplumber's, as PDFium's was no good


@dataclass(frozen=True)
class RawBook:
    """A book as read: its title ("" if it names none), pages and outline."""

    title: str
    pages: list[ReadPage]
    outline: list[Bookmark]

    @cached_property
    def lines(self) -> list[list[Line]]:
        """The lines of each page."""
        return [page.lines for page in self.pages]


def read_book(path: Path, backend: str = "pdfium") -> RawBook:
    """The file's pages with their lines. ``backend`` is pdfium or pdfplumber.

    Raises ConfigError for another backend, SourceError for a file that cannot be read.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend {backend!r} is not known", f"Known: {', '.join(BACKENDS)}.")
    with open_pdf(path) as document:
        numbers = range(1, len(document) + 1)
        words = _words_by_pdfplumber(path, numbers) if backend == "pdfplumber" else {}
        pages = [_with_lines(read_page(document, number), words.get(number)) for number in numbers]
        bad = [page.number for page in pages if page.complaint is not None and backend == "pdfium"][:MOST_READ_AGAIN]
        for number, found in (_words_by_pdfplumber(path, bad) if bad else {}).items():
            again = _with_lines(read_page(document, number), found)
            if found and again.complaint is None:
                pages[number - 1] = replace(again, again=True)
        return RawBook(read_metadata(document, "Title"), pages, read_outline(document))


def _words_by_pdfplumber(path: Path, numbers: Iterable[int]) -> dict[int, list[Word]]:
    """Page number (1-based) → its words in file order; pages that pdfplumber cannot read either are left out."""
    # Importing pdfplumber takes a tenth of a second, and few books need it.
    import pdfplumber
    from pdfminer.pdfexceptions import PDFException
    from pdfplumber.utils.exceptions import PdfminerException

    unread = (PdfminerException, PDFException, ValueError, KeyError, TypeError, IndexError)
    found: dict[int, list[Word]] = {}
    with suppress(*unread), pdfplumber.open(path) as document:
        for number in numbers:
            page = document.pages[number - 1]
            with suppress(*unread):
                found[number] = list(_plumber_words(page))
            page.close()
    return found


def _plumber_words(page: PlumberPage) -> Iterator[Word]:
    left, top = page.bbox[0], page.bbox[1]
    before: Word | None = None
    found = page.extract_words(
        x_tolerance_ratio=TOLERANCE_RATIO, use_text_flow=True, return_chars=True, extra_attrs=["fontname", "size"]
    )
    for held in found:
        text = word_text(_CID.sub("\ufffd", held["text"]))
        if not text:
            continue
        box = held["x0"] - left, held["x1"] - left, held["top"] - top, held["bottom"] - top
        baseline, size = page.height - held["chars"][0]["matrix"][5], round(held["size"], 2)
        word = Word(text, *box, baseline, size, style_of(held["fontname"], 400), space=True)
        if before is not None:  # perhaps only a change of font, not a gap, parts the two
            bigger = max(before.size, size)
            near = -0.1 * size <= word.x0 - before.x1 < TOLERANCE_RATIO * bigger
            word.space = not near or abs(before.baseline - baseline) >= 0.6 * bigger
        yield word
        before = word


def _with_lines(page: RawPage, words: list[Word] | None = None) -> ReadPage:
    """The page's lines, made of ``words`` if they are given, else of its own. Its words are not kept."""
    if words is not None:
        page = replace(page, words=words, lost=0)
    texts = [word.text for word in page.words]
    chars, problem = sum(map(len, texts)), complaint(texts, page.lost)
    return ReadPage(page.number, page.label, page.height, chars, page.images, page_lines(page), problem)


def complaint(words: Sequence[str], lost: int = 0) -> str | None:
    """Why a page's text is no good, None if it is good. ``lost`` counts control characters that are in no word.

    Fonts without a character map give signs that mean nothing.
    """
    text = "".join(words)
    if len(text) + lost < ENOUGH_CHARACTERS:
        return None
    unreadable = (lost + (0 if text.isascii() else len(UNREADABLE.findall(text)))) / (len(text) + lost)
    if unreadable > MOST_UNREADABLE:
        return f"{unreadable:.0%} of its characters have no meaning"
    # The points of a plot are signs by themselves.
    longer = "".join([word for word in words if len(word) > 2])
    alphanumeric = (len(longer) - len(_SIGN.findall(longer))) / max(len(longer), 1)
    leaders = longer.count(".") > 0.4 * len(longer)  # of dots, in contents
    if len(longer) >= ENOUGH_CHARACTERS and alphanumeric < LEAST_ALPHANUMERIC and not leaders:
        return f"only {alphanumeric:.0%} of its characters are letters or digits"
    mean = len(text) / len(words)
    if mean > LONGEST_MEAN_WORD:
        return f"its words have {mean:.0f} characters on average, so they are glued together"
    return None
