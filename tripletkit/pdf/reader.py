"""PDF pages as words with font and box, read by PDFium. The only module that imports pypdfium2.

PDFium is asked for fonts and boxes once per word, not once per character: most of the cost of reading a PDF from
Python is the number of calls. PDFium is not thread-safe: use processes.
"""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from tripletkit.errors import SourceError

#: PDFium marks a hyphen at a line's end, which it undoes, with one of these.
HYPHEN_MARKS = "\x02\ufffe"
_SPLIT = re.compile(r"[^\s\x00\u200b]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b-\u200f\u2060\u00ad]")
_BOLD = re.compile(r"bold|black|heavy|demi|medi(?!um|eval|a)|(^|[^a-z])(cm|sf|ec|lm)?s?s?bx|-b$|[-_]b[dx]?$", re.I)
_ITALIC = re.compile(r"ital|obli|slant|cmti|cmsl|cmmi|cmbxti|[-_](it|i|bi|ri)$|(sf|ec)ti\d", re.I)
_MONO = re.compile(r"mono|(^|[-_])tt([-_]|$)|courier|typewriter|consol|menlo|code|inconsolata|cmtt|cmsltt|ectt|sftt|lmtt|[a-z]tt\d+$|fixed|beramono|luximono", re.I)


@dataclass(slots=True)
class Word:
    """A run of characters without white space. Boxes are in points, ``top`` measured down from the page's top edge."""

    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    baseline: float  # measured like top
    size: float  # font size in points, as drawn
    style: str  # r, b (bold), i (italic), z (bold italic), m (monospaced)
    space: bool  # white space or a line break stood before it


@dataclass(slots=True)
class RawPage:
    """One page as read: 1-based ``number``, the PDF's own ``label`` ("" if none), size in points, words in file order."""

    number: int
    label: str
    width: float
    height: float
    words: list[Word]
    images: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the PDF's outline. ``page`` is 1-based; ``top`` in points from the page's top, None if unknown."""

    title: str
    level: int
    page: int
    top: float | None


def style_of(font: str, weight: int) -> str:
    """Style letter from a font's name and weight: the flags of TeX fonts lie, so names decide."""
    name = font.split("+", 1)[-1]
    if _MONO.search(name):
        return "m"
    bold = bool(_BOLD.search(name)) or weight >= 600
    italic = bool(_ITALIC.search(name))
    return "z" if bold and italic else "b" if bold else "i" if italic else "r"


@contextmanager
def open_pdf(path: Path) -> Iterator[pdfium.PdfDocument]:
    """The open document. Raises SourceError for a file that is missing, locked, damaged or no PDF."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file", "Check the path; folders and *.pdf patterns work too.")
    with path.open("rb") as file:
        head = file.read(1024)
    if b"%PDF-" not in head:
        what = "is empty (0 bytes)" if not head else "is not a PDF (no %PDF- header)"
        raise SourceError(f"{path}: {what}", "tripletkit reads PDF files with a text layer.")
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceError(f"{path}: encrypted, it needs a password to open",
                              "Save a copy without the password (a PDF viewer's print or export does it), then use that.") from error
        raise SourceError(f"{path}: damaged, PDFium cannot open it ({error})", "Download it again, or repair it with qpdf.") from error
    try:
        yield document
    finally:
        document.close()


def read_page(document: pdfium.PdfDocument, number: int) -> RawPage:
    """Page ``number`` (1-based) with its words."""
    page = document[number - 1]
    width, height = page.get_size()
    left, bottom, _, top = page.get_cropbox()
    textpage = page.get_textpage()
    words = _words(textpage.raw, left, top if top - bottom >= height - 1 else bottom + height)
    images = sum(1 for _ in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=1)) if len(words) < 5 else 0
    label = _label(document, number)
    textpage.close()
    page.close()
    return RawPage(number, label, width, height, words, images)


def read_outline(document: pdfium.PdfDocument, most: int = 20_000) -> list[Bookmark]:
    """The outline in order, at most ``most`` entries (a damaged outline can loop)."""
    found = []
    for entry in document.get_toc(max_depth=8):
        if len(found) >= most:
            break
        dest = entry.get_dest()
        index = dest.get_index() if dest else None
        if index is None:
            continue
        _, view = dest.get_view()
        height = document.get_page_size(index)[1]
        top = height - view[1] if len(view) > 1 and view[1] else None
        title = clean(entry.get_title() or "")
        if title:
            found.append(Bookmark(title, entry.level, index + 1, top))
    return found


def read_title(document: pdfium.PdfDocument) -> str:
    """The title in the PDF's metadata, "" if it has none."""
    return clean(document.get_metadata_value("Title") or "")


