"""Frequencies of English words."""

from __future__ import annotations

import pytest

from tripletkit.language.word_frequencies import frequency


def test_frequencies_are_on_the_zipf_scale() -> None:
    assert frequency("the") == pytest.approx(7.7, abs=0.1)
    assert frequency("Cooperate") == frequency("cooperate") == pytest.approx(3.79, abs=0.02)


@pytest.mark.parametrize("word", ["clientserver", "xrays", "stability-of", ""])
def test_what_is_no_common_word_has_none(word: str) -> None:
    assert frequency(word) == 0
