"""Tables cut into books."""

from __future__ import annotations

import polars as pl

from tripletkit.by_book import books_with_terms, by_book

PASSAGES = pl.DataFrame({"book_id": ["b", "a", "b"], "passage_id": ["p1", "p2", "p3"]})
TERMS = pl.DataFrame({"book_id": ["a", None, "b", None], "term_id": ["t4", "t1", "t2", "t3"]})


def test_rows_of_a_book_stay_in_order() -> None:
    rows = by_book(PASSAGES)
    assert rows("b")["passage_id"].to_list() == ["p1", "p3"]
    assert rows("a")["passage_id"].to_list() == ["p2"]
    assert rows("c").is_empty()
    assert by_book(PASSAGES.clear())("a").schema == PASSAGES.schema


def test_a_book_gets_its_own_terms_and_those_of_the_user() -> None:
    books, tasks = books_with_terms(PASSAGES, TERMS)
    assert books == ["a", "b"]
    found = {task.book_id: task.terms["term_id"].to_list() for task in tasks}
    assert found == {"a": ["t1", "t3", "t4"], "b": ["t1", "t2", "t3"]}
