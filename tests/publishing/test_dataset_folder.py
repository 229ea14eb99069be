from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from tests.publishing.reading import files, loaded
from tests.publishing.retrieval import RETRIEVAL_CONFIGURATIONS, sets_of
from tests.publishing.tables import ALPHA, BETA, CONFIGURATIONS, DETAILS, SCORES, Book, small_tables, unlicensed
from tripletkit.errors import HubError, RightsError, TableError
from tripletkit.publishing.cards import plain
from tripletkit.publishing.dataset_folder import read_manifest, write_dataset
from tripletkit.reviews import Rates


@pytest.mark.slow
def test_load_dataset_opens_every_configuration(tmp_path: Path) -> None:
    tables = small_tables()
    report = write_dataset(tables, tmp_path / "set", details=DETAILS, sets=sets_of(tables))
    got = loaded(tmp_path / "set", tmp_path / "home")
    configs = got["configs"]
    assert {
        name: {split: len(rows["rows"]) for split, rows in splits.items()} for name, splits in configs.items()
    } == report.rows
    assert set(report.rows) == {*CONFIGURATIONS, *RETRIEVAL_CONFIGURATIONS}
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
        f"{tmp_path / 'set'}: 9 configurations, triplet: train 24, validation 6, test 15; "
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


def card_of(tmp_path: Path, *books: Book, **facts: object) -> str:
    write_dataset(small_tables(*books), tmp_path / "set", details=replace(DETAILS, **facts))  # type: ignore[arg-type]
    return (tmp_path / "set/README.md").read_text(encoding="utf-8")


def metadata_of(card: str) -> dict[str, Any]:
    """The head of a card as the Hub's own library reads it."""
    return dict(DatasetCard(card).data.to_dict())  # type: ignore[no-untyped-call]


def rows_of(card: str, head: str) -> dict[str, list[str]]:
    """The table whose first heading is ``head``, by its first column."""
    block = next(block for block in card.split("\n\n") if block.startswith(f"| {head} |"))
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in block.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def test_hub_reads_the_metadata(tmp_path: Path) -> None:
    data = metadata_of(card_of(tmp_path))
    assert data["license"] == "cc-by-sa-4.0"
    assert (data["language"], data["size_categories"]) == (["en"], ["n<1K"])
    assert "sentence-transformers" in data["tags"]
    assert data["task_categories"] == ["sentence-similarity", "feature-extraction", "text-retrieval"]
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == ["triplet"]
    info = {
        one["config_name"]: {split["name"]: split["num_examples"] for split in one["splits"]}
        for one in data["dataset_info"]
    }
    assert info["triplet"] == {"train": 24, "validation": 6, "test": 15}
    for config in data["configs"]:
        for entry in config["data_files"]:
            paths = sorted((tmp_path / "set").glob(entry["path"]))
            assert sum(pl.read_parquet(path).height for path in paths) == info[config["config_name"]][entry["split"]]


def test_mixed_licences_have_a_name_on_the_hub(tmp_path: Path) -> None:
    data = metadata_of(card_of(tmp_path, ALPHA, unlicensed(BETA, "GFDL")))
    assert (data["license"], data["license_name"]) == ("other", "each-book-its-own")


def test_counts_equal_the_tables(tmp_path: Path) -> None:
    tables, card = small_tables(), card_of(tmp_path)
    passages = tables["passages"].join(tables["splits"], on="passage_id")
    tokens = {row["passage_id"]: row["n_tokens"] for row in passages.to_dicts()}
    counted = rows_of(card, "split")
    for split in ("train", "validation", "test"):
        mine = [row for row in tables["triplets"].to_dicts() if row["split"] == split]
        lengths = (
            [tokens[row["passage_id"]] for row in mine],
            *([len(row[name]) for row in mine] for name in ("positive", "negative")),
        )
        different = [str(len({row[name] for row in mine})) for name in ("anchor", "positive", "negative")]
        assert counted[split] == [
            str(passages.filter(pl.col("split") == split).height),
            str(len(mine)),
            str(sum(row["masked"] for row in mine)),
            *different,
            *(f"{min(some)} / {mean(some):.1f} / {max(some)}" for some in lengths),
        ]


def test_books_rules_and_losses_equal_the_tables(tmp_path: Path) -> None:
    tables, card = small_tables(), card_of(tmp_path, authors={ALPHA.book_id: "Ann Author"})
    books = rows_of(card, "book")
    assert books["The alpha book"] == [
        "Ann Author",
        "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)",
        "10",
        "10",
        "5",
        "30",
        "train, validation",
        f"`{ALPHA.book_id}`",
    ]
    assert books["The beta book"][2:] == ["5", "5", "5", "15", "test", f"`{BETA.book_id}`"]
    rules = rows_of(card, "rule that selected the negative")
    assert {rule: int(n) for rule, (n,) in rules.items()} == dict(tables["triplets"].group_by("rule").len().iter_rows())
    assert rows_of(card, "stage") == {"mine": ["said in the passage", "3"], "glossary": ["stop term", "1"]}


def test_similarities_equal_the_tables(tmp_path: Path) -> None:
    tables, card = small_tables(), card_of(tmp_path)
    medians = re.findall(r"\| test \| anchor and negative \| \S+ \| \S+ \| (\S+) \|", card)
    cosines = tables["triplets"].filter(pl.col("split") == "test")["cos_an"].to_list()
    assert medians == [f"{median(cosines):.3f}"]
    margins = re.findall(r"^\| test \| margin: .*? \| \S+ \| \S+ \| (\S+) \|", card, re.MULTILINE)
    differences = tables["triplets"].filter(split="test").select(pl.col("cos_ap") - pl.col("cos_an")).to_series()
    assert margins == [f"{median(differences.to_list()):.3f}"]


