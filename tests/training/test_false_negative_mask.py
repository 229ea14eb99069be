from typing import Any

import polars as pl
import pytest

from tests.training.test_diagnostics import triplets
from tripletkit.mining.pool import Pool
from tripletkit.mining.relations import numbers
from tripletkit.training import false_negative_mask as known
from tripletkit.training.false_negative_mask import known_terms, only_cited, with_positives

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
    monkeypatch.setattr(known, "ENOUGH_PAIRS", 1)
    assert of("auto") == ["p", "p"]
    monkeypatch.setattr(known, "ENOUGH_PAIRS", 2)  # of pairs, not of triplets
    assert of("auto") == ["p", "p", "q", "q"]
