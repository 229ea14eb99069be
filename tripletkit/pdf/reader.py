"""PDF pages as words with font and box, read by PDFium.

PDFium is asked for fonts and boxes once per word, not once per character: most of the cost of reading a PDF from
Python is the number of calls. PDFium is not thread-safe: use processes.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
import unicodedata
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from tripletkit.errors import SourceError

if TYPE_CHECKING:
    from PIL import Image

#: PDFium marks a hyphen at a line's end, which it undoes, with one of these.
HYPHEN_MARKS = "\x02\ufffe"
#: A frame is so much of the page wide, so high in points, and drawn in so few strokes (four sides and round corners).
FRAME_WIDTH, FRAME_PT, FRAME_SEGMENTS = 0.4, 20.0, 20
#: TeX draws underscores, in points at most so long.
STROKE_PT = 10.0
#: A page may be five metres wide; its picture is not.
LONGEST_SIDE_PX = 4000
#: No printed page number has more characters; a damaged one may be a roman number of a million letters.
LONGEST_LABEL = 40
#: A word ends behind each of PDFium's hyphen marks: what follows stands on the next line.
_WORD = re.compile(rf"[^\s\x00\u200b{HYPHEN_MARKS}]+[{HYPHEN_MARKS}]?|[{HYPHEN_MARKS}]")
#: Start, end, whether white space or a page's start stood before it, and whether it is a note's mark.
_Part = tuple[int, int, bool, bool]
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b-\u200f\u2060\u00ad]")
_UTF_32 = f"utf-32-{sys.byteorder[:1]}e"
#: Stands where a character takes two of PDFium's places; `clean` takes it out.
_NOTHING = "\u2060"
_MEANINGLESS = re.compile(r"[\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: PDFium gives a character beyond U+FFFF in two halves, or one half alone where a font is at fault.
_HALVES, _HALF = re.compile("[\ud800-\udbff][\udc00-\udfff]"), re.compile("[\ud800-\udfff]")
_NOTE_SIGNS = "0123456789*∗†‡§"
_NOTE_AFTER = re.compile(r"(?:(?<=[^\W\d_]{3})|(?<=[.,;:!?)\]”’'\"]))(?:\d{1,3}|[*∗†‡§]{1,2})$")
_NOTE_BEFORE = re.compile(r"(?:\d{1,3}|[*∗†‡§]{1,2})(?=[^\W\d_]|[“\"‘'(])")
_BOLD = re.compile(r"bold|black|heavy|demi|medi(?!um|eval|a)|(^|[^a-z])(cm|sf|ec|lm)?s?s?bx|-b$|[-_]b[dx]?$", re.I)
_ITALIC = re.compile(r"ital|obli|slant|cmti|cmsl|cmmi|cmbxti|[-_](it|i|bi|ri)$|(sf|ec)ti\d", re.I)
_MONO = re.compile(
    r"mono|(^|[-_])tt([-_]|$)|courier|typewriter|consol|menlo|code|inconsolata|(cm|cmsl|ec|sf|lm)tt|[a-z]tt\d+$|fixed",
    re.I,
)


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
    note: bool = False  # the raised mark of a footnote, not part of the word before it


class Frame(NamedTuple):
    """A drawn or filled rectangle, in points from the page's top left corner."""

    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(slots=True)
