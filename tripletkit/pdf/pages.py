"""A PDF → its pages as lines. A page that PDFium reads badly is read again by pdfplumber."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tripletkit.errors import ConfigError
from tripletkit.language.layout_words import LONGEST_MEAN_WORD
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.reader import (
    Bookmark,
    Document,
    RawPage,
    Word,
    open_pdf,
    read_outline,
    read_page,
    read_title,
)

BACKENDS = ("pdfium", "pdfplumber")
#: pdfplumber takes a tenth of a second a page: a book that is bad throughout is not read twice.
MOST_READ_AGAIN = 60
#: A page with less text than this says nothing about its fonts.
ENOUGH_CHARACTERS = 80
#: Largest share of characters without a meaning: control, private-use and replacement characters.
MOST_UNREADABLE = 0.12
#: Smallest share of letters and digits. Pages of dense mathematics reach 0.5.
LEAST_ALPHANUMERIC = 0.35

_SIGN = re.compile(r"[\W_]")
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
        return RawBook(read_title(document), _read_pages(path, document, backend), read_outline(document))


def _read_pages(path: Path, document: Document, backend: str) -> list[ReadPage]:
    numbers = range(1, len(document) + 1)
    if backend == "pdfplumber":
        words = _words_by_pdfplumber(path, numbers)
        return [_with_lines(read_page(document, number), words.get(number)) for number in numbers]
    pages = [_with_lines(read_page(document, number)) for number in numbers]
    bad = [page.number for page in pages if page.complaint is not None][:MOST_READ_AGAIN]
    for number, found in (_words_by_pdfplumber(path, bad) if bad else {}).items():
        again = _with_lines(read_page(document, number), found)
        if found and again.complaint is None:
            pages[number - 1] = replace(again, again=True)
    return pages


def _words_by_pdfplumber(path: Path, numbers: Sequence[int]) -> Mapping[int, list[Word]]:
    # pdfplumber takes a tenth of a second to import, and few books need it.
    from tripletkit.pdf.plumber import read_words

    return read_words(path, numbers)


def _with_lines(page: RawPage, words: list[Word] | None = None) -> ReadPage:
    """The page's lines, made of ``words`` if they are given, else of its own. Its words are not kept."""
    if words is not None:
        page = replace(page, words=words, lost=0)
    texts = [word.text for word in page.words]
    return ReadPage(
        number=page.number,
        label=page.label,
        height=page.height,
        chars=sum(map(len, texts)),
        images=page.images,
        lines=page_lines(page),
        complaint=complaint(texts, page.lost),
    )


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
    if len(longer) >= ENOUGH_CHARACTERS and alphanumeric < LEAST_ALPHANUMERIC and not _dotted(longer):
        return f"only {alphanumeric:.0%} of its characters are letters or digits"
    mean = len(text) / len(words)
    if mean > LONGEST_MEAN_WORD:
        return f"its words have {mean:.0f} characters on average, so they are glued together"
    return None


def _dotted(text: str) -> bool:
    """Contents with leaders of dots."""
    return text.count(".") > 0.4 * len(text)
