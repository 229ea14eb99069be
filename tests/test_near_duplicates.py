from itertools import permutations

import pytest

from tripletkit import near_duplicates
from tripletkit.near_duplicates import (
    join_units,
    near_duplicate_groups,
    shares_within,
    shingles,
    text_shingles,
)

FOX = "The quick brown fox jumps over the lazy dog while the cat looks on from the warm kitchen window"


def test_copies_are_grouped_and_others_are_not() -> None:
    texts = {
        "a": FOX,
        "b": FOX.replace("kitchen", "attic"),
        "c": "Nothing at all like the other two, this one speaks of rivers and of hills",
        "d": "A word, then " + FOX + " and some more words after it to make it longer than the one before",
    }
    assert near_duplicate_groups(text_shingles(texts)) == [["a", "b", "d"]]


def test_short_texts_must_be_equal() -> None:
    texts = {"a": "Too short", "b": "too short", "c": "Too shy", "d": ""}
    assert near_duplicate_groups(text_shingles(texts)) == [["a", "b"]]


def test_shingles_by_hand() -> None:
    assert len(shingles([*"abcdefghi"])) == 2  # a–h, b–i
    assert len(shingles([*"abc"])) == 0
    assert set(shingles([*"abcdefgh"])) < set(shingles([*"abcdefghi"]))
    assert len({int(shingles(words)[0]) for words in permutations("abcdefgh")}) == 40320, "order counts"


def words(start: int, stop: int) -> str:
    return " ".join(f"word{n}" for n in range(start, stop))


def test_a_share_is_of_all_other_texts_wherever_they_begin() -> None:
    held = text_shingles({"a": words(0, 27), "b": words(90, 110), "c": ""})
    others = text_shingles({"x": words(0, 15), "y": words(8, 18), "z": words(500, 600)})
    assert shares_within(held, others.values()) == {"a": 11 / 20, "b": 0, "c": 0}  # of 20 runs 0–7 and 8–10 are known
    assert shares_within({}, others.values()) == {}
    assert shares_within(held, []) == {"a": 0, "b": 0, "c": 0}


def test_units_are_joined_by_a_third_of_the_shorter_one() -> None:
    for shared, own, joined in ((220, 300, True), (140, 300, False), (100, 20, False)):
        texts = text_shingles(
            {"a1": words(0, 400), "a2": words(400, 700), "b": words(307 - shared, 307) + " " + words(1000, 1000 + own)}
        )
        leaders, repeats = join_units({"a1": "a", "a2": "a", "b": "b"}, texts)
        assert leaders["b"] == ("a" if joined else "b")
        assert [(repeat.shorter, repeat.longer) for repeat in repeats] == [("b", "a")] * joined


def test_a_text_that_is_everywhere_is_found() -> None:
    texts = text_shingles({f"t{n:02}": f"{FOX} and number {n} besides" for n in range(80)})
    assert near_duplicate_groups(texts) == [sorted(texts)]


def test_no_text_is_no_error() -> None:
    assert near_duplicate_groups({}) == []
    assert join_units({}, {}) == ({}, [])
    assert near_duplicate_groups(text_shingles({"a": "", "b": ""})) == []


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = text_shingles({f"t{n}": words(n * 8, n * 8 + 25) for n in range(50)})
    whole = near_duplicate_groups(texts)
    monkeypatch.setattr(near_duplicates, "BLOCK", 64)
    assert near_duplicate_groups(texts) == whole
    assert len(whole) == 1
