"""A stage's tables cut into books, what each book gave, and what is said of a book that could not be done."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import polars as pl

from tripletkit.addresses import Place
from tripletkit.books import REFUSED
from tripletkit.cluster.mapper import Setup, Work
from tripletkit.errors import REPORT, ConfigError
from tripletkit.pdf.workers import FAULT, FAULT_START, Failure, WorkerFunction
from tripletkit.schemas import Table, make_table
from tripletkit.stage import Job, Row
from tripletkit.store import MAKERS, Store, write_atomically

log = logging.getLogger(__name__)

#: What JSON can hold.
Json: TypeAlias = dict[str, Any]


class OfBook(Protocol):
    """What is done for a book."""

    @property
    def book_id(self) -> str:
        """Its book."""


Task = TypeVar("Task", bound=OfBook)


@dataclass(frozen=True)
class StoredRows:
    """A book's rows of a table by book, which are read where they are used."""

    store: Store
    table: str
    files: tuple[str, ...]


Rows: TypeAlias = pl.DataFrame | StoredRows


@dataclass(frozen=True)
class BookPassages:
    """A book's passages, and the terms that may stand in them: the book's own and those of the user."""

    book_id: str
    passages: Rows
    terms: pl.DataFrame


def read_rows(rows: Rows) -> pl.DataFrame:
    """The rows themselves."""
    return rows if isinstance(rows, pl.DataFrame) else rows.store.read_files(rows.table, rows.files)


def rows_by_book(job: Job, name: str) -> Callable[[str], Rows]:
    """A function from a book_id to the book's rows of a table, which only of a table by book are not read now."""
    parts = job.store.parts(MAKERS[name]).filter(pl.col("book_id").is_not_null(), table=name)
    if not parts.height:
        return by_book(job.table(name))
    files = dict(parts.group_by("book_id").agg("file").iter_rows())
    return lambda book_id: StoredRows(job.store, name, tuple(files.get(book_id, ())))


def by_book(table: pl.DataFrame) -> Callable[[str], pl.DataFrame]:
    """A function from a book_id to the book's rows, in their order."""
    together = table if table["book_id"].is_sorted() else table.sort("book_id", maintain_order=True)
    first, places = 0, dict[str, tuple[int, int]]()
    for run in together["book_id"].rle().to_list():
        places[run["value"]] = (first, run["len"])
        first += run["len"]
    return lambda book_id: apart(together.slice(*places.get(book_id, (0, 0))))


def apart(rows: pl.DataFrame) -> pl.DataFrame:
    """A copy that shares nothing with the table that the rows are from: else all texts of it would be sent with them."""
    buffer = io.BytesIO()
    # The older layout holds the texts of these rows only; the newer one refers to the table's.
    rows.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    buffer.seek(0)
    return pl.read_ipc_stream(buffer)


def books_with_terms(job: Job, terms: pl.DataFrame) -> tuple[list[str], Callable[[str], BookPassages]]:
    """The ids of the books, in order, and a function from an id to the book's passages and its terms."""
    given, own = terms.filter(pl.col("book_id").is_null()), by_book(terms.filter(pl.col("book_id").is_not_null()))
    rows = rows_by_book(job, "passages")

    def task_of(book: str) -> BookPassages:
        return BookPassages(book, rows(book), apart(pl.concat([given, own(book)]).sort("term_id")))

    return sorted(job.table("books")["book_id"]), task_of


def rows_or_part(store: Store, table: Table, rows: Sequence[Row], book_id: str) -> Json:
    """What a worker gives back of a book's rows of a table: the rows, or for tables by book the part that it wrote."""
    frame = make_table(table, rows)
    if store.by_book and rows:
        return {"part": store.write_part(table.name, frame, book_id, MAKERS[table.name])}
    return {"rows": frame.to_dict(as_series=False)}


class BookResults:
    """What a step of a stage made of each book: a file of JSON a book, kept until the stage is complete.

    A stage that was killed goes on with the books that have no file.
    """

    def __init__(self, job: Job, step: str) -> None:
        self._job, self._folder = job, job.results / step

    def read(self, book_id: str) -> Json:
        """What the step made of a book, now or before."""
        result: Json = json.loads(_file(self._folder, book_id).read_bytes())
        return result

    def make(
        self,
        what: str,
        maker: WorkerFunction[Setup, Callable[[Task], Json]],
        setup: Setup,
        books: Sequence[str],
        task_of: Callable[[str], Task],
    ) -> dict[str, Failure]:
        """Do the work (see Work) for every book that has no result yet. Returns why others have none, by book.

        Raises ConfigError where a node of a cluster does not share the output folder.
        """
        left = [book for book in books if not _file(self._folder, book).is_file()]
        keep = Work(KEEP_RESULT, ResultSetup(maker, setup, self._folder))
        failures = dict[str, Failure]()
        with self._job.progress.bar(what, len(left), "books") as advance:
            for number, outcome in self._job.mapper.map(keep, map(task_of, left), total=len(left)):
                if isinstance(outcome, Failure):
                    failures[left[number]] = outcome
                elif not _file(self._folder, left[number]).is_file():
                    raise not_shared(left[number], self._job.store.folder)
                advance(1)
        return failures


@dataclass(frozen=True)
class ResultSetup(Generic[Setup, Task]):
    """Whose results are kept, and the folder that they are kept in."""

    maker: WorkerFunction[Setup, Callable[[Task], Json]]
    setup: Setup
    folder: Place


#: By whoever does the work for a book: its result is written where it was made.
KEEP_RESULT: WorkerFunction[Any, Callable[[Any], None]] = WorkerFunction("tripletkit.by_book:result_keeper")


def result_keeper(setup: ResultSetup[Setup, Task]) -> Callable[[Task], None]:
    """The function that does the work for a book and keeps what it gives."""
    work = setup.maker.load()(setup.setup)
    return lambda task: write_atomically(_file(setup.folder, task.book_id), json.dumps(work(task)).encode())


def _file(folder: Place, book_id: str) -> Place:
    return folder / f"{book_id}.json"


def not_shared(book: str, folder: Place) -> ConfigError:
    """The error where a node of a cluster did a book, and what it kept is not in the output folder."""
    problem = f"{book}: a node of the cluster did it, but what it made is not in {folder}"
    return ConfigError(problem, "Use an output folder that is the same one on every node.")


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
