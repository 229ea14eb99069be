"""The evaluation report: scores.json and validation.json as objects, and the printed table. Imports no numpy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from tripletkit.errors import EncoderError, TableError
from tripletkit.store import write_atomically

BASE, FINE_TUNED = "base", "fine-tuned"
EXACT_MATCH: Final = "exact match"
BM25: Final = "BM25"
TERM_TO_PASSAGE, PASSAGE_TO_TERM = "term→passage", "passage→term"
MASKED, NO_MENTION, DEFINITION = "masked", "no mention", "definition→term"
DEFINITION_TO_PASSAGE = "definition→passage"
#: In the order of the table.
TASKS = (
    TERM_TO_PASSAGE,
    f"{TERM_TO_PASSAGE}, {MASKED}",
    f"{TERM_TO_PASSAGE}, {NO_MENTION}",
    PASSAGE_TO_TERM,
    f"{PASSAGE_TO_TERM}, {MASKED}",
    DEFINITION,
    DEFINITION_TO_PASSAGE,
)
#: Some tasks are also scored on these subsets of their queries.
SUBSETS = ("seen terms", "unseen terms", "seen books", "unseen books")
#: The metrics in the table; scores.json holds all of them. The first decides which encoder is better.
TABLE_METRICS = ("nDCG@10", "MAP")
LEADING_METRIC = TABLE_METRICS[0]
#: Task, its label, and metric of each row of the table.
_ROWS = [
    row
    for task in TASKS
    for row in (
        *((task, task, metric) for metric in TABLE_METRICS),
        *((f"{task}, {subset}", f"  {subset}", LEADING_METRIC) for subset in SUBSETS),
    )
]
#: Column widths in characters: exact match, BM25, and the two encoders.
_WIDTHS = (11, 6, 6, 11)
#: Typical standard deviation of nDCG@10 over the terms of a book; over 50 terms the standard error of the mean is 0.05.
NDCG_DEVIATION = 0.35
ENOUGH_TERMS = 50

Interval = tuple[float, float] | None
#: By task: the number of "queries", and the mean of each metric over them.
TaskScores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % bootstrap interval; None over fewer than five queries."""

    value: float
    interval: Interval = None

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0. Meant for differences."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:+.3f} [too few queries]"
        low, high = self.interval
        return f"{self.value:+.3f} [{low:+.3f} {high:+.3f}]{'*' if self.significant else ''}"


class _Model(BaseModel):
    """A frozen object that is written to a JSON file and read from it."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    def to_dict(self) -> dict[str, Any]:
        """What the file holds: only dictionaries, lists, strings, numbers and None."""
        return self.model_dump(by_alias=True)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())

    @classmethod
    def read(cls, path: Path, command: str) -> Self:
        """The inverse of `write`. Raises TableError, which names the command that makes the file, for any other file."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise TableError(
                f"{path}: cannot be read, or was written by an earlier version of tripletkit ({type(error).__name__}: {reason})",
                f"Make it again with `tripletkit {command}`.",
            ) from None


class Sample(_Model):
    """The queries of a task, and the units that the bootstrap resamples: books, chapters or queries."""

    queries: int
    by: str
    units: int


class RankerScores(_Model):
    """How one encoder or baseline ranks. ``general`` (Spearman), ``name`` and ``fingerprint`` are for encoders only."""

    scores: TaskScores
    intervals: Mapping[str, Mapping[str, Interval]]  # by task and metric
    general: Figure | None = None
    name: str = ""
    fingerprint: str = ""


