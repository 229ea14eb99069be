"""The evaluation report: scores.json and validation.json as objects, and the printed table. Imports no numpy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
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
#: In the order of the table, which shows two tasks side by side.
TASKS = (
    TERM_TO_PASSAGE,
    PASSAGE_TO_TERM,
    f"{TERM_TO_PASSAGE}, {MASKED}",
    f"{PASSAGE_TO_TERM}, {MASKED}",
    f"{TERM_TO_PASSAGE}, {NO_MENTION}",
    DEFINITION,
    DEFINITION_TO_PASSAGE,
)
#: Queries and candidates of a task: terms and texts, or texts and terms.
DIRECTIONS = ("terms→texts", "texts→terms")
#: Some tasks are also scored on these subsets of their queries.
SUBSETS = ("seen terms", "unseen terms", "seen books", "unseen books")
#: The metrics in the table; scores.json holds all of them. The first decides which encoder is better.
TABLE_METRICS = ("nDCG@10", "MAP")
LEADING_METRIC = TABLE_METRICS[0]
#: What a user does with an encoder: the task, whether its vectors are fused with BM25, and the use in words.
USES = (
    (TERM_TO_PASSAGE, False, "you search passages by term, vectors alone"),
    (TERM_TO_PASSAGE, True, "you search passages by term, fused with BM25"),
    (PASSAGE_TO_TERM, False, "you tag passages with terms, vectors alone"),
    (PASSAGE_TO_TERM, True, "you tag passages with terms, fused with BM25"),
)
#: What the figures promise, and what that means.
PROMISES = {
    "own corpus": "training has seen the text of these passages, but no label of theirs",
    "unseen text": "training has seen neither the text of these passages nor their labels",
}
_FUSED, _MAXSIM = f" + {BM25}", " MaxSim"
#: Widths in characters: a ranker's name, the longest label of an encoder, a use, and a difference with its interval.
_NAME, _LABEL, _USE, _DIFFERENCE = 20, 11, 46, 23
#: Typical standard deviation of nDCG@10 over the terms of a book; over 50 terms the standard error of the mean is 0.05.
NDCG_DEVIATION = 0.35
ENOUGH_TERMS = 50
NOT_BETTER = "Keep the base encoder, or change the triplets or the training settings; --allow-worse accepts the encoder as it is."

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
            return f"{_signed(self.value)} [few queries]"
        low, high = map(_signed, self.interval)
        return f"{_signed(self.value)} [{low} {high}]{'*' if self.significant else ''}"


class ReportModel(BaseModel):
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


class Sample(ReportModel):
    """The queries of a task, and the units that the bootstrap resamples: books, chapters or queries."""

    queries: int
    by: str
    units: int


#: By task and metric.
TaskFigures = Mapping[str, Mapping[str, Figure]]


class RankerScores(ReportModel):
    """How one ranker ranks. The fields after ``intervals`` are for the vectors of an encoder only.

    ``general``: Spearman correlation on everyday sentence pairs. ``general_change`` from the first encoder is relative:
    -0.01 is a drop of 1 %.
    """

    scores: TaskScores
    intervals: Mapping[str, Mapping[str, Interval]]  # by task and metric
    general: Figure | None = None
    general_difference: Figure | None = None
    general_change: float = 0.0
    name: str = ""
    fingerprint: str = ""


class TermScore(ReportModel):
    """How an encoder's vectors rank the passages of one term, in term→passage."""

    term_id: str
    term: str
    score: float  # the leading metric
    rank: int  # of the first relevant passage, from 1
    relevant_id: str  # that passage
    preferred_id: str  # the passage that is ranked first, relevant or not


class Fusion(ReportModel):
    """How vectors and BM25 are fused: the weight of the vectors, by encoder and direction, and the split that chose it."""

    weights: Mapping[str, Mapping[str, float]]
    chosen_on: str = ""  # "": nothing did, so both weigh the same


