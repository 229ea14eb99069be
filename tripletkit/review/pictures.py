"""A page of a book as a picture with lines outlined. PDFium draws in a process of its own: a damaged file cannot stop the server."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw

from tripletkit.errors import SourceError
from tripletkit.pdf.reader import open_pdf
from tripletkit.pdf.workers import Bounds, Failure, WorkerFunction, run_bounded

#: Left, top, right and bottom in points from the page's left and top edge.
Box = tuple[float, float, float, float]
#: Pixels of a point, but for a page that would be wider or higher than so many pixels.
SCALE, MOST_PIXELS = 1.6, 2000
BOUNDS = Bounds(seconds=30, memory_mb=1024)
#: Of outlines, and of lines with a mention; both stand out on white for colour-blind people too.
OUTLINE, MARK = "#0b5fa5", (230, 159, 0, 70)


@dataclass(frozen=True)
class PageTask:
    """A page to draw, counted from 1, with the lines to outline and those to colour."""

    path: Path
    page: int
    outlined: tuple[Box, ...] = ()
    marked: tuple[Box, ...] = ()


DRAW: WorkerFunction[PageTask, bytes] = WorkerFunction("tripletkit.review.pictures:draw")


def page_picture(task: PageTask) -> bytes:
    """The picture as PNG. Raises SourceError if the page cannot be drawn."""
    [(_, found)] = run_bounded(DRAW, [task], workers=1, bounds=BOUNDS)
    if isinstance(found, Failure):
        raise SourceError(f"{task.path}, page {task.page}: no picture ({found.why})", "See the page in a PDF viewer.")
    return found


def draw(task: PageTask) -> bytes:
    """The same, in this process."""
    with open_pdf(task.path) as document:
        page = document[task.page - 1]
        scale = min(SCALE, MOST_PIXELS / max(page.get_width(), page.get_height(), 1))
        image = page.render(scale=scale).to_pil().convert("RGB")
    pen = ImageDraw.Draw(image, "RGBA")
    for x0, top, x1, bottom in task.marked:
        pen.rectangle((x0 * scale - 1, top * scale - 1, x1 * scale + 1, bottom * scale + 1), fill=MARK)
    for x0, top, x1, bottom in _joined(task.outlined):
        pen.rectangle((x0 * scale - 3, top * scale - 3, x1 * scale + 3, bottom * scale + 3), outline=OUTLINE, width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _joined(boxes: tuple[Box, ...]) -> list[Box]:
    """One box for lines that follow one another in a column."""
    joined, line = list[Box](), (0.0, 0.0, 0.0, 0.0)
    for box in boxes:
        last, height = joined[-1] if joined else None, max(box[3] - box[1], line[3] - line[1])
        near = last and box[1] >= last[1] and box[1] - last[3] < 1.2 * height
        if last and near and box[0] < last[2] and last[0] < box[2]:
            joined[-1] = (min(last[0], box[0]), last[1], max(last[2], box[2]), max(last[3], box[3]))
        else:
            joined.append(box)
        line = box
    return joined
