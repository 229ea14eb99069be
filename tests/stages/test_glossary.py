"""The stages glossary and tag on passages of the user's own, by the command line; and a user's rules in them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tripletkit import schemas
from tripletkit.cli import main
from tripletkit.schemas import make_table
from tripletkit.store import Store

TEXTS = [
    "A draft cow is a cow that pulls. The village keeps a draft cow; support vector machines (SVM) are elsewhere.",
    "Draft kine are slow. An SVM and one more SVM. The SVM is fast. Looking on is called linear probing.",
    "We know linear probing well, and the gaol too.",
]


def own_passages(folder: Path, texts: list[str]) -> Path:
    """An output folder as extraction leaves it for texts that come from no PDF: no line is known."""
    store = Store(folder)
    store.write("books", make_table(schemas.BOOKS, [
        {"book_id": "b", "path": "chunks.jsonl", "title": "chunks", "pages": 1, "license": None}
    ]))  # fmt: skip
    store.write("pages", make_table(schemas.PAGES, [
        {"book_id": "b", "page": 1, "label": "1", "role": "body", "chars": 0}
    ]))  # fmt: skip
    store.write("lines", pl.DataFrame(schema=schemas.LINES.schema))
    place = {"book_id": "b", "page_first": 1, "page_last": 1, "label_first": "1", "label_last": "1", "kind": "prose"}
    place |= {"section": "1 Farms › 1.1 Linear Probing", "n_tokens": 9, "boxes": []}
    rows = [{**place, "passage_id": f"p{at}", "text": text} for at, text in enumerate(texts)]
    store.write("passages", make_table(schemas.PASSAGES, rows))
    return folder


def run(folder: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--output", str(folder)])
    return int(end.value.code or 0)


def sources(folder: Path) -> dict[str, list[str]]:
    return {row["term"]: row["sources"] for row in Store(folder).read("terms").to_dicts() if row["kept"]}


def test_passages_without_a_pdf_give_what_they_define_introduce_and_is_asked_for(tmp_path: Path) -> None:
    folder = own_passages(tmp_path / "out", TEXTS)
    assert run(folder, "glossary") == 0
    found = {"support vector machines": ["acronym"], "draft cow": ["definition"], "linear probing": ["definition"]}
    assert sources(folder) == found
    own = tmp_path / "own.txt"
    own.write_text("gaol\nlinear probing\n")
    assert run(folder, "glossary", "--terms", str(own)) == 0
    assert sources(folder) == {**found, "linear probing": ["definition", "user"], "gaol": ["user"]}
    assert run(folder, "tag") == 0
    assert Store(folder).read("mentions").height == 10


def test_passages_without_a_term_are_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(own_passages(tmp_path / "out", ["Nothing is here."]), "glossary") != 0
    told = capsys.readouterr().err
    assert "no terms were found: chunks: definitions: 0 phrases that a sentence defines; chunks: acronyms: 0" in told
    assert "--terms FILE" in told
    assert "glossary.automatic=300" in told
    assert "index" not in told


def test_a_users_plurals_and_spellings_change_terms_and_mentions(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (tmp_path / "own.txt").write_text("cow\nkine\njail\n")
    folder = own_passages(tmp_path / "out", TEXTS)
    flags = "--rules", str(rules)

    def outcome() -> tuple[set[str], set[tuple[str, str]]]:
        assert run(folder, "glossary", "--terms", str(tmp_path / "own.txt"), *flags) == 0
        assert run(folder, "tag", *flags) == 0
        terms = {row["term_id"]: row["term"] for row in Store(folder).read("terms").to_dicts()}
        mentions = Store(folder).read("mentions").select("term_id", "surface").iter_rows()
        return {term for term, held in sources(folder).items() if "user" in held}, {
            (terms[term_id], surface) for term_id, surface in mentions
        }

    users, mentions = outcome()
    assert users == {"cow", "kine", "jail"}
    assert ("draft cow", "Draft kine") not in mentions
    (rules / "plurals.extra.txt").write_text("kine: cow\n")
    (rules / "variants.extra.txt").write_text("gaol: jail\n")
    users, mentions = outcome()
    assert users == {"cow", "jail"}
    assert {("draft cow", "Draft kine"), ("cow", "kine"), ("jail", "gaol")} <= mentions
