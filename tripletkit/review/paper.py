"""A book's pages in the review: which hold a passage or a term's index entry, and their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tripletkit.addresses import as_place
from tripletkit.errors import SourceError
from tripletkit.ids import file_sha256, stable_id
from tripletkit.review.folder import OutputFolder, Row
from tripletkit.review.pictures import Box, PageTask, page_picture

Values = dict[str, Any]
#: Points by which a line's box may differ between the tables.
_SAME = 0.5


def page_list(folder: OutputFolder, passage: Row) -> list[Values]:
    """The passage's pages: number, label, and why there is no picture, if so."""
    missing = no_file(folder, passage["book_id"]) if passage["boxes"] else "Your own passages have no page."
    pages = sorted({box["page"] for box in passage["boxes"]}) or [passage["page_first"]]
    return [{"page": page, "label": folder.label(passage["book_id"], page), "missing": missing} for page in pages]


def no_file(folder: OutputFolder, book_id: str) -> str:
    """Why no page of the book can be shown; "" where its PDF still lies where it was read."""
    if book_id not in folder.books:
        return "No picture: the book is no longer in the table of books."
    path = as_place(folder.books[book_id]["path"])
    if not isinstance(path, Path):
        return f"No picture: {path} is an address. Pictures need the book on this machine."
    if not path.is_file():
        return f"No picture: {path} is not there any more."
    stat = path.stat()
    same = folder.remember((str(path), stat.st_mtime_ns, stat.st_size), [], lambda: _is_book(path, book_id))
    return "" if same else f"No picture: {path} is not the file that was read."


def _is_book(path: Path, book_id: str) -> bool:
    return book_id == stable_id("book", file_sha256(path))


def index_entry(folder: OutputFolder, term_id: str) -> Values:
    """The pages of the book's index or glossary on which the term has an entry."""
    if term_id not in folder.terms or not (book_id := folder.terms[term_id]["book_id"]):
        return {"entry": [], "missing": "This term is in no index."}
    lines = entry_lines(folder, folder.terms[term_id])
    pages = [
        {"page": page, "label": folder.label(book_id, page)} for page in dict.fromkeys(row["page"] for row in lines)
    ]
    missing = no_file(folder, book_id) if pages else "No page of an index or a glossary has it."
    return {"entry": pages, "missing": missing, "term": folder.terms[term_id]}


def entry_lines(folder: OutputFolder, term: Row) -> list[Row]:
    """Lines of index and glossary pages that begin with a form of the term; else those that hold one."""
    roles = (
        folder.scan("pages")
        .filter(pl.col("role").is_in(["index", "glossary"]), book_id=term["book_id"])
        .select("book_id", "page")
    )
    lines = (
        folder.scan("lines")
        .filter(book_id=term["book_id"])
        .join(roles, on=["book_id", "page"], how="semi")
        .sort("page", "line")
    )
    rows = lines.select("page", "text", "x0", "top", "x1", "bottom").collect().to_dicts()
    forms = [form.casefold() for form in (term["term"], *term["forms"])]
    starts = [row for row in rows if row["text"].casefold().startswith(tuple(forms))]
    words = sorted(forms, key=len)[-1].split()[-1]
    return starts[:8] or [row for row in rows if words in row["text"].casefold()][:8]


def picture(folder: OutputFolder, page: int, passage_id: str, term_id: str) -> bytes:
    """A page as PNG: with a passage outlined and the lines that mention its terms coloured, or with a term's index entry."""
    if term_id in folder.terms:
        book_id = str(folder.terms[term_id]["book_id"])
        outlined, marked = [], [_box(row) for row in entry_lines(folder, folder.terms[term_id]) if row["page"] == page]
    else:
        passage = folder.passage(passage_id)
        book_id, outlined = passage["book_id"], [_box(box) for box in passage["boxes"] if box["page"] == page]
        marked = _lines_with_mentions(folder, passage, page, outlined)
    if missing := no_file(folder, book_id):
        raise SourceError(missing, "Put the PDF back to where it was read from.")
    task = PageTask(Path(folder.books[book_id]["path"]), page, tuple(outlined), tuple(marked))
    return folder.remember(task, [], partial(page_picture, task))


def _box(row: Mapping[str, Any]) -> Box:
    return row["x0"], row["top"], row["x1"], row["bottom"]


def _lines_with_mentions(folder: OutputFolder, passage: Row, page: int, boxes: Iterable[Box]) -> list[Box]:
    """Those of the passage's lines that hold the words of a mention."""
    surfaces = {row["surface"].casefold() for row in folder.rows("mentions", passage_id=passage["passage_id"])}
    lines = folder.rows("lines", book_id=passage["book_id"], page=page)
    said = [_box(row) for row in lines if any(surface in row["text"].casefold() for surface in surfaces)]
    return [box for box in said if any(all(abs(a - b) < _SAME for a, b in zip(box, own, strict=True)) for own in boxes)]
