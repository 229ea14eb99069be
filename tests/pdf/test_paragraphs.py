from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pdf.make import LEADING, LEFT, RIGHT, block, line
from tripletkit.pdf.kinds import TextMetrics
from tripletkit.pdf.lines import Line
from tripletkit.pdf.paragraphs import (
    Paragraph,
    Place,
    book_vocabulary,
    join_lines,
    lines_to_paragraphs,
    mend,
    settle_paragraphs,
)
from tripletkit.pdf.roles import section_role
from tripletkit.rules import load_rules

METRICS = TextMetrics(10.0, LEADING)
RULES = load_rules()


def paragraphs_of(
    lines: Sequence[Line], kinds: Sequence[str] | None = None, paths: Sequence[tuple[str, ...]] | None = None
) -> list[Paragraph]:
    return lines_to_paragraphs(
        lines,
        kinds or ["prose"] * len(lines),
        paths or [("1 Rivers",)] * len(lines),
        metrics=METRICS,
        vocabulary=book_vocabulary(held.text for held in lines),
        rules=RULES,
    )


def test_lines_of_one_paragraph_are_joined_and_hyphens_undone() -> None:
    lines = block(
        ["A river brings sand and mud, and the sedi-", "ment settles where the water slows down", "near the sea."]
    )
    assert [p.text for p in paragraphs_of(lines)] == [
        "A river brings sand and mud, and the sediment settles where the water slows down near the sea."
    ]


def test_an_indent_starts_a_paragraph() -> None:
    lines = [line("One ends here, at the right edge of it."), line("Another begins", y=112, x0=LEFT + 15)]
    assert [p.text for p in paragraphs_of(lines)] == ["One ends here, at the right edge of it.", "Another begins"]


def test_a_gap_starts_a_paragraph() -> None:
    lines = [line("One ends here, at the right edge of it."), line("Another begins", y=100 + 2 * LEADING)]
    assert len(paragraphs_of(lines)) == 2


def test_bigger_letters_stand_further_apart() -> None:
    """Lines at 1.5 times the usual distance, in letters 1.4 times as big as the text's."""
    lines = [
        line("A motto that goes on over", size=14),
        line("two lines of big letters", y=100 + 1.5 * LEADING, size=14),
    ]
    assert len(paragraphs_of(lines)) == 1


def test_a_footnote_and_a_page_break_do_not_break_a_paragraph() -> None:
    lines = [
        line("Rivers carry sand, which", y=500),
        line("9 Some say mud.", y=560, size=8),
        line("settles near the sea.", page=2, y=60, x1=RIGHT - 100),
    ]
    made = paragraphs_of(lines, ["prose", "footnote", "prose"])
    assert [(p.kind, p.text) for p in made] == [
        ("prose", "Rivers carry sand, which settles near the sea."),
        ("footnote", "9 Some say mud."),
    ]
    starts = [made[0].text.index(w) for w in ("Rivers", "which", "settles", "sea")]
    assert [[place.page for place in made[0].places_of(i, i + 3)] for i in starts] == [[1], [1], [2], [2]]


def test_labels_in_a_figure_between_two_halves_do_not_break_a_paragraph() -> None:
    lines = [
        line("The river that we crossed was", y=500),
        line("depth in metres", y=520, size=7, x1=LEFT + 40),
        line("wide and slow.", y=560),
    ]
    assert "The river that we crossed was wide and slow." in [p.text for p in paragraphs_of(lines)]


HEADWORDS = {
    "amortized cost": "The average cost of an operation over many.",
    "binary heap": "A complete binary tree. It is kept in an array.",
    "load factor": "The number of elements divided by that of slots. See table.",
    "skip list": "A sorted list with links that leap over elements",
    "union by rank": "The root of the lower tree becomes a child.",
}


def test_headwords_in_small_letters_stay_above_their_explanations() -> None:
    """As in shared/cases: every word behind a gap, in a line of its own; one explanation has no full stop."""
    lines = block(["This chapter gathers the words that were used so", "far in this book."], y=100)
    for n, (word, explanation) in enumerate(HEADWORDS.items()):
        lines += [
            line(word, y=140 + 42 * n, x1=LEFT + 80),
            line(explanation, y=162 + 42 * n, x1=RIGHT - 60),
        ]
    made = paragraphs_of(lines)
    assert [p.text for p in made[1:]] == [text for pair in HEADWORDS.items() for text in pair]
    settle_paragraphs(made, lines, {("1 Rivers",): None}, metrics=METRICS, rules=RULES)
    assert {p.kind for p in made} == {"prose"}


def test_a_line_in_small_letters_goes_on_with_no_paragraph_behind_a_finished_one() -> None:
    lines = [
        line("A river is, as", y=100, x1=LEFT + 80),
        line("Rivers carry sand to the sea.", y=130, x1=RIGHT - 90),
        line("wide or narrow", y=160, x1=LEFT + 80),
        line("Seas are deep.", y=190, x1=LEFT + 90),
    ]
    assert [p.text for p in paragraphs_of(lines)] == [held.text for held in lines]


def test_where_behind_a_picture_of_a_formula_goes_on() -> None:
    lines = [
        line("The depth is given by the formula", y=100, x1=RIGHT - 90),
        line("where the speed is that of the water at its", y=150),
        line("surface.", y=162, x1=LEFT + 40),
    ]
    assert len(paragraphs_of(lines)) == 1


