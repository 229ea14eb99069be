"""Which legal terms are nearest to a pair's anchor, for a block of pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tripletkit.mining.guards import CERTAIN, GUARDS, LISTS, TOO_NEAR, Block
from tripletkit.mining.pool import Mask, Numbers
from tripletkit.mining.scores import Cosines, Indices, Vectors

#: An anchor's nearest terms are ranked, so many for each legal one that is wanted; where the guards leave too few, more.
SPARE, MORE = 2, 8
#: A bound of the terms to rank is read from the largest of so many groups of terms for each that is wanted.
GROUPS = 4


class Side(NamedTuple):
    """What is legal for a pair on one side, in the passage's book or in others. Nearest to the anchor first, ties by id."""

    terms: list[int]
    whole: bool  # whether these are all
    kin: list[int]  # all of the positive's family


@dataclass(frozen=True)
class Ranking:
    """The terms nearest to each anchor (row), the nearest first, ties by id. Rows are filled up to one length."""

    order: Numbers
    cosines: Vectors  # in that order, exact; -inf where filled up
    limits: Vectors  # per row: all terms at least as near are ranked
    whole: bool  # whether all terms are ranked
    _keys: npt.NDArray[np.intp]  # row * terms + term, ascending, of all that are ranked
    _places: npt.NDArray[np.intp]  # their places in the order

    @classmethod
    def of(cls, cosines: Cosines, most: int) -> Ranking:
        """At least the first ``most`` of each row, or all."""
        rows, terms = cosines.rough.shape
        whole = most >= terms
        if whole and not cosines.error:
            nearest = np.argsort(-cosines.rough, axis=1, kind="stable")
            place = np.empty(nearest.shape, dtype=np.intp)
            np.put_along_axis(place, nearest, np.arange(terms)[None], axis=1)
            ranked = np.take_along_axis(cosines.rough, nearest, axis=1)
            nowhere = np.full(rows, -np.inf, dtype=np.float32)
            return cls(nearest.astype(np.int32), ranked, nowhere, whole, np.arange(rows * terms), place.ravel())
        if whole:
            bounds = np.full(rows, -np.inf, dtype=np.float32)
            keys = np.arange(rows * terms)
        else:
            bounds = _reached(cosines.rough, most) - 2 * cosines.error
            keys = np.flatnonzero(cosines.rough >= bounds[:, None])
        row, term = np.divmod(keys, terms)
        ends = np.searchsorted(row, np.arange(rows), side="right")
        column = np.arange(len(keys)) - np.concatenate(([0], ends[:-1]))[row]
        exact = np.full((rows, int(column.max()) + 1), -np.inf, dtype=np.float32)
        exact[row, column] = cosines.at(row, term)
        order = np.zeros(exact.shape, dtype=np.int32)
        order[row, column] = term
        by_cosine = np.argsort(-exact, axis=1, kind="stable")
        places = np.empty(exact.shape, dtype=np.intp)
        np.put_along_axis(places, by_cosine, np.arange(exact.shape[1])[None], axis=1)
        return cls(
            np.take_along_axis(order, by_cosine, axis=1),
            np.take_along_axis(exact, by_cosine, axis=1),
            bounds + cosines.error,
            whole,
            keys,
            places[row, column],
        )

    @cached_property
    def known(self) -> Mask:
        """Of which all that are nearer or as near are ranked too."""
        return self.cosines >= self.limits[:, None] if not self.whole else np.isfinite(self.cosines)

    def places(self, rows: Indices, terms: Indices, count: int) -> npt.NDArray[np.intp]:
        """Of each term, of so many in all, in the row at its place; past the end where it is not ranked."""
        wanted = rows * np.intp(count) + terms
        if self.whole:
            everywhere: npt.NDArray[np.intp] = self._places[wanted]
            return everywhere
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        places: npt.NDArray[np.intp] = np.where(self._keys[at] == wanted, self._places[at], self.order.shape[1])
        return places

    @cached_property
    def ranks(self) -> npt.NDArray[np.intp]:
        """1 + how many terms are nearer."""
        ties = np.zeros(self.cosines.shape, dtype=bool)
        ties[:, 1:] = self.cosines[:, 1:] == self.cosines[:, :-1]
        ranks: npt.NDArray[np.intp] = np.maximum.accumulate(np.where(ties, 0, np.arange(len(ties.T))), axis=1) + 1
        return ranks


