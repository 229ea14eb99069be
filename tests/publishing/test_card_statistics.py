from __future__ import annotations

import polars as pl

from tests.publishing.tables import small_tables
from tripletkit.publishing.card_statistics import card_statistics, shingles


def test_a_copied_passage_is_a_leak() -> None:
    tables = small_tables()
    texts = tables["passages"].join(tables["splits"], on="passage_id")
    source = texts.filter(pl.col("split") == "train")["text"][0]
    target = texts.filter(pl.col("split") == "test")["passage_id"][0]
    copied = (
        pl.when(pl.col("passage_id") == target)
        .then(pl.lit(source.upper() + " "))
        .otherwise(pl.col("text"))
        .alias("text")
    )
    before, after = (
        card_statistics(tables).leakage,
        card_statistics({**tables, "passages": tables["passages"].with_columns(copied)}).leakage,
    )
    assert (before["copies"], after["copies"]) == (0, 2)
    assert after["near_copies"] == before["near_copies"] + 1


def test_shingles_by_hand() -> None:
    assert len(shingles("a b c d e f g h i")) == 2  # a–h, b–i
    assert shingles("a b c") == set()
    assert shingles("a b c d e f g h") < shingles("a b c d e f g h i")
