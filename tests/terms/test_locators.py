"""Page references as printed, and the pages that they cite."""

from __future__ import annotations

import pytest

from tripletkit.terms.locators import Labels, Span, parse_locators


@pytest.mark.parametrize(
    ("printed", "spans"),
    [
        ("12, 45–8", (Span("12"), Span("45", "48"))),
        ("84n, 85n3 and 86ff.", (Span("84"), Span("85"), Span("86"))),
        ("pp. 3 to 5; xii", (Span("3", "5"), Span("xii"))),
        ("A-12, 7", (Span("A-12"), Span("7"))),  # one page, as the book has this label
    ],
)
def test_spans(printed: str, spans: tuple[Span, ...]) -> None:
    assert parse_locators(printed, Labels(["xii", "3", "A-12", "99"])) == spans


def test_labels_that_no_page_of_the_book_can_bear() -> None:
    labels = Labels([str(n) for n in range(1, 100)])
    assert [label for label in ("7", "101", "102", "007", "xii", "c") if labels.plausible(label)] == ["7", "101", "xii"]
    assert not Labels(["i", "ii", "1"]).plausible("xii")  # its roman pages are known


def test_expansion_maps_labels_to_all_pages_that_bear_them() -> None:
    labels = Labels(["i", "ii", "1", "2", "3", "2"])
    assert labels.expand([Span("1", "2")]) == [
        {"label": "1", "page": 3, "range_end": "2"},
        {"label": "2", "page": 4, "range_end": "2"},
        {"label": "2", "page": 6, "range_end": "2"},
    ]
    assert labels.expand([Span("ii"), Span("9")]) == [
        {"label": "ii", "page": 2, "range_end": None},
        {"label": "9", "page": None, "range_end": None},
    ]
