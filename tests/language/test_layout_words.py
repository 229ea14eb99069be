from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.language.layout_words import (
    CHAPTER_HEADING,
    ENTRY_NUMBER,
    INDEX_ENTRY,
    PART_TITLE,
    ends_sentence,
    sentence_spans,
)


@pytest.mark.parametrize(
    "text", ["rivers, 12", "delta, 3, 45–47", "flood plain, see meander", "silt, 9n.", "preface, xii"]
)
def test_index_entries(text: str) -> None:
    assert INDEX_ENTRY.search(text)


@pytest.mark.parametrize("text", ["The river is wide.", "x, 12", "see"])
def test_other_lines_are_no_index_entries(text: str) -> None:
    assert INDEX_ENTRY.search(text) is None


def test_numbers_of_entries_and_chapters() -> None:
    number = ENTRY_NUMBER.match("Section 1.2.3 Rivers")
    chapter = CHAPTER_HEADING.match("CHAPTER IV Water")
    assert number is not None
    assert chapter is not None
    assert (number.groups(), chapter.group(1)) == (("1", ".2.3"), "IV")


def test_titles_of_parts() -> None:
    assert [bool(PART_TITLE.match(text)) for text in ("Part II Water", "Appendices", "Particles")] == [
        True,
        True,
        False,
    ]


SHORT = frozenset({"e.g", "fig", "dr", "u.s"})


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, SHORT)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See Fig. 3 here. Next.", ["See Fig. 3 here.", "Next."]),
        ("As J. R. Smith said. Yes.", ["As J. R. Smith said.", "Yes."]),
        ("Take x > y. Then z.", ["Take x > y.", "Then z."]),
        ("He said “Stop.” Then left.", ["He said “Stop.”", "Then left."]),
        ("It is 3.14 or so. (See below.) End.", ["It is 3.14 or so.", "(See below.)", "End."]),
        ("in the U.S. Census of 1900. Done.", ["in the U.S. Census of 1900.", "Done."]),
        ("A heading\nA text. more of it", ["A heading", "A text. more of it"]),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_what_ends_like_a_sentence() -> None:
    assert [ends_sentence(text, SHORT) for text in ("Yes.", "Yes.”", "see Fig.", "and so", "Really?)")] == [
        True,
        True,
        False,
        False,
        True,
    ]


@given(st.text("aB .!?\n(”", max_size=80))
def test_spans_are_in_order_and_leave_out_white_space_only(text: str) -> None:
    spans = sentence_spans(text, SHORT)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
