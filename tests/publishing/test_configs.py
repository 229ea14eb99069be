from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publishing.reading import everything_said, loaded
from tests.publishing.tables import ALPHA, BETA, DETAILS, small_tables, unlicensed
from tripletkit.errors import TableError
from tripletkit.publishing.configs import mask, masked_spans
from tripletkit.publishing.dataset_folder import write_dataset


def test_negatives_of_a_tuple_are_sorted_by_nearness(tmp_path: Path) -> None:
    tables = small_tables()
    write_dataset(tables, tmp_path / "set", details=DETAILS)
    cosines = {(row["anchor"], row["negative"]): row["cos_an"] for row in tables["triplets"].to_dicts()}
    rows = pl.read_parquet(tmp_path / "set/n-tuple").to_dicts()
    gaps = [cosines[row["anchor"], row["negative_1"]] - cosines[row["anchor"], row["negative_2"]] for row in rows]
    assert min(gaps) >= 0
    assert max(gaps) > 0


SIDES = ("positive", "negative")


def test_labelled_pairs_hold_every_term_of_an_anchor_once(tmp_path: Path) -> None:
    tables = small_tables()
    report = write_dataset(tables, tmp_path / "set", details=DETAILS)
    triplets = tables["triplets"]
    wanted = {(row["split"], row["anchor"], row[side]): side for row in triplets.to_dicts() for side in SIDES}
    pairs = pl.concat(
        pl.read_parquet(path).with_columns(split=pl.lit(path.name.split("-")[0]))
        for path in sorted((tmp_path / "set/labelled-pairs").iterdir())
    )
    assert pairs.height == len(wanted) == sum(report.rows["labelled-pairs"].values())
    assert {(row["split"], row["anchor"], row["text"]): SIDES[1 - row["label"]] for row in pairs.to_dicts()} == wanted


def test_spans_point_at_the_positive(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "set", details=DETAILS)
    full = pl.read_parquet(tmp_path / "set/full/train-*.parquet").filter(~pl.col("masked"))
    assert full.height == 16
    for row in full.iter_rows(named=True):
        assert [row["anchor"][span["start"] : span["end"]] for span in row["spans"]] == [row["positive"]] * 2


def test_a_term_is_in_the_earliest_split_that_mentions_it(tmp_path: Path) -> None:
    book = unlicensed(ALPHA, "CC BY 4.0")
    tables = small_tables(book)
    # Passages 0 to 7 train and say the five terms in turn; were only 0 and 1 to train, "epoch" would first be said
    # in validation.
    later = tables["splits"].join(tables["passages"], on="passage_id").filter(pl.col("page_first") > 2)["passage_id"]
    moved = (
        pl.when(pl.col("passage_id").is_in(later.implode()))
        .then(pl.lit("validation"))
        .otherwise(pl.col("split"))
        .alias("split")
    )
    tables = {
        **tables,
        "splits": tables["splits"].with_columns(moved),
        "triplets": tables["triplets"].with_columns(moved),
    }
    write_dataset(tables, tmp_path / "set", details=DETAILS)
    terms = {
        split: set(pl.read_parquet(tmp_path / f"set/terms/{split}-*.parquet")["term"])
        for split in ("train", "validation")
    }
    assert terms == {
        "train": {"gradient xylophone", "loss function xylophone"},
        "validation": {"epoch xylophone", "layer xylophone", "kernel xylophone"},
    }


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("terms", pl.col("term_id") != "", "mentions: term_id"),
        ("passages", pl.lit(value=True), "splits: passage_id"),
        ("splits", pl.col("split") == "test", "triplets: passage_id"),
        ("triplets", pl.lit(value=True), "triplets: the table is empty"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, name: str, change: pl.Expr, match: str) -> None:
    tables = small_tables()
    with pytest.raises(TableError, match=match):
        write_dataset({**tables, name: tables[name].filter(~change)}, tmp_path / "set", details=DETAILS)
    assert not (tmp_path / "set").exists()


def test_a_triplet_outside_its_passages_split_is_refused(tmp_path: Path) -> None:
    tables = small_tables()
    torn = {**tables, "triplets": tables["triplets"].with_columns(pl.lit("train").alias("split"))}
    with pytest.raises(TableError, match=r"not in its passage's split \(21 such rows\)"):
        write_dataset(torn, tmp_path / "set", details=DETAILS)


def test_passages_without_a_split_are_counted_not_published(tmp_path: Path) -> None:
    tables = small_tables()
    idle = tables["triplets"].filter(pl.col("split") == "test")["passage_id"].unique().sort().head(2).implode()
    rest = {name: tables[name].filter(~pl.col("passage_id").is_in(idle)) for name in ("splits", "triplets")}
    report = write_dataset({**tables, **rest}, tmp_path / "set", details=DETAILS)
    assert report.rows["corpus"]["test"] == 3
    assert any("corpus: 2 of 15 passages belong to no split" in note for note in report.notes)
    assert report.notes[-1] in (tmp_path / "set/README.md").read_text()


