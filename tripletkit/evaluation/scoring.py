"""Scores each encoder and its rivals on each task, with bootstrap confidence intervals, and on everyday sentences.

A useful encoder beats what its user has without training: exact match, BM25, and the base encoder's vectors, fused with
BM25 and token by token (MaxSim). Everyday sentences show whether training has reduced
general-domain similarity: Spearman correlation on 180 graded pairs that come with the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.general import GradedPair, general_similarity
from tripletkit.evaluation.gold import Gold
from tripletkit.evaluation.metrics import METRICS, Estimate, ScoreMatrix, metric_values, resampling
from tripletkit.evaluation.rankers import (
    EQUAL_WEIGHTS,
    Scores,
    bm25_scores,
    exact_scores,
    fuse,
    fusion_weights,
    maxsim_scores,
)
from tripletkit.evaluation.report import (
    BM25,
    DEFINITION,
    DEFINITION_TO_PASSAGE,
    DIRECTIONS,
    EXACT_MATCH,
    LEADING_METRIC,
    NO_MENTION,
    PASSAGE_TO_TERM,
    TERM_TO_PASSAGE,
    EvaluationReport,
    Figure,
    Fusion,
    RankerScores,
    Sample,
    TermScore,
    fused_name,
    maxsim_name,
)
from tripletkit.evaluation.tasks import RetrievalTask, TrainingContent, build_tasks, encoder_scores, seen_subsets


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
    validation: Gold | None = None,
    promise: str = "",
) -> EvaluationReport:
    """Score exact match, BM25 and the encoders, the first of which the others are compared with.

    Each encoder ranks by its vectors, by these fused with BM25, and by its token vectors (MaxSim). The weights of the fusion
    are the best on ``validation``, which must be other passages than those of ``gold``; without it, both weigh the same.
    ``pairs`` are those of the general check, by default the package's.
    With ``training`` the two whole tasks are also scored by terms and books that training has seen or not.
    """
    tasks = build_tasks(gold)
    subsets = [task.subset(task.name, task.relevant) for task in tasks]
    for task in tasks:
        if training is not None and task.name in (TERM_TO_PASSAGE, PASSAGE_TO_TERM):
            subsets += seen_subsets(task, training)
    samples = {subset.name: resampling(subset.chapters, seed) for subset in subsets}

    def estimates(scores: Scores, ties: int | None = None) -> dict[str, Estimate]:
        ranked = [(of, metric_values(scores[of.task][of.rows], of.relevant, of.ignored, ties=ties)) for of in subsets]
        return {subset.name: samples[subset.name].estimate(values) for subset, values in ranked}

    words = bm25_scores(tasks)
    found = {EXACT_MATCH: estimates(exact_scores(tasks), ties=seed), BM25: estimates(words, ties=seed)}
    weights = {of.label: _weights(validation, of) for of in encoders}
    left_out, term_scores = _left_out(gold, tasks), dict[str, tuple[TermScore, ...]]()
    for of in encoders:
        vectors = encoder_scores(tasks, of.encoder, of.mask_token)
        term_scores[of.label] = tuple(_term_scores(tasks[0], vectors[TERM_TO_PASSAGE]))
        found[of.label] = estimates(vectors)
        mixed = {
            task.name: fuse(vectors[task.name], words[task.name], weights[of.label][task.direction]) for task in tasks
        }
        found[fused_name(of.label)] = estimates(mixed)
        if tokens := maxsim_scores(tasks, of.encoder, of.mask_token):
            found[maxsim_name(of.label)] = estimates(tokens)
        else:
            left_out[maxsim_name(of.label)] = "the encoder has no token vectors"
    queries = {name: float(len(of.unit_of)) for name, of in samples.items()}
    rankers = {name: _ranker(of, queries) for name, of in found.items()}
    labels = [of.label for of in encoders]
    return EvaluationReport(
        resampling={name: Sample(queries=len(of.unit_of), by=of.by, units=of.units) for name, of in samples.items()},
        baselines={EXACT_MATCH: rankers[EXACT_MATCH], BM25: rankers[BM25]},
        encoders={
            of.label: rankers[of.label].model_copy(update=more)
            for of, more in zip(encoders, _of_encoders(encoders, seed, pairs), strict=True)
        },
        fused={label: rankers[fused_name(label)] for label in labels},
        maxsim={label: rankers[name] for label in labels if (name := maxsim_name(label)) in rankers},
        fusion=Fusion(weights=weights, chosen_on="validation" if validation is not None and validation.terms else ""),
        differences=_differences(found, labels),
        terms=len(gold.terms),
        passages=len(gold.passage_ids),
        split=split,
        gold=gold.source,
        promise=promise,
        term_scores=term_scores,
        left_out=left_out,
    )


def _term_scores(task: RetrievalTask, cosines: ScoreMatrix) -> Iterator[TermScore]:
    """Each term of term→passage, whose ``cosines`` have the shape (terms, passages)."""
    order = np.argsort(-cosines, axis=1, kind="stable")
    first = np.take_along_axis(task.relevant, order, axis=1).argmax(axis=1)
    values = metric_values(cosines, task.relevant)[:, METRICS.index(LEADING_METRIC)]
    for row, (term_id, term) in enumerate(zip(task.query_ids, task.queries, strict=True)):
        yield TermScore(
            term_id=term_id,
            term=term,
            score=round(float(values[row]), 6),
            rank=int(first[row]) + 1,
            relevant_id=task.candidate_ids[order[row, first[row]]],
            preferred_id=task.candidate_ids[order[row, 0]],
        )


def _weights(validation: Gold | None, of: NamedEncoder) -> dict[str, float]:
    """By direction."""
    equal = dict.fromkeys(DIRECTIONS, EQUAL_WEIGHTS)
    if validation is None or not validation.terms:
        return equal
    return equal | fusion_weights(validation, of.encoder, of.mask_token)


def _of_encoders(
    encoders: Sequence[NamedEncoder], seed: int, pairs: Sequence[GradedPair] | None
) -> Iterator[dict[str, Any]]:
    """Per encoder, what a report says of it beside its rankings."""
    general = [general_similarity(of.encoder, seed, pairs) for of in encoders]
    start = float(general[0].point[0])
    for of, own in zip(encoders, general, strict=True):
        yield {
            "name": of.name,
            "fingerprint": of.encoder.fingerprint,
            "general": _figures(own, ["Spearman"])["Spearman"],
            "general_difference": _figures(own.minus(general[0]), ["Spearman"])["Spearman"],
            "general_change": round((float(own.point[0]) - start) / max(abs(start), 1e-9), 6),
        }


def _differences(
    found: Mapping[str, Mapping[str, Estimate]], labels: Sequence[str]
) -> dict[str, dict[str, dict[str, dict[str, Figure]]]]:
    """Each ranker minus the first encoder; what one has without training minus each encoder; uses minus the first's."""
    first = labels[0]
    rivals = (EXACT_MATCH, BM25, fused_name(first), maxsim_name(first))
    pairs = [
        *((name, first) for name in found if name != first),
        *((rival, label) for label in labels[1:] for rival in rivals),
        *((use(label), use(first)) for label in labels[1:] for use in (fused_name, maxsim_name)),
    ]
    differences: dict[str, dict[str, dict[str, dict[str, Figure]]]] = {}
    for one, other in pairs:
        if one in found and other in found:
            figures = {task: _figures(of.minus(found[other][task])) for task, of in found[one].items()}
            differences.setdefault(one, {})[other] = figures
    return differences


def _figures(estimate: Estimate, metrics: Sequence[str] = METRICS) -> dict[str, Figure]:
    """By metric, to six digits."""
    ends = np.stack(estimate.interval, axis=1).tolist() if estimate.interval else [None] * len(metrics)
    return {
        metric: Figure(round(value, 6), interval and (round(interval[0], 6), round(interval[1], 6)))
        for metric, value, interval in zip(metrics, estimate.point.tolist(), ends, strict=True)
    }


def _ranker(estimates: Mapping[str, Estimate], queries: Mapping[str, float]) -> RankerScores:
    means = {task: dict(zip(METRICS, of.point.tolist(), strict=True)) for task, of in estimates.items()}
    figures = {task: _figures(of) for task, of in estimates.items()}
    return RankerScores(
        scores={task: {"queries": queries[task], **of} for task, of in means.items()},
        intervals={task: {metric: figure.interval for metric, figure in of.items()} for task, of in figures.items()},
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
