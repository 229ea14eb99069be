from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.publishing.reading import files, loaded
from tests.publishing.tables import ALPHA, CONFIGURATIONS, DETAILS, small_tables, unlicensed
from tripletkit.errors import HubError, RightsError, TableError
from tripletkit.publishing.dataset_folder import read_manifest, write_dataset


@pytest.mark.slow
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


def test_files_have_the_types_that_datasets_writes(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "set", details=DETAILS)
    schema = pq.read_schema(tmp_path / "set/terms/train-00000-of-00001.parquet")
    assert {str(schema.field(name).type).partition("<")[0] for name in ("term", "forms", "locators", "kept")} == {
        "string",
        "list",
        "bool",
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


def test_unlicensed_text_needs_a_claim_that_the_card_repeats(tmp_path: Path) -> None:
    from dataclasses import replace

    tables = small_tables(unlicensed(ALPHA))
    with pytest.raises(RightsError, match="'The alpha book'"):
        write_dataset(tables, tmp_path / "set", details=DETAILS)
    report = write_dataset(tables, tmp_path / "set", details=replace(DETAILS, have_the_right=True))
    assert report.license == "each-book-its-own"
    assert "they have the right to publish the text of: The alpha book." in (tmp_path / "set/README.md").read_text()
