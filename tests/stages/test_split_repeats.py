"""Books, chapters and passages that repeat each other are dealt out together; what is left of copies is dropped."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import polars as pl
import pytest

from tripletkit.encoding.encoder import batched
from tripletkit.errors import TableError
from tripletkit.evaluation.leakage import leaked_share
from tripletkit.settings import Settings
from tripletkit.stage import Job, StageResult
from tripletkit.stages.split import run

Sentences = list[str]
#: By title of the chapter.
Book = Mapping[str, Sentences]
VOCABULARY = [
    first + middle + last for first in "bdfgklmnprt" for middle in ("a", "i", "o", "u") for last in "bdgkmnprt"
]


def sentences(seed: str, number: int = 60) -> Sentences:
    draw = random.Random(seed)
    return [f"{' '.join(draw.choices(VOCABULARY, k=draw.randint(11, 17))).capitalize()}." for _ in range(number)]


def book(seed: str, chapters: int = 6, number: int = 60) -> Book:
    return {f"{n} Of {seed}": sentences(f"{seed} {n}", number) for n in range(1, chapters + 1)}


def edition(of: Book) -> Book:
    """A word of every second sentence is changed, every sixth sentence is dropped, chapters have other titles."""
    draw = random.Random(0)

    def edited(text: Sentences) -> Iterator[str]:
        for number, sentence in enumerate(text):
            words = sentence.split()
            words[draw.randrange(1, len(words) - 1)] = "edited" if number % 2 else words[1]
            if number % 6:
                yield " ".join(words)

    return {f"{title}, revised": [*edited(text)] for title, text in of.items()}


def split(
    books: Mapping[str, Book], *, cut: Sequence[int] = (5, 7, 4), by: str = "auto"
) -> tuple[StageResult, pl.DataFrame]:
    """The stage on these books, each cut into passages of another length; and its passages with their splits."""
    rows = [
        {"book_id": name, "section": title, "text": " ".join(part), "page": 1 + at // 3}
        for (name, chapters), length in zip(books.items(), [*cut, *[6] * len(books)], strict=False)
        for at, (title, part) in enumerate(
            (title, part) for title, text in chapters.items() for part in batched(text, length)
        )
    ]
    passages = pl.DataFrame(rows).select(
        pl.format("p{}", pl.int_range(pl.len())).alias("passage_id"), "book_id", "section", "text",
        page_first="page", page_last="page",
    )  # fmt: skip
    titles = pl.DataFrame([{"book_id": name, "title": name.upper(), "path": f"{name}.pdf"} for name in books])
    job = {
        "settings": Settings.model_validate({"split": {"by": by}}),
        "tables": {"passages": passages, "books": titles},
    }
    result = run(Job(**cast(Any, job | dict.fromkeys(("rules", "store", "progress", "locate", "encoder")))))
    return result, passages.join(result.tables["splits"], on="passage_id")


def splits_of(passages: pl.DataFrame, *column: str) -> dict[Any, set[str]]:
    grouped = passages.group_by(column or ("book_id",)).agg(pl.col("split").unique()).iter_rows()
    return {key[0] if len(key) == 1 else key: set(splits) for *key, splits in grouped}


def leaked(passages: pl.DataFrame) -> float:
    training, held = passages.filter(split="train"), passages.filter(pl.col("split") != "train")
    assert held.height
    return leaked_share(held["text"], training["text"])


def test_a_new_edition_with_other_passages_is_split_with_the_old_one() -> None:
    old = book("rivers")
    result, passages = split({"a": old, "b": edition(old), "c": book("hills"), "d": book("seas")})
    of_book = splits_of(passages)
    assert of_book["a"] == of_book["b"]
    assert all(len(splits) == 1 for splits in of_book.values())
    assert result.notes[0].startswith("split: B and A repeat each other (")
    assert result.notes[1] == "split: books that repeat each other count as one, 4 books as 3: split by book"
    assert not result.dropped
    assert not leaked(passages)


def test_two_editions_of_one_book_are_split_by_chapter_and_their_chapters_together() -> None:
    old = book("rivers")
    result, passages = split({"a": old, "b": edition(old)})
    of_chapter = splits_of(passages, "section")
    assert all(of_chapter[title] == of_chapter[f"{title}, revised"] for title in old)
    assert set(passages["split"]) == {"train", "validation", "test"}
    assert "split: books that repeat each other count as one, 2 books as 1: it is split by chapter" in result.notes
    assert not leaked(passages)


def test_chapters_of_many_books_are_joined_where_the_user_splits_by_chapter() -> None:
    old = book("rivers")
    result, passages = split({"a": old, "b": edition(old), "c": book("hills")}, by="chapter")
    of_chapter = splits_of(passages, "section")
    assert all(of_chapter[title] == of_chapter[f"{title}, revised"] for title in old)
    assert all(" › " in note for note in result.notes[:5])
    assert result.notes[5:] == ("split: 1 more split as one for the same reason",)


def test_of_three_books_two_editions_count_as_one() -> None:
    old = book("rivers")
    result, passages = split({"a": old, "b": edition(old), "c": book("hills")})
    assert splits_of(passages)["a"] == splits_of(passages)["b"] == {"train"}
    assert splits_of(passages)["c"] == {"train", "validation", "test"}
    assert "3 books as 2: the larger trains, the other is split by chapter" in result.notes[1]


def test_a_chapter_of_the_small_book_that_the_large_one_reprints_trains() -> None:
    large, small = book("rivers", chapters=9), book("hills", chapters=5)
    reprinted = "3 Of hills"
    result, passages = split({"a": {**large, "10 A guest": small[reprinted]}, "b": small})
    assert splits_of(passages, "section")[reprinted] == {"train"}
    assert result.notes == (
        f"split: B › {reprinted} and A repeat each other ({result.notes[0].split('(')[1][:3].rstrip('%')}% of the 8-word "
        "sequences of the first are in the second): split as one",
    )
    assert not leaked(passages)


@pytest.mark.parametrize("shared", ["an appendix", "a reprinted chapter"])
def test_what_several_books_share_does_not_join_them(shared: str) -> None:
    books: dict[str, Book] = {name: {**book(name), f"7 {shared}": sentences(shared)} for name in "abcd"}
    result, passages = split(books)
    assert not result.notes
    assert all(len(splits) == 1 for splits in splits_of(passages).values())
    of_shared = splits_of(passages.filter(pl.col("section") == "7 " + shared), "section")
    assert of_shared["7 " + shared] == {"train"}  # cut in other places in each book
    assert not leaked(passages)
    assert result.dropped


def test_a_booklet_that_two_books_contain_does_not_join_them() -> None:
    booklet = sentences("booklet", 40)
    books: dict[str, Book] = {"a": {**book("a"), "7": booklet}, "b": {**book("b"), "7": booklet}, "c": {"1": booklet}}
    result, passages = split({**books, "d": book("d"), "e": book("e")})
    assert len(result.notes) == 2
    assert "5 books as 4" in result.notes[1]
    assert not leaked(passages)


def test_one_book_from_two_producers_of_pdf() -> None:
    one = book("rivers")
    other = {
        title: [text.replace("fi", "ﬁ").replace(" ba", " b a" if n % 3 else " ba") for n, text in enumerate(of)]
        for title, of in one.items()
    }  # with ligatures, and a few words torn apart
    result, passages = split({"a": one, "b": other, "c": book("hills"), "d": book("seas")})
    assert splits_of(passages)["a"] == splits_of(passages)["b"]
    assert "B and A" in result.notes[0] or "A and B" in result.notes[0]


def test_sentences_that_every_exercise_begins_with_join_nothing() -> None:
    stock = ["In each of the following problems find the value of the unknown and give reasons for your answer."]
    books = {
        name: {title: [*batched_with(stock, text)] for title, text in book(name).items()}
        for name in ("a", "b", "c", "d")
    }
    result, passages = split(books)
    assert not result.notes
    assert not result.dropped
    assert all(len(splits) == 1 for splits in splits_of(passages).values())


def batched_with(stock: Sentences, text: Sentences) -> Iterator[str]:
    for part in batched(text, 4):
        yield from (*stock, *part)


def test_sixty_versions_of_one_manual_are_one() -> None:
    manual = book("rivers", chapters=3, number=20)
    versions: dict[str, Book] = {f"v{n}": {**manual, "4": sentences(str(n), 10)} for n in range(60)}
    result, passages = split({**versions, "c": book("hills"), "d": book("seas")})
    assert len({*map(frozenset, (splits_of(passages)[name] for name in versions))}) == 1
    assert result.notes[-2:] == (
        "split: 54 more split as one for the same reason",
        "split: books that repeat each other count as one, 62 books as 3: split by book",
    )


def test_editions_without_chapters_go_by_pages() -> None:
    old = {"": sentences("rivers", 240)}
    result, passages = split({"a": old, "b": {"": edition(old)[", revised"]}})
    assert "so pages are split" in result.notes[-1]
    assert set(passages["split"]) == {"train", "validation", "test"}
    assert not leaked(passages)


def test_two_editions_by_book_leave_no_test_and_the_error_says_why() -> None:
    old = book("rivers")
    with pytest.raises(TableError, match=r"no passage is left for test \(1 units, by book\); split: B and A repeat"):
        split({"a": old, "b": edition(old)}, by="book")
