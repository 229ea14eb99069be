"""A PDF → its pages as lines. A page that PDFium reads badly is read again by pdfplumber."""

from __future__ import annotations

import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tripletkit.errors import ConfigError, SourceError
from tripletkit.language.layout_words import LONGEST_MEAN_WORD
from tripletkit.pdf.glyphs import style_of
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.margins import with_margins
from tripletkit.pdf.reader import (
    Bookmark,
    RawPage,
    copy_pages,
    count_page_objects,
    open_pdf,
    read_labels,
    read_metadata,
    read_outline,
    read_page,
)
from tripletkit.pdf.words import NO_SIGNS, Signs, Word, is_on_a_page, word_text
from tripletkit.pdf.workers import FAULT, begin_step, describe_fault

if TYPE_CHECKING:
    from pdfplumber.page import Page as PlumberPage
    from pypdfium2 import PdfDocument

T = TypeVar("T")
#: Names of glyphs by font and code.
GlyphNames = Mapping[str, Mapping[int, str]]
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
_LEADER = re.compile(r"[.·…_‥・]{3,}|…+")
#: Letters of scripts that set no space between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese.
WITHOUT_WORD_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
UNSUPPORTED = (
    "not English/Latin script, but one without spaces between words (Chinese, Japanese, Thai …): not supported yet"
)
#: So many nodes lead at most from the root of a file's pages to one of them: a damaged tree can loop.
DEEPEST_TREE = 50
#: Why a page was not read that no sample wanted.
NOT_SAMPLED = "not in the sample"
#: Characters without a Unicode meaning.
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\u0080-\u009f]")


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page as lines in reading order. ``height`` is in points, ``chars`` counts its words' characters.

    A page that could not be read has no lines; ``unread`` says why, and ``fault`` holds the traceback of a fault of ours.
    """

    number: int
    label: str
    height: float
    chars: int
    images: int
    lines: list[Line]
    complaint: str | None  # why its text is no good
    signs: Signs = NO_SIGNS
    again: bool = False  # its text is pdfplumber's, as PDFium's was no good
    unread: str = ""
    fault: str = ""


class Part(NamedTuple):
    """A part of a book other than a page that is left out: what it is (a reason of ``dropped``), which one, and why."""

    reason: str
    item: str
    why: str
    fault: str = ""


@dataclass(frozen=True)
class RawBook:
    """A book as read: its title ("" if it names none), pages, outline, and the parts that were left out."""

    title: str
    pages: list[ReadPage]
    outline: list[Bookmark]
    parts: tuple[Part, ...] = ()

    @cached_property
    def lines(self) -> list[list[Line]]:
        """The lines of each page."""
        return [page.lines for page in self.pages]

    def without(self, unread: Mapping[int, tuple[str, str]]) -> RawBook:
        """The same book, the pages with these indexes marked as unread: why, and the traceback of a fault."""
        pages = [
            _empty(page.number, page.label, *unread[n]) if n in unread else page for n, page in enumerate(self.pages)
        ]
        return replace(self, pages=pages)


def read_book(
    path: Path, backend: str = "pdfium", *, skip: Mapping[str, str] = MappingProxyType({}), sample: int = 0
) -> RawBook:
    """The file's pages with their lines. ``backend`` is pdfium or pdfplumber.

    ``skip``: steps (see `begin_step`) that are left out, and why. ``sample``: so many pages, evenly spread, are read and
    the others are marked as unread; 0: all. A page that cannot be read costs itself alone. Raises ConfigError for another
    backend, SourceError for a file that cannot be opened.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend {backend!r} is not known", f"Known: {', '.join(BACKENDS)}.")
    try:
        with open_pdf(path) as document:
            book = _Reading(path, document, backend, skip, sample).book()
    except SourceError as error:
        if (other := _book_by_pdfplumber(path, error.problem, skip)) is None:
            raise
        return other
    if any(page.chars or page.images for page in book.pages):
        return book
    return _book_by_pdfplumber(path, "PDFium finds no text in it", skip) or book


