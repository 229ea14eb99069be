"""A page as a picture with its lines boxed by kind, to see how a book was read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tripletkit.errors import SourceError
from tripletkit.pdf.book_tables import mark_book
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import read_book
from tripletkit.pdf.reader import open_pdf
from tripletkit.rules import Rules

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


def draw_page(path: Path, number: int, *, rules: Rules, scale: float = 2.0) -> Image.Image:
    """Page ``number`` (1-based) with its lines boxed by kind and numbered in reading order, furniture struck out.

    The whole book is read, as furniture and headings are recognised by comparing pages. Raises SourceError for a page
    that is not there.
    """
    book = read_book(path)
    if not 1 <= number <= len(book.pages):
        raise SourceError(
            f"{path}: has no page {number}", f"Its pages are 1 to {len(book.pages)}, as a PDF viewer counts them."
        )
    if unread := book.pages[number - 1].unread:
        raise SourceError(f"{path}: page {number} could not be read: {unread}", "See the page in a PDF viewer.")
    marked = mark_book(book, rules)
    kinds = marked.kinds[number - 1]
    with open_pdf(path) as document:
        page: Image.Image = document[number - 1].render(scale=scale).to_pil().convert("RGB")
    draw_lines(page, book.lines[number - 1], kinds, scale)
    title = f"page {number}, label {marked.labels[number - 1]!r}, role {marked.roles[number - 1]}"
    return _with_legend(page, title, kinds)


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
