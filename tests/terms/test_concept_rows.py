"""Which terms are kept."""

from __future__ import annotations

import pytest

from tripletkit.rules import load_rules
from tripletkit.terms.concept_rows import Facts, objection


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        ("p", "single character"),
        ("von Neumann, John", "person name"),
        ("Hamming, R. W.", "person name"),
        ("std::copy", "name from program code"),
        ("read_csv", "name from program code"),
        ("compare(x, y)", "name from program code"),
        ("https://x.org", "web address"),
        ("9-1-1", "no letters"),
        ("project goals", "too general"),
        ("mean, median", None),
        ("AlexNet", None),
        ("Markov chain", None),
        ("k-means", None),
    ],
)
def test_filters(term: str, reason: str | None) -> None:
    assert objection(term, Facts([term], frozenset(["index"])), load_rules()) == reason


def test_filters_by_where_a_term_stands() -> None:
    rules = load_rules()
    assert objection("Turing", Facts(["Turing"], frozenset(["index"]), kind="names"), rules) == "person name"
    assert objection("Treap", Facts(["Treap"], frozenset(["index"]), mono=True), rules) == "name from program code"
    assert (
        objection("data", Facts(["data"], frozenset(["index"]), occurrences=90, pages_with=60, pages=100), rules)
        == "on more than half of the pages"
    )
    assert (
        objection("hapax", Facts(["hapax"], frozenset(["index_head"]), occurrences=0), rules) == "not found in the text"
    )
    assert objection("solution", Facts(["solution"], frozenset(["glossary"])), rules) is None  # this book defines it
