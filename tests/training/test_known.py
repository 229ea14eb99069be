import polars as pl

from tests.training.test_linter import mentions, triplets
from tripletkit.training.known import known_positives

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