def test_what_the_splits_share_is_counted(tmp_path: Path) -> None:
    checks = rows_of(card_of(tmp_path), "check")
    assert checks["books with passages in more than one split"] == ["1"]
    assert checks["passages that another split has too, word for word"] == ["0"]
    # Alpha's parts 8 and 9 (validation) are parts 3 and 4 (train) but for words 3 and 17 of 17, and six of ten
    # sequences hold neither.
    assert checks["held-out passages that share half of their 8-word sequences with an earlier split"] == ["2"]
    # The term hidden, beta's five passages read like alpha's first five.
    assert checks["anchors in more than one split"] == ["5"]
    assert checks["triplets whose negative no passage of their split mentions"] == [
        "6"
    ]  # validation mentions layer and kernel, not these
    assert checks["distinct positives of validation and test"] == ["7"]
    assert checks["… that are positives of training too"] == ["2"]


def test_details_are_on_the_card(tmp_path: Path) -> None:
    card = card_of(
        tmp_path,
        review=Rates({"good": 180, "false negative": 5, "trivial": 15}, reviewers=2, blind=True, gone=3),
        scores=SCORES,
        rules="ru1e5",
        libraries={"polars": "2.1.0"},
    )
    # Wilson by hand: n 200, p .025, z 1.96 → (.025 + .009604 ± 1.96 √(.000121875 + .000024010)) / 1.019208
    assert "Reviewed by hand: 200 triplets, drawn at random and judged without seeing scores, by 2 reviewers:" in card
    assert rows_of(card, "verdict")["false negative"] == ["5", "2.5%", "1.1% to 5.7%"]
    assert "3 reviewed triplets are no longer in the dataset" in card
    rows = rows_of(card, "ranker")
    assert [*rows] == ["exact match", "BM25", "base", "base + BM25", "base MaxSim", "fine-tuned", "fine-tuned + BM25"]
    both = ["0.612 (0.562 to 0.662)", "0.512 (0.462 to 0.562)"]
    assert rows["fine-tuned"] == both * 2
    assert "The fine-tuned encoder is better than the base encoder." in card
    assert (
        "- you search passages by term, fused with BM25: 0.720 → 0.725, +0.005 \\[-0.010 +0.020\\], not significant"
        in card
    )
    assert "- BM25 alone is ahead of fine-tuned with vectors alone in term→passage: 0.700 against 0.612, +0.088" in card
    assert "**unseen text**, training has seen neither the text of these passages nor their labels." in card
    assert "On the test split (76 terms, 117 passages)" in card
    assert "bootstrap over 14 chapters" in card
    assert "fingerprint `beef`" in card
    for told in (
        "fingerprint `f00d`",
        "`ru1e5`",
        "polars 2.1.0",
        'load_dataset("OWNER/NAME", "triplet")',
        "| `mine.negatives` | `2` |",
    ):
        assert told in card
    plain_card = card_of(tmp_path)
    assert "Nobody has reviewed a sample by hand." in plain_card
    assert "An encoder trained on it" not in plain_card


def test_checked_negatives_equal_the_tables(tmp_path: Path) -> None:
    tables = small_tables()
    # The books' indexes cite page 1 for every term, and each book has one passage there with three triplets.
    assert rows_of(card_of(tmp_path), "a negative that may be a positive") == {
        "the passage mentions the negative, in any of its forms, singular or plural": ["0", "0.00%"],
        "the book's index cites the negative on a page of the passage": ["6", f"{6 / tables['triplets'].height:.2%}"],
        "negative and positive share a form, or one refers to the other": ["0", "0.00%"],
        "any of these": ["6", f"{6 / tables['triplets'].height:.2%}"],
    }


def test_secrets_and_folders_are_not_on_the_card(tmp_path: Path) -> None:
    settings = {"publish.hub_token": "hf_verysecret", "glossary.terms": "/home/ann/terms.csv", "train.max_tokens": 256}
    card_of(tmp_path, settings=settings)
    told = "".join((tmp_path / "set" / name).read_text() for name in ("README.md", "tripletkit.json"))
    assert "terms.csv" in told
    assert "256" in told
    assert "verysecret" not in told
    assert "/home" not in told


def test_titles_cannot_break_the_card(tmp_path: Path) -> None:
    evil = 'Maths | "1 < 2"\n---\nlicense: mit # <script>'
    data = metadata_of(card_of(tmp_path, pretty_name=evil))
    assert (data["pretty_name"], data["license"]) == (evil, "cc-by-sa-4.0")
    assert plain(evil) == 'Maths \\| "1 \\< 2" --- license: mit \\# \\<script\\>'


@pytest.mark.parametrize(
    "value", ["no", "1.0", "2020-01-01", "n<1K", "a: b", "é #", "data/*.parquet", "~", "1e3", "a\nb", "yes"]
)
def test_the_head_of_a_card_keeps_strings(tmp_path: Path, value: str) -> None:
    assert metadata_of(card_of(tmp_path, pretty_name=value))["pretty_name"] == value


def test_equal_content_gives_an_equal_card_and_every_value_is_filled_in(tmp_path: Path) -> None:
    card = card_of(tmp_path, scores=SCORES, review=Rates({"good": 1}), libraries={"b": "2", "a": "1"})
    assert card == card_of(tmp_path, scores=SCORES, review=Rates({"good": 1}), libraries={"a": "1", "b": "2"})
    assert not re.search(r"\{\{|\}\}\s|\{%|None|\n\n\n", card)
    assert card.endswith("authors.\n")