class Verdict(ReportModel):
    """What one use of an encoder gains over the same use of the first encoder, by the leading metric."""

    encoder: str
    against: str
    use: str
    task: str
    before: float
    after: float
    difference: Figure

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Literal["better", "worse", "not significant"]:
        """By the 95 % interval of the difference."""
        if not self.difference.significant:
            return "not significant"
        return "better" if self.difference.value > 0 else "worse"

    def __str__(self) -> str:
        return f"{self.use}: {self.before:.3f} → {self.after:.3f}, {self.difference}, {self.outcome}"


class Ahead(ReportModel):
    """A ranker that scores higher in a task than the vectors of an encoder, by the leading metric."""

    encoder: str
    ranker: str
    task: str
    encoder_score: float
    ranker_score: float
    difference: Figure  # the ranker minus the encoder

    @property
    def who(self) -> str:
        """The ranker in words."""
        return self.ranker if self.ranker.endswith(_MAXSIM) or _FUSED in self.ranker else f"{self.ranker} alone"

    def __str__(self) -> str:
        significant = "" if self.difference.significant else ", not significant"
        return (
            f"{self.who} is ahead of {self.encoder} with vectors alone in {self.task}: {self.ranker_score:.3f} against "
            f"{self.encoder_score:.3f}, {self.difference}{significant}"
        )


