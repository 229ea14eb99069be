"""Terms that a passage implies, and names of one thing."""

from __future__ import annotations

import polars as pl
import pytest

from tests.mining.pools import pool_of, term_row
from tripletkit.mining.pool import build_pool
from tripletkit.schemas import MENTIONS, TERMS, make_table


def test_terms_in_headings_or_with_a_word_stem_in_common_are_no_negatives() -> None:
    names = ("independent", "sorting algorithm", "heap", "statistic")
    passages = pl.DataFrame(
        [
            {"passage_id": "p", "text": "The independence of two heaps.", "section": "2 Sorting algorithms › 2.1 Why"},
            {"passage_id": "q", "text": "A hash is independently drawn.", "section": None},
        ]
    ).with_columns(book_id=pl.lit("b"), page_first=1, page_last=1)
    terms = make_table(
        TERMS,
        [term_row(f"{i}", name) for i, name in enumerate(names)],
    )
    everywhere = make_table(
        MENTIONS,
        [
            {"passage_id": "p", "term_id": f"{i}", "start": i, "end": i + 1, "surface": "x", "match": "exact"}
            for i in range(len(names))
        ],
    )
    held = build_pool(passages, terms, everywhere, page_margin=1)
    assert [row.tolist() for row in held.implied] == [[0, 1], [0]]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Values are hashed by a function.", [0]),
        ("Values are hashed.", []),
        ("A function of two values.", []),
    ],
)
def test_a_term_spelled_out_word_by_word_is_no_negative(text: str, refused: list[int]) -> None:
    assert pool_of([text], ("hash function", "linear map")).implied[0].tolist() == refused


@pytest.mark.parametrize(
    ("sentence", "one"),
    [
        ("Tabulation, also known as memoization, is old.", True),
        ("We use tabulation (memoization) here.", True),
        ("Tabulation is sometimes called a memoization.", True),
        ("Use tabulation or memoization.", False),
        ("Tabulation called memoization.", False),
        ("We use tabulation (a memoization of sorts) here.", False),
        ("Tabulation. Memoization is also known.", False),
    ],
)
def test_terms_named_as_one_in_a_passage_are_one_in_all(sentence: str, one: bool) -> None:
    held = pool_of([sentence, "Only tabulation."], ("tabulation", "memoization"))
    assert [row.tolist() for row in held.related] == ([[0, 1], [0, 1]] if one else [[0], [1]])


def test_a_longer_term_is_named_and_not_the_one_inside_it() -> None:
    held = pool_of(["A sampling error, also called noise, is an error."], ("error", "noise", "sampling error"))
    assert [row.tolist() for row in held.related] == [[0], [1, 2], [1, 2]]