@dataclass(frozen=True)
class _Reading:
    """One reading of an open file, step by step."""

    path: Path
    document: PdfDocument
    backend: str
    skip: Mapping[str, str]
    sample: int

    def book(self) -> RawBook:
        count = len(self.document)
        numbers = range(1, count + 1)
        wanted = {1 + round(i * (count - 1) / max(self.sample - 1, 1)) for i in range(self.sample)} or set(numbers)
        labels, parts = self._guarded("page labels", self._labels, [""] * count)
        words, more = self._words_of(wanted) if self.backend == "pdfplumber" else ({}, [])
        pages = [
            self._page(number, label, words) if number in wanted else _empty(number, label, NOT_SAMPLED)
            for number, label in zip(numbers, labels, strict=True)
        ]
        if unnamed := [page.number for page in pages if page.signs.unnamed and self.backend == "pdfium"]:
            for number, names in self._names_of(unnamed).items():
                pages[number - 1] = self._page(number, labels[number - 1], words, names)
        parts += _signs_not_read(pages)
        bad = [page.number for page in pages if page.complaint not in (None, UNSUPPORTED) and self.backend == "pdfium"]
        if bad:
            again, more = self._words_of(bad[:MOST_READ_AGAIN])
            for number, found in again.items():
                page = self._page(number, labels[number - 1], {number: found})
                if found and page.complaint is None and not page.unread:
                    pages[number - 1] = replace(page, again=True)
        beyond, uncounted = self._guarded("page count", lambda: self._beyond(count), list[ReadPage]())
        pages += beyond
        outline, lost = self._guarded("outline", self._outline, list[Bookmark]())
        lines = [page.lines for page in pages]
        apart, faults = self._guarded("margins", lambda: (with_margins(lines), list[Part]()), lines)
        pages = [replace(page, lines=held) for page, held in zip(pages, apart, strict=True)]
        return RawBook(
            read_metadata(self.document, "Title"), pages, outline, (*parts, *more, *uncounted, *lost, *faults)
        )

    def _page(
        self, number: int, label: str, words: Mapping[int, list[Word]], names: GlyphNames = MappingProxyType({})
    ) -> ReadPage:
        step = f"page {number}"
        if step in self.skip:
            return _empty(number, label, self.skip[step])
        begin_step(step)
        try:
            return _with_lines(read_page(self.document, number, label, names), words.get(number))
        except SourceError as error:
            return _empty(number, label, error.problem)
        except MemoryError:
            raise
        except Exception as error:  # the other pages can be read
            return _empty(number, label, FAULT.format(describe_fault(error)), traceback.format_exc())

    def _guarded(self, step: str, read: Callable[[], tuple[T, list[Part]]], nothing: T) -> tuple[T, list[Part]]:
        """What is read in a step without which the book can be read too."""
        why, fault = self.skip.get(step, ""), ""
        try:
            if not why:
                begin_step(step)
                return read()
        except Exception as error:
            why, fault = FAULT.format(describe_fault(error)), traceback.format_exc()
        return nothing, [Part(f"{step} not read", step, why, fault)]

    def _labels(self) -> tuple[list[str], list[Part]]:
        labels, bad = read_labels(self.document)
        return labels, [Part("page labels not read", "page labels", f"{bad} of {len(labels)} are damaged")] * bool(bad)

    def _outline(self) -> tuple[list[Bookmark], list[Part]]:
        found, lost = read_outline(self.document)
        return found, [Part("bookmark without a page", title, "it leads to no page") for title in lost]

    def _beyond(self, count: int) -> tuple[list[ReadPage], list[Part]]:
        """The pages behind the first ``count``, if the file has more than it says: PDFium goes by what it says."""
        if "pdfplumber" in self.skip or count_page_objects(self.path) <= count:
            return [], []
        begin_step("pdfplumber")
        with _plumber_pages(self.path) as pages:
            held = list(enumerate(pages[count:], count + 1))
            most = 0 if self.sample else MOST_READ_AGAIN
            read = [_page_by_pdfplumber(number, page, self.skip) for number, page in held[:most]]
        why = f"the file says that it has {count} pages, so PDFium reads no more"
        left = [_empty(number, "", NOT_SAMPLED if self.sample else why) for number, _ in held[most:]]
        part = Part("read by pdfplumber", f"pages {count + 1} to {count + len(read)}", why)
        return read + left, [part] * bool(read)

    def _names_of(self, numbers: Sequence[int]) -> dict[int, GlyphNames]:
        """The names of glyphs on these pages, by font and code, as far as the file names them."""
        begin_step("pdfplumber")
        if "pdfplumber" in self.skip:
            return {}
        from pdfminer.pdfdocument import PDFDocument
        from pdfminer.pdfparser import PDFParser

        found: dict[int, GlyphNames] = {}
        with suppress(Exception):  # of any kind, for a damaged file
            # Of these pages alone: for all objects of a book, pdfminer takes as long as PDFium does for a hundred pages.
            copy = BytesIO(copy_pages(self.document, numbers))
            root = PDFDocument(PDFParser(copy)).catalog["Pages"]
            found = {number: _differences(_page_fonts(root, at)) for at, number in enumerate(numbers)}
        return {number: names for number, names in found.items() if any(names.values())}

    def _words_of(self, numbers: Iterable[int]) -> tuple[dict[int, list[Word]], list[Part]]:
        """The words of these pages by pdfplumber, if it counts the same pages."""
        why = self.skip.get("pdfplumber", "")
        begin_step("pdfplumber")
        with _plumber_pages(self.path, skip=bool(why)) as pages:
            if len(pages) == len(self.document):
                read = ((number, _safe_words(number, pages[number - 1], self.skip)) for number in numbers)
                return {number: words for number, words in read if words is not None}, []
            why = why or f"it finds {len(pages)} pages, PDFium {len(self.document)}"
        return {}, [Part("pdfplumber not used", "pdfplumber", why)]


