from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.publishing.tables import ALPHA, BETA, CONFIGURATIONS, DETAILS, SCORES, small_tables, unlicensed
from tripletkit.errors import HubError
from tripletkit.publishing.dataset_folder import read_manifest, write_dataset
from tripletkit.publishing.fill import fill_dataset
from tripletkit.reviews import Rates

TABLES = small_tables(unlicensed(ALPHA), unlicensed(BETA))


@pytest.fixture
def redacted(tmp_path: Path) -> Path:
    facts = replace(
        DETAILS,
        scores=SCORES,
        review=Rates({"good": 180, "false negative": 5, "trivial": 15}),
        authors={ALPHA.book_id: "Ann Author"},
    )
    write_dataset(TABLES, tmp_path / "redacted", details=facts, redact=True)
    return tmp_path / "redacted"


def only(book_id: str) -> dict[str, pl.DataFrame]:
    """Passages and terms as somebody who has this one book would extract them."""
    return {name: TABLES[name].filter(pl.col("book_id") == book_id) for name in ("passages", "terms")}


def test_with_all_books_every_configuration_is_as_it_was(redacted: Path, tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "open", details=DETAILS)
    report = fill_dataset(redacted, {name: TABLES[name] for name in ("passages", "terms")}, tmp_path / "filled")
    assert report.unfilled == {}
    for view in CONFIGURATIONS:
        assert pl.read_parquet(tmp_path / "filled" / view).equals(pl.read_parquet(tmp_path / "open" / view)), view
    card = (tmp_path / "filled/README.md").read_text()
    assert "do not pass it on" in card
    # What was measured and who wrote the books is told as before.
    told = (tmp_path / "redacted/README.md").read_text()
    quality = re.compile("## Quality\n.*?(?=\n## )", re.DOTALL)
    assert "0.612 (0.562 to 0.662)" in told
    assert quality.findall(card) == quality.findall(told)
    assert "| The alpha book | Ann Author |" in card
    assert "| mine | said in the passage | 3 |" in card
    assert read_manifest(tmp_path / "filled")["local_only"] is True


def test_with_one_book_the_rest_is_counted(redacted: Path, tmp_path: Path) -> None:
    report = fill_dataset(redacted, only(BETA.book_id), tmp_path / "filled")
    assert report.dataset.rows["triplet"] == {"test": 15}
    assert report.unfilled == {"passages": 10, "terms": 5, "definitions": 4, "triplets": 30}
    assert "not filled: 10 passages, 5 terms, 4 definitions, 30 triplets" in report.summary
    assert "| fill | triplets without text | 30 |" in (tmp_path / "filled/README.md").read_text()


def test_passages_alone_give_the_terms_they_say(redacted: Path, tmp_path: Path) -> None:
    report = fill_dataset(redacted, {"passages": TABLES["passages"]}, tmp_path / "filled")
    assert report.unfilled == {"definitions": 8}  # every term is said somewhere, its definition nowhere
    assert report.dataset.rows["triplet"] == {"train": 24, "validation": 6, "test": 15}
    assert set(pl.read_parquet(tmp_path / "filled/terms")["term"]) == set(TABLES["terms"]["term"])


def test_another_text_under_the_same_id_is_not_taken(redacted: Path, tmp_path: Path) -> None:
    passages = TABLES["passages"]
    forged = passages.with_columns(
        pl.when(pl.col("page_first") == 1).then(pl.lit("forged text")).otherwise(pl.col("text")).alias("text")
    )
    report = fill_dataset(redacted, {"passages": forged, "terms": TABLES["terms"]}, tmp_path / "filled")
    assert report.unfilled == {"passages": 2, "triplets": 6}  # the first page of either book
    assert "forged text" not in str(pl.read_parquet(tmp_path / "filled/full").to_dicts())


def test_an_anchor_must_have_its_hash(redacted: Path, tmp_path: Path) -> None:
    path = redacted / "full/test-00000-of-00001.parquet"
    full = pl.read_parquet(path)
    wrong = pl.when(pl.col("masked")).then(pl.lit("0" * 64)).otherwise(pl.col("anchor_sha256"))
    full.with_columns(wrong.alias("anchor_sha256")).write_parquet(path)
    report = fill_dataset(redacted, TABLES, tmp_path / "filled")
    assert report.unfilled == {"triplets": 5}
    assert report.dataset.rows["triplet"]["test"] == 10


def test_another_book_or_other_settings_are_named(redacted: Path, tmp_path: Path) -> None:
    stranger = TABLES["passages"].with_columns(pl.lit("book_0000").alias("book_id"))
    with pytest.raises(HubError, match=r"^book_0000 is none of the books") as refusal:
        fill_dataset(redacted, {"passages": stranger}, tmp_path / "filled")
    assert "The alpha book" in refusal.value.hint
    named = {"books": TABLES["books"].head(1).with_columns(book_id=pl.lit("book_0000")), "passages": stranger}
    with pytest.raises(HubError, match=r"^(alpha|beta)\.pdf is none of the books"):
        fill_dataset(redacted, named, tmp_path / "filled")
    recut = TABLES["passages"].with_columns((pl.col("passage_id") + "x").alias("passage_id"))
    with pytest.raises(HubError, match="none of its 15 passages came out of the books as they were"):
        fill_dataset(redacted, {"passages": recut}, tmp_path / "filled")
    assert not (tmp_path / "filled").exists()


def test_a_set_with_text_is_not_filled(tmp_path: Path) -> None:
    write_dataset(small_tables(), tmp_path / "open", details=DETAILS)
    with pytest.raises(HubError, match="is not redacted"):
        fill_dataset(tmp_path / "open", {"passages": TABLES["passages"]}, tmp_path / "filled")


def test_a_dataset_of_another_format_is_not_misread(redacted: Path, tmp_path: Path) -> None:
    path = redacted / "tripletkit.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(HubError, match="has format 1, this version of tripletkit reads format 2"):
        fill_dataset(redacted, TABLES, tmp_path / "filled")
