"""The interface of a stage: tables in; tables out, dropped rows with their reasons, and a one-line summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tripletkit.addresses import Place
from tripletkit.cluster.mapper import InProcess, Mapper
from tripletkit.errors import REPORT, TableError, TripletkitError
from tripletkit.progress import Progress
from tripletkit.reviews import Decisions
from tripletkit.rules import Rules
from tripletkit.settings import Settings
from tripletkit.store import Part, Store

if TYPE_CHECKING:
    from tripletkit.encoding.encoder import Encoder
    from tripletkit.encoding.resolve import EncoderFolder

Row = dict[str, object]


class Input(StrEnum):
    """What a stage may depend on beside its tables and settings. If one of its inputs changes, the stage runs again."""

    BOOKS = "books"  # the files that are read
    RULES = "rules"
    WORD_RULES = "word_rules"  # the rules by which words are compared: plurals and spelling variants
    PIPELINE = "pipeline"  # of spaCy, that `tag.nlp` chooses: its name and version
    TOKENIZER = "tokenizer"  # of the base encoder, with its token limit; not its weights
    ENCODER = "encoder"  # all of the encoder that the stage begins with
    COMPARED_ENCODERS = "compared_encoders"  # the encoders that `evaluate` compares
    TEACHER = "teacher"  # the encoder that `train.teacher` names, if any
    USER_TERMS = "user_terms"  # the user's own file of terms
    USER_PAIRS = "user_pairs"  # the user's own pairs for the general check
    REVIEWED_TERMS = "reviewed_terms"  # what people decided about terms: see tripletkit.reviews
    REVIEWED_MENTIONS = "reviewed_mentions"
    REVIEWED_PASSAGES = "reviewed_passages"
    REVIEWED_PAIRS = "reviewed_pairs"  # which terms are, or are not, positives or negatives of which passages
    KNOWN_POSITIVES = "known_positives"  # of these, the positives that no label knows
    REVIEW_RATES = "review_rates"  # the verdicts on triplets
    BLEND_CHECK = "blend_check"  # what chooses the mix of weights, if `train.blend` is "auto"


@dataclass(frozen=True)
class StageResult:
    """The result of a stage. ``failed``: the error if the result is not good enough, raised after all is written."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    dropped: list[Row] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    summary: str = ""
    notes: tuple[str, ...] = ()
    failed: TripletkitError | None = None
    parts: tuple[Part, ...] = ()  # more of the tables, already written


@dataclass(frozen=True, kw_only=True)
class Job:
    """The input of a stage: its tables, the settings, and tools that are loaded when first used."""

    tables: Mapping[str, pl.DataFrame]  # read when first used
    settings: Settings
    rules: Rules
    store: Store  # tables by book are read and written through it
    progress: Progress
    books: tuple[Place, ...] = ()
    force: bool = False  # reuse nothing that an earlier run kept
    results: Place = Path()  # keeps what was made by book, by all that it depends on, until the stage is complete
    locate: Callable[[], EncoderFolder]  # the base encoder; for mining from round 2 on, the last round's
    encoder: Callable[[EncoderFolder], Encoder]  # its vectors, cached in the output folder
    mapper: Mapper = field(default_factory=InProcess)  # hands out what is done book by book
    round: int = 1  # of mining and training
    reviews: Decisions = field(default_factory=Decisions)  # what people decided

    @property
    def folder(self) -> Path:
        """Where the stage writes what is no table."""
        return self.store.work

    @property
    def cache(self) -> Place:
        """Where work is kept that need not be done again."""
        return self.store.place("cache")

    def table(self, name: str) -> pl.DataFrame:
        """A table that the stage declared in ``reads``. Raises TableError for any other, which is a fault in the stage."""
        if name not in self.tables:
            problem = f"the stage reads table {name!r} but does not declare it"
            raise TableError(problem, f"This is a fault in tripletkit. {REPORT}")
        return self.tables[name]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline, with all that its result depends on.

    The result depends on the tables in ``reads``, the files in ``files_in``, the settings in ``settings`` (sections, or
    single ones as in "train.teacher"), the ``inputs``, and ``version``. Tables in ``also_reads`` are handed over too, but a
    change in them runs nothing again.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Job], StageResult]
    settings: tuple[str, ...] = ()
    inputs: frozenset[Input] = frozenset()
    also_reads: tuple[str, ...] = ()
    files_in: tuple[str, ...] = ()  # files or folders beside the tables, such as "encoder"
    files_out: tuple[str, ...] = ()
    version: int = 1  # raise it when the stage's code gives other results


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """How one stage went. ``print(report)`` shows what a command prints."""

    stage: str
    fresh: bool = False  # nothing had changed, so nothing was done
    summary: str
    counts: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)  # rows left out, by reason
    seconds: float = 0.0
    made: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    failed: TripletkitError | None = None
    forgivable: bool = False  # whether --allow-worse accepts the failure
    round: int | None = None  # of mining and training, where there are several

    def lines(self) -> list[str]:
        """The summary, what was dropped, and the files that were made."""
        name = self.stage if self.round is None else f"{self.stage} {self.round}"
        time = "fresh, skipped" if self.fresh else f"{self.seconds:.1f} s"
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in self.dropped.items())
        folder = self.made[0].parent if self.made else Path()
        made = " ".join(path.name if path.parent == folder else str(path) for path in self.made)
        lines = [f"{name:9} {self.summary}  [{time}]"] + ([f"          dropped: {dropped}"] if dropped else [])
        return [*lines, f"          → {folder}/ {made}"] if self.made else lines

    def __str__(self) -> str:
        return "\n".join([*self.lines(), *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """The same for --json."""
        row = {name: getattr(self, name) for name in ("stage", "fresh", "summary", "counts", "dropped")}
        row |= {"seconds": round(self.seconds, 2), "made": [str(path) for path in self.made], "notes": list(self.notes)}
        row["failed"] = str(self.failed) if self.failed else None
        return row if self.round is None else {**row, "round": self.round}
