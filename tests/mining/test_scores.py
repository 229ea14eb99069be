"""Blocked search beside one written without blocks, numpy or cleverness: same triplets, ties included, to the last bit."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripletkit.errors import TableError
from tripletkit.mining import miner, scores, shortlist
from tripletkit.mining.miner import Anchors, Mined, by_lot, choose_positives, mine
from tripletkit.mining.pool import Candidate, Pool, numbers
from tripletkit.mining.scores import Cosines, Scores, Vectors, on_grid
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
        return mine(self.pool, self.pairs, anchors, self.terms, chosen, 0, lambda _: None)

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
    says = [sorted({rng.randrange(terms), *some_numbers(rng, terms, 0.15)}) for _ in range(passages)]
    held = Pool(
        tuple(f"p{i}" for i in range(passages)),
        tuple(f"text {i}" for i in range(passages)),
        tuple(f"t{i:02}" for i in range(terms)),
        tuple(f"term {i}" for i in range(terms)),
        tuple(Candidate(p, t, rng.random()) for p, said in enumerate(says) for t in said),
        tuple(map(numbers, says)),
        tuple(numbers(some_numbers(rng, terms, 0.1)) for _ in range(passages)),
        tuple(numbers({i, *some_numbers(rng, terms, 0.1)}) for i in range(terms)),
        tuple(numbers(some_numbers(rng, terms, 0.2)) for _ in range(terms)),
        tuple(numbers(some_numbers(rng, terms, 0.4)) for _ in range(passages)),
        np.array([rng.randrange(2) for _ in range(passages)], dtype=np.int32),
        np.array([rng.randrange(-1, 2) for _ in range(terms)], dtype=np.int32),
        tuple(numbers(some_numbers(rng, terms, 0.1)) for _ in range(passages)),
    )
    chosen = MineSettings(
        hard_negatives=True,
        strategy=draw(st.sampled_from(["mix", "top"])),
        negatives=draw(st.integers(1, 4)),
        positives=draw(st.integers(1, 3)),
        negative_cap=draw(st.sampled_from([0.01, 0.3, 1.0])),
        relative_bound=draw(st.sampled_from([0.8, 0.95, 1.0])),
        synonym_bound=draw(st.sampled_from([0.8, 0.999, 1.0])),
        window=draw(st.sampled_from([(0, 2), (2, 6), (5, 50)])),
    )
    of = [rng.randrange(directions) for _ in range(passages + terms)]
    return Case(held, unit[of[:passages]], unit[of[passages:]], chosen)


Found = tuple[int, int, int, float, float, float, int, str]


class Plain:
    """The search by its definition."""

    def __init__(self, case: Case) -> None:
        self.case, self.pool, self.settings = case, case.pool, case.settings
        terms, anchors = on_grid(case.terms).tolist(), on_grid(case.anchors).tolist()
        self.cos = [[cosine(a, t) for t in terms] for a in anchors]
        self.between = [[cosine(a, b) for b in terms] for a in terms]
        self.used: Counter[int] = Counter()
        self.found: list[Found] = []
        share = max(self.settings.negative_cap, 1 / len(terms))
        self.cap = max(1, int(share * len(case.pairs) * self.settings.negatives))

    def legal(self, pair: Candidate, term: int) -> bool:
        p, pool, cos = pair.passage, self.pool, self.cos[pair.passage]
        bound = np.float32(cos[pair.term] - (1 - self.settings.relative_bound) * abs(cos[pair.term]))
        return not (
            term in pool.said[p]
            or term in pool.cited[p]
            or term in pool.hinted[p]
            or term in pool.related[pair.term]
            or self.between[pair.term][term] >= np.float32(self.settings.synonym_bound)
            or cos[term] > bound
            or self.used[term] >= self.cap
        )

    def try_pair(self, pair: Candidate) -> bool:
        pool, cos = self.pool, self.cos[pair.passage]
        lots = pool.lots([pair], 2 * self.settings.negatives, 0, "negative")[0].tolist()
        legal = sorted(
            (t for t in range(len(pool.names)) if self.legal(pair, t)), key=lambda t: (-cos[t], pool.term_ids[t])
        )
        rules = ("nearest", "sibling", "window") if self.settings.strategy == "mix" else ("nearest",)
        chosen: list[tuple[int, str]] = []
        for turn in range(self.settings.negatives):
            abroad = lots[2 * turn] < self.settings.other_books
            for home in (not abroad, abroad):
                left = [t for t in legal if self.at_home(pair.passage, t) is home and t not in [c for c, _ in chosen]]
                if left:
                    rule = rules[turn % len(rules)]
                    term, name = self.take(rule, left, pair, lots[2 * turn + 1])
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

    def take(self, rule: str, left: list[int], pair: Candidate, lot: float) -> tuple[int, str]:
        if rule == "sibling":
            for family in (self.pool.kin[pair.term], self.pool.near[pair.passage]):
                if inside := [t for t in left if t in family]:
                    return inside[0], rule
        low, high = self.settings.window
        if rule == "window" and left[low:high]:
            return left[low:high][int(lot * len(left[low:high]))], rule
        return left[0], "nearest"

    def run(self) -> list[Found]:
        pool, pairs = self.pool, self.case.pairs
        order = by_lot(pool, pairs, 0)
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


def off_by_what_is_allowed(held: Scores, anchors: Vectors, of: Any = Scores.of) -> Cosines:  # noqa: ANN401
    """Cosines as the worst BLAS would give them: up or down by half the error that is reckoned with."""
    found: Cosines = of(held, anchors)
    signs = np.where(np.indices(found.rough.shape).sum(axis=0) % 3, 1, -1)
    return replace(found, rough=(found.rough + signs * found.error / 2.1).astype(np.float32))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_blocked_search_is_the_plain_one(case: Case) -> None:
    """In one block with every term ranked; in blocks of one to six pairs, few terms ranked and no slack; then by rough cosines."""
    wanted = Plain(case).run()
    whole = case.mined(64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(miner, "SMALL", 0)
        patch.setattr(miner, "SPARE", 1)
        patch.setattr(miner, "SLACK", 0)
        patch.setattr(scores, "SMALL", 0)
        patch.setattr(shortlist, "MORE", 2)
        tiny = case.mined(0.002)  # MB
        patch.setattr(scores, "EXACT", 0)
        patch.setattr(Scores, "of", off_by_what_is_allowed)
        rough = case.mined(0.002)
        rough_whole = case.mined(64)
    assert [tuple(t) for t in tiny.triplets] == wanted
    assert whole == tiny == rough == rough_whole


def unit_rows(count: int, dimensions: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_cosines_are_the_same_bits_in_every_shape() -> None:
    """In float32 they are not: BLAS adds in another order for another shape."""
    anchors, exact = unit_rows(257, 384, 0), Scores(unit_rows(301, 384, 1), 64)
    whole = exact.of(anchors).rough
    for rows in (1, 3, 100):
        parts = [exact.of(anchors[start : start + rows]).rough for start in range(0, 257, rows)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert exact.of(anchors[::-1]).rough[::-1].tobytes() == whole.tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "EXACT", 0)
        rough = Scores(unit_rows(301, 384, 1), 64).of(anchors)
    everywhere = np.divmod(np.arange(whole.size), 301)
    assert rough.at(*everywhere).tobytes() == whole.tobytes()
    assert 0 < np.abs(rough.rough - whole).max() <= rough.error / 2
    assert np.abs(whole - anchors.astype(np.float64) @ unit_rows(301, 384, 1).astype(np.float64).T).max() < 1e-7


@pytest.mark.parametrize("small", [0, scores.SMALL])
def test_near_terms_are_those_of_exact_products(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by float32 products, decided by exact ones: here a bound at which a cosine lies, and one just beyond it."""
    monkeypatch.setattr(scores, "SMALL", small)
    terms = unit_rows(90, 6, 1)
    exact = Scores(terms, 64).of(terms).rough
    for bound in (0.5, float(np.sort(exact.ravel())[-200]), float(np.nextafter(np.sort(exact.ravel())[-200], 2))):
        for memory in (64, 0.05):
            near = Scores(terms, memory).near_terms(bound)
            assert [row.tolist() for row in near] == [
                np.flatnonzero(row >= np.float32(bound)).tolist() for row in exact
            ]


def test_an_encoder_that_finds_all_terms_alike_is_refused_before_it_fills_the_memory() -> None:
    alike = np.ones((2000, 1), dtype=np.float32)
    with pytest.raises(TableError, match=r"breaks mine.memory_mb"):
        Scores(alike, memory_mb=1).near_terms(0.85)
    assert [row.tolist() for row in Scores(alike[:2], memory_mb=1).near_terms(0.85)] == [[0, 1], [0, 1]]
