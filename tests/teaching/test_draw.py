"""What a list holds, and how scores add up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tripletkit.schemas import TEACHER, make_table
from tripletkit.teaching.draw import FEWEST_LISTS, books_of_lists, draw_list, list_count
from tripletkit.teaching.scores import BookScores, add_up, standardised

PARTS = ("cosine", "maxsim", "bm25", "structure", "label")


def book(passages: int = 60, terms: int = 200) -> BookScores:
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=(passages, terms)).astype(np.float32) for name in PARTS}
    weights = {"maxsim": 1.0, "structure": 1.0}
    return BookScores(
        [f"p{i}" for i in range(passages)],
        [f"t{i}" for i in range(terms)],
        parts,
        add_up(parts, weights, axis=1),
        add_up(parts, weights, axis=0),
    )


def test_parts_add_up_after_standardising_in_the_direction_of_comparison() -> None:
    parts = {"maxsim": np.array([[1.0, 3.0], [5.0, 5.0]], np.float32), "label": np.array([[0, 1], [0, 0]], np.float32)}
    found = add_up(parts, {"maxsim": 2.0, "label": 3.0, "cosine": 1.0}, axis=1)
    assert np.allclose(found, [[-2, 5], [0, 0]]), "deviation 1 a row; equal scores are 0; absent parts count nothing"
    assert np.allclose(standardised(parts["maxsim"], 0), [[-1, -1], [1, 1]])


def test_a_list_holds_the_scores_of_its_passages_and_terms() -> None:
    of = book()
    rows = draw_list(of, 3, {}, passages=24, terms=120, seed=0)
    assert len(rows) == 24
    assert len({row["passage_id"] for row in rows}) == 24
    make_table(TEACHER, rows)
    for row in rows:
        terms = row["term_ids"]
        assert isinstance(terms, list)
        assert len(set(terms)) == 120
        assert terms == rows[0]["term_ids"]
        at = int(str(row["passage_id"])[1:]), [int(name[1:]) for name in terms]
        assert row["maxsim"] == of.parts["maxsim"][at].tolist()
        assert row["over_passages"] == of.over_passages[at].tolist()


def test_half_of_the_passages_are_near_one_term_and_their_best_terms_are_there() -> None:
    of, near = book(passages=400), 0
    for number in range(20):
        rows = draw_list(of, number, {}, passages=24, terms=200, seed=0)
        chosen = [int(str(row["passage_id"])[1:]) for row in rows]
        ranks = np.argsort(np.argsort(-of.over_passages, axis=0), axis=0)[chosen]
        near += int(
            (ranks < 48).sum(axis=0).max() >= 12
            and bool((np.sort(ranks, axis=0)[:4] == np.arange(4)[:, None]).all(axis=0).any())
        )
        held = {str(name) for name in rows[0]["term_ids"]}  # type: ignore[attr-defined]
        best = {f"t{i}" for i in of.over_terms[chosen].argmax(axis=1)}
        assert best <= held
    assert near == 20


def test_a_mined_triplet_of_a_passage_comes_with_both_terms() -> None:
    of = book()
    triplets = {f"p{i}": [("t7", "t9"), ("t7", "t11")] for i in range(30)} | {"p40": [("t1", "of another book")]}
    drawn = [row for number in range(10) for row in draw_list(of, number, triplets, passages=24, terms=60, seed=1)]
    for row in drawn:
        mined = row["passage_id"] in triplets and row["passage_id"] != "p40"
        assert (row["positive_id"] == "t7") == mined
        assert (row["negative_id"] in ("t9", "t11")) == mined
        if mined:
            assert {"t7", row["negative_id"]} <= set(row["term_ids"])  # type: ignore[call-overload]
    assert {row["negative_id"] for row in drawn} == {"t9", "t11", None}


@pytest.mark.parametrize(("passages", "terms"), [(2, 2), (5, 300), (300, 5), (24, 120)])
def test_a_small_book_gives_shorter_lists(passages: int, terms: int) -> None:
    rows = draw_list(book(passages, terms), 0, {}, passages=24, terms=120, seed=0)
    assert len(rows) == min(passages, 24)
    assert {len(row["term_ids"]) for row in rows} == {min(terms, 120)}  # type: ignore[arg-type]


def test_equal_seeds_draw_equal_lists_and_a_list_does_not_depend_on_the_others() -> None:
    one, two = (draw_list(book(), 5, {}, passages=24, terms=120, seed=4) for _ in range(2))
    assert one == two
    assert one != draw_list(book(), 5, {}, passages=24, terms=120, seed=5)
    assert books_of_lists({"a": 4, "b": 100}, 50, 0).items() <= books_of_lists({"a": 4, "b": 100}, 50, 0).items()
    few, many = (books_of_lists({"a": 4, "b": 100}, count, 0) for count in (20, 200))
    assert all(many[name][: len(numbers)] == numbers for name, numbers in few.items())


def test_large_books_do_not_hide_small_ones() -> None:
    counts = Counter({name: len(of) for name, of in books_of_lists({"a": 100, "b": 2500}, 600, 0).items()})
    assert counts.total() == 600
    assert counts["a"] == pytest.approx(100, abs=30), "10 to 50"


def test_every_passage_is_seen_in_a_large_corpus_and_a_small_one_has_enough_lists() -> None:
    assert list_count(100, 24) == FEWEST_LISTS
    assert list_count(24_000, 24) == 1000
