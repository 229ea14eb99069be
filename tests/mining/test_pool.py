"""What a pool knows of its passages and terms."""

from __future__ import annotations

import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.mining.pools import term_row
from tests.tagging.rows import matcher_of, mentions_in
from tripletkit.language.definitions import is_defined
from tripletkit.mining.pool import build_pool, in_heading
from tripletkit.schemas import MENTIONS, PASSAGES, TERMS, make_table


def test_a_pool_knows_what_is_mentioned_cited_and_related(hash_encoder: HashEncoder) -> None:
    place: dict[str, object] = {"book_id": "b", "section": None, "label_first": "1", "label_last": "1", "boxes": []}
    passage = {**place, "kind": "prose", "n_tokens": 9}
    passages = make_table(
        PASSAGES,
        [
            {
                **passage,
                "passage_id": "p1",
                "page_first": 1,
                "page_last": 1,
                "text": "A binary tree is a tree. See cnn.",
            },
            {**passage, "passage_id": "p2", "page_first": 4, "page_last": 4, "text": "A heap, and a CNN."},
        ],
    )
    term = {
        "book_id": "b",
        "sources": ["index"],
        "definition": None,
        "parent_id": None,
        "see_also": [],
        "kept": True,
        "reason": None,
    }
    terms = make_table(
        TERMS,
        [
            {
                **term,
                "term_id": "1tree",
                "term": "tree",
                "forms": ["tree"],
                "locators": [{"label": "1", "page": 1, "range_end": None}],
            },
            {
                **term,
                "term_id": "2binary",
                "term": "binary tree",
                "forms": ["binary tree"],
                "locators": [],
                "parent_id": "1tree",
            },
            {
                **term,
                "term_id": "3heap",
                "term": "heap",
                "forms": ["heap"],
                "locators": [{"label": "2", "page": 2, "range_end": None}],
            },
            {**term, "term_id": "4cnn", "term": "CNN", "forms": ["CNN", "convolutional network"], "locators": []},
            {**term, "term_id": "5none", "term": "nowhere", "forms": ["nowhere"], "locators": []},
            {
                **term,
                "term_id": "6left",
                "term": "heap (left out)",
                "forms": ["heap"],
                "locators": [],
                "kept": False,
                "reason": "test",
            },
        ],
    )
    matcher = matcher_of(terms.filter("kept"))
    mentions = make_table(
        MENTIONS,
        [row for p, text in passages.select("passage_id", "text").iter_rows() for row in mentions_in(p, text, matcher)],
    )
    held = build_pool(passages, terms, mentions, page_margin=1)
    assert held.term_ids == ("1tree", "2binary", "3heap", "4cnn")  # mentioned and kept
    assert [row.tolist() for row in held.mentioned] == [[0, 1, 3], [2, 3]]  # the guard reads "cnn" too
    assert [row.tolist() for row in held.cited] == [[0, 2], []]  # page 2 is next to page 1
    assert held.related[0].tolist() == [0, 1]
    assert {(c.passage, held.term_ids[c.term]) for c in held.candidates} == {
        (0, "1tree"),
        (0, "2binary"),
        (1, "3heap"),
        (1, "4cnn"),
    }
    vectors = hash_encoder.encode(held.names)
    assert vectors.shape == (4, 256)


def test_a_term_mentioned_only_inside_a_longer_one_is_no_positive() -> None:
    passages = pl.DataFrame(
        {"passage_id": ["p"], "book_id": ["b"], "text": ["A binary tree."], "page_first": [1], "page_last": [1]}
    )
    terms = make_table(
        TERMS,
        [term_row(t, name) for t, name in (("1", "tree"), ("2", "binary tree"))],
    )
    mentions = make_table(MENTIONS, list(mentions_in("p", "A binary tree.", matcher_of(terms))))
    held = build_pool(passages, terms, mentions, page_margin=0)
    assert [held.names[c.term] for c in held.candidates] == ["binary tree"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A heap is a tree with an order.", True),
        ("Such a tree is called a heap.", True),
        ("It is better known as the heap.", True),
        ("We put it on the heap and go on.", False),
        ("The heap was full.", False),
    ],
)
def test_a_defining_sentence_is_told(text: str, answer: bool) -> None:
    start = text.index("heap")
    assert is_defined(text, [(start, start + 4)]) is answer


def test_a_heading_holds_a_term_by_whole_words() -> None:
    assert in_heading("1 Trees › 1.2 Binary Heaps and More", "binary heap")
    assert not in_heading("1 Binary Heaps › 1.2 More", "binary heap")
    assert not in_heading(None, "heap")
