"""Scores each encoder and baseline on each task, with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.baselines import bm25
from tripletkit.evaluation.bootstrap import Estimate, Resampling, resampling
from tripletkit.evaluation.general import general_similarity
from tripletkit.evaluation.gold import Gold
from tripletkit.evaluation.metrics import METRICS, ScoreMatrix, metric_values
from tripletkit.evaluation.report import (
    BM25,
    DEFINITION,
    EXACT_MATCH,
    NO_MENTION,
    PASSAGE_TO_TERM,
    TERM_TO_PASSAGE,
    Difference,
    EvaluationReport,
    Figure,
    RankerScores,
    Sample,
)
from tripletkit.evaluation.seen_unseen import TrainingContent, seen_subsets
from tripletkit.evaluation.tasks import QuerySubset, RetrievalTask, build_tasks, encoder_scores


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder under evaluation. ``label`` is its name in the report, ``mask_token`` stands for a hidden term."""

    label: str
    encoder: Encoder
    mask_token: str
    name: str = ""


@dataclass(frozen=True)
class _Estimates:
    """The estimates of one encoder or baseline, by task and subset."""

    tasks: Mapping[str, Estimate]
    general: Estimate | None = None  # Spearman; None for a baseline


def score_encoders(
    gold: Gold, encoders: Sequence[NamedEncoder], *, split: str, seed: int, training: TrainingContent | None = None
) -> EvaluationReport:
    """Score exact match, BM25 and the encoders, the first of which the others are compared with.

    With ``training`` the two whole tasks are also scored by terms and books that training has seen or not.
    """
    tasks = build_tasks(gold)
    subsets = [task.whole for task in tasks]
    for task in tasks:
        if training is not None and task.name in (TERM_TO_PASSAGE, PASSAGE_TO_TERM):
            subsets += seen_subsets(task, training)
    samples = {subset.name: resampling(subset.chapters, seed) for subset in subsets}
    exact = {task.name: task.mentioned().astype("float32") for task in tasks}
    by_words = {task.name: bm25(task.queries, task.candidates) for task in tasks}
    baselines = {
        name: _Estimates(_estimates(scores, subsets, samples, ties=seed))
        for name, scores in ((EXACT_MATCH, exact), (BM25, by_words))
    }
    found = {}
    for one in encoders:
        scores = encoder_scores(tasks, one.encoder, one.mask_token)
        found[one.label] = _Estimates(_estimates(scores, subsets, samples), general_similarity(one.encoder, seed))
    first = encoders[0].label
    queries = {subset.name: len(subset.rows) for subset in subsets}
    return EvaluationReport(
        resampling={name: Sample(queries[name], of.by, of.units) for name, of in samples.items()},
        baselines={name: _ranker(of, queries) for name, of in baselines.items()},
        encoders={one.label: _ranker(found[one.label], queries, one) for one in encoders},
        differences={one.label: _difference(found[one.label], found[first], first) for one in encoders[1:]},
        terms=len(gold.terms),
        passages=len(gold.passage_ids),
        split=split,
        gold=gold.source,
        left_out=_left_out(gold, tasks),
    )


def _estimates(
    scores: Mapping[str, ScoreMatrix],
    subsets: Sequence[QuerySubset],
    samples: Mapping[str, Resampling],
    ties: int | None = None,
) -> dict[str, Estimate]:
    return {
        subset.name: samples[subset.name].estimate(
            metric_values(scores[subset.task][subset.rows], subset.relevant, subset.ignored, ties=ties)
        )
        for subset in subsets
    }


def _figures(estimate: Estimate, metrics: Sequence[str] = METRICS) -> dict[str, Figure]:
    """By metric, to six digits."""
    intervals = (
        [(round(float(low), 6), round(float(high), 6)) for low, high in zip(*estimate.interval, strict=True)]
        if estimate.interval
        else [None] * len(metrics)
    )
    return {
        metric: Figure(round(value, 6), interval)
        for metric, value, interval in zip(metrics, estimate.point.tolist(), intervals, strict=True)
    }


def _ranker(found: _Estimates, queries: Mapping[str, int], encoder: NamedEncoder | None = None) -> RankerScores:
    scores = {
        task: {"queries": float(queries[task]), **dict(zip(METRICS, of.point.tolist(), strict=True))}
        for task, of in found.tasks.items()
    }
    intervals = {
        task: {metric: figure.interval for metric, figure in _figures(of).items()} for task, of in found.tasks.items()
    }
    if encoder is None or found.general is None:
        return RankerScores(scores, intervals)
    general = _figures(found.general, ["Spearman"])["Spearman"]
    return RankerScores(scores, intervals, general, encoder.name, encoder.encoder.fingerprint)


def _difference(found: _Estimates, first: _Estimates, first_name: str) -> Difference:
    assert found.general is not None
    assert first.general is not None
    before, after = float(first.general.point[0]), float(found.general.point[0])
    return Difference(
        minus=first_name,
        tasks={task: _figures(of.minus(first.tasks[task])) for task, of in found.tasks.items()},
        general=_figures(found.general.minus(first.general), ["Spearman"])["Spearman"],
        general_change=round((after - before) / max(abs(before), 1e-9), 6),
    )


def _left_out(gold: Gold, tasks: Sequence[RetrievalTask]) -> dict[str, str]:
    """The tasks that have no query here, and why."""
    reasons = {
        f"{TERM_TO_PASSAGE}, {NO_MENTION}": "the index cites no page here on which the term is not mentioned"
        if "index" in gold.source
        else "no index cites pages on which a term is not mentioned",
        DEFINITION: "no term here has a definition",
    }
    present = {task.name for task in tasks}
    return {task: reason for task, reason in reasons.items() if task not in present}
