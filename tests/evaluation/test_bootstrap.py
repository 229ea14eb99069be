import numpy as np
import pytest

from tripletkit.evaluation.bootstrap import resampling


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
