"""A whole book as a page of HTML; pages that end PDFium, or that it cannot draw, are named in their place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser_page, grave_faults, open_file
from tests.pdfs import Text, write_pdf
from tripletkit.cli import main
from tripletkit.pdf import inspect
from tripletkit.pdf.reader import open_pdf, render_page
from tripletkit.pdf.workers import WorkerFunction
from tripletkit.reporting import book as book_module

EVIL = "<script>alert(1)</script>"


def crashing_page_views(task: inspect.ViewTask) -> list[inspect.PageView] | str:
    """As read_page_views, where drawing page 2 ends the process."""

    def crash(document: Any, number: int, scale: float) -> object:  # noqa: ANN401
        if number == 2:
            os.abort()
        return render_page(document, number, scale)

    vars(inspect)["render_page"] = crash
    return inspect.read_page_views(task)


def small_book(path: Path) -> Path:
    lines = [
        [Text(60, 80 + 14 * i, f"Line {i} of page {n} goes on {EVIL} with its words") for i in range(12)]
        for n in (1, 2, 3)
    ]
    return write_pdf(path, lines)


def inspected(*arguments: str | Path, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(["inspect", *map(str, arguments)])
    assert (end.value.code or 0) == code


def test_a_book_is_one_page_with_all_its_pages(tmp_path: Path) -> None:
    inspected(small_book(tmp_path / "<b>.pdf"), "--html", "--to", tmp_path / "book.html")
    page = (tmp_path / "book.html").read_text()
    assert "<h1>&lt;b&gt;.pdf as it was read</h1>" in page
    assert page.count("data:image/webp;base64,") == page.count("<article") == 3
    assert page.count("<rect") == 36
    assert '<li class="prose"><i></i>prose (30)</li>' in page
    assert "<script" not in page
    assert "Pages with a problem" not in page


def test_a_page_that_ends_pdfium_is_named_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = WorkerFunction[inspect.ViewTask, list[inspect.PageView] | str](f"{__name__}:crashing_page_views")
    monkeypatch.setattr(book_module, "VIEW_PAGES", function)
    file = small_book(tmp_path / "book.pdf")
    inspected(file, "--html", "--to", tmp_path / "book.html")
    page = (tmp_path / "book.html").read_text()
    assert page.count("data:image/webp;base64,") == 2
    told = "it could not be drawn: reading it ended its process (SIGABRT)"
    assert page.count(told) == 2  # at the top, and in its place
    inspected(file, "--page", "3", "--to", tmp_path / "3.png")
    assert (tmp_path / "3.png").is_file()


def test_the_picture_of_a_page_that_ends_pdfium_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    function = WorkerFunction[inspect.ViewTask, list[inspect.PageView] | str](f"{__name__}:crashing_page_views")
    monkeypatch.setattr(book_module, "VIEW_PAGES", function)
    inspected(small_book(tmp_path / "book.pdf"), "--page", "2", code=1)
    assert "book.pdf: page 2: it could not be drawn: reading it ended its process" in capsys.readouterr().err


def test_options_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = small_book(tmp_path / "book.pdf")
    inspected(file, code=1)
    assert "neither --page nor --html" in capsys.readouterr().err
    inspected(file, "--page", "1", "--html", code=1)
    assert "--page 1 and --html" in capsys.readouterr().err
    inspected(file, "--page", "9", code=1)
    assert "has no page 9" in capsys.readouterr().err
    (tmp_path / "no.pdf").write_bytes(b"no book")
    inspected(tmp_path / "no.pdf", "--html", code=1)
    assert "no.pdf" in capsys.readouterr().err


def test_a_page_of_miles_is_drawn_small(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "wide.pdf", [[Text(60, 80, "far away")]], width=14_400, height=14_400)
    with open_pdf(file) as document:
        image, size = render_page(document, 1, 2.0)
    assert size == (14_400, 14_400)
    assert max(image.size) <= 4000


@pytest.mark.slow
def test_in_a_browser(tmp_path: Path) -> None:
    inspected(small_book(tmp_path / "book.pdf"), "--html", "--to", tmp_path / "book.html")
    with browser_page(bypass_csp=True) as page:
        assert open_file(page, tmp_path / "book.html") == []
        assert page.locator("img").count() == 3
        assert page.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 630
        assert grave_faults(page) == []
