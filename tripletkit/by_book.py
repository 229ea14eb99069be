"""A stage's tables cut into books, and what is said of a book that could not be done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from tripletkit.books import REFUSED
from tripletkit.errors import REPORT
from tripletkit.pdf.workers import FAULT, FAULT_START, Failure
from tripletkit.progress import Advance
from tripletkit.stage import Row

log = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class BookPassages:
    """A book's passages, and the terms that may stand in them: the book's own and those of the user."""

    book_id: str
    passages: pl.DataFrame
    terms: pl.DataFrame


def by_book(table: pl.DataFrame) -> Callable[[str], pl.DataFrame]:
    """A function from a book_id to the book's rows, in their order: a view of the table if its books stand together."""
    together = table if table["book_id"].is_sorted() else table.sort("book_id", maintain_order=True)
    first, places = 0, dict[str, tuple[int, int]]()
    for run in together["book_id"].rle().to_list():
        places[run["value"]] = (first, run["len"])
        first += run["len"]
    return lambda book_id: together.slice(*places.get(book_id, (0, 0)))


def books_with_terms(passages: pl.DataFrame, terms: pl.DataFrame) -> tuple[list[str], Iterator[BookPassages]]:
    """The ids of the books that have passages, in order, and each book with the terms; made when it is asked for."""
    given, own = terms.filter(pl.col("book_id").is_null()), by_book(terms.filter(pl.col("book_id").is_not_null()))
    book_ids, rows = sorted(passages["book_id"].unique()), by_book(passages)
    tasks = (BookPassages(book, rows(book), pl.concat([given, own(book)]).sort("term_id")) for book in book_ids)
    return book_ids, tasks


def counting(outcomes: Iterable[Outcome], advance: Advance) -> Iterator[Outcome]:
    """The same outcomes; progress advances by one with each."""
    for outcome in outcomes:
        yield outcome
        advance(1)


def lost_book(stage: str, book_id: str, path: str, failure: Failure) -> Row:
    """The row of ``dropped`` for a book that the stage could not do."""
    if failure.traceback:
        log.debug("%s: %s failed\n%s", path, stage, failure.traceback)
    why = FAULT.format(failure.why) if failure.cause in ("fault", "crash") else f"it {failure.why}"
    return {"stage": stage, "item": path, "related": book_id, "reason": REFUSED, "detail": why}


def lost_in_words(row: Row) -> str:
    """What a user must know of such a row."""
    fault = str(row["detail"]).startswith(FAULT_START)
    hint = REPORT if fault else "Give the nodes of the cluster more memory, or take fewer workers."
    return f"{row['item']}: {row['stage']} left this book out: {row['detail']}\n  {hint}"
