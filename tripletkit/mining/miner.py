"""(passage, term in it, hard-negative term): an exact search over all legal terms of the split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tripletkit.config import MineSettings
from tripletkit.ids import rng_for
from tripletkit.mining.guards import Query, judge
from tripletkit.mining.pool import Candidate, Pool
from tripletkit.mining.selection import Draw, choose

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Triplet:
    """Indices into the pool, with the three cosines. ``rank`` of the negative among all terms, 1 = nearest to the anchor."""

    passage: int
    positive: int
    negative: int
    cos_ap: float
    cos_an: float
    cos_pn: float
    rank: int
    rule: str


@dataclass
class Mined:
    """Triplets, refusals by guard, near refusals to review, and pairs for which no legal negative was left."""

    triplets: list[Triplet] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    review: list[tuple[Candidate, int, str, float, float]] = field(default_factory=list)
    barren: list[Candidate] = field(default_factory=list)


def choose_positives(pool: Pool, settings: MineSettings, seed: int) -> list[Candidate]:
    """The most salient pairs first, at most so many positives per passage and passages per term."""
    per_passage: Counter[int] = Counter()
    per_term: Counter[int] = Counter()
    chosen = []
    for candidate in by_salience(pool, seed):
        if (
            per_passage[candidate.passage] < settings.positives
            and per_term[candidate.term] < settings.passages_per_term
        ):
            per_passage[candidate.passage] += 1
            per_term[candidate.term] += 1
            chosen.append(candidate)
    return sorted(chosen, key=lambda c: (c.passage, c.term))


def by_salience(pool: Pool, seed: int) -> list[Candidate]:
    """Every candidate, the most salient first, ties in a seeded order."""

    def order(c: Candidate) -> tuple[float, float]:
        return -c.salience, rng_for(seed, "positive", pool.passage_ids[c.passage], pool.term_ids[c.term]).random()

    return sorted(pool.candidates, key=order)


Anchors = Callable[[Candidate], Vectors]


def mine(
    pool: Pool, anchor_of: Anchors, terms: Vectors, settings: MineSettings, seed: int, advance: Callable[[int], None]
) -> Mined:
    """Triplets for each chosen pair, by an exact search over all terms of the pool.

    ``anchor_of`` gives a pair's anchor vector, ``terms`` holds one unit row per term. A passage none of whose chosen
    positives has a legal negative gets its other positives tried, the most salient first.
    """
    pairs = choose_positives(pool, settings, seed)
    # No negative may take more than its share: what it would have taken goes to the next legal one.
    cap = max(1, int(settings.negative_cap * len(pairs) * settings.negatives))
    search = _Search(pool, anchor_of, terms, terms @ terms.T, settings, seed, cap)
    for pair in _in_seeded_order(pairs, pool, seed):
        search.try_pair(pair)
        advance(1)
    served = {t.passage for t in search.mined.triplets}
    tried = {(pair.passage, pair.term) for pair in pairs}
    waiting = {pair.passage for pair in pairs} - served
    for pair in by_salience(pool, seed):
        if pair.passage in waiting and (pair.passage, pair.term) not in tried and search.try_pair(pair):
            waiting.discard(pair.passage)
    return search.mined


@dataclass
class _Search:
    pool: Pool
    anchor_of: Anchors
    terms: Vectors
    cos_terms: Vectors
    settings: MineSettings
    seed: int
    cap: int
    used: Counter[int] = field(default_factory=Counter)
    mined: Mined = field(default_factory=Mined)

    def try_pair(self, pair: Candidate) -> bool:
        """Add the pair's triplets, or note that it has none."""
        pool, settings = self.pool, self.settings
        cos_anchor = self.terms @ self.anchor_of(pair)
        query = Query(
            pool,
            pair.passage,
            pair.term,
            cos_anchor,
            self.cos_terms[pair.term],
            settings.relative_bound,
            settings.synonym_bound,
        )
        verdict = judge(query)
        self.mined.refused.update(verdict.refused)
        if verdict.nearest_refused is not None:
            other, guard = verdict.nearest_refused
            self.mined.review.append((pair, other, guard, float(cos_anchor[pair.term]), float(cos_anchor[other])))
        legal = verdict.legal.copy()
        legal[[term for term, times in self.used.items() if times >= self.cap]] = False
        rng = rng_for(self.seed, "negative", pool.passage_ids[pair.passage], pool.term_ids[pair.term])
        chosen = choose(Draw(query, legal, settings, rng))
        self.used.update(term for term, _ in chosen)
        if not chosen:
            self.mined.barren.append(pair)
        self.mined.triplets += [_triplet(query, negative, rule) for negative, rule in chosen]
        return bool(chosen)


def _in_seeded_order(pairs: Sequence[Candidate], pool: Pool, seed: int) -> Iterator[Candidate]:
    """So that the cap falls on no end of the book."""
    yield from sorted(
        pairs, key=lambda c: rng_for(seed, "pair", pool.passage_ids[c.passage], pool.term_ids[c.term]).random()
    )


def _triplet(query: Query, negative: int, rule: str) -> Triplet:
    cos = query.cos_anchor
    return Triplet(
        query.passage,
        query.positive,
        negative,
        float(cos[query.positive]),
        float(cos[negative]),
        float(query.cos_positive[negative]),
        1 + int((cos > cos[negative]).sum()),
        rule,
    )
