from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.language.sentences import ends_sentence, sentence_spans

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
