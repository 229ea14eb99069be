"""Why a term is no safe negative for a passage and its positive. The first guard that refuses a term is the one that counts.

Most guards are lists of terms, which `Pool` and the synonyms hold; the last is a bound on the cosine. A whole block of pairs
is judged at once: one numpy call a pair would take longer than the search itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tripletkit.mining.pool import Candidate, Mask, Numbers, Pool
from tripletkit.mining.scores import Cosines, Indices, Vectors

Synonyms = Sequence[Numbers]

#: The terms that a guard refuses for a pair, by number, ascending.
LISTS: dict[str, Callable[[Pool, Synonyms, Candidate], Numbers]] = {
    # A form of the term stands in the passage: it is a positive.
    "said in the passage": lambda pool, _, pair: pool.said[pair.passage],
    # The book's own index says that these pages are about the term.
    "cited on its pages": lambda pool, _, pair: pool.cited[pair.passage],
    # A heading above the passage names the term, or words of its family stand there.
    "in its headings, or akin to its words": lambda pool, _, pair: pool.hinted[pair.passage],
    # The positive itself, its parent, its children, its see-also terms, what some passage says is another name of it.
    "one family with the positive": lambda pool, _, pair: pool.related[pair.term],
    # So near the positive that they may be one concept.
    "near-synonym of the positive": lambda _, synonyms, pair: synonyms[pair.term],
}
#: Nearer to the passage than a share of the positive's own cosine: perhaps true, certainly confusing.
TOO_NEAR = "too near the anchor"
GUARDS = (*LISTS, TOO_NEAR)
#: Refusals that are facts; what the others refuse a person may want to look at.
CERTAIN = ("said in the passage", "one family with the positive")


@dataclass(frozen=True)
class Block:
    """Some pairs with the cosines of their anchors: row ``rows[i]`` of ``cosines`` is pair i's anchor with every term."""

    pool: Pool
    pairs: Sequence[Candidate]
    rows: npt.NDArray[np.intp]
    cosines: Cosines
    synonyms: Synonyms
    relative_bound: float
    _members: dict[int, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def cos_ap(self) -> Vectors:
        """Each pair's cosine of anchor and positive."""
        return self.cosines_at(np.arange(len(self.pairs)), np.array([pair.term for pair in self.pairs], dtype=np.intp))

    def cosines_at(self, pairs: Indices, terms: Indices) -> Vectors:
        """Of the anchor of the pair at its place with each term."""
        return self.cosines.at(self.rows[pairs], terms)

    @cached_property
    def bounds(self) -> Vectors:
        """No negative of the pair may be nearer to the anchor.

        The positive-aware bound of NV-Retriever (arXiv:2407.15831), taken per positive instead of per passage.
        """
        cos = self.cos_ap.astype(np.float64)
        return (cos - (1 - self.relative_bound) * np.abs(cos)).astype(np.float32)

    @cached_property
    def listed(self) -> Listed:
        """What the guards with lists refuse."""
        lists = [give(self.pool, self.synonyms, pair) for give in LISTS.values() for pair in self.pairs]
        sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
        places = np.arange(len(lists))
        width = len(self.pool.term_ids)
        keys = np.repeat(places % len(self.pairs) * width, sizes) + np.concatenate(lists)
        keys, first = np.unique(keys, return_index=True)  # the first guard, as its lists come first
        return Listed(width, keys, np.repeat(places // len(self.pairs), sizes)[first])

    def at_home(self, pairs: Indices, terms: Indices) -> Mask:
        """Whether each term is of the book of the pair at its place, or one of the two is a user's."""
        books, own = self.pool.term_books[terms], self._books[pairs]
        mask: Mask = (books == own) | (books < 0) | (own < 0)
        return mask

    @cached_property
    def _books(self) -> Numbers:
        return self.pool.passage_books[[pair.passage for pair in self.pairs]]

    def legal(self, pairs: Indices, terms: Indices) -> Mask:
        """Whether no guard of the pair at its place refuses each term."""
        legal: Mask = self.cosines_at(pairs, terms) <= self.bounds[pairs]
        legal &= ~self.listed.hold(pairs, terms)
        return legal

    def members(self, family: Numbers) -> frozenset[int]:
        """A family as a set; pairs share theirs."""
        if id(family) not in self._members:
            self._members[id(family)] = frozenset(family.tolist())
        return self._members[id(family)]


@dataclass(frozen=True)
class Listed:
    """Terms refused by a list, by pair and term, each with the number of its guard."""

    width: int  # terms in all
    keys: npt.NDArray[np.int64]  # pair * width + term, ascending
    guards: npt.NDArray[np.int64]

    @cached_property
    def pairs(self) -> npt.NDArray[np.int64]:
        """Whose."""
        return self.keys // self.width

    @cached_property
    def terms(self) -> npt.NDArray[np.int64]:
        """Which."""
        return self.keys % self.width

    def hold(self, pairs: Indices, terms: Indices) -> Mask:
        """Whether each (pair, term) is there."""
        wanted = pairs * np.int64(self.width) + terms
        at = np.searchsorted(self.keys, wanted)
        found: Mask = self.keys[np.minimum(at, len(self.keys) - 1)] == wanted
        return found
