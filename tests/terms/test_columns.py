"""Columns of an index: how far apart they stand, and where each page's first begins."""

from __future__ import annotations

from dataclasses import replace

from tests.terms.layout import column, page
from tripletkit.terms.columns import column_pitches, left_edges

LINES = "alpha, 1\nbeta, 2\ngamma, 3"


def test_a_column_on_few_pages_is_none() -> None:
    pages = {number: page(number, LINES) for number in range(400, 404)} | {404: page(404, LINES, LINES)}
    assert column_pitches(pages) == [0.0]


def test_columns_stand_apart_as_on_most_pages() -> None:
    pages = {number: page(number, LINES, LINES, apart=apart) for number, apart in ((400, 170), (401, 170), (402, 190))}
    assert column_pitches(pages) == [0.0, 170.0]
    assert column_pitches({**pages, 403: page(403, LINES, LINES, apart=200)}) == [0.0, 170.0]


def test_a_column_of_subentries_alone_begins_where_the_next_column_says() -> None:
    lines = column(401, LINES, left=55) + column(401, LINES, number=1, left=220)
    assert left_edges({401: lines}, [0.0, 170.0]) == {401: 50.0}


def test_left_and_right_pages_and_pages_far_apart_have_their_own_edge() -> None:
    lefts = {400: 50.0, 401: 80.0, 402: 62.0, 404: 150.0}
    pages = {number: page(number, LINES, left=left) for number, left in lefts.items()}
    assert left_edges(pages, [0.0]) == {400: 50.0, 401: 80.0, 402: 50.0, 404: 150.0}


def test_a_stray_sign_is_no_edge() -> None:
    lines = page(400, LINES)
    assert left_edges({400: [*lines, replace(lines[0], text="§", x0=4.0)]}, [0.0]) == {400: 50.0}
