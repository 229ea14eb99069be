from collections import Counter
from random import Random
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.errors import ConfigError
from tripletkit.settings import TrainSettings, load_settings
from tripletkit.training.batches import (
    BookBatches,
    Example,
    batches_of,
    examples,
    planned_steps,
    validation_steps,
)

ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5)), min_size=1, max_size=60)


@given(ROWS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_row_is_in_one_batch_and_full_batches_have_one_book(
    rows: list[tuple[str, int]], size: int, random: Random
) -> None:
    books = [book for book, _ in rows]
    anchors = [f"{book}{anchor}" for book, anchor in rows]
    order = list(range(len(rows)))
    random.shuffle(order)
    full, last = batches_of(order, books, anchors, size)
    assert sorted(row for batch in [*full, last] for row in batch) == list(range(len(rows)))
    assert {len(batch) for batch in full} <= {size}
    assert len(last) < size
    of_one = Counter(books[batch[0]] for batch in full if len({books[row] for row in batch}) == 1)
    assert all(of_one[book] >= count // size for book, count in Counter(books).items())


def test_a_batch_repeats_an_anchor_only_when_none_other_is_left() -> None:
    """Four passages with three positives each."""
    anchors = [str(i % 4) for i in range(12)]
    full, last = batches_of(range(12), ["x"] * 12, anchors, 4)
    assert [sorted(anchors[row] for row in batch) for batch in full] == [["0", "1", "2", "3"]] * 3
    assert last == []


def test_batches_differ_by_epoch_and_are_reproducible() -> None:
    def batches(epoch: int) -> list[list[int]]:
        made = BookBatches(
            Dataset.from_dict({"label": list(range(9))}),
            list("xxxxxyyyy"),
            list("abcdeabcd"),
            batch_size=2,
            drop_last=False,
            generator=torch.Generator(),
            seed=3,
        )
        made.set_epoch(epoch)
        assert len(made) == 5
        return list(made)

    assert batches(0) == batches(0) != batches(1)
    assert sorted(row for batch in batches(1) for row in batch) == list(range(9))


@pytest.mark.parametrize(
    ("triplets", "settings", "steps"),
    [
        (160, {}, 40),
        (161, {}, 44),
        (800, {}, 150),
        (4000, {}, 250),
        (160, {"epochs": 1}, 10),
        (161, {"epochs": 1}, 11),
        (160, {"epochs": 3}, 30),
        (160, {"epochs": 0.5}, 5),
        (160, {"max_steps": 4}, 4),
        (3, {"epochs": 1}, 1),
        (160, {"gradient_accumulation_steps": 4, "epochs": 1}, 3),
        (160, {"batch_size": 8, "epochs": 2}, 40),
    ],
)
def test_steps(triplets: int, settings: dict[str, Any], steps: int) -> None:
    assert planned_steps(triplets, TrainSettings(**settings)) == steps
    assert planned_steps(triplets * 2, TrainSettings(**settings), processes=2) == steps


@pytest.mark.parametrize(
    ("steps", "settings", "apart"), [(93, {}, 25), (1000, {}, 250), (10, {}, 25), (93, {"eval_steps": 7}, 7)]
)
def test_four_validation_runs_but_not_too_close(steps: int, settings: dict[str, Any], apart: int) -> None:
    assert validation_steps(steps, TrainSettings(**settings)) == apart


def test_a_row_holds_a_pair_with_all_its_negatives() -> None:
    triplets = [("A", "p", "x"), ("B", "q", "z"), ("A", "p", "y"), ("A", "q", "x")]
    known = [frozenset({"k"}), frozenset[str](), frozenset({"l"}), frozenset[str]()]
    found = examples(triplets, known, ["1", "2", "1", "1"], TrainSettings())
    assert found == [
        Example("A", "p", ("x", "y"), frozenset({"k", "l"}), "1"),
        Example("B", "q", ("z", "z"), frozenset(), "2"),
        Example("A", "q", ("x", "x"), frozenset(), "1"),
    ]
    alone = examples(triplets, None, None, TrainSettings(in_batch_negatives=False))
    assert [(e.anchor, e.positive, *e.negatives) for e in alone] == triplets


@pytest.mark.parametrize("name", ["train.learning_rate", "train.batch_size", "train.epochs", "seed", "mine.mask"])
def test_true_is_not_a_number(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} = true: input should be a valid (number|integer)"):
        load_settings(None, {name: True})
    assert load_settings(None, {"train.keep_best": True}).train.keep_best
