"""Pages as pictures with their lines boxed by kind, to see how a book was read. A worker process reads and renders them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from tripletkit.errors import SourceError
from tripletkit.pdf.book_tables import MarkedBook, mark_book
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import RawBook, read_book
from tripletkit.pdf.reader import open_pdf, render_page
from tripletkit.pdf.workers import BookTask, begin_step

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

#: One colour a kind; kinds that are not named here are grey.
COLOURS = {
    "prose": "#2b7a3d",
    "heading": "#c2185b",
    "furniture": "#d32f2f",
    "code": "#6a1b9a",
    "equation": "#00838f",
    "list": "#558b2f",
    "exercise": "#ef6c00",
    "caption": "#1565c0",
    "footnote": "#795548",
    "table": "#5c6bc0",
    "figure": "#9e9d24",
    "summary": "#00695c",
    "glossary": "#ad1457",
    "box": "#4527a0",
}
OTHER = "#757575"
#: Height of the strip above the page that names its role, label and colours, in pixels.
LEGEND_PX = 34


@dataclass(frozen=True, kw_only=True)
class ViewTask(BookTask):
    """A book whose pages are wanted as pictures: ``numbers`` (from 1; none: all), pixels a point, and PIL's name of a format."""

    numbers: tuple[int, ...] = ()
    scale: float
    form: str


@dataclass(frozen=True)
class PageView:
    """A page as it was understood: its lines in reading order, the kind of each, and its picture.

    ``problem`` says why there is no picture, or no line; ``complaint`` why its text is not used.
    """

    number: int
    label: str
    role: str
    lines: Sequence[Line]
    kinds: Sequence[str]
    picture: bytes
    size: tuple[float, float]  # of the picture, in points; 0 without one
    problem: str = ""
    complaint: str = ""


def read_page_views(task: ViewTask) -> list[PageView] | str:
    """The pages that the task wants, or an error message. Worker processes call this.

    The whole book is read, as furniture and headings are recognised by comparing pages.
    """
    try:
        book = read_book(task.file, task.backend, skip=task.skip)
        begin_step("layout", timed=False)
        marked = mark_book(book, task.rules, task.roles)
        if wrong := [number for number in task.numbers if not 1 <= number <= len(book.pages)]:
            hint = f"Its pages are 1 to {len(book.pages)}, as a PDF viewer counts them."
            raise SourceError(f"{task.file}: has no page {wrong[0]}", hint)
        return list(_views(task, book, marked, task.numbers or range(1, len(book.pages) + 1)))
    except SourceError as error:
        return str(error)


def _views(task: ViewTask, book: RawBook, marked: MarkedBook, numbers: Sequence[int]) -> Iterator[PageView]:
    with ExitStack() as stack:
        try:
            document, closed = stack.enter_context(open_pdf(task.file)), ""
        except SourceError as error:  # pdfplumber could read it
            document, closed = None, error.problem.removeprefix(f"{task.file}: ")
        for number in numbers:
            page = book.pages[number - 1]
            picture, size, problem = _picture(task, document, number) if document else (b"", (0.0, 0.0), closed)
            unread = f"it could not be read: {page.unread}" if page.unread else ""
            yield PageView(
                number=number,
                label=marked.labels[number - 1],
                role=marked.roles[number - 1],
                lines=page.lines,
                kinds=marked.kinds[number - 1],
                picture=picture,
                size=size,
                problem=unread or (problem and f"it could not be drawn: {problem}"),
                complaint=page.complaint or "",
            )


def _picture(task: ViewTask, document: PdfDocument, number: int) -> tuple[bytes, tuple[float, float], str]:
    """The picture of a page and its size in points, or why there is none."""
    step = f"picture of page {number}"
    if why := task.skip.get(step) or task.skip.get(f"page {number}"):
        return b"", (0.0, 0.0), why
    begin_step(step)
    try:
        image, size = render_page(document, number, task.scale)
    except SourceError as error:
        return b"", (0.0, 0.0), error.problem
    file = BytesIO()
    image.save(file, task.form, quality=30, method=2)  # of WebP; the letters stay sharp
    return file.getvalue(), size, ""


def draw_view(view: PageView) -> Image.Image:
    """The page's picture with its lines boxed by kind and numbered in reading order, furniture struck out."""
    page = Image.open(BytesIO(view.picture)).convert("RGB")
    draw_lines(page, view.lines, view.kinds, page.width / view.size[0])
    return _with_legend(page, f"page {view.number}, label {view.label!r}, role {view.role}", view.kinds)


def draw_lines(image: Image.Image, lines: Sequence[Line], kinds: Sequence[str], scale: float) -> None:
    """Draw one box a line onto ``image``, whose pixels are points times ``scale``."""
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(7.0, 4 * scale))
    for place, (line, kind) in enumerate(zip(lines, kinds, strict=True), 1):
        colour = COLOURS.get(kind, OTHER)
        right, low = max(line.x1, line.x0 + 1), max(line.bottom, line.top + 1)
        box = line.x0 * scale, line.top * scale, right * scale, low * scale
        draw.rectangle(box, outline=colour, width=1)
        if kind == "furniture":
            middle = (box[1] + box[3]) / 2
            draw.line((box[0], middle, box[2], middle), fill=colour, width=2)
        draw.text((box[0] - 9 * scale, box[1]), str(place), fill=colour, font=font)


def _with_legend(page: Image.Image, title: str, kinds: Sequence[str]) -> Image.Image:
    image = Image.new("RGB", (page.width, page.height + LEGEND_PX), "white")
    image.paste(page, (0, LEGEND_PX))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=12)
    draw.text((6, 2), title, fill="black", font=font)
    x = 6.0
    for kind in dict.fromkeys(kinds):
        draw.text((x, 17), kind, fill=COLOURS.get(kind, OTHER), font=font)
        x += draw.textlength(kind, font=font) + 10
    return image
