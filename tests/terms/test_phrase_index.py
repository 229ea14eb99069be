"""Phrases are found where they stand, and only there."""

from __future__ import annotations

import random

import pytest

from tripletkit.terms.phrase_index import PhraseIndex

TEXTS = [["a", "b", "a", "b", "c"], [], ["b", "c", "a"], ["a"]]


@pytest.mark.parametrize(
    ("phrase", "places", "texts"),
    [
        ("a", [0, 2, 9, 11], [0, 2, 3]),
        ("a b", [0, 2], [0]),
        ("b c", [3, 7], [0, 2]),
        ("c b", [], []),  # in two texts
        ("a b a b c", [0], [0]),
        ("a b a b c a", [], []),
        ("a d", [], []),
        ("", [], []),
    ],
)
def test_places_and_texts(phrase: str, places: list[int], texts: list[int]) -> None:
    index = PhraseIndex(TEXTS)
    found = index.places(phrase.split())
    assert (sorted(found.tolist()), index.texts_of(found)) == (places, texts)


def test_no_text_at_all() -> None:
    assert PhraseIndex([]).places(["a"]).tolist() == []


@pytest.mark.parametrize("vocabulary", [2, 40, 5_000])
def test_the_same_as_a_search_word_by_word(vocabulary: int) -> None:
    draw = random.Random(vocabulary)
    texts = [[str(draw.randrange(vocabulary)) for _ in range(draw.randrange(60))] for _ in range(40)]
    index = PhraseIndex(texts)
    for size in (1, 2, 3, 4, 5, 7):
        for text in texts:
            if len(text) >= size:
                at = draw.randrange(len(text) - size + 1)
                phrase = text[at : at + size]
                count = sum(t[i : i + size] == phrase for t in texts for i in range(len(t)))
                assert len(index.places(phrase)) == count
