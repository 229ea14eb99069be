"""The public function: terms of a PDF and of anybody's own texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tripletkit import schemas
from tripletkit.errors import ConfigError, SourceError
from tripletkit.tagging.tag_texts import tag_terms
from tripletkit.terms.harvest_texts import harvest_terms

TEXTS = [
    "We use support vector machines (SVM) here. The SVM is old. An SVM has a margin.",
    "A hash table is a table of buckets. Looking on in the next bucket is called linear probing.",
    "A hash table with linear probing is fast. A hash table is full at last; the hash table grows.",
]


def terms(frame: pl.DataFrame) -> dict[str, list[str]]:
    return {row["term"]: row["sources"] for row in frame.to_dicts() if row["kept"]}


def test_texts_give_what_they_define_and_the_acronyms_they_introduce() -> None:
    found = harvest_terms(TEXTS)
    assert found.schema == schemas.TERMS.schema
    assert terms(found) == {
        "support vector machines": ["acronym"],
        "hash table": ["definition"],
        "linear probing": ["definition"],
    }
    assert found["book_id"].null_count() == found.height


def test_statistics_and_section_titles_are_asked_for() -> None:
    assert terms(harvest_terms(TEXTS * 2, automatic=1))["linear probing"] == ["automatic", "definition"]
    rows = [{"text": text, "section": "2 Tables › 2.1 Full Hash Tables and Hash Tables"} for text in TEXTS]
    assert terms(harvest_terms(rows, headings=True))["hash table"] == ["definition", "heading"]
    assert harvest_terms(pl.DataFrame(rows), headings=True).equals(harvest_terms(rows, headings=True))


def test_what_is_found_can_be_tagged() -> None:
    found = harvest_terms(TEXTS)
    name = dict(found.select("term_id", "term").iter_rows())
    assert {(row["passage_id"], name[row["term_id"]]) for row in tag_terms(TEXTS, found).to_dicts()} == {
        ("0", "support vector machines"), ("1", "hash table"), ("1", "linear probing"), ("2", "hash table"), ("2", "linear probing"),
    }  # fmt: skip


def test_texts_without_a_term_give_an_empty_frame() -> None:
    assert harvest_terms(["Nothing here."]).is_empty()
    assert harvest_terms([]).schema == schemas.TERMS.schema


def test_a_pdf_gives_its_index(book: Path) -> None:
    found = harvest_terms(book)
    assert "index" in {source for sources in found["sources"] for source in sources}
    assert found.equals(harvest_terms(str(book)))
    assert found["locators"].list.len().max() > 0  # type: ignore[operator]


def test_a_users_rules_are_in_force_inside_the_call_only(tmp_path: Path) -> None:
    (tmp_path / "stop_terms.extra.txt").write_text("hash table\n")
    assert "hash table" not in terms(harvest_terms(TEXTS, rules=tmp_path))
    assert "hash table" in terms(harvest_terms(TEXTS))
    texts = ["Two kine (KI) graze. KI and KI.", "A red cow is a cow. The red kine (RK) and a red cow. RK and RK."]
    assert terms(harvest_terms(texts)) == {"red cow": ["definition"], "red kine": ["acronym"]}
    (tmp_path / "plurals.extra.txt").write_text("kine: cow\n")
    assert terms(harvest_terms(texts, rules=tmp_path)) == {"red cow": ["acronym", "definition"]}


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("no/such.pdf", {}, ConfigError, r"no/such\.pdf: no such file"),
        (["a"], {"automatic": -1}, ConfigError, r"automatic = -1: must be 0 or more"),
        (["a"], {"bold": True}, ConfigError, r"texts hold no bold type"),
        ([{"txt": "a"}], {}, SourceError, r"texts: row 0: no text \(it has 'txt'"),
        (
            [{"text": "a", "id": 1}, {"text": "b", "id": 1}],
            {},
            SourceError,
            r"texts: row 1: passage_id '1' occurs twice",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    source: object, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        harvest_terms(source, **options)  # type: ignore[arg-type]


def test_a_file_that_is_no_pdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("no PDF")
    with pytest.raises(SourceError, match=r"a\.pdf"):
        harvest_terms(tmp_path / "a.pdf")
