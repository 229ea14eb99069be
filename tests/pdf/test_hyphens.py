import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.pdf.hyphens import book_vocabulary, join_lines, mend

BOOK = book_vocabulary(
    [
        "economics studies a log-likelihood and its log-likelihood",
        "self-interest is not self-evident",
        "the regularized model regularizes",
        "a success or failure, success and failure, one success, many a failure",
        "a double-blind trial",
    ]
)


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("the eco-", "nomics of", "the economics of"),
        ("a log-", "likelihood of", "a log-likelihood of"),
        ("by self-", "failure and", "by self-failure and"),  # the book often writes self-
        ("it regular-", "ization", "it regularization"),  # a form of a word in the book
        ("the Cauchy-", "Schwarz bound", "the Cauchy-Schwarz bound"),
        ("in 1990-", "1995", "in 1990-1995"),
        ("success-", "failure", "success-failure"),
        ("un-", "heard", "unheard"),
        ("an end", "of line", "an end of line"),
        ("a dash -", "here", "a dash - here"),
        ("", "start", "start"),
    ],
)
def test_words_cut_at_a_lines_end(before: str, after: str, joined: str) -> None:
    assert join_lines(before, after, BOOK) == joined


def test_a_loose_hyphen_is_mended_only_where_the_book_writes_the_word() -> None:
    assert mend("a double- blind test", BOOK) == "a double-blind test"
    assert mend("over- or under-estimate", BOOK) == "over- or under-estimate"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1),
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1),
)
def test_joining_loses_nothing_but_one_hyphen(before: str, after: str) -> None:
    joined = join_lines(before, after, BOOK).replace(" ", "")
    assert joined in (before + after, before[:-1] + after)
    if joined != before + after:
        assert before[-1] in "-‐"
