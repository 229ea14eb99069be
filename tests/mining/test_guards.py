"""Each guard by itself, on cosines that are written down by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.mining.pools import at, mined_at_anchor, pool, run
from tripletkit.mining.pool import Pool
from tripletkit.mining.search import GUARDS, highest_cosine
from tripletkit.settings import MineSettings


@pytest.mark.parametrize(
    ("held", "settings", "guard", "negative"),
    [
        (pool(mentioned=(0, 2)), {}, "mentioned in the passage", 3),
        (pool(cited=(2,)), {}, "cited by the index for these pages", 3),
        (pool(implied=(2,)), {}, "in a section heading, or shares a word stem with the passage", 3),
        (pool(related=(2,)), {}, "related to the positive", 3),
        (pool(), {"synonym_threshold": 0.9}, "near-synonym of the positive", 3),  # 2 is 20° from the positive: .940
        (pool(), {"relative_margin": 0.5}, "too close to the passage", 4),  # half of .940 is .470: 62°
    ],
)
def test_each_guard_rejects_and_is_counted(held: Pool, settings: dict[str, Any], guard: str, negative: int) -> None:
    mined = run(held, **settings)
    assert [t.negative for t in mined.triplets] == [negative]
    assert mined.rejected[guard] >= 1


def test_every_guard_is_asked() -> None:
    assert set(run(pool()).rejected) == set(GUARDS)


def test_the_bound_is_per_positive_and_searched_over_all_terms() -> None:
    """A weak positive leaves far terms legal, which a window of the top ranks would never reach."""
    mined = run(pool(), angles=(75, 5, 10, 15, 80))
    assert [(t.negative, t.rank) for t in mined.triplets] == [(4, 5)]


def test_negative_cosines_keep_the_bound_below_the_positive() -> None:
    assert highest_cosine(np.float32(-0.2), 0.05) == pytest.approx(-0.21)
    terms = [at(angle) for angle in (101.5, 101.9, 107)]  # cosines -.199, -.206, -.292: at most -.209
    mined = mined_at_anchor(
        pool(3),
        np.array(terms, dtype=np.float32),
        MineSettings(negatives=2, max_negative_share=1, synonym_threshold=1, other_books=0),
    )
    assert [t.negative for t in mined.triplets] == [2]


def test_the_nearest_rejected_term_is_kept_for_review() -> None:
    pair, other, guard, cos_ap, cos_an = run(pool()).review[0]
    assert (pair.term, other, guard) == (0, 1, "too close to the passage")
    assert cos_an / cos_ap == pytest.approx(math.cos(math.radians(25)) / math.cos(math.radians(20)))