def test_an_exercise_goes_on_with_no_text_above() -> None:
    lines = [
        line("All of them are simple calls to the", y=100),
        line("flow(river)", y=112, x1=LEFT + 60, style="m"),
        line("Exercise 1.33: Show that rivers are wide, and that", y=124),
    ]
    assert len(paragraphs_of(lines, ["prose", "code", "prose"])) == 3


def test_a_new_chapter_is_never_joined() -> None:
    lines = [line("The end of one, cut off in the"), line("middle of it", page=2, y=60)]
    assert len(paragraphs_of(lines, paths=[("1 Rivers",), ("2 Seas",)])) == 2


def test_marks_of_footnotes_are_no_part_of_words() -> None:
    assert paragraphs_of([line("in dry environments). 9 Then", notes=(3,))])[0].text == "in dry environments). Then"


def test_an_equation_in_a_sentence_is_part_of_it() -> None:
    lines = [line("The depth is", y=100), line("d = v t", y=120, x0=150, x1=200), line("where v is the speed.", y=140)]
    assert [p.text for p in paragraphs_of(lines, ["prose", "equation", "prose"])] == [
        "The depth is d = v t where v is the speed."
    ]


def settled(texts: Sequence[str], path: tuple[str, ...] = ("1 Rivers",), x1: float = RIGHT) -> list[str]:
    lines = [line(text, y=100 + 40 * i, x1=x1) for i, text in enumerate(texts)]
    made = [Paragraph("prose", path, held.text, [Place(0, 1)], [i]) for i, held in enumerate(lines)]
    settle_paragraphs(made, lines, {path: section_role(path, RULES)}, metrics=METRICS, rules=RULES)
    return [p.kind for p in made]


def test_what_does_not_read_as_prose_is_not() -> None:
    assert settled(["Rivers carry sand to the sea.", "0 10 20 30", "Depth Speed", "x = y + z"], x1=LEFT + 80) == [
        "prose",
        "figure",
        "figure",
        "equation",
    ]


def test_full_lines_with_formulas_are_prose() -> None:
    lines = block(
        [
            "Since H is a group, g h = h g and e g = g e, so that we may take the g",
            "that is in H and the h that is in G, and put a = g h and b = h g, that",
        ],
        short_last=False,
    )
    made = [*paragraphs_of(lines), *paragraphs_of([line("a = g h and b = h g", x1=LEFT + 100)])]
    settle_paragraphs(made, lines, {("1 Rivers",): None}, metrics=METRICS, rules=RULES)
    assert [p.kind for p in made] == ["prose", "equation"]


def test_a_lead_in_is_prose() -> None:
    assert settled(["For example:", "depth:"]) == ["prose", "figure"]


def test_a_sections_title_says_what_its_text_is() -> None:
    text = ["Rivers carry sand to the sea."]
    assert settled(text, ("1 Rivers", "Exercises")) == ["exercise"]
    assert settled(text, ("1 Rivers", "1.9 Summary")) == ["summary"]
    assert settled(text, ("1 Rivers", "Key Terms")) == ["glossary"]
    assert settled(["Exercise 3.4 Say where rivers carry sand to."]) == ["exercise"]


TEXT = st.text("abcdeXY .,-(1)", min_size=1).map(str.strip).filter(bool)
KINDS = st.sampled_from(["prose", "code", "footnote", "equation", "table", "list", "caption"])


@given(st.lists(st.tuples(TEXT, KINDS, st.integers(1, 3), st.booleans()), max_size=12))
def test_every_line_is_in_one_paragraph_and_no_character_is_lost_or_invented(
    parts: list[tuple[str, str, int, bool]],
) -> None:
    parts = sorted(parts, key=lambda part: part[2])
    lines = [
        line(" ".join(text.split()), page=page, y=100 + 12 * i, x1=RIGHT if wide else RIGHT - 150)
        for i, (text, _, page, wide) in enumerate(parts)
    ]
    made = paragraphs_of(lines, [kind for _, kind, _, _ in parts])
    assert sorted(i for p in made for i in p.lines) == list(range(len(lines)))
    for p in made:
        was = "".join(lines[i].text for i in p.lines)
        # A hyphen at a line's end, or a loose one, may be undone.
        assert "".join(p.text.split()).replace("-", "") == "".join(was.split()).replace("-", "")
        assert [page for _, page, _ in p.places] == sorted(lines[i].page for i in p.lines)


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
        ("a state-of-", "the-art device", "a state-of-the-art device"),
        ("divide-and-", "conquer it", "divide-and-conquer it"),
        ("by x-", "rays", "by x-rays"),
        ("two-", "thirds of", "two-thirds of"),
        ("a user-", "defined type", "a user-defined type"),
        ("the self-regu-", "lating one", "the self-regulating one"),
        ("one-", "self", "oneself"),
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


def test_the_second_half_of_a_cut_word_is_no_word_of_the_book() -> None:
    texts = ["in proportion to it, a proportion of it, and disproportion-", "ately so, the proportion is not desper-"]
    texts += ["ately small, and the sum grows", "as it should"]
    vocabulary = book_vocabulary(texts)
    assert vocabulary.words["ately"] == 0
    assert join_lines("proportion-", "ately", vocabulary) == "proportionately"
