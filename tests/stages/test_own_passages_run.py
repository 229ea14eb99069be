"""From a file of chunks and a file of terms to a dataset and a trained encoder, without a PDF."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.book import CHAPTERS
from tripletkit.cli import main
from tripletkit.store import Store

_SENTENCES = (
    "A {term} {what}.",
    "Students often meet the {term} first in the field, where the {other} is never far.",
    "Measuring a {term} takes patience and a steady hand.",
    "The history of each {term} can be read from the layers around it.",
    "Farmers have learned to live with the {term} and to profit from it.",
)


def chunk_rows() -> list[dict[str, object]]:
    """Three chunks a term, each of two sentences of its own."""
    rows: list[dict[str, object]] = []
    for number, (chapter, terms) in enumerate(CHAPTERS.items(), 1):
        names = list(terms)
        for at, (term, what) in enumerate(terms.items()):
            other = names[(at + 1) % len(names)]
            said = [sentence.format(term=term, what=what, other=other) for sentence in _SENTENCES]
            rows += [
                {
                    "id": f"{term}-{part}",
                    "text": " ".join(said[part : part + 2]),
                    "section": f"{number} {chapter} › {term}",
                    "page": 3 * number + at,
                    "book": "Earth",
                    "source": "earth.pdf",
                }
                for part in (0, 1, 3)
            ]
    return rows


def write_chunks(folder: Path) -> list[str]:
    """The command line's books and terms."""
    chunks, terms = folder / "chunks.jsonl", folder / "terms.csv"
    chunks.write_text("\n".join(map(json.dumps, chunk_rows())), encoding="utf-8")
    pl.DataFrame(
        {
            "term": [term for terms_of in CHAPTERS.values() for term in terms_of],
            "definition": [f"It {what}." for terms_of in CHAPTERS.values() for what in terms_of.values()],
        }
    ).write_csv(terms)
    return [str(chunks), str(terms)]


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


@pytest.mark.slow
def test_chunks_become_a_dataset_and_a_trained_encoder(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks, terms = write_chunks(tmp_path)
    (tmp_path / "chunks.jsonl.license").write_text("CC-BY-4.0")
    output = tmp_path / "out"
    common = ["--output", str(output), "--encoder", str(tiny_encoder)]
    # A random encoder finds all texts alike.
    mining = ["--set", "mine.synonym_threshold=1", "--set", "mine.relative_margin=0"]
    assert code(["extract", chunks, *common]) == 0
    told = capsys.readouterr()
    assert "1 book, 18 pages → 54 passages (prose 54)" in told.out
    assert f"{chunks}: columns ignored: source (read are text, id, title, section, page, book)" in told.err
    assert code(["glossary", "--terms", terms, *common]) == 0
    assert code(["tag", *common]) == 0
    assert code(["split", *common]) == 0
    assert code(["mine", "--hard-negatives", *common, *mining]) == 0
    assert code(["train", "--max-steps", "2", "--batch-size", "4", "--allow-worse", *common]) == 0
    assert code(["evaluate", "--allow-worse", *common]) == 0
    assert code(["publish", *common]) == 0
    store = Store(output)
    assert store.read("books").select("title", "license").row(0) == ("Earth", "CC-BY-4.0")
    # The texts define some of them, too.
    assert sum("user" in sources for sources in store.read("terms")["sources"]) == 18
    assert store.read("triplets").height > 0
    # By chapter, as a book is.
    chapters = store.read("passages").join(store.read("splits"), on="passage_id")
    chapters = chapters.with_columns(chapter=pl.col("section").str.split(" › ").list.first())
    assert chapters.group_by("chapter").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 6
    assert "gold labels by mentions" in capsys.readouterr().out
    assert "Earth" in (output / "dataset" / "README.md").read_text(encoding="utf-8")
    ids = pl.read_csv(output / "passage_ids.csv")
    assert (
        ids.join(store.read("passages"), on="passage_id").filter(id="humus-0")["text"].item().startswith("A humus is")
    )


def test_chunks_without_sections_pages_or_book_are_drawn_one_by_one(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.csv"
    pl.DataFrame({"text": [row["text"] for row in chunk_rows()]}).write_csv(bare)
    common = ["--output", str(tmp_path / "out"), "--encoder", str(tiny_encoder)]
    assert code(["extract", str(bare), *common]) == 0
    assert code(["split", *common]) == 0
    told = capsys.readouterr()
    assert "split: too few books and chapters to split by, and too few pages: passages are drawn one by one" in told.err
    splits = Store(tmp_path / "out").read("splits")
    assert splits.height == 54
    assert {name for name, count in splits["split"].value_counts().iter_rows() if count >= 5} == {
        "train",
        "validation",
        "test",
    }


def test_the_doctor_names_good_and_bad_files(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, none = tmp_path / "good.csv", tmp_path / "bad.jsonl", tmp_path / "none.csv"
    good.write_text("text,url\nA fjord is deep.,x\n", encoding="utf-8")
    bad.write_text('{"text": "A delta grows."}\nno JSON\n', encoding="utf-8")
    none.write_text("content\nA fjord is deep.\n", encoding="utf-8")
    assert code(["doctor", *map(str, (good, bad, none)), "--encoder", str(tiny_encoder), "-o", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert f"ok    {good}: 1 passage; columns ignored: url" in told
    assert f"FAIL  {bad}: 1 bad row, 1 good row; line 2: bad row: invalid JSON (Expecting value" in told
    assert f"FAIL  {none}: no column 'text'; it has 'content'\n      Rename 'content' to 'text'." in told
