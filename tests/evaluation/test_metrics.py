from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tripletkit.evaluation.metrics import (
    METRICS,
    average_precision,
    mean_metrics,
    metric_values,
    ndcg,
    recall,
    reciprocal_rank,
    resampling,
)

GAINS = np.array([[False, True, False, True]])


def test_metrics_by_hand() -> None:
    assert ndcg(GAINS, 10)[0] == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)))
    assert ndcg(GAINS, 2)[0] == pytest.approx((1 / log2(3)) / (1 + 1 / log2(3)))
    assert reciprocal_rank(GAINS, 10)[0] == 1 / 2
    assert reciprocal_rank(GAINS, 1)[0] == 0
    assert average_precision(GAINS)[0] == (1 / 2 + 2 / 4) / 2
    assert recall(GAINS, 2)[0] == 1 / 2


def test_means_over_queries() -> None:
    scores = np.array([[3, 2, 1], [1, 2, 3]], dtype=np.float32)
    relevant = np.array([[True, False, False], [True, False, False]])
    assert mean_metrics(scores, relevant) == {
        "queries": 2,
        "nDCG@10": pytest.approx((1 + 1 / log2(4)) / 2),
        "MRR@10": pytest.approx((1 + 1 / 3) / 2),
        "MAP": pytest.approx((1 + 1 / 3) / 2),
        "recall@10": 1,
        "recall@20": 1,
    }


def test_an_ignored_candidate_is_neither_relevant_nor_irrelevant() -> None:
    scores = np.array([[9, 2, 1]], dtype=np.float32)
    relevant, ignored = np.array([[False, True, False]]), np.array([[True, False, False]])
    assert metric_values(scores, relevant)[0, METRICS.index("MRR@10")] == 1 / 2
    assert metric_values(scores, relevant, ignored)[0, METRICS.index("MRR@10")] == 1


def test_ties_are_broken_at_random_and_equally_for_equal_seeds() -> None:
    """One relevant candidate among ten tied ones has a mean rank of 5.5 and a mean precision of 0.29, wherever it stands."""
    scores, relevant = np.zeros((200, 10), dtype=np.float32), np.zeros((200, 10), dtype=bool)
    relevant[:, 0] = True
    values = metric_values(scores, relevant, ties=0)
    assert values[:, METRICS.index("MAP")].mean() == pytest.approx(sum(1 / n for n in range(1, 11)) / 10, abs=0.02)
    assert (values == metric_values(scores, relevant, ties=0)).all()
    assert (metric_values(scores, relevant)[:, METRICS.index("MAP")] == 1).all()  # without a seed the first comes first


@given(arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 30))))
def test_metrics_of_many_queries_equal_those_of_each_query(
    gains: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> None:
    """Compared with plain loops."""
    for row, ap, rr, gain, share in zip(
        gains, average_precision(gains), reciprocal_rank(gains, 10), ndcg(gains, 10), recall(gains, 20), strict=True
    ):
        ranks = [rank for rank, hit in enumerate(row, 1) if hit]
        assert ap == pytest.approx(sum(n / rank for n, rank in enumerate(ranks, 1)) / max(len(ranks), 1))
        assert rr == pytest.approx(next((1 / rank for rank in ranks if rank <= 10), 0))
        ideal = sum(1 / log2(rank + 1) for rank in range(1, min(len(ranks), 10) + 1))
        assert gain == pytest.approx(sum(1 / log2(rank + 1) for rank in ranks if rank <= 10) / ideal if ranks else 0)
        assert share == pytest.approx(sum(rank <= 20 for rank in ranks) / max(len(ranks), 1))


def chapters(books: int, of_each: int, queries: int) -> list[tuple[str, str]]:
    return [(f"b{b}", f"c{c}") for b in range(books) for c in range(of_each) for _ in range(queries)]


@pytest.mark.parametrize(
    ("units", "by", "number"),
    [
        (chapters(5, 2, 3), "books", 5),
        (chapters(4, 2, 3), "chapters", 8),
        (chapters(1, 5, 3), "chapters", 5),
        (chapters(1, 4, 3), "queries", 12),
    ],
)
def test_the_largest_units_of_which_there_are_enough_are_resampled(
    units: list[tuple[str, str]], by: str, number: int
) -> None:
    sample = resampling(units, 0)
    assert (sample.by, sample.units) == (by, number)


def test_means_and_intervals_by_hand() -> None:
    """Queries of one chapter all 0 or all 1, in equal shares: the mean's interval is that of a share of ten chapters."""
    units = chapters(1, 10, 20)
    values = np.repeat(np.arange(10) % 2, 20)[:, None].astype(float)
    by_chapter = resampling(units, 0).estimate(values)
    assert by_chapter.point == 0.5
    assert by_chapter.interval is not None
    low, high = by_chapter.interval
    assert low[0] == pytest.approx(0.2, abs=0.01)
    assert high[0] == pytest.approx(0.8, abs=0.01)
    # Drawn one by one, as if 200 queries told 200 things, the interval would be a third as wide.
    by_query = resampling([("b", f"{i}") for i in range(200)], 0).estimate(values)
    assert by_query.interval is not None
    assert by_query.interval[1] - by_query.interval[0] == pytest.approx(0.14, abs=0.02)


def test_a_chapter_drawn_twice_counts_all_its_queries_twice() -> None:
    sample = resampling([("b", f"c{i}") for i in range(5) for _ in range(i + 1)], 3)
    values = np.random.default_rng(0).random((15, 2))
    estimate = sample.estimate(values)
    for counts, drawn in zip(sample.counts[:20], estimate.draws, strict=False):
        rows = np.repeat(values, counts[sample.unit_of].astype(int), axis=0)
        assert drawn == pytest.approx(rows.mean(axis=0))


def test_differences_are_paired() -> None:
    """A gain of 0.01 in every query is significant, however widely the queries differ among themselves."""
    values = np.random.default_rng(0).random((50, 1))
    sample = resampling([("b", str(i)) for i in range(50)], 0)
    difference = sample.estimate(values + 0.01).minus(sample.estimate(values))
    assert difference.interval is not None
    assert np.array(difference.interval) == pytest.approx(0.01)


def test_a_seed_gives_the_same_intervals_and_fewer_than_five_queries_none() -> None:
    units, values = chapters(1, 6, 2), np.random.default_rng(0).random((12, 1))
    assert (resampling(units, 1).estimate(values).draws == resampling(units, 1).estimate(values).draws).all()
    few = resampling(units[:4], 1).estimate(values[:4])
    assert few.interval is None
    assert few.minus(few).interval is None