class RawPage:
    """One page as read: 1-based ``number``, the PDF's ``label`` ("" if none), size in points, words in file order."""

    number: int
    label: str
    width: float
    height: float
    words: list[Word]
    images: int
    lost: int = 0  # characters without a meaning that are in no word
    frames: tuple[Frame, ...] = ()
    strokes: tuple[Frame, ...] = ()  # lines as short and thin as an underscore


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An outline or contents entry: level (0: chapter), title, 1-based ``page``, and ``top`` in points if known."""

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
        raise _closed(path, error.err_code) from error
    with closing(document):
        yield document


def _closed(path: Path, code: int | None) -> SourceError:
    """Why PDFium cannot open a file, by its error code, and what to do."""
    handler = security_handler(path.read_bytes())
    # Where a file opens and has no page, the code is that of an earlier file.
    if handler is None or code not in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        what = "the system cannot read it" if code == raw.FPDF_ERR_FILE else "damaged, PDFium finds no page in it"
        return SourceError(f"{path}: {what}", "Download it again, or repair it with qpdf.")
    what = f"encrypted by a method that PDFium does not know (security handler {handler or 'without a name'})"
    if handler.startswith(("Adobe.PubSec", "Adobe.PPK")):
        what = f"encrypted for the holders of certain certificates (security handler {handler})"
    elif code == raw.FPDF_ERR_PASSWORD:
        what = "encrypted, it needs a password to open"
    cure = "Save a copy without protection (a PDF viewer's print or export does it), then use that."
    return SourceError(f"{path}: {what}", cure)


def security_handler(data: bytes) -> str | None:
    """The name of what encrypted a PDF, such as "Standard" or "Adobe.PubSec", "" without a name; None: not encrypted."""
    place = re.search(rb"/Encrypt\s*(?:(\d+)\s+\d+\s+R|<<)", data)
    if place is None:
        return None
    start = re.search(rb"(?<!\d)%s\s+\d+\s+obj" % place[1], data) if place[1] else place
    name = re.compile(rb"/Filter\s*/([^\s/<>\[\]()]+)").search(data, start.end()) if start else None
    return name[1].decode("latin-1") if name else ""


def read_page(document: pdfium.PdfDocument, number: int, label: str = "") -> RawPage:
    """Page ``number`` (1-based) with its words. Raises SourceError for a page that PDFium cannot load."""
    try:
        page = document[number - 1]
        textpage = page.get_textpage()
    except pdfium.PdfiumError as error:
        raise SourceError("PDFium cannot load it") from error
    width, height = page.get_size()
    left, bottom, _, top = page.get_cropbox()
    top = top if top - bottom >= height - 1 else bottom + height
    words, lost = _words(textpage.raw, left, top)
    images = sum(1 for _ in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=1)) if len(words) < 5 else 0
    drawn = _drawn(page.raw, left, top, width, height)
    textpage.close()
    page.close()
    return RawPage(number, label, width, height, words, images, lost, *drawn)


def render_page(document: pdfium.PdfDocument, number: int, scale: float) -> tuple[Image.Image, tuple[float, float]]:
    """Page ``number`` (1-based) as an RGB picture, and its size in points. Raises SourceError if PDFium cannot draw it.

    A picture has ``scale`` pixels a point, or fewer, so that none of its sides has more than LONGEST_SIDE_PX.
    """
    try:
        page = document[number - 1]
        size: tuple[float, float] = page.get_size()
        image: Image.Image = page.render(scale=min(scale, LONGEST_SIDE_PX / max(*size, 1))).to_pil().convert("RGB")
        page.close()
    except (pdfium.PdfiumError, ValueError) as error:
        raise SourceError(f"PDFium cannot draw it ({error})") from error
    return image, size


def read_labels(document: pdfium.PdfDocument) -> tuple[list[str], int]:
    """The PDF's label of each page, "" if it has none, and how many labels cannot be read."""
    labels = [_label(document, index) for index in range(len(document))]
    return ["" if label is None else label for label in labels], labels.count(None)


def _label(document: pdfium.PdfDocument, index: int) -> str | None:
    try:
        label = str(document.get_page_label(index) or "").strip()
    except (pdfium.PdfiumError, UnicodeDecodeError):
        return None
    return label if len(label) <= LONGEST_LABEL else None


