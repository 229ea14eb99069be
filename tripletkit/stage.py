"""The shape that every stage has: named tables in, named tables out, what was dropped, and one line to say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tripletkit.errors import TableError, TripletkitError
from tripletkit.progress import Progress
from tripletkit.rules import Rules
from tripletkit.settings import Settings

if TYPE_CHECKING:
    from tripletkit.encoding.encoder import Encoder
    from tripletkit.encoding.resolve import EncoderFolder

Row = dict[str, object]


@dataclass(frozen=True)
class StageResult:
    """What a stage made. ``counts`` go to the manifest, ``summary`` to the user, ``failed`` is said after all is written."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    dropped: list[Row] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    summary: str = ""
    notes: tuple[str, ...] = ()
    failed: TripletkitError | None = None  # made, but not good enough


@dataclass(frozen=True)
class Job:
    """What a stage is handed: its tables, the settings, and the tools, each made only when it is used."""

    tables: dict[str, pl.DataFrame]
    settings: Settings
    rules: Rules
    folder: Path
    progress: Progress
    books: tuple[Path, ...]
    force: bool  # use nothing that an earlier run kept
    locate: Callable[[], EncoderFolder]  # the base encoder; for mining, the one that mines
    encoder: Callable[[EncoderFolder], Encoder]  # with the cache of this output folder
    round: int = 1  # of mining and training

    def table(self, name: str) -> pl.DataFrame:
        """A table that the stage declared it reads; a stage that reads another is a mistake of ours."""
        if name not in self.tables:
            raise TableError(f"table {name!r} was not declared", "This is a fault in tripletkit; please report it.")
        return self.tables[name]


@dataclass(frozen=True)
class Stage:
    """One step of the flow. ``settings`` names the sections it depends on, ``uses`` what else: books, rules, round, tokenizer, encoder."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Job], StageResult]
    settings: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    files_in: tuple[str, ...] = ()  # files or folders beside the tables, such as "encoder"
    files_out: tuple[str, ...] = ()
    version: int = 1  # raise it when the stage's code gives other results
