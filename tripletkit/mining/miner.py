"""(passage, term in it, hard-negative term): an exact search over all legal terms of the split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tripletkit.mining.guards import GUARDS, Block
from tripletkit.mining.pool import Candidate, Mask, Pool
from tripletkit.mining.scores import AT_MOST, AT_ONCE, PARTS, SMALL, Cosines, Scores, Vectors, dots, on_grid
from tripletkit.mining.selection import Draw, choose, turns, wanted
from tripletkit.mining.shortlist import SPARE, Judged, Side
from tripletkit.settings import MineSettings

#: So many terms may be used up while a block is mined before a pair's shortlist is made again.
SLACK = 32
#: A positive is far from its passage if it is not among this share of the terms nearest to that.
REACH = 0.2
#: How near a positive is among all terms is told from so many, the first by id, which is as good as drawn by lot; exactly.
RANKED_AMONG = 1000
#: A positive among so many is near, however few terms there are.
FEW_TERMS = 10
#: Why a term that stands in a passage is not its positive.
FAR, IN_PASSING = "positive too far from its passage", "positive said in passing"
#: The salience of a positive that is cited on the passage's pages, or else defined or first said there and rare elsewhere.
SPOKEN_FOR = 2.0


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


def without_weak(
    pool: Pool, anchors: Anchors, terms: Vectors, settings: MineSettings
) -> tuple[Pool, list[tuple[Candidate, float, str]]]:
    """The pool without positives that are everyday words where they stand, and those with their cosines and the reason.

    Far are those that are not among the share `REACH` of the terms nearest to the passage: what is harder than they are is not
    legal, and what is legal is trivial. Of 37 triplets read by hand whose positive was beyond .15 of the terms, 16 were good, of
    63 others 34. Said in passing are single words said once: of 84 triplets with such a positive, 29 had a bad one and 31 were
    good; of 316 others 22 and 185. One that the book speaks for stays, as does the nearest that a passage has. ``anchors`` are
    the passages themselves: a hidden positive is no nearer for being hidden.
    """
    if settings.weak_positives:
        return pool, []
    scores, among = Scores(terms[:RANKED_AMONG], settings.memory_mb), min(len(terms), RANKED_AMONG)
    cosines, beyond = list[float](), list[bool]()
    for start in range(0, len(pool.candidates), scores.rows):
        part = pool.candidates[start : start + scores.rows]
        passages, of = np.unique([c.passage for c in part], return_inverse=True)
        vectors = on_grid(anchors.vectors[[anchors.plain[p] for p in passages.tolist()]])
        own = dots(vectors, of, on_grid(terms[[c.term for c in part]]), np.arange(len(part)))
        nearer = (scores.of(vectors).rough[of] > own[:, None]).sum(axis=1)
        cosines += own.tolist()
        beyond += (nearer >= max(FEW_TERMS, REACH * among)).tolist()
    nearest: dict[int, float] = {}
    for candidate, cosine in zip(pool.candidates, cosines, strict=True):
        nearest[candidate.passage] = max(cosine, nearest.get(candidate.passage, -1.0))
    near, weak = [], []
    for candidate, cosine, far in zip(pool.candidates, cosines, beyond, strict=True):
        spoken_for = candidate.salience >= SPOKEN_FOR or cosine >= nearest[candidate.passage]
        if spoken_for or not (far or candidate.passing):
            near.append(candidate)
        else:
            weak.append((candidate, cosine, FAR if far else IN_PASSING))
    return replace(pool, candidates=tuple(near)), weak


def by_salience(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The most salient first, ties in a seeded order."""
    lots = pool.lots(candidates, 1, seed, "order")[:, 0]
    order = np.lexsort((lots, np.array([-c.salience for c in candidates])))
    return [candidates[i] for i in order.tolist()]