class Difference(_Model):
    """Paired difference between an encoder and the first. ``general_change`` is relative: -0.01 is a drop of 1 %."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Figure]]
    general: Figure
    general_change: float
    minus: str = Field(alias="from")

    @property
    def tasks(self) -> Mapping[str, Mapping[str, Figure]]:
        """The differences by task and metric."""
        return self.__pydantic_extra__


class EvaluationReport(_Model):
    """The result of ``tripletkit evaluate`` and ``evaluate_encoders``. Printed, it is a table; ``to_dict`` is for JSON.

    ``encoders`` are keyed by display name; ``differences`` are taken from the first.
    """

    resampling: Mapping[str, Sample]  # by task
    baselines: Mapping[Literal["exact match", "BM25"], RankerScores]
    encoders: Mapping[str, RankerScores]
    differences: Mapping[str, Difference]  # by encoder, the first left out
    terms: int  # with a relevant passage
    passages: int
    split: str  # validation or test; "" for passages without a split
    gold: str  # source of the relevance labels: index, mentions, both, or pairs that the caller gave
    left_out: Mapping[str, str] = {}  # tasks without a query, and why

    @computed_field  # type: ignore[prop-decorator]
    @property
    def better(self) -> bool:
        """Whether every encoder after the first does better than it."""
        first, *others = self.encoders.values()
        return not any(not_better(first.scores, other.scores, self.split) for other in others)

    def __str__(self) -> str:
        return "\n".join(self.table_lines())

    def table_lines(self) -> Iterator[str]:
        """A table for each encoder beside the first, or of one alone. * marks intervals that exclude 0."""
        first, *others = self.encoders
        labels = _labels(self.encoders)
        yield from (f"  {label} = {name}" for name, label in labels.items() if label != name)
        for name in others or [first]:
            pair = [first, name] if others else [first]
            heads = _columns(EXACT_MATCH, BM25, *(labels[of] for of in pair))
            yield f" {'':24}{'queries':>8} {'metric':8}{heads}" + (" difference" if others else "")
            yield from self._task_lines(pair)
            general = (self.encoders[of].general for of in pair)
            columns = _columns("–", "–", *(f"{of.value:.3f}" for of in general if of))
            difference = f" {self.differences[name].general}" if others else ""
            yield f" {'general similarity':32} {'Spearman':8}{columns}{difference}"
            if others:
                yield f" {labels[name]}: {self.verdict(name)}"
            if below := self._below_baselines(name):
                text = f"{labels[name]}: below {EXACT_MATCH} or {BM25} in {'; '.join(below)} ({LEADING_METRIC})"
                yield from wrap(text, 100, initial_indent=" ", subsequent_indent="   ")

    def verdict(self, name: str) -> str:
        """One sentence on an encoder's difference from the first in the leading metric."""
        difference = self.differences[name].tasks[TERM_TO_PASSAGE][LEADING_METRIC]
        gain, sample = difference.value, self.resampling[TERM_TO_PASSAGE]
        change = f"{'rises' if gain > 0 else 'falls'} by {abs(gain):.3f}" if gain else "does not change"
        text = f"{TERM_TO_PASSAGE} {LEADING_METRIC} {change}"
        if difference.interval is None:
            return f"{text}; {sample.units} queries are too few for a confidence interval"
        significant = "significant" if difference.significant else "not significant"
        return f"{text}, {significant} (95 % interval, bootstrap over {sample.units} {sample.by})"

    def _task_lines(self, pair: Sequence[str]) -> Iterator[str]:
        rankers = (self.baselines[EXACT_MATCH], self.baselines[BM25], *(self.encoders[name] for name in pair))
        for task, label, metric in _ROWS:
            if task in self.resampling:
                columns = _columns(*(f"{ranker.scores[task][metric]:.3f}" for ranker in rankers))
                head = f"{label:24}{self.resampling[task].queries:>8}" if metric == LEADING_METRIC else f"{'':32}"
                difference = f" {self.differences[pair[1]].tasks[task][metric]}" if len(pair) > 1 else ""
                yield f" {head} {metric:8}{columns}{difference}"

    def _below_baselines(self, name: str) -> list[str]:
        """The tasks in which exact match or BM25 scores higher than the encoder."""
        rankers = [self.encoders[name], *self.baselines.values()]
        values = {
            task: [of.scores[task][LEADING_METRIC] for of in rankers] for task in TASKS if task in self.resampling
        }
        return [task for task, (own, *others) in values.items() if max(others) > own]


class ValidationScores(_Model):
    """What validation.json holds: mean metrics by task, before and after training. Empty where no passage has an answer."""

    base: TaskScores
    fine_tuned: TaskScores = Field(alias=FINE_TUNED)


def read_report(path: Path) -> EvaluationReport:
    """The report in a scores.json. Raises TableError for a file that is not a valid report of this version."""
    return EvaluationReport.read(path, "evaluate")


def read_validation(path: Path) -> ValidationScores:
    """The scores in a validation.json. Raises TableError for a file that does not hold valid scores of this version."""
    return ValidationScores.read(path, "train")


def not_better(before: TaskScores, after: TaskScores, split: str) -> EncoderError | None:
    """The error if ``after`` does not beat ``before`` in term→passage nDCG@10; None if it does.

    With fewer than ENOUGH_TERMS queries a drop within the standard error of the mean is accepted.
    """
    a, b = (scores[TERM_TO_PASSAGE][LEADING_METRIC] for scores in (before, after))
    queries = before[TERM_TO_PASSAGE].get("queries", ENOUGH_TERMS)
    if b > a or (queries < ENOUGH_TERMS and a - b <= NDCG_DEVIATION / math.sqrt(max(queries, 1))):
        return None
    return EncoderError(
        f"the fine-tuned encoder is not better than the base encoder: {split} {TERM_TO_PASSAGE} {LEADING_METRIC} {a:.4f} → {b:.4f}",
        "Keep the base encoder, or change the triplets or the training settings; --allow-worse accepts the encoder as it is.",
    )


def few_terms(terms: float, split: str) -> tuple[str, ...]:
    """A note where there are too few queries for small differences to be significant."""
    problem = f"only {terms:.0f} terms have a relevant passage in {split}: differences this small are not significant"
    return () if terms >= ENOUGH_TERMS else (f"{problem}; add books or enlarge the split",)


def describe_change(before: TaskScores, after: TaskScores) -> str:
    """The two leading metrics before and after, in words."""

    def change(task: str, metric: str) -> str:
        a, b = before[task][metric], after[task][metric]
        return f"{task} {metric} {a:.3f} → {b:.3f} ({(b - a) / max(a, 1e-9):+.1%})"

    return ", ".join(map(change, (TERM_TO_PASSAGE, PASSAGE_TO_TERM), TABLE_METRICS))


def _columns(*cells: str) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))


def _labels(names: Mapping[str, object]) -> dict[str, str]:
    """Column heads: the names, or letters where one of them is too long."""
    if [*names] == [BASE, FINE_TUNED] or all(len(name) < min(_WIDTHS[2:]) for name in names):
        return {name: name for name in names}
    return {name: chr(ord("A") + i) for i, name in enumerate(names)}
