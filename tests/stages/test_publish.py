from __future__ import annotations

from pathlib import Path

import polars as pl

from tripletkit.stages.publish import book_authors


def write_pdf_by(path: Path, author: str) -> str:
    """A PDF of one empty page; PDFium does without its table of contents."""
    page = (
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    )
    info = f"4 0 obj<</Author({author})>>endobj\ntrailer<</Root 1 0 R/Info 4 0 R>>\n"
    path.write_text(f"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{page}{info}%%EOF\n")
    return str(path)


def test_authors_come_from_the_settings_else_from_the_file(tmp_path: Path) -> None:
    paths = [write_pdf_by(tmp_path / f"{author}.pdf", author) for author in ("Ann", "Bea", "Administrator")]
    books = pl.DataFrame({"book_id": ["a", "b", "c", "d"], "path": [*paths, str(tmp_path / "gone.pdf")]})
    assert book_authors(books, {"Bea.pdf": "Bea Author", "gone.pdf": "Cid"}) == {
        "a": "Ann",
        "b": "Bea Author",
        "d": "Cid",
    }
