"""Ranking metrics for all queries at once (rows are queries, columns are candidates), and their 95 % confidence intervals.

Intervals are by the bootstrap (Efron 1979) over whole books, chapters or queries. Queries of one chapter share its words, so
chapters are resampled, not queries, wherever there are enough of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
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
RESAMPLES = 1000
#: With fewer books, chapters are resampled; with fewer chapters, queries; with fewer queries there is no interval.
ENOUGH_UNITS = 5


def metric_values(
    scores: ScoreMatrix, relevant: Mask, ignored: Mask | None = None, *, ties: int | None = None
) -> Values:
    """Shape (queries, len(METRICS)). ``ignored`` candidates are neither relevant nor irrelevant: they are ranked last.

    Tied candidates keep their order; with ``ties``, a seed, each query's metrics are the mean over TIE_ORDERS random
    orders of its ties: exact match has two scores for hundreds of candidates.
    """
    if ignored is not None:
        scores = np.where(ignored, -np.inf, scores)
    orders = [np.argsort(-scores, axis=1, kind="stable")]
    if ties is not None:
        rng = np.random.default_rng(ties)
        orders = [np.argsort(_TIE_BREAKER * rng.random(scores.shape) - scores, axis=1) for _ in range(TIE_ORDERS)]
    gains = [np.take_along_axis(relevant, order, axis=1) for order in orders]
    mean: Values = np.mean([np.stack([of(gain) for of in MEASURES.values()], axis=1) for gain in gains], axis=0)
    return mean


def mean_metrics(scores: ScoreMatrix, relevant: Mask, ignored: Mask | None = None) -> Metrics:
    """The number of queries, and the mean of each metric over them. ``ignored`` as in `metric_values`."""
    values = metric_values(scores, relevant, ignored)
    means = values.mean(axis=0) if len(values) else np.zeros(len(METRICS))
    return {"queries": float(len(values)), **dict(zip(METRICS, means.tolist(), strict=True))}


@dataclass(frozen=True)
class Estimate:
    """One value per metric, and its values on each resample. Estimates of one Resampling have paired differences."""

    point: Values  # (metrics,)
    draws: Values  # (resamples, metrics); no rows where there were too few units

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference."""
        return Estimate(self.point - other.point, self.draws - other.draws)

    @property
    def interval(self) -> tuple[Values, Values] | None:
        """The 2.5th and 97.5th percentile of the resamples, each of shape (metrics,); None without resamples."""
        if not len(self.draws):
            return None
        low, high = np.percentile(self.draws, [2.5, 97.5], axis=0)
        return low, high


@dataclass(frozen=True)
class Resampling:
    """How often each resample contains each unit, and the unit of each query."""

    by: str  # books, chapters or queries
    unit_of: npt.NDArray[np.intp]  # (queries,)
    counts: Values  # (resamples, units), whole numbers

    @property
    def units(self) -> int:
        """The number of units."""
        return int(self.counts.shape[1])

    def estimate(self, values: Values) -> Estimate:
        """Means over the queries; ``values`` has shape (queries, metrics)."""
        sums = np.zeros((self.units, values.shape[1]))
        np.add.at(sums, self.unit_of, values)
        queries = self.counts @ np.bincount(self.unit_of, minlength=self.units)
        return Estimate(values.mean(axis=0), (self.counts @ sums) / queries[:, None])


def resampling(chapters: Sequence[tuple[str, str]], seed: int) -> Resampling:
    """Resample books, chapters or queries: the largest of which there are enough. ``chapters``: (book, chapter) of each query."""
    levels: dict[str, Sequence[Hashable]] = {"books": [book for book, _ in chapters], "chapters": chapters}
    by = next((name for name, units in levels.items() if len(set(units)) >= ENOUGH_UNITS), "queries")
    units = levels.get(by, range(len(chapters)))
    number = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    rng = np.random.default_rng(seed)
    resamples = RESAMPLES if len(number) >= ENOUGH_UNITS else 0
    counts = rng.multinomial(len(number), np.full(len(number), 1 / len(number)), size=resamples).astype(np.float64)
    return Resampling(by, np.array([number[unit] for unit in units]), counts)
