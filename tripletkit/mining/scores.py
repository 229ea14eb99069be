"""Cosines of passages with terms, in blocks of rows that keep to a memory budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tripletkit.errors import TableError
from tripletkit.mining.pool import Numbers

Vectors = npt.NDArray[np.float32]
#: Components of unit vectors are rounded to this. A product of two is then a multiple of 2^-52, and so is every partial sum,
#: which is at most 1 (Cauchy-Schwarz): float64 holds each exactly. So the cosines are the same bits whatever the block's
#: shape, the number of threads and the machine's BLAS, none of which is true of float32; the price is an error below 1e-7.
GRID = 2.0**26
#: What a row takes per term (and per dimension): a float64 product, its float32 copy, and scratch for guards and sorting.
BYTES_PER_SCORE = 24


class Scores:
    """Exact cosines with all terms. ``memory_mb`` bounds the blocks, not the vectors themselves."""

    def __init__(self, terms: Vectors, memory_mb: float) -> None:
        self._terms = on_grid(terms)
        self.rows = max(1, int(memory_mb * 2**20 / (BYTES_PER_SCORE * max(sum(terms.shape), 1))))
        self._memory = memory_mb * 2**20

    def blocks(self, anchors: npt.NDArray[np.floating], order: Sequence[int]) -> Iterator[Vectors]:
        """Cosines with every term of the rows of ``anchors`` in the order given, so many rows at a time.

        Each block lies where the last one lay.
        """
        product = np.empty((min(self.rows, len(order)), len(self._terms)))
        cosines = np.empty(product.shape, dtype=np.float32)
        for start in range(0, len(order), self.rows):
            rows = order[start : start + self.rows]
            np.matmul(on_grid(anchors[list(rows)]), self._terms.T, out=product[: len(rows)])
            cosines[: len(rows)] = product[: len(rows)]
            yield cosines[: len(rows)]

    def near_terms(self, bound: float) -> tuple[Numbers, ...]:
        """Per term: the terms whose cosine with it is at least ``bound``, itself included.

        Raises TableError where an encoder finds so many terms alike that their list breaks the budget.
        """
        near: list[Numbers] = []
        held = 0
        for cosines in self.blocks(self._terms, range(len(self._terms))):
            for row in cosines:
                near.append(np.flatnonzero(row >= bound).astype(np.int32))
                held += near[-1].nbytes
            if held > self._memory:
                raise TableError(
                    f"mine: {held // 4:,} pairs of terms among the first {len(near):,} terms are nearer than {bound:g}, which "
                    "breaks mine.memory_mb",
                    "Such an encoder tells terms apart badly: raise mine.synonym_bound, or take another encoder.",
                )
        return tuple(near)

    def between(self, term: int, others: Sequence[int]) -> list[float]:
        """Cosine of a term with each of some others."""
        cosines: list[float] = (self._terms[others] @ self._terms[term]).astype(np.float32).tolist()
        return cosines


def on_grid(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """``vectors`` in float64, each component rounded to a multiple of 1 / GRID."""
    rounded = vectors.astype(np.float64)
    rounded *= GRID
    np.rint(rounded, out=rounded)
    rounded /= GRID
    return rounded
