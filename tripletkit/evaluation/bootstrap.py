"""How far a figure may be chance: 95 % intervals by the bootstrap over whole books, chapters or queries (Efron 1979).

Queries of one chapter share its words, so chapters are drawn, not queries, wherever there are enough of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tripletkit.evaluation.metrics import Values

RESAMPLES = 1000
#: Fewer books or chapters than this give no usable interval: what lies below them is drawn instead. Of fewer queries there is none.
ENOUGH_UNITS = 5


@dataclass(frozen=True)
class Estimate:
    """Figures, one a metric, and what they were on each resample. Of one Resampling: a difference is paired."""

    point: Values  # (metrics,)
    draws: Values  # (resamples, metrics); no resamples where there was too little to draw from

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference."""
        return Estimate(self.point - other.point, self.draws - other.draws)

    @property
    def interval(self) -> tuple[Values, Values] | None:
        """Lower and upper end, between which 95 % of the resamples lie; None where there are none."""
        if not len(self.draws):
            return None
        low, high = np.percentile(self.draws, [2.5, 97.5], axis=0)
        return low, high


@dataclass(frozen=True)
class Resampling:
    """How often each resample holds each unit, and which unit each query belongs to."""

    by: str  # books, chapters or queries
    unit_of: npt.NDArray[np.intp]  # (queries,)
    counts: Values  # (resamples, units), whole numbers

    @property
    def units(self) -> int:
        """How many there are to draw from."""
        return int(self.counts.shape[1])

    def estimate(self, values: Values) -> Estimate:
        """Means over the queries; ``values`` has shape (queries, metrics)."""
        sums = np.zeros((self.units, values.shape[1]))
        np.add.at(sums, self.unit_of, values)
        queries = self.counts @ np.bincount(self.unit_of, minlength=self.units)
        return Estimate(values.mean(axis=0), (self.counts @ sums) / queries[:, None])


def resampling(chapters: Sequence[tuple[str, str]], seed: int) -> Resampling:
    """Draw books, chapters or queries, the largest of which there are enough. ``chapters``: each query's (book, chapter)."""
    levels: dict[str, Sequence[Hashable]] = {"books": [book for book, _ in chapters], "chapters": chapters}
    by = next((name for name, units in levels.items() if len(set(units)) >= ENOUGH_UNITS), "queries")
    units = levels.get(by, range(len(chapters)))
    number = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    rng = np.random.default_rng(seed)
    resamples = RESAMPLES if len(number) >= ENOUGH_UNITS else 0
    counts = rng.multinomial(len(number), np.full(len(number), 1 / len(number)), size=resamples).astype(np.float64)
    return Resampling(by, np.array([number[unit] for unit in units]), counts)