def read_outline(document: pdfium.PdfDocument, most: int = 20_000) -> tuple[list[Bookmark], list[str]]:
    """The outline in order, at most ``most`` entries (a damaged outline can loop), and the titles that lead to no page."""
    found: list[Bookmark] = []
    lost: list[str] = []
    for entry in islice(document.get_toc(max_depth=8), most):
        title = _title(entry)
        dest = entry.get_dest() if title else None
        index = dest.get_index() if dest else None
        if title and index is not None and 0 <= index < len(document):
            found.append(Bookmark(title, entry.level, index + 1, _place(document, dest, index)))
        elif title:
            lost.append(title)
    return found, lost


def _title(entry: pdfium.PdfBookmark) -> str:
    try:
        return clean(entry.get_title() or "")
    except UnicodeDecodeError:
        return ""


def _place(document: pdfium.PdfDocument, dest: pdfium.PdfDest, index: int) -> float | None:
    """How far below its page's top edge a destination is, in points; None if it does not say."""
    try:
        _, view = dest.get_view()
        known = len(view) > 1 and view[1] and math.isfinite(view[1])
        return document.get_page_size(index)[1] - view[1] if known else None
    except pdfium.PdfiumError:  # a page that cannot be loaded
        return None


def read_metadata(document: pdfium.PdfDocument, key: str) -> str:
    """What the PDF's metadata say under ``key``, such as "Title" or "Author"; "" if they say nothing that can be read."""
    try:
        return clean(document.get_metadata_value(key) or "")
    except UnicodeDecodeError:
        return ""


def clean(text: str) -> str:
    """NFKC (ligatures become letters), control and zero-width characters gone, white space made one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(_CONTROL.sub("", text).split())


def word_text(text: str) -> str:
    """A word as read, cleaned; PDFium's hyphen marks and a soft hyphen at its end, where a line ends, are hyphens."""
    if text.isascii() and text.isprintable():
        return text
    for mark in HYPHEN_MARKS:
        text = text.replace(mark, "-")
    return clean(text[:-1] + "-" if text.endswith("\u00ad") else text)


def _drawn(
    page: raw.FPDF_PAGE, left: float, top: float, width: float, height: float
) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Frames around text, at least two lines high and FRAME_WIDTH of the page wide, and strokes used as underscores."""
    sides = (ctypes.c_float * 4)()
    first = ctypes.addressof(sides)
    frames, strokes = [], []
    objects = map(_get_page_object, repeat(_pointer(_address(page))), range(raw.FPDFPage_CountObjects(page)))
    for obj in objects:
        if _get_type(obj) != raw.FPDF_PAGEOBJ_PATH or not _get_bounds(obj, first, first + 4, first + 8, first + 12):
            continue
        x0, low, x1, high = sides
        found = Frame(x0 - left, top - high, x1 - left, top - low)
        if x1 - x0 >= FRAME_WIDTH * width and FRAME_PT <= high - low <= 0.95 * height:
            if _count_segments(obj) <= FRAME_SEGMENTS:
                frames.append(found)
        elif 1 < x1 - x0 < STROKE_PT and high - low < 1.5:
            strokes.append(found)
    return tuple(frames), tuple(strokes)


def _address(pointer: Any) -> int:  # noqa: ANN401
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _quick(function: Any, result: type, *arguments: type) -> Callable[..., Any]:  # noqa: ANN401 - of pypdfium2, untyped
    """The same function of PDFium, called without giving up Python's lock: half the time, or a quarter without ``arguments``.

    Then ctypes takes what it is given as it is: ints, and pointers by `_pointer`. Else plain numbers are pointers.
    """
    return ctypes.PYFUNCTYPE(result, *arguments)(_address(function))


_pointer: Callable[[int], Any] = ctypes.c_void_p.from_param
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_get_box = _quick(raw.FPDFText_GetCharBox, _INT)
_get_object = _quick(raw.FPDFText_GetTextObject, _POINTER)
_get_origin = _quick(raw.FPDFText_GetCharOrigin, _INT)
_get_matrix = _quick(raw.FPDFText_GetMatrix, _INT)
_get_size = _quick(raw.FPDFText_GetFontSize, ctypes.c_double)
_get_weight = _quick(raw.FPDFText_GetFontWeight, _INT)
_get_unicode = _quick(raw.FPDFText_GetUnicode, ctypes.c_uint)
_get_page_object = _quick(raw.FPDFPage_GetObject, _POINTER)
_get_font = _quick(raw.FPDFTextObj_GetFont, _POINTER, _POINTER)
_get_type = _quick(raw.FPDFPageObj_GetType, _INT, _POINTER)
_get_bounds = _quick(raw.FPDFPageObj_GetBounds, _INT, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER)
_count_segments = _quick(raw.FPDFPath_CountSegments, _INT, _POINTER)


#: Boxes are asked for so many at a time, so few that the pointers stay in the processor's first cache. Where PDFium
#: writes them is made once; arrays of ctypes would take twice as long to read.
_BATCH = 128
_SIDES = [array("d", bytes(8 * _BATCH)) for _ in range(4)]
_SIDE_POINTERS = [[_pointer(side.buffer_info()[0] + 8 * i) for i in range(_BATCH)] for side in _SIDES]


def _boxes(text: Any, indexes: Sequence[int]) -> list[array[float]]:  # noqa: ANN401 - a pointer
    """Left, right, bottom and top of these characters, in the PDF's own coordinates."""
    found = [array("d") for _ in range(4)]
    for first in range(0, len(indexes), _BATCH):
        part = indexes[first : first + _BATCH]
        # No loop of Python's: a book has a million of these calls.
        deque(map(_get_box, repeat(text), part, *_SIDE_POINTERS), maxlen=0)
        for held, side in zip(found, _SIDES, strict=True):
            held += side[: len(part)]
    return found


