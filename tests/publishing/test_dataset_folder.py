from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publishing.tables import ALPHA, BETA, CONFIGURATIONS, DETAILS, small_tables, unlicensed
from tripletkit.errors import HubError, RightsError, TableError
from tripletkit.publishing.dataset_folder import read_manifest, write_dataset
from tripletkit.publishing.redaction import mask, masked_spans

#: Opens every configuration with the real library and prints rows and types; offline, with a cache of its own.
LOAD_ALL = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder, names = sys.argv[1], sys.argv[2:] or get_dataset_config_names(sys.argv[1])
out = {}
for name in names:
    data = load_dataset(folder, name)
    out[name] = {split: {"rows": rows.to_list(), "types": str(rows.features)} for split, rows in data.items()}
default = load_dataset(folder)
print(json.dumps({"configs": out, "default": default["train"].column_names}))
"""


def loaded(folder: Path, home: Path) -> dict[str, Any]:
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(folder)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_load_dataset_opens_every_configuration(tmp_path: Path) -> None:
    tables = small_tables()
    report = write_dataset(tables, tmp_path / "set", details=DETAILS)
    got = loaded(tmp_path / "set", tmp_path / "home")
    configs = got["configs"]
    assert {
        name: {split: len(rows["rows"]) for split, rows in splits.items()} for name, splits in configs.items()
    } == report.rows
    assert set(report.rows) == set(CONFIGURATIONS)
    assert got["default"] == ["anchor", "positive", "negative"]
    assert not any("large_string" in split["types"] for splits in configs.values() for split in splits.values())
    for split in ("train", "validation", "test"):
        here = tables["triplets"].filter(pl.col("split") == split)
        assert configs["triplet"][split]["rows"] == here.select("anchor", "positive", "negative").to_dicts()
        assert [row["triplet_id"] for row in configs["full"][split]["rows"]] == here["triplet_id"].to_list()


def test_rows_of_every_configuration(tmp_path: Path) -> None:
    report = write_dataset(small_tables(), tmp_path / "set", details=DETAILS)
    # Per passage: two negatives for the plain anchor, one for the masked one. 8 + 2 passages of alpha, 5 of beta.
    assert report.rows["triplet"] == {"train": 24, "validation": 6, "test": 15}
    assert report.rows["n-tuple"] == {"train": 8, "validation": 2, "test": 5}  # the masked ones have too few
    assert report.rows["pairs"] == {"train": 16, "validation": 4, "test": 10}
    assert report.rows["corpus"] == {"train": 8, "validation": 2, "test": 5}
    assert report.rows["definitions"] == {
        "train": 4,
        "test": 4,
    }  # four of five terms are defined; validation mentions none first
    assert report.rows["mentions"] == {"train": 16, "validation": 4, "test": 10}
    assert "15 of 30 (anchor, positive) have fewer than 2 negatives" in report.notes[0]
    assert report.summary.startswith(
        f"{tmp_path / 'set'}: 10 configurations, triplet: train 24, validation 6, test 15; "
    )
    assert report.files == {name: len(data) for name, data in files(tmp_path / "set").items()}


def test_a_configuration_without_rows_is_left_out_and_named(tmp_path: Path) -> None:
    tables = small_tables()
    undefined = {**tables, "terms": tables["terms"].with_columns(definition=pl.lit(None, dtype=pl.String))}
    report = write_dataset(undefined, tmp_path / "set", details=DETAILS)
    assert "definitions" not in report.rows
    assert not (tmp_path / "set/definitions").exists()
    card = (tmp_path / "set/README.md").read_text()
    assert "- definitions: it has no rows, so it cannot be loaded." in card
    assert "config_name: definitions" not in card


def test_negatives_of_a_tuple_stand_nearest_first(tmp_path: Path) -> None:
    tables = small_tables()
    write_dataset(tables, tmp_path / "set", details=DETAILS)
    cosines = {(row["anchor"], row["negative"]): row["cos_an"] for row in tables["triplets"].to_dicts()}
    rows = pl.read_parquet(tmp_path / "set/n-tuple").to_dicts()
    gaps = [cosines[row["anchor"], row["negative_1"]] - cosines[row["anchor"], row["negative_2"]] for row in rows]
    assert min(gaps) >= 0
    assert max(gaps) > 0


SIDES = ("positive", "negative")


def test_labelled_pairs_and_scored_lists_hold_every_term_of_an_anchor_once(tmp_path: Path) -> None:
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
    lists = pl.read_parquet(tmp_path / "set/scored-list")
    assert lists.height == triplets.select("split", "anchor").n_unique()
    assert lists["texts"].list.len().sum() == len(wanted)
    assert all(row["scores"] == sorted(row["scores"], reverse=True) for row in lists.to_dicts())


def test_files_name_the_types_of_the_library_that_reads_them(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "set", details=DETAILS)
    schema = pq.read_schema(tmp_path / "set/terms/train-00000-of-00001.parquet")
    assert {str(schema.field(name).type).partition("<")[0] for name in ("term", "forms", "locators", "kept")} == {
        "string",
        "list",
        "bool",
    }


def test_spans_point_at_the_positive(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "set", details=DETAILS)
    full = pl.read_parquet(tmp_path / "set/full/train-*.parquet").filter(~pl.col("masked"))
    assert full.height == 16
    for row in full.iter_rows(named=True):
        assert [row["anchor"][span["start"] : span["end"]] for span in row["spans"]] == [row["positive"]] * 2


def test_a_term_stands_in_the_earliest_split_that_says_it(tmp_path: Path) -> None:
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


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    tables = small_tables()
    write_dataset(tables, tmp_path / "one", details=DETAILS)
    write_dataset({name: table.reverse() for name, table in tables.items()}, tmp_path / "two", details=DETAILS)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_shards_are_bounded_and_whole(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "set", details=DETAILS, max_shard_bytes=1_000)
    shards = sorted((tmp_path / "set/triplet").glob("train-*.parquet"))
    assert [path.name for path in shards] == [f"train-0000{n}-of-00004.parquet" for n in range(4)]
    assert [pl.read_parquet(path).height for path in shards] == [6, 6, 6, 6]
    write_dataset(small_tables(), tmp_path / "whole", details=DETAILS)
    assert pl.read_parquet(tmp_path / "set/triplet/train-*.parquet").equals(
        pl.read_parquet(tmp_path / "whole/triplet/train-*.parquet")
    )


def test_publishing_again_replaces_and_failing_leaves_what_was(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_dataset(small_tables(), folder, details=DETAILS)
    before = files(folder)
    with pytest.raises(RightsError):
        write_dataset(small_tables(unlicensed(ALPHA)), folder, details=DETAILS)
    broken = {**small_tables(), "dropped": pl.DataFrame({"stage": ["mine"]})}
    with pytest.raises(TableError, match="not a tripletkit dropped table"):
        write_dataset(broken, folder, details=DETAILS)
    assert files(folder) == before
    write_dataset(small_tables(ALPHA), folder, details=DETAILS)
    assert not (folder / "triplet/test-00000-of-00001.parquet").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]  # no draft is left behind


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(HubError, match="holds no dataset of tripletkit"):
        write_dataset(small_tables(), tmp_path, details=DETAILS)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    with pytest.raises(HubError, match=r"not a dataset folder of tripletkit \(FileNotFoundError"):
        read_manifest(tmp_path)


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


# Redaction


def everything_said(folder: Path) -> str:
    """Every file as text: read-mes and manifests as they are, tables as their decoded values."""
    tables = [str(pl.read_parquet(path).to_dicts()) for path in sorted(folder.rglob("*.parquet"))]
    others = [path.read_text() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".parquet"]
    return "\n".join(tables + others)


def test_redacted_files_say_nothing_of_the_books(tmp_path: Path) -> None:
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


def test_redacted_set_loads(tmp_path: Path) -> None:
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


def test_unlicensed_text_needs_a_claim_that_the_card_repeats(tmp_path: Path) -> None:
    from dataclasses import replace

    tables = small_tables(unlicensed(ALPHA))
    with pytest.raises(RightsError, match="'The alpha book'"):
        write_dataset(tables, tmp_path / "set", details=DETAILS)
    report = write_dataset(tables, tmp_path / "set", details=replace(DETAILS, have_the_right=True))
    assert report.license == "each-book-its-own"
    assert "they have the right to publish the text of: The alpha book." in (tmp_path / "set/README.md").read_text()


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
