from collections.abc import Sequence

from tests.pdf.make import count_characters, count_words
from tripletkit.pdf.tokens import counter_by_words

TEXTS = ["One two three.", "Four five", "six\nseven eight"]


def test_counts_that_add_up_are_summed_and_near_the_limit_asked_for() -> None:
    asked: list[str] = []

    def count(texts: Sequence[str]) -> list[int]:
        asked.extend(texts)
        return count_words(texts)

    by_words = counter_by_words(count, TEXTS, limit=8)
    asked.clear()
    assert by_words(["One two", "two three. Four five six", "new words here"]) == [4, 7, 5]
    assert asked == ["new", "words", "here", "two three. Four five six"]


def test_a_tokenizer_whose_counts_do_not_add_up_is_asked_for_every_text() -> None:
    assert counter_by_words(count_characters, TEXTS, limit=8) is count_characters
    # Texts of one word each say nothing by themselves.
    assert counter_by_words(count_characters, ["One", "two"], limit=8) is count_characters
