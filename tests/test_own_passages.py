"""Rows of files → books, pages and passages: what belongs together, which page a label is, what is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from tripletkit.own_passages import OwnBooks, cut_rows, repeated_ids, rows_to_books
from tripletkit.pdf.workers import PassageLimits
from tripletkit.schemas import INT, TEXT
from tripletkit.user_rows import PassageFile, PassageRow

LIMITS = PassageLimits(max_tokens=20, target_tokens=12, min_tokens=3)

CountWords = Callable[[Sequence[str]], list[int]]


def passage(line: int, text: str, **cells: str) -> dict[str, object]:
    return {"line": line, "text": text} | cells


def cut_file(count: CountWords, *rows: dict[str, object], name: str = "a.jsonl") -> PassageFile:
    held = pl.DataFrame(list(rows), {"line": INT, **dict.fromkeys(PassageRow.model_fields, TEXT)})
    return cut_rows(PassageFile(Path(name), held, [], ()), LIMITS, count, frozenset())


def books(count: CountWords, **files: list[dict[str, object]]) -> OwnBooks:
    held = [cut_file(count, *rows, name=f"{name}.jsonl") for name, rows in files.items()]
    return rows_to_books(held, lambda path, book: None)


def test_rows_without_book_make_their_file_one(count_words: CountWords) -> None:
    found = books(count_words, chunks=[passage(1, "One."), passage(2, "Two.")], more=[passage(1, "Three.")])
    assert found.books.select("path", "title", "pages").sort("path").rows() == [
        ("chunks.jsonl", "chunks", 1),
        ("more.jsonl", "more", 1),
    ]
    assert found.passages.select("page_first", "label_first", "section", "kind").unique().rows() == [
        (1, "", None, "prose")
    ]
    assert dict(found.passages.select("text", "n_tokens").iter_rows()) == {"One.": 3, "Two.": 3, "Three.": 3}
    assert found.passages["boxes"].to_list() == [[]] * 3


def test_a_book_may_be_spread_over_files(count_words: CountWords) -> None:
    found = books(
        count_words,
        a=[passage(1, "One.", book="Earth", page="1"), passage(2, "Two.", book="Sky")],
        b=[passage(1, "Three.", book="Earth", page="2")],
    )
    assert found.books.select("path", "title", "pages").sort("title").rows() == [
        ("a.jsonl", "Earth", 2),
        ("a.jsonl", "Sky", 1),
    ]
    earth = found.passages.filter(pl.col("text").is_in(["One.", "Three."]))
    assert earth["book_id"].n_unique() == 1


def test_a_change_in_one_book_leaves_the_ids_of_others(count_words: CountWords) -> None:
    rows = [passage(1, "One.", book="Earth"), passage(2, "Two.", book="Sky")]
    before = dict(books(count_words, a=rows).books.select("title", "book_id").iter_rows())
    after = dict(
        books(count_words, a=[*rows, passage(3, "Three.", book="Sky")]).books.select("title", "book_id").iter_rows()
    )
    assert before["Earth"] == after["Earth"]
    assert before["Sky"] != after["Sky"]


def test_one_name_under_two_licences_is_two_books(count_words: CountWords) -> None:
    held = [cut_file(count_words, passage(1, n, book="Earth"), name=f"{n}.jsonl") for n in ("a", "b")]
    found = rows_to_books(held, lambda path, book: "MIT" if path.name == "a.jsonl" else None)
    assert sorted(found.books.select("title", "license").rows(), key=str) == [("Earth", "MIT"), ("Earth", None)]


def test_numbers_are_pages_and_labels_take_their_order(count_words: CountWords) -> None:
    numbers = books(count_words, a=[passage(1, "One.", page="7"), passage(2, "Two.", page="5"), passage(3, "x")])
    assert numbers.pages.select("page", "label", "role", "chars").rows() == [
        (5, "5", "body", 4),
        (7, "7", "body", 4),
        (8, "", "body", 1),  # without a page
    ]
    labels = books(
        count_words,
        a=[passage(1, "One.", page="xii"), passage(2, "Two.", page="1"), passage(3, "Six.", page="xii")],
    )
    assert labels.pages.select("page", "label", "chars").rows() == [(1, "xii", 8), (2, "1", 4)]
    assert labels.passages.filter(text="Six.").select("page_first", "page_last", "label_first", "label_last").row(
        0
    ) == (
        1,
        1,
        "xii",
        "xii",
    )
    zero = books(count_words, a=[passage(1, "One.", page="0"), passage(2, "Two.", page="1")])
    assert zero.pages.select("page", "label").rows() == [(1, "0"), (2, "1")]


def test_one_title_is_the_books_several_stand_above_sections(count_words: CountWords) -> None:
    one = books(count_words, a=[passage(1, "One.", title="The Earth", section="1 Soil"), passage(2, "Two.")])
    assert one.books["title"].to_list() == ["The Earth"]
    assert one.passages.filter(text="One.")["section"].to_list() == ["1 Soil"]
    several = books(
        count_words,
        wiki=[
            passage(1, "One.", title="Soil", section="Origin"),
            passage(2, "Two.", title="Rain"),
            passage(3, "Three."),
        ],
    )
    assert several.books["title"].to_list() == ["wiki"]
    assert dict(several.passages.select("text", "section").iter_rows()) == {
        "One.": "Soil › Origin",
        "Two.": "Rain",
        "Three.": None,
    }


def test_a_repeated_text_is_dropped_with_its_place(count_words: CountWords) -> None:
    found = books(count_words, a=[passage(4, "One.", id="x"), passage(9, "One.", id="y")])
    (first,) = found.passages["passage_id"]
    assert found.dropped == [
        {"stage": "extract", "item": "a.jsonl:9", "related": first, "reason": "repeated text", "detail": "One."}
    ]
    # Both ids lead to the passage.
    assert found.sources.write_csv() == (f"passage_id,id,file,line\n{first},x,a.jsonl,4\n{first},y,a.jsonl,9\n")


def test_a_text_over_the_limit_is_cut_at_sentence_ends(count_words: CountWords) -> None:
    sentence = "The water table falls in a dry summer."
    long = " ".join([sentence] * 6)
    rows = cut_file(count_words, passage(1, "Short  and\nleft alone."), passage(2, long, id="x"), passage(3, long)).rows
    assert rows.filter(line=1).select("part", "text").rows() == [(0, "Short  and\nleft alone.")]
    parts = rows.filter(line=2)
    assert parts["part"].to_list() == list(range(parts.height))
    assert parts["id"].to_list() == ["x"] * parts.height
    assert parts.height > 1
    assert all(text.endswith(".") and tokens <= 20 for text, tokens in parts.select("text", "n_tokens").iter_rows())
    assert " ".join(parts["text"]) == long
    assert rows.filter(line=3).height == parts.height


def test_repeated_ids_are_told(count_words: CountWords) -> None:
    file = cut_file(count_words, passage(1, "a", id="x"), passage(2, "b", id="y"), passage(7, "c", id="x"))
    assert repeated_ids(file) == ("a.jsonl:7: id 'x' stands on line 1 too; each row stays a passage of its own")
    assert repeated_ids(replace(file, rows=file.rows.head(2))) is None
