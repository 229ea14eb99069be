"""The search beside one written without blocks and without numpy: same triplets, ties included, to the last bit."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletkit.mining import cosines, search
from tripletkit.mining.cosines import Vectors
from tripletkit.mining.pool import Anchors, Candidate, Pool, choose_positives, in_random_order
from tripletkit.mining.relations import numbers
from tripletkit.mining.search import Mined, nearest_first, search_negatives
from tripletkit.settings import MineSettings


@dataclass(frozen=True)
class Case:
    """A random pool with its vectors."""

    pool: Pool
    anchors: Vectors
    terms: Vectors
    settings: MineSettings

    def mined(self, memory_mb: float) -> Mined:
        chosen = self.settings.model_copy(update={"memory_mb": memory_mb})
        anchors = Anchors(self.anchors, {i: i for i in range(len(self.anchors))})
        return search_negatives(self.pool, self.pairs, anchors, self.terms, chosen)

    @property
    def pairs(self) -> list[Candidate]:
        return choose_positives(self.pool, self.settings, 0)


def some_numbers(rng: Random, below: int, chance: float) -> tuple[int, ...]:
    return tuple(i for i in range(below) if rng.random() < chance)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few directions, so that many cosines are equal."""
    rng = Random(draw(st.integers(0, 2**32)))
    passages, terms, directions = draw(st.integers(1, 6)), draw(st.integers(2, 14)), draw(st.integers(2, 9))
    ways = np.array([[rng.gauss(0, 1) + 0.7 for _ in range(5)] for _ in range(directions)])
    unit = (ways / np.linalg.norm(ways, axis=1, keepdims=True)).astype(np.float32)
    mentions = [sorted({rng.randrange(terms), *some_numbers(rng, terms, 0.15)}) for _ in range(passages)]
    held = Pool(
        passage_ids=tuple(f"p{i}" for i in range(passages)),
        texts=tuple(f"text {i}" for i in range(passages)),
        term_ids=tuple(f"t{i:02}" for i in range(terms)),
        names=tuple(f"term {i}" for i in range(terms)),
        candidates=tuple(Candidate(p, t, rng.random()) for p, held in enumerate(mentions) for t in held),
        mentioned=tuple(map(numbers, mentions)),
        cited=tuple(numbers(some_numbers(rng, terms, 0.1)) for _ in range(passages)),
        related=tuple(numbers({i, *some_numbers(rng, terms, 0.1)}) for i in range(terms)),
        same_head=tuple(numbers(some_numbers(rng, terms, 0.2)) for _ in range(terms)),
        in_chapter=tuple(numbers(some_numbers(rng, terms, 0.4)) for _ in range(passages)),
        passage_books=np.array([rng.randrange(2) for _ in range(passages)], dtype=np.int32),
        term_books=np.array([rng.randrange(-1, 2) for _ in range(terms)], dtype=np.int32),
        implied=tuple(numbers(some_numbers(rng, terms, 0.1)) for _ in range(passages)),
    )
    chosen = MineSettings(
        strategy=draw(st.sampled_from(["mix", "top"])),
        negatives=draw(st.integers(1, 4)),
        positives=draw(st.integers(1, 3)),
        max_negative_share=draw(st.sampled_from([0.01, 0.3, 1.0])),
        relative_margin=draw(st.sampled_from([0.2, 0.05, 0.0])),
        synonym_threshold=draw(st.sampled_from([0.8, 0.999, 1.0])),
        window=draw(st.sampled_from([(0, 2), (2, 6), (5, 50)])),
    )
    of = [rng.randrange(directions) for _ in range(passages + terms)]
    return Case(held, unit[of[:passages]], unit[of[passages:]], chosen)


Found = tuple[int, int, int, float, float, float, int, str]


