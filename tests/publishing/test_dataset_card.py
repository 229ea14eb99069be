from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import polars as pl
import pytest
from huggingface_hub import DatasetCard

from tests.publishing.tables import ALPHA, BETA, DETAILS, SCORES, Book, small_tables, unlicensed
from tripletkit.publishing.cards import plain
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.negative_checks import Review


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
        review=Review(good=180, false_negative=5, trivial=15),
        scores=SCORES,
        rules="ru1e5",
        libraries={"polars": "2.1.0"},
    )
    # Wilson by hand: n 200, p .025, z 1.96 → (.025 + .009604 ± 1.96 √(.000121875 + .000024010)) / 1.019208
    assert "200 triplets. False negatives 5 (2.5%, 95 % Wilson interval 1.1% to 5.7%), trivial negatives 15" in card
    assert rows_of(card, "task") == {
        "term→passage": ["nDCG@10", "76", "0.580", "0.511 (0.450 to 0.570)", "0.610", "+0.099"],
    }
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
    card = card_of(tmp_path, scores=SCORES, review=Review(1, 0, 0), libraries={"b": "2", "a": "1"})
    assert card == card_of(tmp_path, scores=SCORES, review=Review(1, 0, 0), libraries={"a": "1", "b": "2"})
    assert not re.search(r"\{\{|\}\}\s|\{%|None|\n\n\n", card)
    assert card.endswith("authors.\n")