def _reached(values: Vectors, most: int) -> Vectors:
    """Per row a value that at least ``most`` reach, and few more: as many groups of columns have a largest one that does."""
    size = max(1, values.shape[1] // (GROUPS * most))
    count = values.shape[1] // size
    largest = values[:, : size * count].reshape(len(values), size, count).max(axis=1)
    reached: Vectors = np.partition(largest, count - most, axis=1)[:, count - most]
    return reached


class Judged:
    """A block whose terms are ranked: what is legal, what was refused, and the ranks of what was chosen."""

    def __init__(self, block: Block, most: int) -> None:
        self.block, self._most = block, most
        self._ranking = Ranking.of(block.cosines, most)
        listed, (_, ranked) = block.listed, self._ranking.order.shape
        barred = np.zeros((len(block.pairs), ranked + 1), dtype=bool)
        barred[listed.pairs, self._places(listed.pairs, listed.terms)] = True
        self._open = ~barred[:, :-1] & self._ranking.known[block.rows]
        self._too_near = self._ranking.cosines[block.rows] > block.bounds[:, None]

    def _places(self, pairs: Indices, terms: Indices) -> npt.NDArray[np.intp]:
        return self._ranking.places(self.block.rows[pairs], terms, len(self.block.pool.term_ids))

    def sides(self, free: Mask, wanted: int) -> list[list[Side]]:
        """Each pair's legal terms among the ``free``, so many or all: of its book, and of others where there are others."""
        block = self.block
        order = self._ranking.order[block.rows]
        legal = self._open & ~self._too_near & free[order]
        split = [legal]
        if block.pool.has_many_books:
            at_home = block.at_home(np.arange(len(block.pairs))[:, None], order)
            split = [legal & at_home, legal & ~at_home]
        sides = [
            [Side(terms, self._ranking.whole and len(terms) < wanted, kin) for terms, kin in zip(*both, strict=True)]
            for both in zip((_first(order, mask, wanted) for mask in split), self._kin(), strict=True)
        ]
        found = [list(of_pair) for of_pair in zip(*sides, strict=True)]
        if not self._ranking.whole:
            short = [i for i, of_pair in enumerate(found) if any(len(side.terms) < wanted for side in of_pair)]
            for i, wider in zip(short, self._wider(short, free, wanted), strict=True):
                found[i] = wider
        return found

    def _kin(self) -> list[list[list[int]]]:
        """By side and pair: the legal ones of the positive's family."""
        block = self.block
        families = [block.pool.kin[pair.term] for pair in block.pairs]
        pairs, terms = np.repeat(np.arange(len(families)), list(map(len, families))), np.concatenate(families)
        legal = block.legal(pairs, terms)
        pairs, terms = pairs[legal], terms[legal]
        order = np.lexsort((terms, -block.cosines_at(pairs, terms), pairs))
        pairs, terms = pairs[order], terms[order]
        if not block.pool.has_many_books:
            return [_by_row(pairs, terms, len(families))]
        at_home = block.at_home(pairs, terms)
        return [_by_row(pairs[side], terms[side], len(families)) for side in (at_home, ~at_home)]

    def _wider(self, some: Sequence[int], free: Mask, wanted: int) -> list[list[Side]]:
        if not some:
            return []
        rows, of = np.unique(self.block.rows[some], return_inverse=True)
        pairs = [self.block.pairs[i] for i in some]
        block = replace(self.block, pairs=pairs, rows=of, cosines=self.block.cosines.of_rows(rows))
        return Judged(block, self._most * MORE).sides(free, wanted)

    def again(self, i: int, free: Mask, wanted: int) -> list[Side]:
        """Pair ``i``'s legal terms, when more of them are free no longer."""
        return self._wider([i], free, wanted)[0]

    def refused(self) -> npt.NDArray[np.int64]:
        """How many terms each guard (column) refused of each pair (row)."""
        block, pairs = self.block, self.block.listed.pairs
        counts = np.zeros((len(block.pairs), len(GUARDS)), dtype=np.int64)
        np.add.at(counts, (pairs, block.listed.guards), 1)
        too_near = self._too_near.sum(axis=1)
        for i in np.flatnonzero(block.bounds < self._ranking.limits[block.rows]):  # perhaps more than are ranked
            too_near[i] = block.cosines.nearer(block.rows[i], block.bounds[i])
        beyond = block.cosines_at(pairs, block.listed.terms) > block.bounds[pairs]
        counts[:, -1] = too_near - np.bincount(pairs[beyond], minlength=len(block.pairs))
        return counts

    def nearest_refused(self, refused: npt.NDArray[np.int64]) -> dict[int, tuple[int, str]]:
        """By pair: the term nearest to the anchor among those refused on a doubt, ties by id, and the guard."""
        block, listed = self.block, self.block.listed
        beyond = self._open & self._too_near
        first = self._ranking.order[block.rows, beyond.argmax(axis=1)]
        for i in np.flatnonzero((refused[:, -1] > 0) & ~beyond.any(axis=1)):  # every ranked one is on a list
            first[i] = block.cosines.nearest(block.rows[i], listed.terms[listed.pairs == i])
        doubted = ~np.isin(listed.guards, [list(LISTS).index(name) for name in CERTAIN])
        near = np.flatnonzero(refused[:, -1])
        pairs = np.concatenate((listed.pairs[doubted], near))
        terms = np.concatenate((listed.terms[doubted], first[near]))
        guards = np.concatenate((listed.guards[doubted], np.full(len(near), GUARDS.index(TOO_NEAR))))
        order = np.lexsort((terms, -block.cosines_at(pairs, terms), pairs))
        of, at = np.unique(pairs[order], return_index=True)
        best = order[at]
        return {
            pair: (term, GUARDS[guard])
            for pair, term, guard in zip(of.tolist(), terms[best].tolist(), guards[best].tolist(), strict=True)
        }

    def ranks(self, pairs: npt.NDArray[np.intp], terms: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """1 + how many terms are nearer to the pair's anchor than the term at the same place."""
        rows = self.block.rows[pairs]
        places = self._places(pairs, terms)
        inside = places < self._ranking.order.shape[1]
        inside[inside] = self._ranking.known[rows[inside], places[inside]]
        ranks = np.empty(len(pairs), dtype=np.intp)
        ranks[inside] = self._ranking.ranks[rows[inside], places[inside]]
        far = np.flatnonzero(~inside)
        for i, cosine in zip(far, self.block.cosines.at(rows[far], terms[far]), strict=True):
            ranks[i] = 1 + self.block.cosines.nearer(rows[i], cosine)
        return ranks


def _first(order: Numbers, legal: Mask, most: int) -> list[list[int]]:
    """Row by row, the first ``most`` that are legal."""
    if legal.shape[1] > most:
        legal = legal & (np.cumsum(legal, axis=1, dtype=np.int32) <= most)
    return _by_row(np.nonzero(legal)[0], order[legal], len(legal))


def _by_row(rows: npt.NDArray[np.intp], terms: npt.NDArray[np.integer], count: int) -> list[list[int]]:
    """Terms whose rows ascend, as a list per row."""
    ends, held = np.searchsorted(rows, np.arange(count), side="right").tolist(), terms.tolist()
    return [held[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
