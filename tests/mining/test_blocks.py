"""Anchors in blocks: the same triplets in whatever order the blocks are done, and caps that hold over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.mining.pools import pool
from tripletkit.cluster.mapper import InProcess, Item, Mapper, Result, Setup, Work
from tripletkit.errors import TableError
from tripletkit.mining import search
from tripletkit.mining.pool import Anchors, Candidate, Pool
from tripletkit.mining.relations import numbers
from tripletkit.mining.search import Mined, search_negatives
from tripletkit.pdf.workers import Failure
from tripletkit.settings import MineSettings

PASSAGES, TERMS = 60, 30
SETTINGS = MineSettings(negatives=3, max_negative_share=0.1, synonym_threshold=0.999)


class Backwards(InProcess):
    """Another order than that of the items."""

    def map(
        self, work: Work[Setup, Item, Result], items: Iterable[Item], *, total: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        found = super().map(work, items, total=total)
        yield from reversed([*found])


class Broken(InProcess):
    """A cluster whose worker ends."""

    def map(
        self, work: Work[Setup, Item, Result], items: Iterable[Item], *, total: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        yield 0, Failure("killed", "ended its worker 2 times")


def many_passages() -> Pool:
    """Each passage mentions two terms."""
    mentions = [(i % TERMS, (7 * i + 1) % TERMS) for i in range(PASSAGES)]
    few = pool(TERMS)
    return replace(
        few,
        passage_ids=tuple(f"p{i}" for i in range(PASSAGES)),
        texts=few.texts * PASSAGES,
        candidates=tuple(Candidate(i, t, 1.0) for i, of in enumerate(mentions) for t in sorted(set(of))),
        mentioned=tuple(map(numbers, mentions)),
        cited=few.cited * PASSAGES,
        in_chapter=few.in_chapter * PASSAGES,
        passage_books=np.zeros(PASSAGES, dtype=np.int32),
        implied=few.implied * PASSAGES,
    )


def mined(mapper: Mapper | None) -> Mined:
    held, rng = many_passages(), np.random.default_rng(0)
    rows = rng.normal(size=(PASSAGES + TERMS, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    anchors = Anchors(rows[:PASSAGES], {i: i for i in range(PASSAGES)})
    tried = [candidate for candidate in held.candidates if candidate.passage % 3]
    return search_negatives(held, tried, anchors, rows[PASSAGES:], SETTINGS, seed=1, mapper=mapper)


def test_the_order_of_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mined(None)
    assert mined(Backwards()) == whole
    monkeypatch.setattr(search, "BLOCK_PAIRS", 20)
    blocks = mined(None)
    assert mined(InProcess()) == mined(Backwards()) == blocks
    # Each pair is tried once, in one block or many.
    tried = [
        {(t.passage, t.positive) for t in of.triplets} | {*map(tuple_of, of.without_negatives)}
        for of in (whole, blocks)
    ]
    assert tried[0] == tried[1]
    assert len({t.passage for t in blocks.triplets}) > PASSAGES / 2


def tuple_of(pair: Candidate) -> tuple[int, int]:
    return pair.passage, pair.term


def test_the_cap_holds_over_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK_PAIRS", 20)
    triplets = mined(None).triplets
    most = Counter(triplet.negative for triplet in triplets).most_common(1)[0][1]
    # A share of all that the pairs could have, and what a passage without a negative takes beside it.
    assert most <= SETTINGS.max_negative_share * SETTINGS.negatives * len(many_passages().candidates) + 1


def test_a_block_that_cannot_be_searched_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK_PAIRS", 20)
    with pytest.raises(TableError, match=r"a worker that searches \d+ pairs ended its worker 2 times"):
        mined(Broken())
