"""Cosines of passages with terms, in blocks of rows that keep to a memory budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tripletkit.errors import TableError
from tripletkit.mining.pool import Numbers

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.integer]
#: Components of unit vectors are rounded to this, which float32 holds. A product of two is then a multiple of 2^-52, and so is
#: every partial sum, which is at most 1 (Cauchy-Schwarz): float64 holds each exactly. So the cosines are the same bits whatever
#: the block's shape, the number of threads and the machine's BLAS, none of which is true of float32; the price is an error
#: below 1e-7.
GRID = 2.0**26
#: Up to so many terms all cosines are exact. Beyond, they are float32 products, which take a third of the time, and those that
#: decide are worked out again: some hundreds a row, which is what the other two thirds pay for about here.
EXACT = 4_000
#: A small glossary: what its terms are to each other is worked out once, a table of 1 MB, and all of them are ranked, which costs
#: less than ranking again for the pairs that lack some.
SMALL = 512
#: What a pair takes per term (and per dimension): its anchor's products, and the scratch of ranking and of the guards.
BYTES_PER_SCORE = 56
#: Pairs of a block. Larger ones are no faster, and what is used up while one is mined must be looked up again. A thousand, which
#: spares BLAS much copying of terms, only where a block is a small part of all.
AT_ONCE, AT_MOST, PARTS = 256, 1024, 64
#: Single products worked out at a time: these stay in the cache, and in memory that need not be asked for again (ten times as
#: fast as 512 at a time).
FEW = 128


@dataclass(frozen=True)
class Cosines:
    """Each anchor (row) with every term: near enough to find what may matter, and exact `at` the places asked for."""

    rough: Vectors
    error: float  # rough and exact differ by at most half of this; 0 where all are exact
    anchors: Vectors  # on the grid, as are the terms
    terms: Vectors

    def at(self, rows: Indices, terms: Indices) -> Vectors:
        """Exact cosines of anchors and terms, place by place."""
        return dots(self.anchors, rows, self.terms, terms) if self.error else self.rough[rows, terms]

    def nearer(self, row: int, cosine: np.float32) -> int:
        """How many terms are nearer to the anchor than that."""
        values = self.rough[row]
        sure = int(np.count_nonzero(values > cosine + self.error))
        if not self.error:
            return sure
        doubted = np.flatnonzero(np.abs(values - cosine) <= self.error)
        return sure + int(np.count_nonzero(self.at(np.full(len(doubted), row), doubted) > cosine))

    def nearest(self, row: int, without: Indices) -> int:
        """The term nearest to the anchor, some left out; the first of equals."""
        values = self.rough[row].copy()
        values[without] = -np.inf
        best = np.flatnonzero(values >= values.max() - 2 * self.error)
        return int(best[np.argmax(self.at(np.full(len(best), row), best))])

    def of_rows(self, rows: Indices) -> Cosines:
        """Of some anchors only."""
        return Cosines(self.rough[rows], self.error, self.anchors[rows], self.terms)


class Scores:
    """Cosines with all terms. ``memory_mb`` bounds the blocks, not the vectors themselves; ``exact`` works all out exactly."""

    def __init__(self, terms: Vectors, memory_mb: float, *, exact: bool = False) -> None:
        self._terms = on_grid(terms)
        self._exact = self._terms.astype(np.float64) if exact or len(terms) <= EXACT else None
        self._error = (
            terms.shape[1] + 4
        ) * 2.0**-23  # twice that of a float32 sum of products of unit vectors, in any order
        self._memory = memory_mb * 2**20
        self.rows = min(max(1, int(self._memory / (BYTES_PER_SCORE * max(sum(terms.shape), 1)))), AT_MOST)

    def of(self, anchors: Vectors) -> Cosines:
        """Each anchor with every term. Give at most ``rows`` anchors to keep to the budget."""
        anchors = on_grid(anchors)
        if self._exact is None:
            return Cosines(anchors @ self._terms.T, self._error, anchors, self._terms)
        return Cosines((anchors.astype(np.float64) @ self._exact.T).astype(np.float32), 0.0, anchors, self._terms)

    @cached_property
    def _among(self) -> Vectors:
        """Of few terms, the cosine of each with each."""
        terms = self._terms.astype(np.float64)
        return (terms @ terms.T).astype(np.float32)

    def between(self, terms: Indices, others: Indices) -> Vectors:
        """Cosine of each term with the other at its place."""
        if len(self._terms) <= SMALL:
            return self._among[terms, others]
        return dots(self._terms, terms, self._terms, others)

    def near_terms(self, bound: float) -> tuple[Numbers, ...]:
        """Per term: the terms whose cosine with it is at least ``bound``, itself included.

        Products in float32 of each two terms find them but for those about the bound, which exact products decide. Raises
        TableError where an encoder finds so many terms alike that their list breaks the budget.
        """
        count = len(self._terms)
        if count <= SMALL:
            of, near = np.nonzero(self._among >= np.float32(bound))
            return tuple(np.split(near.astype(np.int32), np.searchsorted(of, np.arange(1, count))))
        found, held = [np.empty((2, 0), dtype=np.int32)], 0
        for start in range(0, count, self.rows):
            product = self._terms[start : start + self.rows] @ self._terms[start:].T  # two terms are met once
            nearby = np.flatnonzero(product >= bound - self._error)
            pairs = np.stack(np.divmod(nearby, count - start)).astype(np.int32) + np.int32(start)
            pairs = pairs[:, pairs[0] <= pairs[1]]
            held += 2 * pairs[0].nbytes
            if held > self._memory:
                raise TableError(
                    f"mine: {held // 4:,} pairs of terms, those of the first {start + len(product):,} terms, are nearer than "
                    f"{bound:g}, which breaks mine.memory_mb",
                    "Such an encoder tells terms apart badly: raise mine.synonym_bound, or take another encoder.",
                )
            found.append(pairs[:, self.between(pairs[0], pairs[1]) >= np.float32(bound)])
        one, other = np.concatenate(found, axis=1)
        keys = np.unique(np.concatenate((one * np.int64(count) + other, other * np.int64(count) + one)))
        of, near = np.divmod(keys, max(count, 1))
        return tuple(np.split(near.astype(np.int32), np.searchsorted(of, np.arange(1, count))))


def on_grid(vectors: Vectors) -> Vectors:
    """``vectors`` with each component rounded to a multiple of 1 / GRID."""
    rounded = vectors * np.float32(GRID)
    np.rint(rounded, out=rounded)
    rounded /= np.float32(GRID)
    return rounded


def dots(ones: Vectors, rows: Indices, others: Vectors, columns: Indices) -> Vectors:
    """Exact products of rows of one and of another on the grid, place by place."""
    found = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), FEW):
        part = slice(start, start + FEW)
        one, other = ones[rows[part]].astype(np.float64), others[columns[part]].astype(np.float64)
        found[part] = np.einsum("ij,ij->i", one, other)
    return found