def by_lot(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """In a seeded order, so that the cap falls on no end of the book."""
    order = np.argsort(pool.lots(candidates, 1, seed, "order")[:, 0], kind="stable")
    return [candidates[i] for i in order.tolist()]


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
    from_all = wanted(settings, len(terms)) == len(terms)
    scores = Scores(terms, settings.memory_mb, exact=from_all)
    scores.rows = min(scores.rows, max(AT_ONCE, min(AT_MOST, len(pairs) // PARTS)))
    if from_all:
        scores.rows = max(1, scores.rows // 2)  # a list of all legal terms takes as much again
    search = _Search(pool, anchors, scores, settings, seed, cap_of(pairs, terms, settings))
    search.run(by_lot(pool, pairs, seed), advance)
    served = {t.passage for t in search.mined.triplets}
    tried = {(pair.passage, pair.term) for pair in pairs}
    others = [c for c in pool.candidates if c.passage not in served and (c.passage, c.term) not in tried]
    search.run(by_salience(pool, others, seed), lambda _: None, once=True)
    return search.mined


def cap_of(pairs: Sequence[Candidate], terms: Vectors, settings: MineSettings) -> int:
    """How often one negative may be taken: what it would have taken beyond that goes to the next legal one.

    In a small pool its even share, which costs a book of 64 terms 1.5 % of its triplets. A quarter more would cost none, but then
    the commonest negative takes 2.4 % of them.
    """
    share = max(settings.negative_cap, 1 / max(len(terms), 1))
    return max(1, int(share * len(pairs) * settings.negatives))


def blocks(
    scores: Scores, anchors: Anchors, pairs: Iterable[Candidate]
) -> Iterator[tuple[list[Candidate], npt.NDArray[np.intp], Cosines]]:
    """Pairs with their rows in the cosines beside them; pairs of one anchor together, anchors in the order of their first pair."""
    of_anchor: dict[int, list[Candidate]] = defaultdict(list)
    for pair in pairs:
        of_anchor[anchors.row(pair)].append(pair)
    ordered = [(anchor, pair) for anchor, held in of_anchor.items() for pair in held]
    for start in range(0, len(ordered), scores.rows):
        part = ordered[start : start + scores.rows]
        used, rows = np.unique([anchor for anchor, _ in part], return_inverse=True)
        yield [pair for _, pair in part], rows, scores.of(anchors.vectors[used])


class _Search:
    """What has been found so far, and how often each negative was taken."""

    def __init__(
        self, pool: Pool, anchors: Anchors, scores: Scores, settings: MineSettings, seed: int, cap: int
    ) -> None:
        self._pool, self._anchors, self._scores, self._settings, self._seed = pool, anchors, scores, settings, seed
        self._synonyms = scores.near_terms(settings.synonym_bound)
        self._wanted = wanted(settings, len(pool.term_ids))
        terms = len(pool.term_ids)
        small = terms <= SMALL
        self._ranked = terms if small else SPARE * self._wanted
        self._listed = terms + 1 if small else self._wanted + SLACK
        self._turns = turns(settings)
        self._left = [cap] * len(pool.term_ids)
        self._free: Mask = np.ones(len(pool.term_ids), dtype=bool)  # not used up
        self._closed = set[int]()  # used up since the block began
        self.mined = Mined()

    def run(self, pairs: Sequence[Candidate], advance: Callable[[int], None], *, once: bool = False) -> None:
        """Try each pair in turn; with ``once``, none whose passage has a triplet of this run."""
        served = set[int]()
        for held, rows, cosines in blocks(self._scores, self._anchors, pairs):
            block = Block(self._pool, held, rows, cosines, self._synonyms, self._settings.relative_bound)
            judged = Judged(block, self._ranked)
            chosen: dict[int, list[tuple[int, str]]] = {}
            self._closed.clear()
            lots = self._pool.lots(held, 2 * self._settings.negatives, self._seed, "negative").tolist()
            for i, sides in enumerate(judged.sides(self._free, self._listed)):
                if not (once and held[i].passage in served):
                    chosen[i] = self._choose(judged, i, sides, lots[i])
                    served.update([held[i].passage] if chosen[i] else [])
            self._note(judged, list(chosen))
            self.mined.triplets += triplets_of(judged, chosen, self._scores)
            self.mined.barren += [held[i] for i, found in chosen.items() if not found]
            advance(len(held))

    def _choose(self, judged: Judged, i: int, sides: list[Side], lots: Sequence[float]) -> list[tuple[int, str]]:
        """Choose pair ``i``'s negatives and count them as used."""
        if self._closed:
            sides = [Side([t for t in terms if t not in self._closed], whole, kin) for terms, whole, kin in sides]
            if any(len(side.terms) < self._wanted and not side.whole for side in sides):
                sides = judged.again(i, self._free, self._wanted)
        taken = list[int]()
        draws = [
            Draw(judged.block, i, self._settings, at_home, side.terms, side.whole, side.kin, self._free, taken)
            for side, at_home in zip(sides, (True, False), strict=False)
        ]
        chosen = choose(draws, self._turns, lots)
        for negative in taken:
            self._left[negative] -= 1
            if not self._left[negative]:
                self._free[negative] = False
                self._closed.add(negative)
        return chosen

    def _note(self, judged: Judged, tried: Sequence[int]) -> None:
        """Count what the guards refused of the pairs tried, and keep the nearest of the doubtful for review."""
        block = judged.block
        refused = judged.refused()
        self.mined.refused.update(dict(zip(GUARDS, refused[tried].sum(axis=0).tolist(), strict=True)))
        nearest = judged.nearest_refused(refused)
        seen = [i for i in tried if i in nearest]
        cos_an = block.cosines_at(np.array(seen, dtype=np.intp), np.array([nearest[i][0] for i in seen], dtype=np.intp))
        for i, (other, guard), cos in zip(seen, map(nearest.__getitem__, seen), cos_an.tolist(), strict=True):
            self.mined.review.append((block.pairs[i], other, guard, float(block.cos_ap[i]), cos))


def triplets_of(judged: Judged, chosen: Mapping[int, Sequence[tuple[int, str]]], scores: Scores) -> Iterator[Triplet]:
    """The triplets of a block's pairs, by the negatives with their rules."""
    block = judged.block
    at = np.array([i for i, found in chosen.items() for _ in found], dtype=np.intp)
    negatives = np.array([negative for found in chosen.values() for negative, _ in found], dtype=np.intp)
    positives = np.array([pair.term for pair in block.pairs], dtype=np.intp)[at]
    columns = (
        [block.pairs[i].passage for i in at.tolist()],
        positives.tolist(),
        negatives.tolist(),
        block.cos_ap[at].tolist(),
        block.cosines_at(at, negatives).tolist(),
        scores.between(positives, negatives).tolist(),
        judged.ranks(at, negatives).tolist(),
        [rule for found in chosen.values() for _, rule in found],
    )
    return map(Triplet._make, zip(*columns, strict=True))
