"""How a book was read, page by page: as a picture of one page, or as one page of HTML for the whole book."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tripletkit.errors import SourceError
from tripletkit.pdf.inspect import COLOURS, OTHER, PageView, ViewTask, draw_view
from tripletkit.pdf.lines import Line
from tripletkit.pdf.workers import Bounds, Failure, PassageLimits, WorkerFunction, read_books
from tripletkit.reporting.page import render
from tripletkit.rules import Rules
from tripletkit.settings import ExtractSettings
from tripletkit.stages.extract import UNBOUNDED_PASSAGE, problem_of

if TYPE_CHECKING:
    from PIL.Image import Image

VIEW_PAGES: WorkerFunction[ViewTask, list[PageView] | str] = WorkerFunction("tripletkit.pdf.inspect:read_page_views")
#: Pixels a point of a page in HTML, and the format of its picture: small enough for a book of a thousand pages.
SCALE, FORM = 1.5, "WEBP"


class Block(NamedTuple):
    """Lines of one kind that follow one another."""

    kind: str
    lines: list[Line]


def view_pages(
    path: Path, rules: Rules, settings: ExtractSettings, numbers: tuple[int, ...] = (), *, scale: float, form: str
) -> list[PageView]:
    """These pages (all without ``numbers``), read in a process of its own: a page that ends it is left out and named.

    Raises SourceError for a book that cannot be read and for a page that is not there.
    """
    task = ViewTask(
        *(path, path.name, Path(), None, PassageLimits(UNBOUNDED_PASSAGE), rules, settings.backend),
        settings.roles_of(path.name),
        numbers=numbers,
        scale=scale,
        form=form,
    )
    bounds = Bounds(settings.book_seconds, settings.book_memory_mb, settings.page_seconds)
    [(_, found)] = read_books(VIEW_PAGES, [task], workers=1, bounds=bounds)
    if isinstance(found, list):
        return found
    raise SourceError(*(problem_of(path, found) if isinstance(found, Failure) else found.split("\n  ", 1)))


def draw_page(path: Path, number: int, rules: Rules, settings: ExtractSettings, *, scale: float = 2.0) -> Image:
    """Page ``number`` (from 1) as a picture. Raises SourceError for one that is not there, or cannot be read or drawn."""
    [view] = view_pages(path, rules, settings, (number,), scale=scale, form="PNG")
    if view.problem:
        raise SourceError(f"{path}: page {number}: {view.problem}", "See the page in a PDF viewer.")
    return draw_view(view)


def book_page(path: Path, rules: Rules, settings: ExtractSettings) -> str:
    """The page of HTML: every page of the book in a scroll, its lines boxed in the colour of their kind."""
    views = view_pages(path, rules, settings, scale=SCALE, form=FORM)
    written = [view for view in views if view.lines]
    counts = Counter(kind for view in views for kind in view.kinds)
    return render(
        "book.html.jinja",
        title=f"{path.name} as it was read",
        kinds=[(kind, COLOURS.get(kind, OTHER), n) for kind, n in counts.most_common()],
        roles=[(role, next(of).number) for role, of in groupby(written, lambda view: view.role)],
        problems=[view for view in views if view.problem or view.complaint],
        pages=[(view, b64encode(view.picture).decode(), list(_blocks(view))) for view in views],
        form=FORM.lower(),
    )


def _blocks(view: PageView) -> Iterator[Block]:
    pairs = zip(view.kinds, view.lines, strict=True)
    yield from (Block(kind, [line for _, line in of]) for kind, of in groupby(pairs, lambda pair: pair[0]))