#: What the characters of one text object share: baseline (in the PDF's own coordinates, upwards), size and style.
_Run = tuple[float, float, str]


class _Glyphs:
    """Fonts, sizes and baselines of one page's characters, asked once per text object, in which they are the same."""

    def __init__(self, text: raw.FPDF_TEXTPAGE) -> None:
        self.text = _pointer(_address(text))
        self._styles: dict[int, str] = {}
        self._runs: dict[int, _Run] = {}
        self._origin, self._matrix = (ctypes.c_double * 2)(), raw.FS_MATRIX()
        first = ctypes.addressof(self._origin)
        self._places = _pointer(first), _pointer(first + 8), _pointer(ctypes.addressof(self._matrix))

    def runs(self, indexes: Sequence[int]) -> list[_Run]:
        known = self._runs
        objects = map(_get_object, repeat(self.text), indexes)
        return [known.get(obj) or self._ask(index, obj) for index, obj in zip(indexes, objects, strict=True)]

    def _ask(self, index: int, obj: int | None) -> _Run:
        text, (x, y, place), matrix = self.text, self._places, self._matrix
        _get_matrix(text, index, place)
        size = round(_get_size(text, index) * math.hypot(matrix.c, matrix.d), 2)
        style = self._style(index, obj)
        if obj and abs(matrix.b) < 1e-3:
            run = self._runs[obj] = matrix.f, size, style
            return run
        # The baseline of turned text runs on.
        _get_origin(text, index, x, y)
        return self._origin[1], size, style

    def _style(self, index: int, obj: int | None) -> str:
        font = _get_font(obj) if obj else None
        if not font:
            return "r"
        if font not in self._styles:
            held = ctypes.cast(font, raw.FPDF_FONT)
            length = raw.FPDFFont_GetBaseFontName(held, None, 0)
            name = ctypes.create_string_buffer(max(length, 1))
            raw.FPDFFont_GetBaseFontName(held, name, length)
            self._styles[font] = style_of(name.value.decode("utf-8", "replace"), _get_weight(self.text, index))
        return self._styles[font]


