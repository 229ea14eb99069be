from collections.abc import Hashable

import polars as pl
import pytest

from tripletkit.near_duplicates import Shingles, text_shingles
from tripletkit.stages.split import (
    _units,
    pages_to_splits,
    passage_units,
    passages_alone,
    passages_to_pages,
    units_to_splits,
)


def units_of(passages: pl.DataFrame) -> dict[str, Hashable]:
    return passage_units(passages, "auto", dict(passages.select("passage_id", "book_id").iter_rows()))


def kind_and_notes(passages: pl.DataFrame, by: str = "auto") -> tuple[str, tuple[str, ...]]:
    kind, _, notes = _units(passages, texts_of(passages), by, {})
    return kind, notes


def texts_of(passages: pl.DataFrame) -> dict[str, Shingles]:
    return text_shingles(dict(passages.select("passage_id", "text").iter_rows()))


def passages(rows: list[tuple[str, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame([{"passage_id": p, "book_id": b, "section": s, "page_first": 1} for p, b, s in rows])


def test_one_book_goes_by_chapter() -> None:
    units = units_of(
        passages([("p1", "a", "1 Intro › 1.1 Why"), ("p2", "a", "1 Intro"), ("p3", "a", "2 More"), ("p4", "a", None)])
    )
    assert units == {"p1": ("a", "1 Intro"), "p2": ("a", "1 Intro"), "p3": ("a", "2 More"), "p4": ("a", "")}


def test_of_two_books_the_larger_trains_whole() -> None:
    units = units_of(
        passages([("p1", "a", "1"), ("p2", "a", "2"), ("p3", "b", "1"), ("p4", "b", "2"), ("p5", "b", "2")])
    )
    assert units == {"p1": ("a", "1"), "p2": ("a", "2"), "p3": "b", "p4": "b", "p5": "b"}


def chunks(number: int, pages: int, *, section: str | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "passage_id": f"p{n}",
                "book_id": "a",
                "section": section,
                "page_first": 1 + n % pages,
                "page_last": 1 + n % pages,
                "text": f"the text of passage number {n} stands alone in the world",
            }
            for n in range(number)
        ]
    )


@pytest.mark.parametrize(
    ("pages", "by", "note"),
    [(10, "pages", "so pages are split: the first of each book train"), (9, "passages", "are drawn one by one")],
)
@pytest.mark.parametrize("section", [None, "1 Soil"])
def test_one_book_without_chapters_goes_by_pages_or_passages(
    pages: int, by: str, note: str, section: str | None
) -> None:
    kind, (told,) = kind_and_notes(chunks(30, pages, section=section))
    assert kind == by
    assert note in told
    assert kind_and_notes(chunks(30, pages), "chapter") == ("chapter", ())  # what the user says is done


def test_three_chapters_are_enough() -> None:
    table = chunks(30, 10).with_columns(section=pl.format("{} Soil", pl.col("page_last") % 3))
    assert kind_and_notes(table) == ("auto", ())


def test_passages_alone_keep_copies_together() -> None:
    table = pl.DataFrame(
        {
            "passage_id": ["p1", "p2", "p3"],
            "text": ["rain falls on the hill and runs off", "snow", "rain falls on the hill and runs off"],
        }
    )
    assert passages_alone(texts_of(table)) == {"p1": "p1", "p2": "p2", "p3": "p1"}


def test_three_books_go_by_book() -> None:
    units = units_of(passages([("p1", "a", "1"), ("p2", "b", "1"), ("p3", "c", "1")]))
    assert units == {"p1": "a", "p2": "b", "p3": "c"}


def test_shares_are_met_as_near_as_whole_units_allow() -> None:
    sizes = {f"c{i}": 10 for i in range(20)}
    sides = units_to_splits(sizes, {"test": 0.25, "validation": 0.15}, seed=0)
    count = {name: sum(side == name for side in sides.values()) for name in ("train", "validation", "test")}
    assert count == {"train": 12, "validation": 3, "test": 5}
    assert sides == units_to_splits(dict(reversed(sizes.items())), {"test": 0.25, "validation": 0.15}, seed=0)
    assert sides != units_to_splits(sizes, {"test": 0.25, "validation": 0.15}, seed=1)


def test_something_is_always_left_to_train() -> None:
    assert sorted(units_to_splits({"a": 5, "b": 5, "c": 5}, {"test": 0.3, "validation": 0.3}, seed=0).values()) == [
        "test",
        "train",
        "validation",
    ]
    assert list(units_to_splits({"a": 5}, {"test": 0.3, "validation": 0.3}, seed=0).values()) == ["train"]


def test_by_pages_the_first_train_and_the_last_judge() -> None:
    table = pl.DataFrame(
        [{"passage_id": f"{book}{n}", "book_id": book, "page_last": n} for book in "ab" for n in range(10)]
    )
    sides = pages_to_splits(table, {"validation": 0.1, "test": 0.3})
    split_of = {passage: sides[unit] for passage, unit in passages_to_pages(table).items()}
    for book in "ab":
        assert [split_of[f"{book}{n}"] for n in range(10)] == ["train"] * 6 + ["validation"] + ["test"] * 3
