from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pdf.make import count_characters, count_words
from tripletkit.encoding.tokens import counter_by_words
from tripletkit.errors import ConfigError
from tripletkit.pdf.paragraphs import Paragraph, Place
from tripletkit.pdf.passages import paragraphs_to_passages
from tripletkit.pdf.workers import PassageLimits

WORDS_AND_BREAKS = ["One two three.", "Four five", "six\nseven eight"]
SMALL = PassageLimits(max_tokens=22, target_tokens=14, min_tokens=6)


def paragraph(text: str, *, kind: str = "prose", path: tuple[str, ...] = ("1 Rivers",), page: int = 1) -> Paragraph:
    return Paragraph(kind, path, text, [Place(0, page)], [0])


def texts(paragraphs: list[Paragraph], limits: PassageLimits = SMALL) -> list[str]:
    return [passage.text for passage in paragraphs_to_passages(paragraphs, limits, count_words, frozenset({"fig"}))]


def test_cut_at_sentence_ends_near_the_target() -> None:
    # 12 words fit the target of 14 tokens, two of which are special.
    five = "One two three four five."
    assert texts([paragraph(f"{five} {five} {five} {five}")]) == [f"{five} {five}", f"{five} {five}"]


def test_a_short_rest_is_taken_up() -> None:
    assert texts([paragraph("One two three four five six seven eight nine ten. Yes indeed.")]) == [
        "One two three four five six seven eight nine ten. Yes indeed."
    ]


def test_paragraphs_are_parted_by_a_line_break_and_sections_by_a_passage() -> None:
    made = texts(
        [paragraph("One two."), paragraph("Three four."), paragraph("Five six.", path=("1 Rivers", "1.1 Mud"))]
    )
    assert made == ["One two.\nThree four.", "Five six."]


def test_kinds_are_not_mixed_and_prose_goes_on_past_code() -> None:
    made = texts([paragraph("One two."), paragraph("x = 1", kind="code"), paragraph("Three four.")])
    assert made == ["One two.\nThree four.", "x = 1"]


def test_no_cut_after_what_is_no_end() -> None:
    # "as follows" has no full stop: the next paragraph goes on.
    made = texts(
        [paragraph("It can be written by hand in one line as follows"), paragraph("Next one is here. And another.")]
    )
    assert made == ["It can be written by hand in one line as follows\nNext one is here. And another."]


def test_a_sentence_over_the_limit_is_cut_between_words() -> None:
    made = paragraphs_to_passages([paragraph(" ".join(f"w{i}" for i in range(50)))], SMALL, count_words, frozenset())
    assert [p.n_tokens for p in made] == [22, 22, 12]
    assert " ".join(p.text for p in made) == " ".join(f"w{i}" for i in range(50))


def test_pages_of_a_passage() -> None:
    two = Paragraph("prose", (), "One two three. Four five six.", [Place(0, 7), Place(15, 8)], [0, 1])
    (made,) = paragraphs_to_passages([two], SMALL, count_words, frozenset())
    assert (made.page_first, made.page_last) == (7, 8)
    assert list(made.places) == two.places


def test_a_passage_has_the_places_of_the_lines_that_it_stands_in() -> None:
    five = "One two three four five."
    # Lines of three, eight and nine words: the second holds the end of the first passage and the start of the second.
    places = [Place(0, 1), Place(14, 1), Place(53, 1)]
    made = paragraphs_to_passages(
        [Paragraph("prose", (), " ".join([five] * 4), places)], SMALL, count_words, frozenset()
    )
    assert [list(one.places) for one in made] == [places[:2], places[1:]]


def test_a_passage_may_start_with_a_headword_in_small_letters() -> None:
    made = texts([paragraph(text) for _ in range(4) for text in ("mud", "One two three four five six seven.")])
    assert len(made) > 1
    assert all(text.startswith("mud\nOne") for text in made)


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match="24 / 160 / 100 are out of order"):
        PassageLimits(100)


TEXT = st.text("abc XY.!?(1)\n", min_size=1).filter(lambda text: bool(text.strip()))


@given(
    st.lists(
        st.tuples(TEXT, st.sampled_from(["prose", "code"]), st.sampled_from([("1",), ("1", "1.1"), ("2",)])),
        min_size=1,
        max_size=6,
    ),
    st.integers(10, 60),
)
def test_no_character_is_lost_or_invented_and_the_limit_holds(
    parts: list[tuple[str, str, tuple[str, ...]]], most: int
) -> None:
    paragraphs = [paragraph(text, kind=kind, path=path) for text, kind, path in parts]
    limits = PassageLimits(most, target_tokens=max(most // 2, 4), min_tokens=4)
    made = paragraphs_to_passages(paragraphs, limits, count_characters, frozenset())
    for passage in made:
        assert passage.n_tokens == count_characters([passage.text])[0]
        assert passage.n_tokens <= most
    for kind in ("prose", "code"):
        for path in {path for _, _, path in parts}:
            was = "".join(p.text for p in paragraphs if (p.kind, p.path) == (kind, path))
            now = "".join(p.text for p in made if (p.kind, p.path) == (kind, path))
            assert sorted("".join(now.split())) == sorted("".join(was.split()))


def test_counts_that_add_up_are_summed_and_near_the_limit_asked_for() -> None:
    asked: list[str] = []

    def count(texts: Sequence[str]) -> list[int]:
        asked.extend(texts)
        return count_words(texts)

    by_words = counter_by_words(count, WORDS_AND_BREAKS, limit=8)
    asked.clear()
    assert by_words(["One two", "two three. Four five six", "new words here"]) == [4, 7, 5]
    assert asked == ["new", "words", "here", "two three. Four five six"]


def test_a_tokenizer_whose_counts_do_not_add_up_is_asked_for_every_text() -> None:
    assert counter_by_words(count_characters, WORDS_AND_BREAKS, limit=8) is count_characters
    # Texts of one word each say nothing by themselves.
    assert counter_by_words(count_characters, ["One", "two"], limit=8) is count_characters
