"""Rankings → metrics, for all queries at once: a row a query, a column a candidate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
Metrics = dict[str, float]


def ndcg(gains: Mask, k: int) -> Values:
    """Binary gains in ranked order; the ideal puts all relevant ones first (Järvelin & Kekäläinen 2002)."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[np.inf], np.cumsum(discounts)])  # nothing relevant: 0
    first = gains[:, :k]
    found: Values = first @ discounts[: first.shape[1]] / ideal[np.minimum(gains.sum(axis=1), k)]
    return found


def reciprocal_rank(gains: Mask, k: int) -> Values:
    """1 / rank of the first relevant one among the first k, else 0."""
    first = gains[:, :k]
    found: Values = np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0)
    return found


def average_precision(gains: Mask) -> Values:
    """Mean of the precision at each relevant one, over the whole ranking."""
    precision = np.cumsum(gains, axis=1) / np.arange(1, gains.shape[1] + 1)
    found: Values = (precision * gains).sum(axis=1) / np.maximum(gains.sum(axis=1), 1)
    return found


def recall(gains: Mask, k: int) -> Values:
    """Share of the relevant ones that are among the first k."""
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
#: Orders over which a ranking with many ties is averaged.
TIE_DRAWS = 8
#: Far below any difference between two scores in float32.
_LOT = 1e-9


def metric_values(scores: Scores, relevant: Mask, ignored: Mask | None = None, *, ties: int | None = None) -> Values:
    """Shape (queries, len(METRICS)). ``ignored`` candidates are neither right nor wrong: they are put last.

    Equal scores keep the candidates' order; with ``ties``, a seed, each query's metrics are the mean over TIE_DRAWS random
    orders of its equals, as a scorer with two values and a hundred candidates deserves neither luck nor blame.
    """
    if ignored is not None:
        scores = np.where(ignored, -np.inf, scores)
    if ties is None:
        return _measured(np.argsort(-scores, axis=1, kind="stable"), relevant)
    rng = np.random.default_rng(ties)
    orders = (np.argsort(_LOT * rng.random(scores.shape) - scores, axis=1) for _ in range(TIE_DRAWS))
    mean: Values = np.mean([_measured(order, relevant) for order in orders], axis=0)
    return mean


def _measured(order: npt.NDArray[np.intp], relevant: Mask) -> Values:
    gains = np.take_along_axis(relevant, order, axis=1)
    return np.stack([measure(gains) for measure in MEASURES.values()], axis=1)


def mean_metrics(scores: Scores, relevant: Mask) -> Metrics:
    """The number of queries, and each metric's mean over them."""
    values = metric_values(scores, relevant)
    means = values.mean(axis=0) if len(values) else np.zeros(len(METRICS))
    return {"queries": float(len(values)), **dict(zip(METRICS, means.tolist(), strict=True))}