class EvaluationReport(ReportModel):
    """The result of ``tripletkit evaluate`` and ``evaluate_encoders``. Printed, it is a table; ``to_dict`` is for JSON.

    ``encoders``, ``fused`` and ``maxsim`` are keyed by display name: an encoder's vectors, these fused with BM25, and its
    token vectors. ``differences[x][y]`` is x minus y, where both are names of ``rankers``.
    """

    resampling: Mapping[str, Sample]  # by task
    baselines: Mapping[Literal["exact match", "BM25"], RankerScores]
    encoders: Mapping[str, RankerScores]
    fused: Mapping[str, RankerScores]
    maxsim: Mapping[str, RankerScores]  # without encoders that have no token vectors
    fusion: Fusion
    differences: Mapping[str, Mapping[str, TaskFigures]]
    terms: int  # with a relevant passage
    passages: int
    split: str  # validation or test; "" for passages without a split
    gold: str  # source of the relevance labels: index, mentions, both, or pairs that the caller gave
    leakage: float | None = None  # fraction of passages of which most sentences stand in training; None without a split
    promise: str = ""  # one of PROMISES; "" where it is not known how the encoders were trained
    term_scores: Mapping[str, tuple[TermScore, ...]] = {}  # by encoder; each has the same terms in the same order
    left_out: Mapping[str, str] = {}  # tasks without a query and rankers without scores, and why

    @property
    def rankers(self) -> dict[str, RankerScores]:
        """Baselines, then for each encoder its vectors, these fused with BM25, and MaxSim."""
        found: dict[str, RankerScores] = {EXACT_MATCH: self.baselines[EXACT_MATCH], BM25: self.baselines[BM25]}
        for name in self.encoders:
            found |= {name: self.encoders[name], fused_name(name): self.fused[name]}
            found |= {maxsim_name(name): self.maxsim[name]} if name in self.maxsim else {}
        return found

    @property
    def labels(self) -> dict[str, str]:
        """What stands for an encoder in the table: its name, or a letter where one of the names is too long."""
        if all(len(name) <= _LABEL for name in self.encoders):
            return {name: name for name in self.encoders}
        return {name: chr(ord("A") + i) for i, name in enumerate(self.encoders)}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """For each encoder after the first and each of USES."""
        first, *others = self.encoders
        return tuple(self._verdict(name, first, *use) for name in others for use in USES if use[0] in self.resampling)

    def _verdict(self, name: str, first: str, task: str, fused: bool, use: str) -> Verdict:
        rankers = self.fused if fused else self.encoders
        before, after = (rankers[of].scores[task][LEADING_METRIC] for of in (first, name))
        pair = (fused_name(name), fused_name(first)) if fused else (name, first)
        difference = self.differences[pair[0]][pair[1]][task][LEADING_METRIC]
        return Verdict(
            encoder=name, against=first, use=use, task=task, before=before, after=after, difference=difference
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ahead(self) -> tuple[Ahead, ...]:
        """What a user has without training and scores higher than the vectors of the last encoders, or of the only one."""
        first, *others = self.encoders
        rivals = [name for name in self.rankers if name in (*self.baselines, fused_name(first), maxsim_name(first))]
        return tuple(
            Ahead(
                encoder=name,
                ranker=rival,
                task=task,
                encoder_score=own,
                ranker_score=other,
                difference=self.differences[rival][name][task][LEADING_METRIC],
            )
            for name in others or [first]
            for task in dict.fromkeys(task for task, *_ in USES if task in self.resampling)
            for rival in rivals
            for own, other in [[self.rankers[of].scores[task][LEADING_METRIC] for of in (name, rival)]]
            if other > own
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def better(self) -> bool:
        """Whether every encoder after the first is better than it, as `failure` defines it."""
        return not any(self.failure(name) for name in [*self.encoders][1:])

    def failure(self, name: str) -> EncoderError | None:
        """The error of an encoder that is not better than the first; None of one that is.

        It is better if its vectors alone beat the first encoder's in term→passage nDCG@10 (see `not_better`), and no verdict
        on it is "worse". Exit code, ``better`` in scores.json and the cards follow from this.
        """
        first = next(iter(self.encoders))
        if error := not_better(self.encoders[first].scores, self.encoders[name].scores, self.split):
            return error
        worse = [str(of) for of in self.verdicts if of.encoder == name and of.outcome == "worse"]
        problem = (
            f"the fine-tuned encoder is worse than the base encoder where {'; where '.join(worse)} ({LEADING_METRIC})"
        )
        return EncoderError(problem, NOT_BETTER) if worse else None

    def __str__(self) -> str:
        return "\n".join(self.table_lines()).lstrip("\n")

    def table_lines(self) -> Iterator[str]:
        """Every ranker on every task, two tasks side by side; then what changed, in words."""
        first, *others = self.encoders
        labels = self.labels
        yield from (f"  {label} = {name}" for name, label in labels.items() if label != name)
        if self.promise:
            yield f" {self.promise}: {PROMISES[self.promise]}"
        tasks = [task for task in TASKS if task in self.resampling]
        for pair in (tasks[i : i + 2] for i in range(0, len(tasks), 2)):
            yield from ("", *self._block(pair, labels))
        yield from ("", *self._notes(labels))
        for name in others or [first]:
            yield from ("", *(self._changes(name, labels) if others else ()), *self._ahead_lines(name, labels))

    def _block(self, tasks: list[str], labels: Mapping[str, str]) -> Iterator[str]:
        """Heads, and a line for each ranker."""
        first = next(iter(self.encoders))
        titles = [f"{task} ({self.resampling[task].queries} queries)" for task in tasks]
        yield f" {'':{_NAME}}" + "".join(f"  {title:{_DIFFERENCE + 14}}" for title in titles).rstrip()
        head = f"{TABLE_METRICS[0]:>8}{TABLE_METRICS[1]:>7} {f'gain over {labels[first]}':{_DIFFERENCE}}"
        yield f" {'':{_NAME}}{''.join(head for _ in tasks)}".rstrip()
        for name, label in self.row_labels(labels).items():
            yield f" {label:{_NAME}}{''.join(self._cell(name, task) for task in tasks)}".rstrip()

    def _cell(self, ranker: str, task: str) -> str:
        of, first = self.rankers[ranker].scores[task], next(iter(self.encoders))
        difference = "" if ranker == first else str(self.differences[ranker][first][task][LEADING_METRIC])
        return f"{of[TABLE_METRICS[0]]:>8.3f}{of[TABLE_METRICS[1]]:>7.3f} {difference:{_DIFFERENCE}}"

    def row_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """What stands for each ranker at the beginning of its line."""
        named = {of(name): of(label) for name, label in labels.items() for of in (str, fused_name, maxsim_name)}
        return {name: named.get(name, name) for name in self.rankers}

    def _notes(self, labels: Mapping[str, str]) -> Iterator[str]:
        sample = self.resampling[TERM_TO_PASSAGE]
        yield f" Gains are in {LEADING_METRIC}, paired, with 95 % intervals (bootstrap over {sample.by}); * excludes 0."
        mixed = f"+ {BM25}: min-max scores of vectors and {BM25} mixed, "
        weights = (
            f"{labels[name]} {' '.join(f'{weight:.2f} ({way})' for way, weight in of.items())}"
            for name, of in self.fusion.weights.items()
        )
        if self.fusion.chosen_on:
            yield from _wrapped(
                f"{mixed}with the vectors' weight chosen on {self.fusion.chosen_on}: {', '.join(weights)}."
            )
        else:
            yield f" {mixed}half and half, as no validation split chose a weight."
        if self.maxsim:
            yield " MaxSim: mean over the term's tokens of the best cosine with a token of the text; needs a vector per token."
        if len(self.encoders) == 1 and (general := self.encoders[next(iter(self.encoders))].general):
            yield f" General similarity (Spearman on everyday sentences): {general.value:.3f}."

    def _changes(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """The verdicts on an encoder, its scores on seen and unseen terms and books, and on everyday sentences."""
        first = next(iter(self.encoders))
        yield f" {labels[first]} → {labels[name]}, {LEADING_METRIC}:"
        for of in self.verdicts:
            if of.encoder == name:
                yield f"{_change(of.use, of.before, of.after, of.difference)}  {of.outcome}"
        before, after = self.encoders[first].general, self.encoders[name].general
        if before and after and (difference := self.encoders[name].general_difference):
            yield _change("general similarity (Spearman)", before.value, after.value, difference).rstrip()
        for task in (f"{task}, {subset}" for task in TASKS for subset in SUBSETS):
            if task in self.resampling:
                a, b = (self.encoders[of].scores[task][LEADING_METRIC] for of in (first, name))
                label = f"{task} ({self.resampling[task].queries} queries)"
                yield _change(label, a, b, self.differences[name][first][task][LEADING_METRIC]).rstrip()

    def _ahead_lines(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        rivals, names = [of for of in self.ahead if of.encoder == name], self.row_labels(labels)
        if rivals:
            trained = "Without training, but ahead" if len(self.encoders) > 1 else "Ahead"
            yield f" {trained} of {labels[name]} with vectors alone:"
        for of in rivals:
            who = of.model_copy(update={"ranker": names[of.ranker]}).who
            line = _change(f"{who}, {of.task}", of.encoder_score, of.ranker_score, of.difference)
            yield line.rstrip() if of.difference.significant else f"{line}  not significant"


class ValidationScores(ReportModel):
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
        NOT_BETTER,
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


def fused_name(encoder: str) -> str:
    """The ranker that fuses an encoder's vectors with BM25."""
    return f"{encoder}{_FUSED}"


def maxsim_name(encoder: str) -> str:
    """The ranker that compares an encoder's token vectors."""
    return f"{encoder}{_MAXSIM}"


def _signed(value: float) -> str:
    """Three digits, and no sign before a zero."""
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def _change(label: str, before: float, after: float, difference: Figure) -> str:
    return f"   {label:{_USE}}{before:.3f} → {after:.3f}  {difference!s:{_DIFFERENCE}}"


def _wrapped(text: str) -> list[str]:
    return wrap(text, 100, initial_indent=" ", subsequent_indent="   ")