def _signs_not_read(pages: Sequence[ReadPage]) -> list[Part]:
    """How many signs have no meaning, and on which pages."""
    found = {page.number: page.signs.unread for page in pages if page.signs.unread}
    if not found:
        return []
    first = ", ".join(map(str, list(found)[:12])) + (" …" if len(found) > 12 else "")
    count = sum(found.values())
    return [
        Part("signs not read", f"{count:,} signs", f"no font says what they are; □ stands for them on pages {first}")
    ]


def _page_fonts(root: Any, index: int) -> Any:  # noqa: ANN401 - pdfminer's objects
    """The fonts of a page, counted from 0, in a tree of pages; None if it is not found."""
    from pdfminer.pdftypes import resolve1

    node, resources = resolve1(root), None
    for _ in range(DEEPEST_TREE):
        resources = node.get("Resources", resources)
        if "Kids" not in node:
            return resolve1(resources).get("Font")
        for kid in map(resolve1, resolve1(node["Kids"])):
            count = resolve1(kid.get("Count", 0)) if "Kids" in kid else 1
            if index < count:
                node = kid
                break
            index -= count
        else:
            break
    return None


def _differences(fonts: Any) -> GlyphNames:  # noqa: ANN401 - pdfminer's objects
    """The names that a page's fonts give to codes in the PDF itself (/Differences), by font and code.

    PDFium may leave out the letters before a font's name ("EPQKLX+Palatino"), so each is there by both. Where fonts of one
    name differ in a code, it has no name.
    """
    from pdfminer.pdftypes import resolve_all

    found: dict[str, dict[int, str]] = defaultdict(dict)
    with suppress(Exception):  # of any kind, for a damaged page
        for font in resolve_all(fonts).values():
            encoding, whole = font.get("Encoding"), font["BaseFont"].name
            code = 0
            for item in encoding.get("Differences", ()) if isinstance(encoding, dict) else ():
                code, name = (item, None) if isinstance(item, int) else (code + 1, str(item.name))
                for names in (found[whole], found[whole.rpartition("+")[2]]) if name else ():
                    names[code - 1] = name or "" if names.get(code - 1, name) == name else ""
    return found


def _empty(number: int, label: str, why: str, fault: str = "") -> ReadPage:
    return ReadPage(number, label, 0.0, 0, 0, [], None, unread=why, fault=fault)


@contextmanager
def _plumber_pages(path: Path, *, skip: bool = False) -> Iterator[Sequence[PlumberPage]]:
    """The file's pages by pdfplumber, none if it cannot open it or with ``skip``."""
    # Importing pdfplumber takes a tenth of a second, and few books need it.
    import pdfplumber

    document, pages = None, []
    with suppress(Exception):  # of any kind, for a damaged file
        if not skip:
            document = pdfplumber.open(path)
            pages = document.pages
    try:
        yield pages
    finally:
        with suppress(Exception):  # closing it closes its pages, each of which may be damaged
            if document is not None:
                document.close()


