"""What a cross-encoder rejects, by scores that are written down by hand."""

from __future__ import annotations

import pytest

from tripletkit.mining.miner import TOO_CLOSE_BY_CROSS_ENCODER, rescore
from tripletkit.mining.search import Mined, Triplet

SCORES = {"positive": 0.8, "near": 0.77, "far": 0.7}


class Scorer:
    """Scores by the term alone, and counts the pairs that it is asked for."""

    def __init__(self, sign: int) -> None:
        self.sign, self.asked = sign, 0

    def predict(self, pairs: list[tuple[str, str]], *, show_progress_bar: bool) -> list[float]:
        assert not show_progress_bar
        self.asked += len(pairs)
        return [self.sign * SCORES[term] for _, term in pairs]


@pytest.mark.parametrize(("sign", "left"), [(1, ["far"]), (-1, [])])
def test_a_score_must_stay_below_the_positives_by_the_margin(sign: int, left: list[str]) -> None:
    """At most .8 - .05 · .8 = .76; below zero, at most -.8 - .04, which neither is."""
    triplets = [Triplet(0, 0, i, 0.9, 0.1, 0.1, i, "nearest") for i in (1, 2)]
    texts = [("anchor", "positive", "near"), ("anchor", "positive", "far")]
    model = Scorer(sign)
    found = rescore(Mined(triplets), texts, model, 0.05)
    assert model.asked == 3  # the positive once
    assert [texts[t.negative - 1][2] for t in found.triplets] == left
    assert len(found.rejected_by_scores) == found.rejected[TOO_CLOSE_BY_CROSS_ENCODER] == 2 - len(left)
    assert found.scores == [(0.8, 0.7)] * len(left)
