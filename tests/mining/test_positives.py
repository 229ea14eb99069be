"""Which terms of a passage are its positives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.mining.pools import ANCHOR, at, many, pool
from tripletkit.mining.pool import (
    BACKED_BY_BOOK,
    FAR,
    IN_PASSING,
    Anchors,
    Candidate,
    Pool,
    choose_positives,
    hide,
    without_weak,
)
from tripletkit.settings import MineSettings


def test_positives_are_capped_by_passage_and_by_term() -> None:
    held = pool()
    candidates = tuple(Candidate(p, t, float(t)) for p in range(4) for t in range(3))
    held = replace(held, passage_ids=tuple(f"p{i}" for i in range(4)), texts=held.texts * 4, candidates=candidates)
    chosen = choose_positives(held, MineSettings(positives=2, passages_per_term=3), 0)
    assert all(sum(c.passage == p for c in chosen) <= 2 for p in range(4))
    counts = np.bincount([c.term for c in chosen])
    assert counts[2] == counts[1] == 3  # the salient first
    assert 1 <= counts[0] <= 2  # where there is room left


def test_a_passage_of_frequent_terms_only_keeps_the_least_frequent() -> None:
    candidates = (*(Candidate(p, t, 9.0) for p in range(3) for t in (0, 1)), Candidate(3, 0, 2.0), Candidate(3, 1, 1.0))
    held = replace(many(pool(), 4), candidates=candidates)
    chosen = choose_positives(held, MineSettings(positives=2, passages_per_term=2), 0)
    assert {c.passage for c in chosen} == {0, 1, 2, 3}
    assert max(np.bincount([c.term for c in chosen])) <= 3


def without(held: Pool, angles: Sequence[float]) -> list[tuple[int, int, str]]:
    """What is rejected where weak positives are: passage, term, reason."""
    terms = np.array([at(a) for a in angles], dtype=np.float32)
    anchors = Anchors(np.stack([ANCHOR, ANCHOR]), {0: 0, 1: 1})
    assert without_weak(held, anchors, terms, MineSettings())[0] is held
    near, weak = without_weak(held, anchors, terms, MineSettings(weak_positives=False))
    assert {*near.candidates, *(c for c, _, _ in weak)} == set(held.candidates)
    assert [cos for _, cos, _ in weak] == pytest.approx([math.cos(math.radians(angles[c.term])) for c, _, _ in weak])
    return [(c.passage, c.term, reason) for c, _, reason in weak]


@pytest.mark.parametrize(("terms", "far"), [(100, [20, 30]), (50, [12, 19, 20, 30]), (40, [12, 19, 20, 30])])
def test_a_positive_beyond_the_nearest_fifth_is_none_unless_it_is_the_nearest_of_its_passage(
    terms: int, far: list[int]
) -> None:
    """Terms half a degree apart. Passage 0 mentions six of them, passage 1 one that is far; ten terms are near at the least."""
    candidates = [(0, t, 0.0) for t in (0, 9, 12, 19, 20, 30)] + [(0, 31, BACKED_BY_BOOK), (1, 30, 0.0)]
    held = replace(pool(terms), candidates=tuple(Candidate(*one) for one in candidates))
    assert without(held, [1 + t / 2 for t in range(terms)]) == [(0, t, FAR) for t in far]


def test_a_word_mentioned_in_passing_is_no_positive_unless_it_is_the_nearest_or_backed_by_the_book() -> None:
    candidates = (
        Candidate(0, 0, 0.0, True),
        Candidate(0, 1, 0.0, True),
        Candidate(0, 2, 0.0),
        Candidate(0, 3, BACKED_BY_BOOK, True),
    )
    held = replace(pool(5), candidates=candidates)
    assert without(held, (10, 20, 30, 40, 50)) == [(0, 1, IN_PASSING)]


def test_masking_a_positive() -> None:
    forms = ["binary search tree", "BST"]
    assert hide("Binary search-trees (a BST) and trees.", forms, "[MASK]") == "[MASK] (a [MASK]) and trees."
    assert hide("Nothing here.", forms, "[MASK]") == "Nothing here."