class Plain:
    """The search by its definition."""

    def __init__(self, case: Case) -> None:
        self.case, self.pool, self.settings = case, case.pool, case.settings
        terms, anchors = rounded(case.terms), rounded(case.anchors)
        self.cos = [[cosine(a, t) for t in terms] for a in anchors]
        self.between = [[cosine(a, b) for b in terms] for a in terms]
        self.used: Counter[int] = Counter()
        self.found: list[Found] = []
        share = max(self.settings.max_negative_share, 1 / len(terms))
        self.cap = max(1, int(share * len(case.pairs) * self.settings.negatives))

    def allowed(self, pair: Candidate, term: int) -> bool:
        p, pool, cos = pair.passage, self.pool, self.cos[pair.passage]
        bound = np.float32(cos[pair.term] - self.settings.relative_margin * abs(cos[pair.term]))
        return not (
            term in pool.mentioned[p]
            or term in pool.cited[p]
            or term in pool.implied[p]
            or term in pool.related[pair.term]
            or self.between[pair.term][term] >= np.float32(self.settings.synonym_threshold)
            or cos[term] > bound
            or self.used[term] >= self.cap
        )

    def try_pair(self, pair: Candidate) -> bool:
        pool, cos = self.pool, self.cos[pair.passage]
        draws = pool.random_draws([pair], 2 * self.settings.negatives, 0, "negative")[0].tolist()
        allowed = sorted(
            (t for t in range(len(pool.names)) if self.allowed(pair, t)), key=lambda t: (-cos[t], pool.term_ids[t])
        )
        rules = ("nearest", "sibling", "window") if self.settings.strategy == "mix" else ("nearest",)
        chosen: list[tuple[int, str]] = []
        for turn in range(self.settings.negatives):
            other_first = draws[2 * turn] < self.settings.other_books
            for home in (not other_first, other_first):
                left = [t for t in allowed if self.at_home(pair.passage, t) is home and t not in [c for c, _ in chosen]]
                if left:
                    rule = rules[turn % len(rules)]
                    term, name = self.take(rule, left, pair, draws[2 * turn + 1])
                    chosen.append((term, name + ("" if home else " (other book)")))
                    break
        for term, rule in chosen:
            self.used[term] += 1
            rank = 1 + sum(c > cos[term] for c in cos)
            self.found.append(
                (pair.passage, pair.term, term, cos[pair.term], cos[term], self.between[pair.term][term], rank, rule)
            )
        return bool(chosen)

    def at_home(self, passage: int, term: int) -> bool:
        return self.pool.term_books[term] in (-1, self.pool.passage_books[passage])

    def take(self, rule: str, left: list[int], pair: Candidate, draw: float) -> tuple[int, str]:
        if rule == "sibling":
            for family in (self.pool.same_head[pair.term], self.pool.in_chapter[pair.passage]):
                if inside := [t for t in left if t in family]:
                    return inside[0], rule
        low, high = self.settings.window
        if rule == "window" and left[low:high]:
            return left[low:high][int(draw * len(left[low:high]))], rule
        return left[0], "nearest"

    def run(self) -> list[Found]:
        pool, pairs = self.pool, self.case.pairs
        order = in_random_order(pool, pairs, 0)
        first = {p: min(i for i, c in enumerate(order) if c.passage == p) for p in {c.passage for c in order}}
        for pair in sorted(order, key=lambda c: first[c.passage]):
            self.try_pair(pair)
        others = sorted((c for c in pool.candidates if c not in pairs), key=lambda c: -c.salience)
        first = {p: min(i for i, c in enumerate(others) if c.passage == p) for p in {c.passage for c in others}}
        for pair in sorted(others, key=lambda c: first[c.passage]):
            if pair.passage not in {f[0] for f in self.found}:
                self.try_pair(pair)
        return self.found


def cosine(one: list[float], other: list[float]) -> float:
    return float(np.float32(math.fsum(a * b for a, b in zip(one, other, strict=True))))


def rounded(vectors: Vectors) -> list[list[float]]:
    """Components as multiples of 2^-26."""
    grid: list[list[float]] = (np.rint(vectors.astype(np.float64) * 2**26) / 2**26).tolist()
    return grid


@settings(max_examples=200, deadline=None)
@given(cases())
def test_the_search_is_the_plain_one(case: Case) -> None:
    """In one block, and in blocks of two texts with few groups of terms to look through."""
    wanted = Plain(case).run()
    whole = case.mined(64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "GROUPS", 1)
        patch.setattr(cosines, "MOST_TEXTS", 2)
        tiny = case.mined(64)
    assert [tuple(t) for t in whole.triplets] == wanted
    assert whole == tiny


@given(st.lists(st.integers(-8, 8), min_size=1, max_size=60), st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_nearest_of_many_are_those_of_a_whole_sort(values: list[int], most: int, rng: Random) -> None:
    values_of = np.array(values, dtype=np.float32) / np.float32(8)
    allowed = np.array([rng.random() < 0.6 for _ in values])
    whole = sorted(np.flatnonzero(allowed).tolist(), key=lambda i: (-values_of[i], i))[:most]
    assert nearest_first(values_of, allowed, most) == whole