def clean(text: str) -> str:
    """NFKC (ligatures become letters), control and zero-width characters gone, white space made one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(_CONTROL.sub("", text).split())


def _label(document: pdfium.PdfDocument, number: int) -> str:
    try:
        return str(document.get_page_label(number - 1) or "").strip()
    except (pdfium.PdfiumError, UnicodeDecodeError):
        return ""


def _words(text: raw.FPDF_TEXTPAGE, left: float, top: float) -> list[Word]:
    count = raw.FPDFText_CountChars(text)
    if count <= 0:
        return []
    codes = [raw.FPDFText_GetUnicode(text, i) for i in range(count)]
    string = "".join(chr(c) if 0 < c < 0x110000 and not 0xD800 <= c < 0xE000 else " " if c == 0 else "\ufffd" for c in codes)
    fonts: dict[int, str] = {}
    words: list[Word] = []
    for match in _SPLIT.finditer(string):
        for start, end in _between_marks(string, match.start(), match.end()):
            word = _word(text, string, start, end, fonts, left, top)
            if word is not None:
                word.space = start == match.start() and start > 0
                words.append(word)
    return words


def _between_marks(string: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a word after each of PDFium's hyphen marks: its second part stands on the next line."""
    for i in range(start, end):
        if string[i] in HYPHEN_MARKS:
            yield start, i + 1
            start = i + 1
    if start < end:
        yield start, end


def _word(text: raw.FPDF_TEXTPAGE, string: str, start: int, end: int, fonts: dict[int, str], left: float, top: float) -> Word | None:
    content = string[start:end]
    for mark in HYPHEN_MARKS:
        content = content.replace(mark, "-")
    content = clean(content)
    if not content:
        return None
    x0, x1, y0, y1 = (ctypes.c_double() for _ in range(4))
    last = end - 1
    ok = raw.FPDFText_GetCharBox(text, start, x0, x1, y0, y1)
    box_left, low, high = x0.value, y0.value, y1.value
    right = x1.value
    if last > start:
        ok = raw.FPDFText_GetCharBox(text, last, x0, x1, y0, y1) or ok
        right = max(right, x1.value)
        low, high = min(low, y0.value), max(high, y1.value)
    if not ok:
        return None
    raw.FPDFText_GetCharOrigin(text, start, x0, y0)
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(text, start, matrix)
    size = raw.FPDFText_GetFontSize(text, start) * math.hypot(matrix.c, matrix.d)
    if size <= 0:
        size = max(high - low, 1.0)
    style = _style(text, start, fonts)
    baseline = top - y0.value
    return Word(content, box_left - left, right - left, top - high, top - low, baseline, round(size, 2), style, True)


def _style(text: raw.FPDF_TEXTPAGE, index: int, fonts: dict[int, str]) -> str:
    obj = raw.FPDFText_GetTextObject(text, index)
    font = raw.FPDFTextObj_GetFont(obj) if obj else None
    if not font:
        return "r"
    key = ctypes.addressof(font.contents)
    if key not in fonts:
        length = raw.FPDFFont_GetBaseFontName(font, None, 0)
        buffer = ctypes.create_string_buffer(max(length, 1))
        raw.FPDFFont_GetBaseFontName(font, buffer, length)
        fonts[key] = style_of(buffer.value.decode("utf-8", "replace"), raw.FPDFText_GetFontWeight(text, index))
    return fonts[key]