def _page_string(text: raw.FPDF_TEXTPAGE, count: int) -> str:
    """The page's characters, one per index that PDFium counts."""
    buffer = (ctypes.c_ushort * (count + 1))()
    written = raw.FPDFText_GetText(text, 0, count, buffer)
    string = bytes(buffer)[: 2 * (written - 1)].decode("utf-16-le", "replace")
    if len(string) == count and "\x00" not in string:
        return string
    # PDFium leaves characters without a code out: ask for each, so that indexes stay true.
    return _characters(list(map(_get_unicode, repeat(_pointer(_address(text))), range(count))))


def _characters(codes: Sequence[int]) -> str:
    """One character per code. Of the two halves of a character beyond U+FFFF, the first stands for both."""
    try:
        return array("I", codes).tobytes().decode(_UTF_32).replace("\x00", " ")
    except UnicodeDecodeError:
        text = "".join(chr(code or 0x20) if code < 0x110000 else "\ufffd" for code in codes)
        whole = _HALVES.sub(lambda m: m[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le") + _NOTHING, text)
        return _HALF.sub("\ufffd", whole)


def _words(text: raw.FPDF_TEXTPAGE, left: float, top: float) -> tuple[list[Word], int]:
    """Words in file order, and how many characters without a meaning were left out."""
    count = raw.FPDFText_CountChars(text)
    if count <= 0:
        return [], 0
    string = _page_string(text, count)
    glyphs = _Glyphs(text)
    parts = _parts(string, glyphs)
    starts = [part[0] for part in parts]
    firsts = _boxes(glyphs.text, starts)
    lasts = _boxes(glyphs.text, [part[1] - 1 for part in parts])
    words = []
    for (start, end, space, note), (baseline, size, style), x0, x1, low, high, _, right, bottom, above in zip(
        parts, glyphs.runs(starts), *firsts, *lasts, strict=True
    ):
        content = string[start:end]
        if not (content.isascii() and content.isprintable()):
            content = word_text(content)
            if not content:
                continue
        # A word's box is that of its first and its last character. Comparisons, not min and max: words are many.
        x1 = right if right > x1 else x1
        low = bottom if bottom < low else low
        high = above if above > high else high
        box = x0 - left, x1 - left, top - high, top - low
        size = size if size > 0 else max(high - low, 1.0)
        words.append(Word(content, *box, top - baseline, size, style, space, note))
    return words, len(_MEANINGLESS.findall(string))


def _parts(string: str, glyphs: _Glyphs) -> list[_Part]:
    """The words of a page's characters, marks of notes apart."""
    parts: list[_Part] = []
    for match in _WORD.finditer(string):
        start, end = match.span()
        space = start > 0 and string[start - 1] not in HYPHEN_MARKS
        if string[start] in _NOTE_SIGNS or string[end - 1] in _NOTE_SIGNS:
            parts += ((a, b, space and a == start, note) for a, b, note in _note_parts(string, start, end, glyphs))
        else:
            parts.append((start, end, space, False))
    return parts


def _note_parts(string: str, start: int, end: int, glyphs: _Glyphs) -> tuple[tuple[int, int, bool], ...]:
    """(start, end, is a note's mark) of a word's parts, as in ``environments).9`` and ``9Some``; an exponent stays."""
    match = _NOTE_AFTER.search(string, start, end) if string[end - 1] in _NOTE_SIGNS else None
    if match is not None and match.start() > start and _is_raised(match.start(), start, glyphs):
        return (start, match.start(), False), (match.start(), end, True)
    match = _NOTE_BEFORE.match(string, start, end) if string[start] in _NOTE_SIGNS else None
    if match is not None and match.end() < end and _is_raised(start, match.end(), glyphs):
        return (start, match.end(), True), (match.end(), end, False)
    return ((start, end, False),)


def _is_raised(index: int, beside: int, glyphs: _Glyphs) -> bool:
    (mark, small, _), (text, size, _) = glyphs.runs((index, beside))
    return small < 0.85 * size and mark > text + 0.1 * size
