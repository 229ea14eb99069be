from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publishing.tables import small_tables
from tripletkit.errors import SourceError
from tripletkit.publishing.card_statistics import (
    Review,
    card_statistics,
    negative_checks,
    read_review,
    review_sample,
    wilson,
)
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


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(counts: tuple[int, int]) -> None:
    hits, sample = counts
    low, high = wilson(hits, sample)
    assert 0 <= low <= hits / sample + 1e-12
    assert hits / sample - 1e-12 <= high <= 1


def test_a_review_counts_the_verdicts_on_these_triplets(tmp_path: Path) -> None:
    rows = [("a", "good"), ("b", "false negative"), ("c", "trivial"), ("gone", "good"), ("b", "good"), ("d", "")]
    path = tmp_path / "review.jsonl"
    path.write_text("\n".join(json.dumps({"triplet_id": one, "verdict": verdict}) for one, verdict in rows) + "\n\n")
    assert read_review(path, {"a", "b", "c", "d"}) == Review(good=2, false_negative=0, trivial=1)
    assert read_review(path, {"x"}) is None
    assert read_review(tmp_path / "none.jsonl", {"a"}) is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"triplet_id": "a"}', "line 2: verdict: Field required"),
        ("[1]", "line 2: .*object"),
        ("good", "line 2: .*Invalid JSON"),
        ('{"triplet_id": "a", "verdict": "fine"}', "line 2: verdict: .*'good', 'false negative' or 'trivial'.*fine"),
    ],
)
def test_a_bad_review_names_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "review.jsonl"
    path.write_text(f'{{"triplet_id": "a", "verdict": "good"}}\n{line}\n')
    with pytest.raises(SourceError, match=problem):
        read_review(path, {"a"})


def test_a_sample_can_be_filled_in_and_read(tmp_path: Path) -> None:
    triplets = small_tables()["triplets"]
    lines = [json.loads(line) for line in review_sample(triplets, 7, seed=3)]
    assert len({line["triplet_id"] for line in lines}) == 7
    assert lines == [json.loads(line) for line in review_sample(triplets.reverse(), 7, seed=3)]
    path = tmp_path / "review.jsonl"
    path.write_text("\n".join(json.dumps({**line, "verdict": "trivial"}) for line in lines))
    assert read_review(path, set(triplets["triplet_id"])) == Review(0, 0, 7)
