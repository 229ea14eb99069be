"""95 % confidence intervals by the bootstrap (Efron 1979) over whole books, chapters or queries.

Queries of one chapter share its words, so chapters are resampled, not queries, wherever there are enough of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tripletkit.evaluation.metrics import Values

RESAMPLES = 1000
#: Of fewer books, chapters are resampled; of fewer chapters, queries; fewer queries have no interval.
ENOUGH_UNITS = 5


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
