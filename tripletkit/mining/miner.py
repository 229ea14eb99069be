"""(passage, term in it, hard-negative term): an exact search over all legal terms of the split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tripletkit.config import MineSettings
from tripletkit.ids import rng_for, stable_id
from tripletkit.mining.guards import Query, judge
from tripletkit.mining.pool import Candidate, Mask, Pool
from tripletkit.mining.scores import Scores, Vectors
from tripletkit.mining.selection import choose

#: No negative's cap is below so many times its even share: in a small pool 1 % of the triplets would be less than that.
EVEN_SHARES = 2.0


class Triplet(NamedTuple):
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


@dataclass(frozen=True)
class Anchors:
    """One unit row per text that is an anchor: a passage, or a passage in which one positive is hidden."""

    vectors: Vectors
    plain: dict[int, int]  # passage: its row
    hidden: dict[tuple[int, int], int] = field(default_factory=dict)  # (passage, positive): its row

    def row(self, pair: Candidate) -> int:
        """The row of the pair's anchor."""
        hidden = self.hidden.get((pair.passage, pair.term))
        return self.plain[pair.passage] if hidden is None else hidden


def choose_positives(pool: Pool, settings: MineSettings, seed: int) -> list[Candidate]:
    """The most salient pairs first, at most so many positives per passage and passages per term.

    A passage that this leaves with none, as it says only frequent terms, keeps the one that fewest passages have.
    """
    per_passage: Counter[int] = Counter()
    per_term: Counter[int] = Counter()
    chosen, left = [], defaultdict[int, list[Candidate]](list)
    for candidate in by_salience(pool, pool.candidates, seed):
        if (
            per_passage[candidate.passage] < settings.positives
            and per_term[candidate.term] < settings.passages_per_term
        ):
            per_passage[candidate.passage] += 1
            per_term[candidate.term] += 1
            chosen.append(candidate)
        elif not per_passage[candidate.passage]:
            left[candidate.passage].append(candidate)
    for passage, candidates in left.items():
        if not per_passage[passage]:
            chosen.append(min(candidates, key=lambda c: per_term[c.term]))
            per_term[chosen[-1].term] += 1
    return sorted(chosen, key=lambda c: (c.passage, c.term))


def by_salience(pool: Pool, candidates: Iterable[Candidate], seed: int) -> list[Candidate]:
    """The most salient first, ties in a seeded order."""
    return sorted(candidates, key=lambda c: (-c.salience, _lot(pool, c, seed)))


def by_lot(pool: Pool, candidates: Iterable[Candidate], seed: int) -> list[Candidate]:
    """In a seeded order, so that the cap falls on no end of the book."""
    return sorted(candidates, key=lambda c: _lot(pool, c, seed))


def _lot(pool: Pool, candidate: Candidate, seed: int) -> str:
    return stable_id("lot", str(seed), pool.passage_ids[candidate.passage], pool.term_ids[candidate.term])


def mine(
    pool: Pool,
    pairs: Sequence[Candidate],
    anchors: Anchors,
    terms: Vectors,
    settings: MineSettings,
    seed: int,
    advance: Callable[[int], None],
) -> Mined:
    """Triplets for each pair, by an exact search over all terms of the pool.

    ``pairs`` are what `choose_positives` chose, ``terms`` holds one unit row per term. A passage none of whose pairs has a
    legal negative gets its other positives tried, the most salient first.
    """
    scores = Scores(terms, settings.memory_mb)
    search = _Search(pool, scores, settings, seed, cap_of(pairs, terms, settings))
    for pair, cosines in by_blocks(scores, anchors, by_lot(pool, pairs, seed)):
        search.try_pair(pair, cosines)
        advance(1)
    served = {t.passage for t in search.mined.triplets}
    tried = {(pair.passage, pair.term) for pair in pairs}
    others = [c for c in pool.candidates if c.passage not in served and (c.passage, c.term) not in tried]
    for pair, cosines in by_blocks(scores, anchors, by_salience(pool, others, seed)):
        if pair.passage not in served and search.try_pair(pair, cosines):
            served.add(pair.passage)
    return search.mined


def cap_of(pairs: Sequence[Candidate], terms: Vectors, settings: MineSettings) -> int:
    """How often one negative may be taken: what it would have taken beyond that goes to the next legal one."""
    share = max(settings.negative_cap, EVEN_SHARES / max(len(terms), 1))
    return max(1, int(share * len(pairs) * settings.negatives))


def by_blocks(scores: Scores, anchors: Anchors, pairs: Iterable[Candidate]) -> Iterator[tuple[Candidate, Vectors]]:
    """Each pair with its anchor's cosines; pairs of one anchor together, anchors in the order of their first pair."""
    of_row: dict[int, list[Candidate]] = defaultdict(list)
    for pair in pairs:
        of_row[anchors.row(pair)].append(pair)
    cosines = (row for block in scores.blocks(anchors.vectors, list(of_row)) for row in block)
    for of_anchor, row in zip(of_row.values(), cosines, strict=True):
        for pair in of_anchor:
            yield pair, row


class _Search:
    """What has been found so far, and how often each negative was taken."""

    def __init__(self, pool: Pool, scores: Scores, settings: MineSettings, seed: int, cap: int) -> None:
        self._pool, self._scores, self._settings, self._seed, self._cap = pool, scores, settings, seed, cap
        self._synonyms = scores.near_terms(settings.synonym_bound)
        self._used = np.zeros(len(pool.term_ids), dtype=np.int64)
        self._open: Mask = np.ones(len(pool.term_ids), dtype=bool)  # not used up
        self.mined = Mined()

    def try_pair(self, pair: Candidate, cos_anchor: Vectors) -> bool:
        """Add the pair's triplets, or note that it has none."""
        pool, mined = self._pool, self.mined
        query = Query(
            pool, pair.passage, pair.term, cos_anchor, self._synonyms[pair.term], self._settings.relative_bound
        )
        verdict = judge(query)
        mined.refused.update(verdict.refused)
        if verdict.nearest_refused is not None:
            other, guard = verdict.nearest_refused
            mined.review.append((pair, other, guard, float(cos_anchor[pair.term]), float(cos_anchor[other])))
        rng = rng_for(self._seed, "negative", pool.passage_ids[pair.passage], pool.term_ids[pair.term])
        chosen = choose(query, verdict.legal & self._open, self._settings, rng)
        for negative, _ in chosen:
            self._used[negative] += 1
            self._open[negative] = self._used[negative] < self._cap
        mined.triplets += triplets_of(pair, cos_anchor, chosen, self._scores)
        if not chosen:
            mined.barren.append(pair)
        return bool(chosen)


def triplets_of(pair: Candidate, cos: Vectors, chosen: Sequence[tuple[int, str]], scores: Scores) -> Iterator[Triplet]:
    """The pair's triplets, by its anchor's cosines and the negatives with their rules."""
    if not chosen:
        return
    between = scores.between(pair.term, [negative for negative, _ in chosen])
    cos_ap = float(cos[pair.term])
    for (negative, rule), cos_pn in zip(chosen, between, strict=True):
        cos_an = cos[negative]
        rank = 1 + int(np.count_nonzero(cos > cos_an))
        yield Triplet(pair.passage, pair.term, negative, cos_ap, float(cos_an), cos_pn, rank, rule)
