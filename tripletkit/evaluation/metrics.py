"""Ranking metrics for all queries at once: rows are queries, columns are candidates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

ScoreMatrix = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
Metrics = dict[str, float]


def ndcg(gains: Mask, k: int) -> Values:
    """nDCG@k (Järvelin & Kekäläinen 2002) with binary gains, which are given in ranked order."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[np.inf], np.cumsum(discounts)])  # 0 where no candidate is relevant
    first = gains[:, :k]
    found: Values = first @ discounts[: first.shape[1]] / ideal[np.minimum(gains.sum(axis=1), k)]
    return found


def reciprocal_rank(gains: Mask, k: int) -> Values:
    """1 / rank of the first relevant candidate among the first k, else 0."""
    first = gains[:, :k]
    found: Values = np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0)
    return found


def average_precision(gains: Mask) -> Values:
    """Mean of the precision at each relevant candidate, over the whole ranking."""
    precision = np.cumsum(gains, axis=1) / np.arange(1, gains.shape[1] + 1)
    found: Values = (precision * gains).sum(axis=1) / np.maximum(gains.sum(axis=1), 1)
    return found


def recall(gains: Mask, k: int) -> Values:
    """Share of the relevant candidates that are among the first k."""
    found: Values = gains[:, :k].sum(axis=1) / np.maximum(gains.sum(axis=1), 1)
    return found


MEASURES: dict[str, Callable[[Mask], Values]] = {
    "nDCG@10": partial(ndcg, k=10),
    "MRR@10": partial(reciprocal_rank, k=10),
    "MAP": average_precision,
    "recall@10": partial(recall, k=10),
    "recall@20": partial(recall, k=20),
}
METRICS = tuple(MEASURES)
#: Random orders of tied candidates over which metrics are averaged.
TIE_ORDERS = 8
#: Far below any difference between two scores in float32.
_TIE_BREAKER = 1e-9


def metric_values(
    scores: ScoreMatrix, relevant: Mask, ignored: Mask | None = None, *, ties: int | None = None
) -> Values:
    """Shape (queries, len(METRICS)). ``ignored`` candidates are neither relevant nor irrelevant: they are ranked last.

    Tied candidates keep their order; with ``ties``, a seed, each query's metrics are the mean over TIE_ORDERS random
    orders of its ties: exact match has two scores for hundreds of candidates.
    """
    if ignored is not None:
        scores = np.where(ignored, -np.inf, scores)
    if ties is None:
        return _measured(np.argsort(-scores, axis=1, kind="stable"), relevant)
    rng = np.random.default_rng(ties)
    orders = (np.argsort(_TIE_BREAKER * rng.random(scores.shape) - scores, axis=1) for _ in range(TIE_ORDERS))
    mean: Values = np.mean([_measured(order, relevant) for order in orders], axis=0)
    return mean


def _measured(order: npt.NDArray[np.intp], relevant: Mask) -> Values:
    gains = np.take_along_axis(relevant, order, axis=1)
    return np.stack([measure(gains) for measure in MEASURES.values()], axis=1)


def mean_metrics(scores: ScoreMatrix, relevant: Mask) -> Metrics:
    """The number of queries, and the mean of each metric over them."""
    values = metric_values(scores, relevant)
    means = values.mean(axis=0) if len(values) else np.zeros(len(METRICS))
    return {"queries": float(len(values)), **dict(zip(METRICS, means.tolist(), strict=True))}
