from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publishing.reading import everything_said, loaded
from tests.publishing.tables import ALPHA, BETA, DETAILS, small_tables, unlicensed
from tripletkit.errors import TableError
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.redaction import mask, masked_spans


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
