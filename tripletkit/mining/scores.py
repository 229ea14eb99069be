"""Cosines of passages with terms, in blocks of rows that keep to a memory budget."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tripletkit.errors import TableError
from tripletkit.mining.pool import Numbers

Vectors = npt.NDArray[np.float32]
#: Components of unit vectors are rounded to this. A product of two is then a multiple of 2^-52, and so is every partial sum,
#: which is at most 1 (Cauchy-Schwarz): float64 holds each exactly. So the cosines are the same bits whatever the block's
#: shape, the number of threads and the machine's BLAS, none of which is true of float32; the price is an error below 1e-7.
GRID = 2.0**26
#: What a pair takes per term (and per dimension): its anchor's float64 product and its float32 copy, order and places, and the
#: scratch of sorting and of the guards.
BYTES_PER_SCORE = 56
#: Larger blocks are no faster, and what is used up while one is mined must be looked up again.
AT_ONCE = 256


class Scores:
    """Exact cosines with all terms. ``memory_mb`` bounds the blocks, not the vectors themselves."""

    def __init__(self, terms: Vectors, memory_mb: float) -> None:
        self._terms = on_grid(terms)
        self._rough = np.asarray(terms, dtype=np.float32)
        self._memory = memory_mb * 2**20
        self.rows = min(max(1, int(self._memory / (BYTES_PER_SCORE * max(sum(terms.shape), 1)))), AT_ONCE)

    def of(self, anchors: npt.NDArray[np.floating]) -> Vectors:
        """Cosines of each anchor with every term. Give at most ``rows`` anchors to keep to the budget."""
        cosines: Vectors = (on_grid(anchors) @ self._terms.T).astype(np.float32)
        return cosines

    def between(self, terms: npt.NDArray[np.integer], others: npt.NDArray[np.integer]) -> Vectors:
        """Cosine of each term with the other at its place."""
        cosines = np.empty(len(terms), dtype=np.float32)
        for start in range(0, len(terms), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            one, in_one = np.unique(terms[part], return_inverse=True)
            other, in_other = np.unique(others[part], return_inverse=True)
            cosines[part] = (self._terms[one] @ self._terms[other].T)[in_one, in_other]
        return cosines

    def near_terms(self, bound: float) -> tuple[Numbers, ...]:
        """Per term: the terms whose cosine with it is at least ``bound``, itself included.

        Products in float32 of each two terms find them but for those about the bound, which exact products decide. Raises
        TableError where an encoder finds so many terms alike that their list breaks the budget.
        """
        count, dimensions = self._rough.shape
        error = (dimensions + 4) * 2.0**-23  # of a float32 sum of products of unit vectors, in any order, at most
        found, held = [np.empty((2, 0), dtype=np.int32)], 0
        for start in range(0, count, self.rows):
            product = self._rough[start : start + self.rows] @ self._rough[start:].T  # two terms are met once
            near = np.flatnonzero(product >= bound - error)
            pairs = np.stack(np.divmod(near, count - start)).astype(np.int32) + np.int32(start)
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


def on_grid(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """``vectors`` in float64, each component rounded to a multiple of 1 / GRID."""
    rounded = vectors.astype(np.float64)
    rounded *= GRID
    np.rint(rounded, out=rounded)
    rounded /= GRID
    return rounded
