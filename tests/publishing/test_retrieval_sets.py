from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tests.publishing.reading import everything_said
from tests.publishing.retrieval import KINDS, OMEGA, RETRIEVAL_CONFIGURATIONS, SETS, cited_tables, published, sets_of
from tests.publishing.tables import ALPHA, BETA, DETAILS, small_tables, unlicensed
from tripletkit.evaluation.gold import anchor_passages, build_gold
from tripletkit.evaluation.tasks import HIDDEN, build_tasks
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.fill import fill_dataset
from tripletkit.publishing.retrieval_sets import retrieval_sets


def read(folder: Path, name: str, split: str = "test") -> pl.DataFrame:
    return pl.read_parquet(folder / name / f"{split}-*.parquet")


def test_the_sets_are_the_tasks_of_the_evaluation(tmp_path: Path) -> None:
    tables, folder = cited_tables(), published(tmp_path / "set")
    for split in ("validation", "test"):
        passages = anchor_passages(tables["passages"], tables["splits"], kinds=KINDS, split=split)
        tasks = {task.name: task for task in build_tasks(build_gold(passages, tables["terms"], tables["mentions"]))}
        for name in SETS:
            task = tasks[name.replace("-to-", "→")]
            queries, corpus, qrels = (read(folder, f"{name}-{part}", split) for part in ("queries", "corpus", "qrels"))
            assert queries["text"].to_list() == [text.replace(HIDDEN, "[MASK]") for text in task.queries]
            assert corpus["text"].to_list() == list(task.candidates)
            ids = [of["_id"].to_list() for of in (queries, corpus)]
            relevant = {(ids[0][i], ids[1][j]) for i, j in zip(*task.relevant.nonzero(), strict=True)}
            assert {(query, candidate) for query, candidate, _ in qrels.iter_rows()} == relevant
            assert set(qrels["score"]) == {1}
            assert len(relevant) > len(queries) > 3


def test_ids_are_those_of_the_other_configurations_and_titles_are_empty(tmp_path: Path) -> None:
    folder = published(tmp_path / "set")
    passages, terms = pl.read_parquet(folder / "corpus"), pl.read_parquet(folder / "terms")
    corpus = read(folder, "term-to-passage-corpus").join(passages, left_on="_id", right_on="passage_id")
    assert (corpus["text"] == corpus["text_right"]).all()
    assert corpus.height == 15
    assert set(read(folder, "term-to-passage-corpus")["title"]) == {""}
    queries = read(folder, "term-to-passage-queries").join(terms, left_on="_id", right_on="term_id")
    assert (queries["text"] == queries["term"]).all()
    definitions = read(folder, "definition-to-passage-queries")["text"]
    assert len(set(definitions)) == 4
    assert all(re.fullmatch(r"What the \[MASK\] of example \d work with, and how\.", text) for text in definitions)


def test_only_held_out_passages_are_in_them_and_the_card_counts_them(tmp_path: Path) -> None:
    folder = published(tmp_path / "set")
    assert {path.name for path in (folder / "term-to-passage-qrels").iterdir()} == {
        "validation-00000-of-00001.parquet",
        "test-00000-of-00001.parquet",
    }
    card = (folder / "README.md").read_text()
    for name in RETRIEVAL_CONFIGURATIONS:
        assert f"config_name: {name}\n" in card
        counts = [read(folder, name, split).height for split in ("validation", "test")]
        assert f"| – | {counts[0]} | {counts[1]} |" in next(
            row for row in card.splitlines() if row.startswith(f"| `{name}`")
        )
    assert f"- {', '.join(RETRIEVAL_CONFIGURATIONS)}: no row in train, so there is no such split to load." in card


