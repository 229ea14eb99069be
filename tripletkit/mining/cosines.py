"""Exact cosines of texts with the terms of a split, a block of texts at a time to bound memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tripletkit.errors import TableError
from tripletkit.mining.relations import Numbers

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.integer]
#: Components of unit vectors are rounded to multiples of 1 / GRID. A product of two is then a multiple of 2^-52, and so is every
#: partial sum, which is at most 1 (Cauchy-Schwarz): float64 holds each exactly. So a cosine has the same bits whatever the size
#: of the block, the number of threads and the BLAS library, which is true of no product in float32. Rounding costs less than 1e-7.
GRID = 2.0**26
#: Bytes that a block takes per text and term: a cosine in float64, the same in float32, that of the block before, which is
#: still held, and a share of the masks and of BLAS's buffers.
BYTES_PER_COSINE = 20
#: Pairs of terms whose cosines are computed together, at most.
_PAIRS_AT_ONCE = 1024
#: Texts of a block at most: larger blocks are no faster.
MOST_TEXTS = 1024


class TermCosines:
    """Cosines with all terms. ``memory_mb`` bounds the blocks, not the vectors themselves."""

    def __init__(self, terms: Vectors, memory_mb: float) -> None:
        self._rough, self._terms = terms, _on_grid(terms)
        self._memory = memory_mb * 2**20
        self.texts_at_once = min(max(1, int(self._memory / (BYTES_PER_COSINE * max(len(terms), 1)))), MOST_TEXTS)

    def of(self, texts: Vectors) -> Vectors:
        """Each text (row) with every term. Give at most ``texts_at_once`` rows to keep to the memory."""
        return np.asarray(_on_grid(texts) @ self._terms.T, dtype=np.float32)

    def of_pairs(self, texts: Vectors, terms: Indices) -> Vectors:
        """Each text with the one term at its place."""
        return self._products(_on_grid(texts), terms)

    def _products(self, rows: npt.NDArray[np.float64], terms: Indices) -> Vectors:
        return np.asarray(np.einsum("ij,ij->i", rows, self._terms[terms]), dtype=np.float32)

    def between(self, term: int, others: Indices) -> Vectors:
        """One term with each of the others."""
        return np.asarray(self._terms[others] @ self._terms[term], dtype=np.float32)

    def near_synonyms(self, threshold: float) -> tuple[Numbers, ...]:
        """Per term: the terms whose cosine with it is at least ``threshold``, itself included.

        Raises TableError where an encoder finds so many terms alike that the list of them is larger than the memory allowed.
        """
        count, found, held = len(self._terms), [np.empty(0, dtype=np.int64)], 0
        for start, one, other in self._pairs_near(threshold):
            found += [one * count + other, other * count + one]
            held += found[-1].nbytes
            if held > self._memory:
                read = min(start + self.texts_at_once, count)
                raise TableError(
                    f"mine: {held // 8:,} pairs of terms, those of the first {read:,} terms, have a cosine of "
                    f"{threshold:g} or more; the list of them breaks mine.memory_mb",
                    "This encoder cannot tell terms apart: raise mine.synonym_threshold, or choose another encoder.",
                )
        term, near = np.divmod(np.unique(np.concatenate(found)), max(count, 1))
        return tuple(np.split(near.astype(np.int32), np.searchsorted(term, np.arange(1, count))))

    def _pairs_near(self, threshold: float) -> Iterator[tuple[int, Indices, Indices]]:
        """For each block its first term, and two terms each with such a cosine; two terms meet once.

        A product in float32, twice as fast as in float64, finds all that may be so near; these are computed exactly.
        """
        rough = self._rough
        # In n dimensions, a product of unit vectors in float32 errs by n u / (1 - n u) at most, u = 2^-24 (Higham, Accuracy
        # and Stability of Numerical Algorithms, 3.5). The grid, and the rounding of the exact cosine, add less than n u + 8 u.
        least = np.float32(threshold - (2 * rough.shape[1] + 8) * 2.0**-24)
        for start in range(0, len(rough), self.texts_at_once):
            cosines = rough[start : start + self.texts_at_once] @ rough[start:].T
            one, other = np.divmod(np.flatnonzero(cosines >= least), cosines.shape[1])
            one, other = one + start, other + start
            for part in range(0, max(len(one), 1), _PAIRS_AT_ONCE):
                pair = one[part : part + _PAIRS_AT_ONCE], other[part : part + _PAIRS_AT_ONCE]
                near = self._products(self._terms[pair[0]], pair[1]) >= np.float32(threshold)
                yield start, pair[0][near], pair[1][near]


def _on_grid(vectors: Vectors) -> npt.NDArray[np.float64]:
    rounded = np.multiply(vectors, GRID, dtype=np.float64)
    np.rint(rounded, out=rounded)
    rounded /= GRID
    return rounded
