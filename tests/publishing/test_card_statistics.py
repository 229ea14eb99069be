from __future__ import annotations

import polars as pl

from tests.publishing.tables import small_tables
from tripletkit.publishing.card_statistics import card_statistics, negative_checks
from tripletkit.schemas import LOCATORS


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


Tables = dict[str, pl.DataFrame]


def changed(table: str, column: str, value: pl.Expr) -> Tables:
    tables = small_tables()
    return {**tables, table: tables[table].with_columns(value.alias(column))}


def test_a_negative_that_the_passage_says_is_found() -> None:
    # Alpha's by another form and in capitals, beta's with a hyphen.
    tables = changed("passages", "text", pl.col("text") + " Gradients XYLOPHONE, gradient-quicksilver.")
    said = tables["triplets"].filter(pl.col("negative").str.starts_with("gradient ")).height
    checks = negative_checks(tables)
    assert (checks.mentioned, checks.triplets) == (said, tables["triplets"].height)
    assert said > 0


def test_an_acronym_is_not_a_small_word() -> None:
    forms = pl.when(pl.col("term").str.starts_with("gradient")).then(pl.lit(["IT"])).otherwise(pl.lit(["other"]))
    tables = changed("terms", "forms", forms)
    small = {**tables, "passages": tables["passages"].with_columns(pl.col("text") + " it is")}
    large = {**tables, "passages": tables["passages"].with_columns(pl.col("text") + " IT is")}
    assert negative_checks(small).mentioned == 0
    assert negative_checks(large).mentioned > 0


def test_a_cited_range_counts_whole() -> None:
    tables = small_tables()
    ranges = pl.Series([[{"label": "2", "page": 2, "range_end": "4"}]] * tables["terms"].height, dtype=LOCATORS)
    tables["terms"] = tables["terms"].with_columns(locators=ranges)
    pages = tables["triplets"].join(tables["passages"], on="passage_id")["page_first"]
    assert negative_checks(tables).cited == sum(2 <= page <= 4 for page in pages) > 0


def test_terms_that_refer_to_each_other_are_joined() -> None:
    tables = small_tables()
    gradient = tables["terms"].filter(pl.col("term").str.starts_with("gradient"))["term_id"].to_list()
    refers = {**tables, "terms": tables["terms"].with_columns(see_also=pl.lit(gradient))}
    touched = tables["triplets"].filter(pl.col("negative").str.starts_with("gradient")).height
    # Terms refer to both books' gradients; of gradient as a positive the negatives refer back.
    touched += tables["triplets"].filter(pl.col("positive").str.starts_with("gradient")).height
    assert negative_checks(refers).related == touched
    shared = {**tables, "terms": tables["terms"].with_columns(forms=pl.lit(["the same"]))}
    assert negative_checks(shared).related == tables["triplets"].height


def test_objections_to_one_triplet_count_once() -> None:
    tables = changed("terms", "forms", pl.lit(["the same"]))
    checks = negative_checks({**tables, "passages": tables["passages"].with_columns(pl.col("text") + " the same")})
    assert checks.mentioned == checks.related == checks.any_check == checks.triplets
