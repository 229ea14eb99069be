from __future__ import annotations

import pytest

from tripletkit.language.form_search import form_pattern, mentions_any, singular


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("loss function", "two loss\nfunctions", True),
        ("loss function", "a loss-function", True),
        ("hard-negative", "hard negatives", True),
        ("theories", "one theory", True),
        ("theory", "many theories", True),
        ("class", "classes", True),
        ("gradient", "gradients.", True),
        ("gradient", "ungradiented", False),
        ("C++", "in C++,", True),
        ("–", "a - b", False),  # no word at all
    ],
)
def test_a_form_is_found_as_whole_words(form: str, text: str, found: bool) -> None:
    assert (form_pattern(form).search(text) is not None) is found


def test_an_acronym_is_searched_as_it_is_written() -> None:
    assert mentions_any("The IT department", ["IT"])
    assert not mentions_any("how it works", ["IT"])


def test_plural_endings_are_undone() -> None:
    assert [singular(form) for form in ("Theories", "gradients", "class", "corpus", "analysis", "gas")] == [
        "theory",
        "gradient",
        "class",
        "corpus",
        "analysis",
        "gas",
    ]
