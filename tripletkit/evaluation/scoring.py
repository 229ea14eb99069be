"""Scores each encoder and baseline on each task, with bootstrap confidence intervals, and on everyday sentences.

A useful encoder beats exact match and BM25, which need no encoder. Everyday sentences show whether training has reduced
general-domain similarity: Spearman correlation on 180 graded pairs that come with the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.general import GradedPair, general_similarity
from tripletkit.evaluation.gold import Gold
from tripletkit.evaluation.metrics import METRICS, Estimate, ScoreMatrix, metric_values, resampling
from tripletkit.evaluation.report import (
    BM25,
    DEFINITION,
    DEFINITION_TO_PASSAGE,
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
from tripletkit.evaluation.tasks import RetrievalTask, TrainingContent, build_tasks, encoder_scores, seen_subsets
from tripletkit.language.lexical import bm25


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder under evaluation. ``label`` is its name in the report, ``mask_token`` stands for a hidden term."""

    label: str
    encoder: Encoder
    mask_token: str
    name: str = ""


def score_encoders(
    gold: Gold,
    encoders: Sequence[NamedEncoder],
    *,
    split: str,
    seed: int,
    training: TrainingContent | None = None,
    pairs: Sequence[GradedPair] | None = None,
) -> EvaluationReport:
    """Score exact match, BM25 and the encoders, the first of which the others are compared with.

    ``pairs`` are those of the general check, by default the package's.
    With ``training`` the two whole tasks are also scored by terms and books that training has seen or not.
    """
    tasks = build_tasks(gold)
    subsets = [task.subset(task.name, task.relevant) for task in tasks]
    for task in tasks:
        if training is not None and task.name in (TERM_TO_PASSAGE, PASSAGE_TO_TERM):
            subsets += seen_subsets(task, training)
    samples = {subset.name: resampling(subset.chapters, seed) for subset in subsets}

    def estimates(scores: Mapping[str, ScoreMatrix], ties: int | None = None) -> dict[str, Estimate]:
        ranked = [(of, metric_values(scores[of.task][of.rows], of.relevant, of.ignored, ties=ties)) for of in subsets]
        return {subset.name: samples[subset.name].estimate(values) for subset, values in ranked}

    exact = estimates({task.name: task.mentioned().astype("float32") for task in tasks}, ties=seed)
    words = estimates({task.name: bm25(task.queries, task.candidates) for task in tasks}, ties=seed)
    found = {one.label: estimates(encoder_scores(tasks, one.encoder, one.mask_token)) for one in encoders}
    general = {one.label: general_similarity(one.encoder, seed, pairs) for one in encoders}
    spearman = {label: _figures(of, ["Spearman"])["Spearman"] for label, of in general.items()}
    queries = {name: float(len(of.unit_of)) for name, of in samples.items()}
    first, *others = found
    start = float(general[first].point[0])
    return EvaluationReport(
        resampling={name: Sample(queries=len(of.unit_of), by=of.by, units=of.units) for name, of in samples.items()},
        baselines={EXACT_MATCH: _ranker(exact, queries), BM25: _ranker(words, queries)},
        encoders={
            of.label: _ranker(
                found[of.label], queries, general=spearman[of.label], name=of.name, fingerprint=of.encoder.fingerprint
            )
            for of in encoders
        },
        differences={
            name: Difference.model_validate(
                {
                    **{task: _figures(of.minus(found[first][task])) for task, of in found[name].items()},
                    "from": first,
                    "general": _figures(general[name].minus(general[first]), ["Spearman"])["Spearman"],
                    "general_change": round((float(general[name].point[0]) - start) / max(abs(start), 1e-9), 6),
                }
            )
            for name in others
        },
        terms=len(gold.terms),
        passages=len(gold.passage_ids),
        split=split,
        gold=gold.source,
        left_out=_left_out(gold, tasks),
    )


def _figures(estimate: Estimate, metrics: Sequence[str] = METRICS) -> dict[str, Figure]:
    """By metric, to six digits."""
    ends = np.stack(estimate.interval, axis=1).tolist() if estimate.interval else [None] * len(metrics)
    return {
        metric: Figure(round(value, 6), interval and (round(interval[0], 6), round(interval[1], 6)))
        for metric, value, interval in zip(metrics, estimate.point.tolist(), ends, strict=True)
    }


def _ranker(estimates: Mapping[str, Estimate], queries: Mapping[str, float], **of_encoder: Any) -> RankerScores:  # noqa: ANN401
    means = {task: dict(zip(METRICS, of.point.tolist(), strict=True)) for task, of in estimates.items()}
    figures = {task: _figures(of) for task, of in estimates.items()}
    return RankerScores(
        scores={task: {"queries": queries[task], **of} for task, of in means.items()},
        intervals={task: {metric: figure.interval for metric, figure in of.items()} for task, of in figures.items()},
        **of_encoder,
    )


def _left_out(gold: Gold, tasks: Sequence[RetrievalTask]) -> dict[str, str]:
    """The tasks that have no query here, and why."""
    reasons = {
        f"{TERM_TO_PASSAGE}, {NO_MENTION}": "every page here that the index cites for a term mentions it"
        if "index" in gold.source
        else "no index says which pages are about a term that they do not mention",
        DEFINITION: "no term here has a definition",
        DEFINITION_TO_PASSAGE: "no term here has both a definition and a relevant passage",
    }
    present = {task.name for task in tasks}
    return {task: reason for task, reason in reasons.items() if task not in present}
