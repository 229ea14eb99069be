from collections.abc import Sequence

import numpy as np
import polars as pl

from tests.evaluation.make import heaps, mentions, passages, term
from tripletkit.encoding.encoder import Vectors
from tripletkit.evaluation.gold import Gold, build_gold, mentioned
from tripletkit.evaluation.metrics import Mask
from tripletkit.evaluation.tasks import score


def answers(gold: Gold, relevant: Mask) -> dict[str, set[str]]:
    return {
        term.name: {p for p, hit in zip(gold.passage_ids, row, strict=True) if hit}
        for term, row in zip(gold.terms, relevant, strict=True)
    }


def test_gold_by_index_prefers_the_passages_on_the_page_that_mention_the_term() -> None:
    held = passages(("a", "-", 1, "c"), ("b", "-", 1, "c"), ("c", "-", 2, "c"), ("d", "-", 9, "c"))
    held = held.with_columns(
        page_last=pl.when(pl.col("passage_id") == "b").then(2).otherwise(pl.col("page_last")).cast(pl.Int32)
    )
    terms = pl.concat([term("one", [1]), term("two", [2])])
    gold = build_gold(held, terms, mentions(("b", "one"), ("d", "one")))
    assert gold.source == "index"
    # "one" is cited on page 1 and said there by b; "two" is cited on page 2 and said by none of b and c. That d says "one"
    # counts for nothing.
    assert answers(gold, gold.relevant) == {"one": {"b"}, "two": {"b", "c"}}
    assert answers(gold, gold.no_mention) == {"one": set(), "two": {"b", "c"}}


def test_a_rejected_mention_still_counts_as_a_mention() -> None:
    held = passages(("a", "They heap up sand.", 1, "c"), ("b", "More of it.", 1, "c"))
    gold = build_gold(held, term("heap", [1]), mentions())
    assert answers(gold, gold.relevant) == {"heap": {"a", "b"}}
    assert answers(gold, gold.no_mention) == {"heap": set()}


def test_gold_by_mentions_without_an_index() -> None:
    held = passages(("a", "-", 1, "c"), ("b", "-", 2, "c"))
    gold = build_gold(held, pl.concat([term("one"), term("two")]), mentions(("a", "one"), ("z", "two")))
    assert gold.source == "mentions"
    assert answers(gold, gold.relevant) == {"one": {"a"}}
    assert not gold.no_mention.any()


def test_terms_without_a_relevant_passage_are_kept_apart() -> None:
    gold = heaps()
    assert [term.name for term in gold.terms] == ["heap", "queue"]
    assert [other.name for other in gold.mentioned_only] == ["tree"]


class Fixed:
    """An encoder with these vectors of the terms and of the passages, whatever their texts."""

    fingerprint = ""

    def __init__(self, terms: Vectors, passages: Vectors) -> None:
        self.vectors = {"terms": terms, "passages": passages}

    def encode(self, texts: Sequence[str], what: str = "texts", task: object = "document") -> Vectors:
        return self.vectors[what]

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> None:
        """No token vectors."""


def test_a_perfect_and_a_reversed_encoder() -> None:
    held = passages(("a", "-", 1, "c"), ("b", "-", 2, "c"))
    gold = build_gold(held, pl.concat([term("one"), term("two")]), mentions(("a", "one"), ("b", "two")))
    right = np.eye(2, dtype=np.float32)
    assert score(gold, Fixed(right, right))["term→passage"]["nDCG@10"] == 1
    assert score(gold, Fixed(right, right[::-1]))["term→passage"]["MRR@10"] == 0.5


def test_a_term_is_mentioned_in_any_of_its_forms() -> None:
    texts = ["Search Trees are sorted.", "The BST is one.", "A tree, a search.", ""]
    assert mentioned([("search tree", "BST"), ("sort",)], texts).tolist() == [
        [True, True, False, False],
        [False, False, False, False],
    ]
