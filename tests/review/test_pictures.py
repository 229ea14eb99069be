"""A page as a picture: lines of a passage are outlined together, a page that cannot be drawn is an error and not a crash."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.pdfs import Text, write_pdf
from tripletkit.errors import SourceError
from tripletkit.review.pictures import MOST_PIXELS, PageTask, _joined, draw, page_picture


def test_lines_of_a_paragraph_have_one_outline() -> None:
    """Also a line without tall letters; not the next paragraph, nor the other column."""
    lines = [(68.0, 191.0, 335.0, 201.0), (81.0, 205.0, 376.0, 215.0), (81.0, 221.6, 125.0, 226.4)]
    assert _joined(tuple(lines)) == [(68.0, 191.0, 376.0, 226.4)]
    assert len(_joined((*lines, (68.0, 262.0, 228.0, 271.0)))) == 2
    assert len(_joined((lines[0], (400.0, 195.0, 600.0, 205.0)))) == 2
    assert len(_joined((lines[1], lines[0]))) == 2  # the top of another column
    assert _joined(()) == []


def test_a_page_is_drawn_with_what_is_outlined_and_coloured(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[Text(60, 80, "One.")], [Text(60, 80, "Two.")]])
    plain, marked = draw(PageTask(path, 2)), draw(PageTask(path, 2, ((60, 300, 200, 312),), ((60, 400, 200, 412),)))
    pictures = [Image.open(io.BytesIO(data)) for data in (plain, marked)]
    assert pictures[0].size == pictures[1].size
    scale = pictures[0].height / 600
    for y, differs in ((306, False), (406, True), (300, False)):
        at = round(130 * scale), round(y * scale)
        assert (pictures[0].getpixel(at) != pictures[1].getpixel(at)) == differs, y
    edge = round(130 * scale), round(300 * scale) - 3
    assert pictures[1].getpixel(edge) != pictures[0].getpixel(edge)
    assert page_picture(PageTask(path, 2)) == plain  # in another process
    assert max(pictures[0].size) <= MOST_PIXELS


@pytest.mark.parametrize("page", [3, 0])
def test_a_page_that_is_not_there_is_an_error(tmp_path: Path, page: int) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[Text(60, 80, "One.")]])
    with pytest.raises(SourceError, match=f"a.pdf, page {page}: no picture"):
        page_picture(PageTask(path, page))
    broken = tmp_path / "b.pdf"
    broken.write_bytes(b"%PDF-1.4 and nothing more")
    with pytest.raises(SourceError, match="page 1: no picture"):
        page_picture(PageTask(broken, 1))
