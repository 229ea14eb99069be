from tripletkit.near_duplicates import near_duplicate_groups, shingles

FOX = "The quick brown fox jumps over the lazy dog while the cat looks on from the warm kitchen window"


def test_copies_are_grouped_and_others_are_not() -> None:
    texts = {
        "a": FOX,
        "b": FOX.replace("kitchen", "attic"),
        "c": "Nothing at all like the other two, this one speaks of rivers and of hills",
        "d": "A word, then " + FOX + " and some more words after it to make it longer than the one before",
    }
    assert near_duplicate_groups(texts) == [["a", "b", "d"]]


def test_short_texts_must_be_equal() -> None:
    assert near_duplicate_groups({"a": "Too short", "b": "too short", "c": "Too shy", "d": ""}) == [["a", "b"]]


def test_shingles_by_hand() -> None:
    assert len(shingles(["a", "b", "c", "d", "e", "f", "g", "h", "i"])) == 2  # a–h, b–i
    assert shingles(["a", "b", "c"]) == set()
    assert shingles(["a", "b", "c", "d", "e", "f", "g", "h"]) < shingles(["a", "b", "c", "d", "e", "f", "g", "h", "i"])
