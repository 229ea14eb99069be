"""PDF files read by PDFium: pages as words with font and box, outline, labels, metadata.

PDFium is not thread-safe: use processes.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from tripletkit.errors import SourceError
from tripletkit.pdf.glyphs import Frame, drawn_shapes
from tripletkit.pdf.words import NO_SIGNS, Signs, Word, clean, page_words

if TYPE_CHECKING:
    from PIL import Image

#: A page may be five metres wide; its picture is not.
LONGEST_SIDE_PX = 4000
#: No printed page number has more characters; a damaged one may be a roman number of a million letters.
LONGEST_LABEL = 40
#: Bytes of an object stream that are looked at: a damaged one may unpack to a million times its size.
MOST_UNPACKED = 1 << 24


@dataclass(slots=True)
class RawPage:
    """One page as read: 1-based ``number``, the PDF's ``label`` ("" if none), size in points, words in file order."""

    number: int
    label: str
    width: float
    height: float
    words: list[Word]
    images: int
    signs: Signs = NO_SIGNS
    frames: tuple[Frame, ...] = ()
    strokes: tuple[Frame, ...] = ()  # lines as short and thin as an underscore


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An outline or contents entry: level (0: chapter), title, 1-based ``page``, and ``top`` in points if known."""

    title: str
    level: int
    page: int
    top: float | None


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


_PAGE_OBJECT = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_OR_OBJECTS = re.compile(rb"/Type\s*/(?:(Page)(?![A-Za-z])|ObjStm\b)")
_STREAM = re.compile(rb"\bstream\r?\n")


def count_page_objects(path: Path) -> int:
    """How many page objects a PDF holds, old versions of them too; fewer if it is encrypted.

    A search of its bytes, a few milliseconds a book.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return sum(1 if found[1] else _compressed_pages(data, found.end()) for found in _PAGE_OR_OBJECTS.finditer(data))


def _compressed_pages(data: mmap, start: int) -> int:
    """How many pages the object stream has whose dictionary holds the place ``start``."""
    if (stream := _STREAM.search(data, start, start + 1000)) is None:
        return 0
    try:
        # An end mark in the data is an end too early, and pages that are not counted.
        packed = data[stream.end() : data.find(b"endstream", stream.end())]
        return len(_PAGE_OBJECT.findall(zlib.decompressobj().decompress(packed, MOST_UNPACKED)))
    except zlib.error:
        return 0


def read_page(
    document: pdfium.PdfDocument,
    number: int,
    label: str = "",
    names: Mapping[str, Mapping[int, str]] = MappingProxyType({}),
) -> RawPage:
    """Page ``number`` (1-based) with its words. Raises SourceError for a page that PDFium cannot load.

    ``names``: of glyphs, by font and code, beside those of the fonts' own files.
    """
    try:
        page = document[number - 1]
        textpage = page.get_textpage()
    except pdfium.PdfiumError as error:
        raise SourceError("PDFium cannot load it") from error
    width, height = page.get_size()
    left, bottom, _, top = visible = page.get_cropbox()
    top = top if top - bottom >= height - 1 else bottom + height
    words, signs = page_words(textpage.raw, page.raw, visible, top, names)
    images = sum(1 for _ in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=1)) if len(words) < 5 else 0
    drawn = drawn_shapes(page.raw, left, top, width, height)
    textpage.close()
    page.close()
    return RawPage(number, label, width, height, words, images, signs, *drawn)


def copy_pages(document: pdfium.PdfDocument, numbers: Sequence[int]) -> bytes:
    """A PDF of these pages (1-based) alone. Raises PdfiumError if PDFium cannot copy them."""
    with closing(pdfium.PdfDocument.new()) as pages, BytesIO() as file:
        pages.import_pages(document, [number - 1 for number in numbers])
        pages.save(file)
        return file.getvalue()


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