def test_redacted_files_hold_no_text_of_the_books(tmp_path: Path) -> None:
    books = (unlicensed(ALPHA), unlicensed(BETA, "All rights reserved"))
    report = write_dataset(small_tables(*books), tmp_path / "set", details=DETAILS, redact=True)
    said = everything_said(tmp_path / "set").lower()
    assert set(report.rows) == {"full", "corpus", "terms", "mentions"}
    for book in books:
        assert book.book_id in said
        assert [secret for secret in book.secrets if secret in said] == []
    assert "someone" not in said  # the path of the file
    # The same search does find it all where it may be said, so it can fail.
    write_dataset(small_tables(), tmp_path / "open", details=DETAILS)
    assert all(
        secret.lower() in everything_said(tmp_path / "open").lower() for book in books for secret in book.secrets
    )


@pytest.mark.slow
def test_a_redacted_dataset_loads(tmp_path: Path) -> None:
    report = write_dataset(small_tables(unlicensed(ALPHA)), tmp_path / "set", details=DETAILS, redact=True)
    got = loaded(tmp_path / "set", tmp_path / "home")["configs"]
    assert {
        name: {split: len(rows["rows"]) for split, rows in splits.items()} for name, splits in got.items()
    } == report.rows
    masked = [row for row in got["full"]["train"]["rows"] if row["masked"]]
    texts = dict(small_tables(ALPHA)["passages"].select("passage_id", "text").iter_rows())
    hidden = [texts[row["passage_id"]][span["start"] : span["end"]] for row in masked for span in row["masked_spans"]]
    assert len(hidden) == 16
    assert all(text.endswith(" xylophone") for text in hidden)


def test_free_text_in_a_vocabulary_stops_redaction(tmp_path: Path) -> None:
    tables = small_tables(unlicensed(ALPHA))
    said = {
        **tables,
        "triplets": tables["triplets"].with_columns((pl.lit("sibling, see: ") + pl.col("anchor")).alias("rule")),
    }
    with pytest.raises(TableError, match="full: column 'rule' holds 20 different values, the longest of"):
        write_dataset(said, tmp_path / "set", details=DETAILS, redact=True)


@pytest.mark.parametrize(
    ("text", "anchor", "token"),
    [
        ("The gradient is small.", "The gradient is small.", "[MASK]"),
        ("The gradient (slope) of a gradient.", "The [MASK] ([MASK]) of a [MASK].", "[MASK]"),
        ("Gradient descent", "[MASK]", "[MASK]"),
        ("loss gradient", "[MASK][MASK]", "[MASK]"),
        ("a gradient\nb", "a <mask>\nb", "<mask>"),
    ],
)
def test_spans_rebuild_the_anchor(text: str, anchor: str, token: str) -> None:
    spans = masked_spans(text, anchor, token)
    assert spans is not None
    assert mask(text, spans, token) == anchor


@given(st.lists(st.text("ab M", min_size=1), min_size=1), st.data())
def test_whatever_is_masked_can_be_masked_again(words: list[str], data: st.DataObject) -> None:
    hidden = data.draw(st.sets(st.integers(0, len(words) - 1)))
    text, anchor = "".join(words), "".join("[M]" if at in hidden else word for at, word in enumerate(words))
    spans = masked_spans(text, anchor, "[M]")
    assert spans is not None
    assert mask(text, spans, "[M]") == anchor


@pytest.mark.parametrize("anchor", ["as the epoch ends the loss falls", "the loss [MASK] as it ends", "[MASK] x", ""])
def test_an_anchor_that_is_not_its_passage_masked_has_no_spans(anchor: str) -> None:
    assert masked_spans("the loss falls as the epoch ends", anchor, "[MASK]") is None


def test_an_anchor_of_another_text_is_withheld_and_counted(tmp_path: Path) -> None:
    tables = small_tables(unlicensed(ALPHA))
    strange = pl.when("masked").then(pl.lit("Strange xylophone text.")).otherwise("anchor")
    tables["triplets"] = tables["triplets"].with_columns(anchor=strange)
    report = write_dataset(tables, tmp_path / "set", details=DETAILS, redact=True)
    assert pl.read_parquet(tmp_path / "set/full")["masked_spans"].null_count() == 10
    assert report.notes == (
        "full: 10 anchors are not the text of their passage with [MASK] in it, so `fill` cannot restore them.",
    )
    assert "xylophone" not in everything_said(tmp_path / "set")
