import polars as pl
import pytest

from tests.training.test_linter import mentions, triplets
from tripletkit.training import known
from tripletkit.training.known import known_positives, only_cited, with_positives

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


def test_said_cited_near_and_mined_terms_are_known() -> None:
    """Passage p of book x lies on page 5; delta is cited on page 4 of x, humus on page 4 of another book."""
    rows = triplets([{"passage_id": "p", "positive": "loam"}, {"passage_id": "q", "positive": "silt"}])
    passages = pl.DataFrame(
        {"passage_id": ["p", "q"], "book_id": ["x", "x"], "page_first": [5, 9], "page_last": [5, 9]}
    )
    tables = {"terms": TERMS, "mentions": mentions(("p", "b", 0)), "passages": passages}
    assert known_positives(rows, tables, page_margin=1) == [{"loam", "fjord", "delta"}, {"silt"}]
    assert known_positives(rows, tables, page_margin=0) == [{"loam", "fjord"}, {"silt"}]


def test_of_an_indexed_book_cited_positives_are_left_and_of_another_all() -> None:
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


def test_cited_positives_train_alone_where_they_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
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
