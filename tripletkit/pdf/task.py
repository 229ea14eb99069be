"""A book to read, as plain data that crosses to another process, and the function that reads it there.

The other process loads this module and what it imports: no polars, no pydantic. Whoever only plans the reading loads no PDF library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tripletkit.errors import TripletkitError
from tripletkit.pdf.limits import PassageLimits
from tripletkit.rules import Rules

if TYPE_CHECKING:
    from tripletkit.pdf.book import BookTables


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


def read_book_task(task: BookTask) -> BookTables | str:
    """What the book holds, or what the user should know if it cannot be read."""
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