def _safe_words(number: int, page: PlumberPage, skip: Mapping[str, str]) -> list[Word] | None:
    """The page's words in file order, None if pdfplumber cannot read it either."""
    step = f"page {number} by pdfplumber"
    if step in skip:
        return None
    begin_step(step)
    words = None
    with suppress(Exception):  # of any kind, for a damaged page
        words = list(_plumber_words(page))
        page.close()
    return words


def _book_by_pdfplumber(path: Path, why: str, skip: Mapping[str, str]) -> RawBook | None:
    """A book that PDFium cannot open, such as one whose owner's password is empty; None if pdfplumber cannot either."""
    if not path.is_file() or "pdfplumber" in skip:
        return None
    begin_step("pdfplumber")
    with _plumber_pages(path) as pages:
        read = [_page_by_pdfplumber(number, page, skip) for number, page in enumerate(pages, 1)]
    if not any(page.chars for page in read):
        return None
    return RawBook("", read, [], (Part("read by pdfplumber", path.name, why.removeprefix(f"{path}: ")),))


def _page_by_pdfplumber(number: int, page: PlumberPage, skip: Mapping[str, str]) -> ReadPage:
    words = _safe_words(number, page, skip)
    if words is None:
        return _empty(number, "", "pdfplumber cannot read it")
    return _with_lines(RawPage(number, "", float(page.width), float(page.height), [], images=0), words)


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
        baseline, size = page.height - held["chars"][0]["matrix"][5], max(round(held["size"], 2), 0.1)
        word = Word(text, *box, baseline, size, style_of(held["fontname"], 400), space=True)
        if before is not None:  # perhaps only a change of font, not a gap, parts the two
            bigger = max(before.size, size)
            near = -0.1 * size <= word.x0 - before.x1 < TOLERANCE_RATIO * bigger
            word.space = not near or abs(before.baseline - baseline) >= 0.6 * bigger
        yield word
        before = word


def _with_lines(page: RawPage, words: list[Word] | None = None) -> ReadPage:
    """The page's lines, made of ``words`` if they are given, else of its own. Its words are not kept."""
    signs = page.signs if words is None else NO_SIGNS
    page = page if words is None else replace(page, words=list(filter(is_on_a_page, words)))
    texts = [word.text for word in page.words]
    chars, problem = sum(map(len, texts)), complaint(texts, signs.lost)
    return ReadPage(page.number, page.label, page.height, chars, page.images, page_lines(page), problem, signs=signs)


def complaint(words: Sequence[str], lost: int = 0) -> str | None:
    """Why a page's text is unusable, else None. ``lost`` counts control characters outside words, as bad fonts give."""
    text = "".join(words)
    if len(text) + lost < ENOUGH_CHARACTERS:
        return None
    unreadable = (lost + (0 if text.isascii() else len(UNREADABLE.findall(text)))) / (len(text) + lost)
    if unreadable > MOST_UNREADABLE:
        return f"{unreadable:.0%} of its characters have no meaning"
    if not text.isascii() and len(WITHOUT_WORD_SPACES.findall(text)) > 0.5 * len(text):
        return UNSUPPORTED
    # The points of a plot are signs by themselves.
    longer = "".join([word for word in words if len(word) > 2])
    alphanumeric = (len(longer) - len(_SIGN.findall(longer))) / max(len(longer), 1)
    leaders = longer.count(".") > 0.4 * len(longer)  # of dots, in contents
    if len(longer) >= ENOUGH_CHARACTERS and alphanumeric < LEAST_ALPHANUMERIC and not leaders:
        return f"only {alphanumeric:.0%} of its characters are letters or digits"
    if len(text) <= LONGEST_MEAN_WORD * len(words):
        return None
    parts = _LEADER.sub(" ", " ".join(words)).split()  # "Soil........12" is two words and their leader
    mean = sum(map(len, parts)) / max(len(parts), 1)
    if mean > LONGEST_MEAN_WORD:
        return f"its words have {mean:.0f} characters on average, so they are glued together"
    return None