def test_a_set_without_a_query_is_named_and_left_out(tmp_path: Path) -> None:
    tables = cited_tables()
    tables["terms"] = tables["terms"].with_columns(definition=pl.lit(None, dtype=pl.String))
    report = write_dataset(tables, tmp_path / "set", details=DETAILS, sets=sets_of(tables))
    assert not [name for name in report.rows if name.startswith("definition-to")]
    assert (
        report.notes[-1]
        == "definition-to-passage: no held-out definition has a relevant passage, so there is no such set."
    )
    # No passage of validation is there, and no index cites one of test but the first.
    small = small_tables(BETA)
    assert set(retrieval_sets(small, KINDS, "[MASK]").qrels["split"]) == {"test"}
    assert not retrieval_sets(small_tables(ALPHA), KINDS, "[MASK]").queries.height


def test_other_kinds_of_passage_are_no_candidates() -> None:
    tables = cited_tables()
    aside = pl.when(pl.col("page_first") > 20).then(pl.lit("footnote")).otherwise("kind")
    tables["passages"] = tables["passages"].with_columns(kind=aside)
    corpus = sets_of(tables).corpus.filter(set="term-to-passage", split="test")
    assert set(corpus["_id"]) == set(tables["passages"].filter(pl.col("page_first").is_between(13, 20))["passage_id"])


def test_redacted_sets_hold_no_text_and_are_filled_byte_for_byte(tmp_path: Path) -> None:
    redacted, opened = published(tmp_path / "redacted", redact=True), published(tmp_path / "open")
    said = everything_said(redacted).lower()
    assert not [secret for secret in OMEGA.secrets if secret.lower() in said]
    assert read(redacted, "term-to-passage-corpus").columns == ["_id", "text_sha256"]
    assert read(redacted, "definition-to-passage-queries").columns == ["_id", "masked_spans", "text_sha256"]
    tables = {name: cited_tables()[name] for name in ("passages", "terms")}
    assert fill_dataset(redacted, tables, tmp_path / "filled").unfilled == {}
    for name in RETRIEVAL_CONFIGURATIONS:
        written = [
            {path.name: path.read_bytes() for path in (of / name).iterdir()} for of in (tmp_path / "filled", opened)
        ]
        assert written[0] == written[1], name


def test_what_cannot_be_filled_is_counted_and_keeps_its_labels(tmp_path: Path) -> None:
    redacted, opened = published(tmp_path / "redacted", redact=True), published(tmp_path / "open")
    passages = cited_tables()["passages"]
    lost = read(opened, "term-to-passage-qrels")["corpus-id"][0]
    report = fill_dataset(redacted, {"passages": passages.filter(pl.col("passage_id") != lost)}, tmp_path / "filled")
    assert report.unfilled["definitions"] == 4
    assert report.unfilled["queries"] > 4  # the definitions, in two splits, and at least the passage itself
    assert not [name for name in report.dataset.rows if name.startswith("definition-to")]
    whole, filled = (read(of, "term-to-passage-qrels") for of in (opened, tmp_path / "filled"))
    assert filled.equals(whole.filter(pl.col("corpus-id") != lost))


def test_a_definition_that_differs_is_not_filled(tmp_path: Path) -> None:
    redacted = published(tmp_path / "redacted", redact=True)
    path = redacted / "definition-to-passage-queries/test-00000-of-00001.parquet"
    queries = pl.read_parquet(path)
    queries.with_columns(text_sha256=pl.lit("0" * 64)).write_parquet(path)
    tables = {name: cited_tables()[name] for name in ("passages", "terms")}
    report = fill_dataset(redacted, tables, tmp_path / "filled")
    assert report.unfilled == {"queries": queries.height}
    assert report.dataset.rows["definition-to-passage-queries"].keys() == {"validation"}


def test_a_redacted_dataset_of_an_earlier_version_is_filled_without_sets(tmp_path: Path) -> None:
    tables = small_tables(unlicensed(BETA))
    write_dataset(tables, tmp_path / "redacted", details=DETAILS, redact=True)
    report = fill_dataset(tmp_path / "redacted", tables, tmp_path / "filled")
    assert report.unfilled == {}
    assert not [name for name in report.dataset.rows if "-to-" in name]
