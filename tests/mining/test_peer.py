"""What the benchmark's peer is given and what it gives back, on cosines written down by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tests.benchmarks.mining import PEER, mine_by_peer
from tests.mining.pools import at, pool
from tripletkit.mining.cosines import Vectors
from tripletkit.mining.pool import Anchors, Candidate
from tripletkit.settings import MineSettings


def rows(*angles: float) -> Vectors:
    return np.array([at(a) for a in angles], dtype=np.float32)


def test_it_takes_the_nearest_under_its_margin_and_asks_no_guard() -> None:
    """Term 1 is mentioned in the passage, which the peer is not told. The bound is .95 of cos 20°, that is cos 26.8°."""
    held = pool(4, mentioned=(0, 1))
    anchors = Anchors(rows(0), {0: 0})
    mined = mine_by_peer(held, list(held.candidates), anchors, rows(20, 40, 25, 60), MineSettings(negatives=2))
    assert [(t.positive, t.negative, t.rule) for t in mined.triplets] == [(0, 1, PEER), (0, 3, PEER)]
    assert [t.rank for t in mined.triplets] == [3, 4]
    first = mined.triplets[0]
    assert math.isclose(first.cos_pn, math.cos(math.radians(20)), abs_tol=1e-6)


def test_its_bound_is_the_weakest_positives() -> None:
    """With a positive at 50° beside one at 20°, the term at 40° is too near for both; ours would give it to the first."""
    held = replace(pool(3, mentioned=(0, 1)), candidates=(Candidate(0, 0, 1.0), Candidate(0, 1, 1.0)))
    anchors = Anchors(rows(0), {0: 0})
    mined = mine_by_peer(held, list(held.candidates), anchors, rows(20, 50, 40), MineSettings(negatives=1))
    assert mined.triplets == []
    assert [c.term for c in mined.without_negatives] == [0, 1]
