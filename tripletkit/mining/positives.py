"""Which terms of a passage are its positives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tripletkit.mining.cosines import TermCosines, Vectors
from tripletkit.mining.pool import Candidate, Pool
from tripletkit.settings import MineSettings

#: A positive is far from its passage if it is not among this share of the terms nearest to it.
NEAR_SHARE = 0.2
#: How near a positive is among all terms is estimated from so many, the first by id, which are as good as a random sample.
RANKED_AMONG = 1000
#: A positive among so many nearest terms is near, however few terms there are.
FEW_TERMS = 10
#: Why a term that is mentioned in a passage is not its positive.
FAR, IN_PASSING = "positive too far from its passage", "positive mentioned only in passing"
#: The salience of a positive that the index cites on these pages, or that is defined or first mentioned there and rare elsewhere.
BACKED_BY_BOOK = 2.0
#: A positive that is rejected: its cosine with the passage, and the reason.
Weak = tuple[Candidate, float, str]


@dataclass(frozen=True)
class Anchors:
    """One unit row per text that is an anchor: a passage, or a passage in which one positive is masked."""

    vectors: Vectors
    plain: Mapping[int, int]  # passage: its row
    masked: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (passage, positive): its row

    def row(self, pair: Candidate) -> int:
        """The row of the pair's anchor."""
        masked = self.masked.get((pair.passage, pair.term))
        return self.plain[pair.passage] if masked is None else masked


def choose_positives(pool: Pool, settings: MineSettings, seed: int) -> list[Candidate]:
    """The most salient pairs first, at most so many positives per passage and passages per term.

    A passage that this leaves with none, as it mentions only frequent terms, keeps the one that fewest passages have.
    """
    per_passage, per_term = Counter[int](), Counter[int]()
    chosen, left = [], defaultdict[int, list[Candidate]](list)
    for candidate in by_salience(pool, pool.candidates, seed):
        p, t = candidate.passage, candidate.term
        if per_passage[p] < settings.positives and per_term[t] < settings.passages_per_term:
            per_passage[p] += 1
            per_term[t] += 1
            chosen.append(candidate)
        elif not per_passage[p]:
            left[p].append(candidate)
    for passage, candidates in left.items():
        if not per_passage[passage]:
            chosen.append(min(candidates, key=lambda c: per_term[c.term]))
            per_term[chosen[-1].term] += 1
    return sorted(chosen, key=lambda c: (c.passage, c.term))


def by_salience(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The most salient first, ties in a seeded order."""
    return sorted(in_random_order(pool, candidates, seed), key=lambda c: -c.salience)


def in_random_order(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """In a seeded order, so that no end of the book is the first to run out of negatives."""
    order = np.argsort(pool.random_draws(candidates, 1, seed, "order")[:, 0], kind="stable")
    return [candidates[i] for i in order.tolist()]


def without_weak(pool: Pool, anchors: Anchors, terms: Vectors, settings: MineSettings) -> tuple[Pool, list[Weak]]:
    """The pool without positives that are everyday words where they stand, and those.

    Far positives are not among the share `NEAR_SHARE` of the terms nearest to the passage: harder negatives than they are not
    allowed, and allowed ones are trivial. Mentioned in passing are single words mentioned once. A positive that the book backs
    stays, as does the nearest of a passage. ``anchors`` are the passages themselves: masking a positive brings it no nearer.
    """
    if settings.weak_positives:
        return pool, []
    measured = list(_measured(pool.candidates, anchors, terms, settings.memory_mb))
    nearest: dict[int, float] = {}
    for candidate, cosine, _ in measured:
        nearest[candidate.passage] = max(cosine, nearest.get(candidate.passage, -1.0))
    kept, weak = list[Candidate](), list[Weak]()
    for candidate, cosine, far in measured:
        stays = candidate.salience >= BACKED_BY_BOOK or cosine >= nearest[candidate.passage]
        if stays or not (far or candidate.passing):
            kept.append(candidate)
        else:
            weak.append((candidate, cosine, FAR if far else IN_PASSING))
    return replace(pool, candidates=tuple(kept)), weak


def _measured(
    candidates: Sequence[Candidate], anchors: Anchors, terms: Vectors, memory_mb: float
) -> Iterator[tuple[Candidate, float, bool]]:
    """Each candidate with the cosine of passage and term, and whether that is far."""
    sample, whole = TermCosines(terms[:RANKED_AMONG], memory_mb), TermCosines(terms, memory_mb)
    few = max(FEW_TERMS, NEAR_SHARE * min(len(terms), RANKED_AMONG))
    for start in range(0, len(candidates), sample.texts_at_once):
        part = candidates[start : start + sample.texts_at_once]
        passages, at = np.unique([c.passage for c in part], return_inverse=True)
        vectors = anchors.vectors[[anchors.plain[p] for p in passages.tolist()]]
        cosines = whole.of_pairs(vectors[at], np.array([c.term for c in part]))
        nearer = (sample.of(vectors)[at] > cosines[:, None]).sum(axis=1)
        yield from zip(part, cosines.tolist(), (nearer >= few).tolist(), strict=True)
