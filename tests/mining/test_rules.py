"""Which negatives the rules choose, on cosines that are written down by hand; how often each may be taken."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.mining.pools import at, many, mined_at_anchor, pool, run
from tripletkit.mining.pool import Candidate
from tripletkit.settings import MineSettings


def test_the_nearest_allowed_term_is_taken() -> None:
    mined = run(pool())
    assert [(t.positive, t.negative, t.rule, t.rank) for t in mined.triplets] == [(0, 2, "nearest", 3)]
    triplet = mined.triplets[0]
    assert (triplet.cos_ap, triplet.cos_an, triplet.cos_pn) == pytest.approx(
        (math.cos(math.radians(20)), math.cos(math.radians(40)), math.cos(math.radians(20)))
    )


def test_that_no_term_is_allowed_is_told_not_padded() -> None:
    mined = run(pool(3, mentioned=(0, 1, 2)), angles=(20, 40, 60))
    assert mined.triplets == []
    assert [c.term for c in mined.without_negatives] == [0]


def test_in_a_small_pool_the_largest_share_is_the_even_one() -> None:
    """One per cent of sixteen triplets would be none; an even share of eight terms is two."""
    vectors = np.array([at(a) for a in (10, 40, 45, 50, 55, 60, 65, 70)], dtype=np.float32)
    settings = MineSettings(negatives=1, max_negative_share=0.01, synonym_threshold=1, other_books=0)
    mined = mined_at_anchor(many(pool(8), 16), vectors, settings)
    counts = np.bincount([t.negative for t in mined.triplets], minlength=8)
    assert counts.tolist() == [0, 2, 2, 2, 2, 2, 2, 2]


def test_no_negative_takes_more_than_its_share() -> None:
    passages, terms = 10, 8
    held = many(pool(terms), passages)
    vectors = np.array([at(a) for a in (10, 40, 45, 50, 55, 60, 65, 70)], dtype=np.float32)
    settings = MineSettings(negatives=1, max_negative_share=0.3, synonym_threshold=1, other_books=0)
    mined = mined_at_anchor(held, vectors, settings)
    counts = np.bincount([t.negative for t in mined.triplets], minlength=terms)
    assert counts.tolist() == [0, 3, 3, 3, 1, 0, 0, 0]


def test_random_negatives_are_seeded_and_allowed() -> None:
    one, two = (
        run(pool(mentioned=(0, 2)), hard_negatives=False, negatives=2),
        run(pool(mentioned=(0, 2)), hard_negatives=False, negatives=2),
    )
    assert one.triplets == two.triplets
    assert {t.negative for t in one.triplets} == {3, 4}
    assert {t.rule for t in one.triplets} == {"random"}


def test_the_mix_takes_its_rules_in_turn() -> None:
    """Allowed: 2, 3, 4, 5 by nearness. 4 has the positive's head word; the window is the allowed terms from rank 1 on."""
    held = pool(6, same_head=(4,))
    mined = run(held, angles=(20, 25, 40, 50, 60, 70), negatives=3, strategy="mix", window=(1, 2))
    assert [(t.negative, t.rule) for t in mined.triplets] == [(2, "nearest"), (4, "sibling"), (5, "window")]


def test_without_a_term_of_the_same_head_the_chapter_gives_the_sibling() -> None:
    held = pool(in_chapter=(3,))
    assert [(t.negative, t.rule) for t in run(held, negatives=2).triplets] == [(2, "nearest"), (3, "sibling")]


def test_a_rule_that_finds_none_leaves_its_turn_and_says_so() -> None:
    assert [(t.negative, t.rule) for t in run(pool(), negatives=2).triplets] == [(2, "nearest"), (3, "nearest")]


def test_top_takes_the_nearest_and_weighted_is_seeded() -> None:
    assert [t.negative for t in run(pool(), negatives=3, strategy="top").triplets] == [2, 3, 4]
    one, two = run(pool(), negatives=2, strategy="weighted"), run(pool(), negatives=2, strategy="weighted")
    assert one.triplets == two.triplets
    assert {t.rule for t in one.triplets} == {"weighted"}


def test_a_share_of_negatives_comes_from_other_books() -> None:
    held = pool(other_book=(3,))
    assert [(t.negative, t.rule) for t in run(held, other_books=1).triplets] == [(3, "nearest (other book)")]
    assert [(t.negative, t.rule) for t in run(held, other_books=0).triplets] == [(2, "nearest")]


def test_a_passage_without_negatives_gets_its_other_positives_tried() -> None:
    """Positive 0 lies at 80°, so that no term is allowed; positive 1 at 20° was not salient enough to be chosen first."""
    held = replace(pool(4, mentioned=(0, 1)), candidates=(Candidate(0, 0, 2.0), Candidate(0, 1, 1.0)))
    mined = run(held, angles=(80, 20, 40, 60), positives=1)
    assert [(t.positive, t.negative) for t in mined.triplets] == [(1, 2)]
    assert [c.term for c in mined.without_negatives] == [0]
