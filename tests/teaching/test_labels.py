"""Labels of training pages only."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.evaluation.make import passages, term
from tripletkit.teaching.labels import label_scores, pages_of

BOOK = passages(
    ("a", "A heap is a tree.", 1, "1"),
    ("b", "Nothing of it.", 1, "1"),
    ("c", "It is merged.", 2, "1"),
    ("d", "A heap again.", 3, "2"),
).to_dicts()
SPANS = {0: [(2, 6, 0)], 3: [(2, 6, 0)]}


def labels(cited: list[int], *, trains: list[bool], held_out: list[int] | None = None) -> list[float]:
    out = {("x", page) for page in held_out or ()}
    found = label_scores(BOOK, term("heap", cited).to_dicts(), SPANS, trains=trains, held_out=out)
    return list(found[:, 0].tolist())


def test_of_a_cited_page_the_passages_that_mention_the_term_else_all() -> None:
    assert labels([1], trains=[True] * 4) == [1, 0, 0, 0]
    assert labels([2], trains=[True] * 4) == [0, 0, 1, 0]
    assert labels([1, 2, 3], trains=[True] * 4) == [1, 0, 1, 1]


def test_no_label_of_a_passage_that_does_not_train() -> None:
    assert labels([1, 2, 3], trains=[True, True, True, False]) == [1, 0, 1, 0]


def test_a_page_that_holds_a_held_out_passage_too_labels_nothing() -> None:
    assert labels([1, 2], trains=[True] * 4, held_out=[2]) == [1, 0, 0, 0]


def test_a_passage_over_two_pages_is_on_both() -> None:
    row = passages(("a", "text", 4, "1")).with_columns(page_last=pl.lit(5, pl.Int32)).to_dicts()
    assert pages_of(row) == {("x", 4), ("x", 5)}


def test_citations_of_another_book_label_nothing() -> None:
    other = term("heap", [1]).with_columns(book_id=pl.lit("y")).to_dicts()
    assert not np.any(label_scores(BOOK, other, SPANS, trains=[True] * 4, held_out=set()))
