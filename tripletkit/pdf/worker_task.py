"""A book to read and what it gives, as plain data that crosses between processes, and the function that reads it.

The process that reads loads neither polars nor pydantic, the one that plans and keeps no PDF library.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import TripletkitError
from tripletkit.pdf.limits import PassageLimits
from tripletkit.rules import Rules

Rows = list[dict[str, object]]
Columns = dict[str, list[object]]


@dataclass(frozen=True)
class BookTask:
    """One book to read: ``encoder`` is the folder whose tokenizer counts, ``part`` where what it gives is kept."""

    path: Path
    book_id: str
    part: Path
    encoder: Path
    limits: PassageLimits
    rules: Rules
    backend: str


@dataclass(frozen=True)
class BookTables:
    """One book's part of the tables of the same names, and its title. Lines are many: they come as columns."""

    title: str
    pages: Rows
    lines: Columns
    passages: Rows
    dropped: Rows


def read_book_task(task: BookTask) -> BookTables | str:
    """What the book holds, or what the user should know if it cannot be read."""
    with _uncollected():
        from tripletkit.encoding.tokens import token_counter
        from tripletkit.pdf.book import extract_book

        try:
            return extract_book(
                task.path,
                book_id=task.book_id,
                limits=task.limits,
                count_tokens=token_counter(task.encoder),
                rules=task.rules,
                backend=task.backend,
            )
        except TripletkitError as error:
            return str(error)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: a book makes a million objects and no cycles, and looking for some takes a tenth."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
