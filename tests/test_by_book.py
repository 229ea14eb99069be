"""Tables cut into books."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from tripletkit.by_book import books_with_terms, by_book
from tripletkit.errors import SourceError, TableError
from tripletkit.project import Project
from tripletkit.stage import Job
from tripletkit.stages import glossary, tag
from tripletkit.stages.glossary import HarvestTask
from tripletkit.store import Store

PASSAGES = pl.DataFrame({"book_id": ["b", "a", "b"], "passage_id": ["p1", "p2", "p3"]})
TERMS = pl.DataFrame({"book_id": ["a", None, "b", None], "term_id": ["t4", "t1", "t2", "t3"]})


def test_rows_of_a_book_stay_in_order() -> None:
    rows = by_book(PASSAGES)
    assert rows("b")["passage_id"].to_list() == ["p1", "p3"]
    assert rows("a")["passage_id"].to_list() == ["p2"]
    assert rows("c").is_empty()
    assert by_book(PASSAGES.clear())("a").schema == PASSAGES.schema


def test_what_is_sent_of_a_book_holds_no_text_of_another() -> None:
    texts = [f"a text of more than twelve letters, number {number}" for number in range(1000)]
    table = pl.DataFrame({"book_id": texts, "forms": [[text] for text in texts]})
    assert by_book(table)(texts[7]).equals(table[7:8])
    assert len(pickle.dumps(by_book(table)(texts[7]))) < 3000


def test_a_book_gets_its_own_terms_and_those_of_the_user(tmp_path: Path) -> None:
    tables = {"books": PASSAGES.select("book_id").unique(), "passages": PASSAGES}
    books, task_of = books_with_terms(cast(Job, SimpleNamespace(store=Store(tmp_path), table=tables.get)), TERMS)
    assert books == ["a", "b"]
    found = {book: task_of(book).terms["term_id"].to_list() for book in books}
    assert found == {"a": ["t1", "t3", "t4"], "b": ["t1", "t2", "t3"]}


#: Of a stage: its step by book that a test watches, and where the argument that names the book stands.
STEPS = {"glossary": (glossary, "_harvest"), "tag": (tag, "tag_passages")}


@pytest.fixture
def library(tmp_path: Path, tiny_encoder: Path) -> Project:
    """Three books of a user's own passages, read."""
    words = ["loam", "sand", "clay"]
    rows = [{"book": word, "text": f"A {word} bed is a bed of {word}. Every {word} bed is wet."} for word in words]
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    project = Project(tmp_path / "output", books=[file], encoder=tiny_encoder, tag={"nlp": "none"})
    project.extract()
    return project


def at_second(monkeypatch: pytest.MonkeyPatch, stage: str, raised: Callable[[], BaseException]) -> Counter[str]:
    """Counts how often each book is done; the second one raises the error the first time."""
    module, name = STEPS[stage]
    done, really = Counter[str](), getattr(module, name)

    def watched(task: pl.DataFrame | HarvestTask, *rest: object) -> object:
        (book,) = set(task["book_id"]) if isinstance(task, pl.DataFrame) else {task.book_id}
        done[book] += 1
        if len(done) == 2 and done.total() == 2:
            raise raised()
        return really(task, *rest)

    monkeypatch.setattr(module, name, watched)
    return done


def shas(project: Project) -> list[str]:
    return [project.store.sha(f"{name}.parquet") for name in ("terms", "mentions", "dropped")]


@pytest.mark.parametrize("stage", STEPS)
def test_a_stage_that_is_killed_goes_on_with_the_books_that_are_left(
    library: Project, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    list(library.stages("glossary", "tag"))
    expected = shas(library)
    library.store.forget(stage)
    done = at_second(monkeypatch, stage, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        getattr(library, stage)()
    getattr(library, stage)()
    assert sorted(done.values()) == [1, 1, 2]
    assert shas(library) == expected
    assert not library.store.place(f"cache/by_book/{stage}").exists()


def test_a_killed_stage_may_go_on_with_tables_of_the_other_form(
    library: Project, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path
) -> None:
    list(library.stages("glossary", "tag"))
    expected = library.table("mentions")
    by_book = Project(
        str(library.settings.output),
        books=map(str, library.settings.books),
        encoder=tiny_encoder,
        tag={"nlp": "none"},
        tables="by_book",
    )
    library.store.forget("tag")
    at_second(monkeypatch, "tag", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        by_book.tag()
    library.tag()
    assert library.store.place("mentions.parquet").is_file()
    books = library.table("books")["book_id"]
    assert pl.concat([library.store.read_book("mentions", book) for book in books]).height == expected.height


def test_a_lost_part_ends_the_stage(library: Project, tiny_encoder: Path) -> None:
    books = map(str, library.settings.books)
    by_book = Project(str(library.settings.output), books=books, encoder=tiny_encoder, tables="by_book")
    by_book.extract(force=True)
    next(iter(file for file in by_book.store.work.glob("passages/*/*.parquet"))).unlink()
    with pytest.raises(TableError, match=r"passages: not a readable parquet file.*\n.*extract --force"):
        by_book.glossary()


@pytest.mark.parametrize("stage", STEPS)
def test_an_error_in_one_book_costs_that_book(library: Project, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    list(library.stages("glossary", "tag"))
    library.store.forget(stage)
    done = at_second(monkeypatch, stage, lambda: ValueError("no such word"))
    with pytest.raises(SourceError, match="1 of the books"):
        getattr(library, stage)()
    (row,) = library.table("dropped").filter(stage=stage, reason="book refused").to_dicts()
    assert row["related"] == list(done)[1]
    assert "ValueError: no such word" in row["detail"]
    assert library.table("terms" if stage == "glossary" else "mentions").height
