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
    def order(c: Candidate) -> tuple[float, float]:
        return -c.salience, rng_for(seed, "positive", pool.passage_ids[c.passage], pool.term_ids[c.term]).random()

    per_passage: Counter[int] = Counter()
    per_term: Counter[int] = Counter()
    chosen = []
    for candidate in sorted(pool.candidates, key=order):
        if per_passage[candidate.passage] < settings.positives and per_term[candidate.term] < settings.passages_per_term:
            per_passage[candidate.passage] += 1
            per_term[candidate.term] += 1
            chosen.append(candidate)
    return sorted(chosen, key=lambda c: (c.passage, c.term))


def mine(pool: Pool, anchors: Vectors, terms: Vectors, settings: MineSettings, seed: int, advance: Callable[[int], None]) -> Mined:
    """Triplets for each chosen pair. ``anchors`` and ``terms`` hold one unit row per passage and term of the pool."""
    pairs = choose_positives(pool, settings, seed)
    # No negative may take more than its share: what it would have taken goes to the next legal one.
    cap = max(1, int(settings.negative_cap * len(pairs) * settings.negatives))
    used: Counter[int] = Counter()
    mined = Mined()
    cos_terms = terms @ terms.T
    for pair in _in_seeded_order(pairs, pool, seed):
        query = Query(pool, pair.passage, pair.term, anchors[pair.passage] @ terms.T, cos_terms[pair.term], settings.relative_bound, settings.synonym_bound)
        verdict = judge(query)
        mined.refused.update(verdict.refused)
        if verdict.nearest_refused is not None:
            other, guard = verdict.nearest_refused
            mined.review.append((pair, other, guard, float(query.cos_anchor[pair.term]), float(query.cos_anchor[other])))
        legal = [int(t) for t in np.flatnonzero(verdict.legal) if used[int(t)] < cap]
        chosen = _choose(legal, query, settings, seed)
        used.update(chosen)
        if not chosen:
            mined.barren.append(pair)
        mined.triplets += [_triplet(query, negative, "nearest" if settings.hard_negatives else "random") for negative in chosen]
        advance(1)
    return mined


def _in_seeded_order(pairs: Sequence[Candidate], pool: Pool, seed: int) -> Iterator[Candidate]:
    """So that the cap falls on no end of the book."""
    yield from sorted(pairs, key=lambda c: rng_for(seed, "pair", pool.passage_ids[c.passage], pool.term_ids[c.term]).random())


def _choose(legal: list[int], query: Query, settings: MineSettings, seed: int) -> list[int]:
    pool = query.pool
    if settings.hard_negatives:
        return sorted(legal, key=lambda t: (-query.cos_anchor[t], pool.term_ids[t]))[: settings.negatives]
    rng = rng_for(seed, "negative", pool.passage_ids[query.passage], pool.term_ids[query.positive])
    return rng.sample(legal, min(settings.negatives, len(legal)))


def _triplet(query: Query, negative: int, rule: str) -> Triplet:
    cos = query.cos_anchor
    return Triplet(query.passage, query.positive, negative, float(cos[query.positive]), float(cos[negative]),
                   float(query.cos_positive[negative]), 1 + int((cos > cos[negative]).sum()), rule)
