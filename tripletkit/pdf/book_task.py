"""A book to read and what it gives, as plain data that crosses between processes.

Imports no PDF library, so that the process that plans loads none, and no polars, so that the one that reads loads none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import ConfigError
from tripletkit.rules import Rules

Rows = list[dict[str, object]]
Columns = dict[str, list[object]]


@dataclass(frozen=True)
class PassageLimits:
    """Sizes of passages in the encoder's tokens, special tokens included. Raises ConfigError if they are out of order."""

    max_tokens: int
    target_tokens: int = 160
    min_tokens: int = 24

    def __post_init__(self) -> None:
        if not 3 <= self.min_tokens <= self.target_tokens <= self.max_tokens:
            raise ConfigError(
                f"passage limits {self.min_tokens} / {self.target_tokens} / {self.max_tokens} are out of order",
                "min_tokens <= target_tokens <= max_tokens must hold, and min_tokens be at least 3.",
            )


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
