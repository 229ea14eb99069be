from collections import Counter
from random import Random
from typing import Any

import polars as pl
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_diagnostics import triplets
from tripletkit.errors import ConfigError
from tripletkit.mining.pool import Pool
from tripletkit.mining.relations import numbers
from tripletkit.settings import TrainSettings, load_settings
from tripletkit.training import batches
from tripletkit.training.batches import (
    BookBatches,
    Example,
    batches_of,
    examples,
    known_terms,
    only_cited,
    planned_steps,
    validation_steps,
    with_positives,
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
    assert planned_steps(triplets, TrainSettings(teacher="none", **settings)) == steps
    assert planned_steps(triplets * 2, TrainSettings(teacher="none", **settings), processes=2) == steps


@pytest.mark.parametrize(
    ("steps", "settings", "apart"), [(93, {}, 25), (1000, {}, 250), (10, {}, 25), (93, {"eval_steps": 7}, 7)]
)
def test_four_validation_runs_but_not_too_close(steps: int, settings: dict[str, Any], apart: int) -> None:
    assert validation_steps(steps, TrainSettings(teacher="none", **settings)) == apart


def test_a_row_holds_a_pair_with_all_its_negatives() -> None:
    triplets = [("A", "p", "x"), ("B", "q", "z"), ("A", "p", "y"), ("A", "q", "x")]
    known = [frozenset({"k"}), frozenset[str](), frozenset({"l"}), frozenset[str]()]
    found = examples(triplets, known, ["1", "2", "1", "1"], TrainSettings(teacher="none"))
    assert found == [
        Example("A", "p", ("x", "y"), frozenset({"k", "l"}), "1"),
        Example("B", "q", ("z", "z"), frozenset(), "2"),
        Example("A", "q", ("x", "x"), frozenset(), "1"),
    ]
    alone = examples(triplets, None, None, TrainSettings(teacher="none", in_batch_negatives=False))
    assert [(e.anchor, e.positive, *e.negatives) for e in alone] == triplets


@pytest.mark.parametrize("name", ["train.learning_rate", "train.batch_size", "train.epochs", "seed", "mine.mask"])
def test_true_is_not_a_number(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} = true: input should be a valid (number|integer)"):
        load_settings(None, {name: True})
    assert load_settings(None, {"train.keep_best": True}).train.keep_best


TERMS = pl.DataFrame(
    {
        "term_id": ["a", "b", "c", "d"],
        "book_id": ["x", "x", "x", "y"],
        "term": ["loam", "fjord", "delta", "humus"],
        "locators": [
            [],
            [],
            [{"label": "4", "page": 4, "range_end": None}],
            [{"label": "4", "page": 4, "range_end": None}],
        ],
    }
)


def pool(**changes: Any) -> Pool:  # noqa: ANN401
    """Passages p and q; the terms a to e, loam, fjord, delta, humus and silt."""
    none = numbers([])
    held = {
        "passage_ids": ("p", "q"),
        "texts": ("", ""),
        "term_ids": tuple("abcde"),
        "names": ("loam", "fjord", "delta", "humus", "silt"),
        "candidates": (),
        "mentioned": (none, none),
        "cited": (none, none),
        "related": (none,) * 5,
        "same_head": (none,) * 5,
        "in_chapter": (none, none),
        "passage_books": numbers([0]),
        "term_books": numbers([0]),
        "implied": (none, none),
    }
    return Pool(**{**held, **changes})


def test_terms_that_the_guards_reject_are_masked() -> None:
    """For p loam is mined, fjord mentioned, delta cited, humus implied; silt is related to loam."""
    mined: list[dict[str, object]] = [
        {"passage_id": "p", "positive_id": "a", "positive": "loam"},
        {"passage_id": "p", "positive_id": "a", "positive": "loam"},
        {"passage_id": "q", "positive_id": "z", "positive": "gley"},
    ]
    rows = triplets(mined)
    none = numbers([])
    one: list[dict[str, Any]] = [
        {"mentioned": (numbers([1]), none)},
        {"cited": (numbers([2]), none)},
        {"implied": (numbers([3]), none)},
        {"related": (numbers([4]), none, none, none, none)},
    ]
    for changes, name in zip(one, ("fjord", "delta", "humus", "silt"), strict=True):
        assert known_terms(rows, pool(**changes)) == [{"loam", name}] * 2 + [{"gley"}]
    every = {key: value for changes in one for key, value in changes.items()}
    assert known_terms(rows, pool(**every))[0] == {"loam", "fjord", "delta", "humus", "silt"}


def test_for_a_passage_outside_the_pool_only_mined_positives_are_known() -> None:
    mined: list[dict[str, object]] = [{"passage_id": "gone", "positive": name} for name in ("loam", "silt")]
    rows = triplets(mined)
    assert known_terms(rows, pool()) == [{"loam", "silt"}] * 2


def test_only_books_with_an_index_lose_positives_that_are_not_cited() -> None:
    """Delta is cited on page 4 of book x; book z has no index, gley is the user's own."""
    rows = triplets(
        [
            {"passage_id": "p", "positive_id": "c"},
            {"passage_id": "p", "positive_id": "a"},
            {"passage_id": "q", "positive_id": "c"},
            {"passage_id": "r", "positive_id": "e"},
            {"passage_id": "q", "positive_id": "u"},
        ]
    )
    other = pl.DataFrame(
        {"term_id": ["e", "u"], "book_id": ["z", None], "term": ["silt", "gley"], "locators": [[], []]},
        schema=TERMS.schema,
    )
    passages = pl.DataFrame(
        {"passage_id": ["p", "q", "r"], "book_id": ["x", "x", "z"], "page_first": [3, 9, 4], "page_last": [4, 9, 4]}
    )
    tables = {"terms": pl.concat([TERMS, other]), "passages": passages}
    kept = only_cited(rows, tables)
    assert list(zip(kept["passage_id"], kept["positive_id"], strict=True)) == [("p", "c"), ("r", "e"), ("q", "u")]
    nowhere = rows.filter(passage_id="q", positive_id="c")
    assert only_cited(nowhere, tables).equals(nowhere)


def test_cited_positives_train_alone_if_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two negatives for each of two pairs: p is cited for delta, q is not."""
    rows = triplets([{"passage_id": passage, "positive_id": "c"} for passage in "ppqq"])
    passages = pl.DataFrame(
        {"passage_id": ["p", "q"], "book_id": ["x", "x"], "page_first": [4, 9], "page_last": [4, 9]}
    )
    tables = {"terms": TERMS, "passages": passages}

    def of(wanted: str) -> list[str]:
        return with_positives(rows, tables, wanted)["passage_id"].to_list()

    assert [of("all"), of("auto"), of("cited")] == [["p", "p", "q", "q"], ["p", "p", "q", "q"], ["p", "p"]]
    monkeypatch.setattr(batches, "ENOUGH_PAIRS", 1)
    assert of("auto") == ["p", "p"]
    monkeypatch.setattr(batches, "ENOUGH_PAIRS", 2)  # of pairs, not of triplets
    assert of("auto") == ["p", "p", "q", "q"]
