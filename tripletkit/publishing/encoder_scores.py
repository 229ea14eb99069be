"""The scores that `evaluate` and `train` wrote about an encoder, as far as cards show them."""

from __future__ import annotations

from dataclasses import dataclass

from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.evaluation import report as reports
from tripletkit.evaluation.report import BASE, FINE_TUNED, PASSAGE_TO_TERM, TABLE_METRICS, TERM_TO_PASSAGE, Figure
from tripletkit.store import ENCODER, VALIDATION, Store

SCORES = "scores.json"
#: Task and metric of each row on a card.
SHOWN = tuple(zip((TERM_TO_PASSAGE, PASSAGE_TO_TERM), TABLE_METRICS, strict=True))


@dataclass(frozen=True)
class ScoreRow:
    """One metric of one task, of the base and the fine-tuned encoder."""

    task: str
    metric: str
    queries: int
    base: Figure
    fine_tuned: Figure
    difference: Figure  # paired: the mean over queries of fine-tuned − base
    bm25: float | None = None


@dataclass(frozen=True)
class EncoderScores:
    """How a fine-tuned encoder does on held-out passages, beside the base one."""

    split: str
    gold: str  # what says which answer is right: "index" or "mentions"
    terms: int
    passages: int
    resampled: str  # what the bootstrap draws, as "14 chapters"; "" without intervals
    fingerprint: str  # of the fine-tuned encoder
    rows: tuple[ScoreRow, ...]


def read_scores(store: Store) -> EncoderScores | None:
    """The scores of the encoder that was trained on the triplets as they are now; None if there are none.

    Raises TableError for a file of scores that cannot be read.
    """
    made, path = store.manifest("train"), store.place(SCORES)
    trained_on = made.key["inputs"].get("triplets.parquet") if made else None
    if made is None or trained_on != store.sha("triplets.parquet") or not path.is_file():
        return None
    report = reports.read_report(path)
    # Other names belong to encoders that somebody compared with each other.
    if set(report.encoders) != {BASE, FINE_TUNED}:
        return None
    fingerprint = report.encoders[FINE_TUNED].fingerprint
    if fingerprint != fingerprint_of(made.outputs.get(ENCODER, "")):
        return None
    rows, sample = tuple(_row(report, task, metric) for task, metric in SHOWN), report.resampling[TERM_TO_PASSAGE]
    resampled = f"{sample.units} {sample.by}" if rows[0].difference.interval else ""
    return EncoderScores(report.split, report.gold, report.terms, report.passages, resampled, fingerprint, rows)


def _row(report: reports.EvaluationReport, task: str, metric: str) -> ScoreRow:
    rankers = (report.encoders[BASE], report.encoders[FINE_TUNED])
    base, fine_tuned = (Figure(one.scores[task][metric], one.intervals[task][metric]) for one in rankers)
    difference = report.differences[FINE_TUNED].tasks[task][metric]
    bm25 = report.baselines[reports.BM25].scores[task][metric]
    return ScoreRow(task, metric, report.resampling[task].queries, base, fine_tuned, difference, bm25)


def read_validation(store: Store) -> tuple[ScoreRow, ...]:
    """The validation scores that `train` ended with, without intervals; none if the split gave no query."""
    path = store.place(VALIDATION)
    found = reports.read_validation(path) if path.is_file() else None
    if not found or not found.base or not found.fine_tuned:
        return ()
    rows = []
    for task, metric in SHOWN:
        base, fine_tuned = found.base[task][metric], found.fine_tuned[task][metric]
        queries, change = int(found.base[task].get("queries", 0)), Figure(fine_tuned - base)
        rows.append(ScoreRow(task, metric, queries, Figure(base), Figure(fine_tuned), change))
    return tuple(rows)
