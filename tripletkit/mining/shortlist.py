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
from tripletkit.mining.scores import Vectors

#: An anchor's nearest terms are ranked, so many for each legal one that is wanted; where the guards leave too few, more.
SPARE, MORE = 4, 8


class Side(NamedTuple):
    """What is legal for a pair on one side, in the passage's book or in others. Nearest to the anchor first, ties by id."""

    terms: list[int]
    whole: bool  # whether these are all
    kin: list[int]  # all of the positive's family


@dataclass(frozen=True)
class Ranking:
    """The terms nearest to each anchor (row), the nearest first, ties by id."""

    order: Numbers
    cosines: Vectors  # in that order
    known: Mask  # in that order; what ties with the last one may have been left out, as may its equals
    whole: bool  # whether all terms are ranked

    @classmethod
    def of(cls, cosines: Vectors, most: int) -> Ranking:
        """The first ``most`` of each row, or all."""
        terms = cosines.shape[1]
        if whole := most >= terms:
            near, cos = np.broadcast_to(np.arange(terms), cosines.shape), cosines
        else:
            near = np.sort(np.argpartition(cosines, terms - most, axis=1)[:, terms - most :], axis=1)
            cos = np.take_along_axis(cosines, near, axis=1)
        by_cosine = np.argsort(-cos, axis=1, kind="stable")
        cos = np.take_along_axis(cos, by_cosine, axis=1)
        known = np.ones(cos.shape, dtype=bool) if whole else cos > cos[:, -1:]
        return cls(np.take_along_axis(near, by_cosine, axis=1).astype(np.int32), cos, known, whole)

    def places(self, terms: int) -> npt.NDArray[np.int32]:
        """Of each of so many terms in each row; past the end where it is not ranked."""
        most = self.order.shape[1]
        places = np.full((len(self.order), terms), most, dtype=np.int32)
        places[np.arange(len(places))[:, None], self.order] = np.arange(most, dtype=np.int32)
        return places

    @cached_property
    def ranks(self) -> npt.NDArray[np.intp]:
        """1 + how many terms are nearer."""
        ties = np.zeros(self.cosines.shape, dtype=bool)
        ties[:, 1:] = self.cosines[:, 1:] == self.cosines[:, :-1]
        ranks: npt.NDArray[np.intp] = np.maximum.accumulate(np.where(ties, 0, np.arange(len(ties.T))), axis=1) + 1
        return ranks


class Judged:
    """A block whose terms are ranked: what is legal, what was refused, and the ranks of what was chosen."""

    def __init__(self, block: Block, most: int) -> None:
        self.block, self._most = block, most
        self._ranking = Ranking.of(block.cosines, most)
        self._places = self._ranking.places(block.cosines.shape[1])
        listed, (_, ranked) = block.listed, self._ranking.order.shape
        barred = np.zeros((len(block.pairs), ranked + 1), dtype=bool)
        barred[listed.pairs, self._places[block.rows[listed.pairs], listed.terms]] = True
        self._open = ~barred[:, :-1] & self._ranking.known[block.rows]
        self._too_near = self._ranking.cosines[block.rows] > block.bounds[:, None]

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
        order = np.lexsort((terms, -block.cosines[block.rows[pairs], terms], pairs))
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
        block = replace(self.block, pairs=pairs, rows=of, cosines=self.block.cosines[rows])
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
        for i in np.flatnonzero(self._too_near[:, -1]):  # perhaps more than are ranked
            too_near[i] = np.count_nonzero(block.cosines[block.rows[i]] > block.bounds[i])
        beyond = block.cosines[block.rows[pairs], block.listed.terms] > block.bounds[pairs]
        counts[:, -1] = too_near - np.bincount(pairs[beyond], minlength=len(block.pairs))
        return counts

    def nearest_refused(self, refused: npt.NDArray[np.int64]) -> dict[int, tuple[int, str]]:
        """By pair: the term nearest to the anchor among those refused on a doubt, ties by id, and the guard."""
        block, listed = self.block, self.block.listed
        beyond = self._open & self._too_near
        first = self._ranking.order[block.rows, beyond.argmax(axis=1)]
        for i in np.flatnonzero((refused[:, -1] > 0) & ~beyond.any(axis=1)):  # every ranked one is on a list
            first[i] = _nearest_unlisted(block, int(i))
        doubted = ~np.isin(listed.guards, [list(LISTS).index(name) for name in CERTAIN])
        near = np.flatnonzero(refused[:, -1])
        pairs = np.concatenate((listed.pairs[doubted], near))
        terms = np.concatenate((listed.terms[doubted], first[near]))
        guards = np.concatenate((listed.guards[doubted], np.full(len(near), GUARDS.index(TOO_NEAR))))
        order = np.lexsort((terms, -block.cosines[block.rows[pairs], terms], pairs))
        of, at = np.unique(pairs[order], return_index=True)
        best = order[at]
        return {
            pair: (term, GUARDS[guard])
            for pair, term, guard in zip(of.tolist(), terms[best].tolist(), guards[best].tolist(), strict=True)
        }

    def ranks(self, pairs: npt.NDArray[np.intp], terms: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """1 + how many terms are nearer to the pair's anchor than the term at the same place."""
        rows = self.block.rows[pairs]
        places = self._places[rows, terms]
        inside = places < self._ranking.order.shape[1]
        inside[inside] = self._ranking.known[rows[inside], places[inside]]
        ranks = np.empty(len(pairs), dtype=np.intp)
        ranks[inside] = self._ranking.ranks[rows[inside], places[inside]]
        for i in np.flatnonzero(~inside):
            row = self.block.cosines[rows[i]]
            ranks[i] = 1 + np.count_nonzero(row > row[terms[i]])
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


def _nearest_unlisted(block: Block, i: int) -> int:
    cosines = block.cosines[block.rows[i]].copy()
    cosines[block.listed.terms[block.listed.pairs == i]] = -np.inf
    return int(np.argmax(cosines))
