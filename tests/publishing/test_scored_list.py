"""The teacher's lists as a configuration: what is in it, what a redacted one holds, and that the documented code trains with it."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from tests.publishing.reading import everything_said
from tests.publishing.tables import ALPHA, BETA, DETAILS, small_tables, unlicensed
from tripletkit.errors import RightsError, TableError
from tripletkit.publishing.configs import TEACHER_SCORES
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.fill import fill_dataset
from tripletkit.schemas import TEACHER, make_table

DOCS = Path(__file__).parents[2] / "docs"


def with_teacher(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """A list for each book: its passages and terms, with scores that tell the places of both."""
    rows = []
    for number, book_id in enumerate(sorted(tables["books"]["book_id"])):
        term_ids = tables["terms"].filter(book_id=book_id)["term_id"].to_list()
        for i, passage_id in enumerate(sorted(tables["passages"].filter(book_id=book_id)["passage_id"])):
            scores = {name: [i + j / 10 for j in range(len(term_ids))] for name in TEACHER_SCORES}
            row = {"list": number, "passage_id": passage_id, "term_ids": term_ids}
            rows.append({**row, "positive_id": None, "negative_id": None, **scores})
    return {**tables, "teacher": make_table(TEACHER, rows)}


def rows_of(folder: Path) -> pl.DataFrame:
    files = sorted((folder / "scored-list").iterdir())
    return pl.concat(pl.read_parquet(file).with_columns(split=pl.lit(file.name.split("-")[0])) for file in files)


def test_a_row_is_a_passage_of_a_list_in_its_split_with_the_scores_of_its_terms(tmp_path: Path) -> None:
    tables = with_teacher(small_tables())
    report = write_dataset(tables, tmp_path / "set", details=DETAILS)
    found = rows_of(tmp_path / "set")
    assert found.height == tables["teacher"].height == sum(report.rows["scored-list"].values())
    texts, names, splits = (
        dict(tables[table].select(key, value).iter_rows())
        for table, key, value in (
            ("passages", "passage_id", "text"),
            ("terms", "term_id", "term"),
            ("splits", "passage_id", "split"),
        )
    )
    by_key = {(row["list"], row["passage_id"]): row for row in tables["teacher"].to_dicts()}
    for row in found.to_dicts():
        wanted = by_key[row["list"], row["passage_id"]]
        assert row["anchor"] == texts[row["passage_id"]]
        assert row["texts"] == [names[term_id] for term_id in wanted["term_ids"]]
        assert row["split"] == splits[row["passage_id"]]
        assert {name: row[name] for name in TEACHER_SCORES} == {name: wanted[name] for name in TEACHER_SCORES}
    assert "| `scored-list` |" in (tmp_path / "set/README.md").read_text()


@pytest.mark.parametrize("tables", [small_tables(), {**small_tables(), "teacher": make_table(TEACHER, [])}])
def test_there_is_none_without_a_teacher(tmp_path: Path, tables: dict[str, pl.DataFrame]) -> None:
    report = write_dataset(tables, tmp_path / "set", details=DETAILS)
    assert "scored-list" not in report.rows
    assert not (tmp_path / "set/scored-list").exists()


def test_it_needs_the_rights_of_the_other_texts(tmp_path: Path) -> None:
    tables = with_teacher(small_tables(unlicensed(ALPHA), BETA))
    with pytest.raises(RightsError):
        write_dataset(tables, tmp_path / "set", details=DETAILS)


def test_scores_of_unknown_terms_are_refused(tmp_path: Path) -> None:
    tables = with_teacher(small_tables())
    strange = pl.col("term_ids").list.concat(pl.lit(["nobody"]))
    with pytest.raises(TableError, match="teacher: term_ids 'nobody' is not in terms"):
        write_dataset({**tables, "teacher": tables["teacher"].with_columns(strange)}, tmp_path / "set", details=DETAILS)


def test_redacted_it_has_ids_and_scores_and_is_filled_again(tmp_path: Path) -> None:
    tables = with_teacher(small_tables(unlicensed(ALPHA), unlicensed(BETA)))
    write_dataset(tables, tmp_path / "set", details=DETAILS, redact=True)
    assert set(rows_of(tmp_path / "set").columns) == {"list", "passage_id", "term_ids", *TEACHER_SCORES, "split"}
    said = everything_said(tmp_path / "set").lower()
    assert [secret for book in (ALPHA, BETA) for secret in book.secrets if secret in said] == []
    report = fill_dataset(tmp_path / "set", tables, tmp_path / "filled")
    assert not report.unfilled
    write_dataset(with_teacher(small_tables()), tmp_path / "open", details=DETAILS)
    assert rows_of(tmp_path / "filled").equals(rows_of(tmp_path / "open"))


def test_lists_with_a_term_that_cannot_be_filled_are_left_out_and_counted(tmp_path: Path) -> None:
    tables = with_teacher(small_tables(unlicensed(ALPHA), unlicensed(BETA)))
    write_dataset(tables, tmp_path / "set", details=DETAILS, redact=True)
    alpha = pl.col("book_id") == ALPHA.book_id
    # "kernel" of ALPHA is in no glossary now, and no passage of ALPHA that is left mentions it.
    known = {**tables, "terms": tables["terms"].filter(~(alpha & pl.col("term").str.starts_with("kernel")))}
    known["passages"] = tables["passages"].filter(~(alpha & pl.col("text").str.contains("kernel")))
    report = fill_dataset(tmp_path / "set", known, tmp_path / "filled")
    assert report.unfilled["rows of scored lists"] == len(ALPHA.splits)
    assert rows_of(tmp_path / "filled").height == len(BETA.splits)


@pytest.mark.parametrize("loss", ["DistillKLDivLoss", "MarginMSELoss"])
def test_the_documented_code_trains_with_it(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    write_dataset(with_teacher(small_tables()), tmp_path / "set", details=DETAILS)
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "teachers.md").read_text(encoding="utf-8"), re.DOTALL)
    for name, ours in {
        '"output/dataset"': repr(str(tmp_path / "set")),
        'split="train")': f'split="train", cache_dir={str(tmp_path / "cache")!r})',
        '"sentence-transformers/all-MiniLM-L6-v2"': f'{str(tiny_encoder)!r}, device="cpu"',
        "TERMS = 16": "TERMS = 3",
        "num_train_epochs=1": "max_steps=1, report_to=[], use_cpu=True, save_strategy='no', disable_tqdm=True",
        "DistillKLDivLoss": loss,
    }.items():
        assert name in code
        code = code.replace(name, ours)
    monkeypatch.chdir(tmp_path)
    run: dict[str, object] = {}
    exec(code, run)
    trainer, first = run["trainer"], run["lists"].map(run["as_columns"])[0]  # type: ignore[attr-defined]
    assert trainer.state.global_step == 1  # type: ignore[attr-defined]
    assert trainer.state.log_history[-1]["train_loss"] > 0  # type: ignore[attr-defined]
    assert first["label"] == sorted(first["over_terms"], reverse=True)[:3]
    assert [first["text_0"], first["text_1"]] == [first["texts"][-1], first["texts"][-2]]
