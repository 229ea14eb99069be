from math import log2

import numpy as np
import polars as pl
import pytest

from tripletkit.evaluation import average_precision, build_gold, mean_metrics, ndcg, reciprocal_rank, score_vectors
from tripletkit.schemas import MENTIONS, PASSAGES, TERMS, make_table

GAINS = np.array([False, True, False, True])


def test_metrics_by_hand() -> None:
    assert ndcg(GAINS, 10) == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)))
    assert ndcg(GAINS, 2) == pytest.approx((1 / log2(3)) / (1 + 1 / log2(3)))
    assert reciprocal_rank(GAINS, 10) == 1 / 2
    assert reciprocal_rank(GAINS, 1) == 0
    assert average_precision(GAINS) == (1 / 2 + 2 / 4) / 2


def test_means_over_queries() -> None:
    scores = np.array([[3, 2, 1], [1, 2, 3]], dtype=np.float32)
    relevant = np.array([[True, False, False], [True, False, False]])
    metrics = mean_metrics(scores, relevant, k=2)
    assert metrics == {
        "queries": 2,
        "nDCG@2": 0.5,
        "MRR@2": 0.5,
        "MAP": pytest.approx((1 + 1 / 3) / 2),
        "recall@2": 0.5,
    }


def test_a_perfect_and_a_reversed_encoder() -> None:
    gold_passages = pl.DataFrame(
        {"passage_id": ["a", "b"], "book_id": ["x", "x"], "text": ["", ""], "page_first": [1, 2], "page_last": [1, 2]}
    )
    gold = build_gold(gold_passages, _terms(locators=False), _mentions([("a", "1"), ("b", "2")]))
    right = np.eye(2, dtype=np.float32)
    assert score_vectors(gold, right, right)["term→passage"]["nDCG@10"] == 1
    assert score_vectors(gold, right, right[::-1])["term→passage"]["MRR@10"] == 0.5


def test_gold_by_index_prefers_the_passages_on_the_page_that_say_the_term() -> None:
    row = {
        "book_id": "x",
        "section": None,
        "label_first": "1",
        "label_last": "1",
        "kind": "prose",
        "text": "",
        "n_tokens": 1,
    }
    passages = make_table(
        PASSAGES,
        [
            {**row, "passage_id": p, "page_first": f, "page_last": t}
            for p, f, t in (("a", 1, 1), ("b", 1, 2), ("c", 2, 2), ("d", 9, 9))
        ],
    )
    gold = build_gold(passages, _terms(locators=True), _mentions([("b", "1"), ("d", "1")]))
    assert gold.source == "index"
    answers = {
        t: {p for p, hit in zip(gold.passage_ids, row, strict=True) if hit}
        for t, row in zip(gold.term_ids, gold.relevant, strict=True)
    }
    # 1 is cited on page 1 and said there by b; 2 is cited on page 2 and said by none of b and c. That d says 1 counts for nothing.
    assert answers == {"1": {"b"}, "2": {"b", "c"}}


def _terms(*, locators: bool) -> pl.DataFrame:
    return make_table(
        TERMS,
        [
            {
                "term_id": str(n),
                "book_id": "x",
                "term": f"t{n}",
                "forms": [f"t{n}"],
                "sources": ["index"],
                "definition": None,
                "parent_id": None,
                "see_also": [],
                "locators": [{"label": str(n), "page": n, "range_end": None}] if locators else [],
                "kept": True,
                "reason": None,
            }
            for n in (1, 2)
        ],
    )


def _mentions(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return make_table(
        MENTIONS,
        [{"passage_id": p, "term_id": t, "start": 0, "end": 2, "surface": "xx", "how": "exact"} for p, t in pairs],
    )
