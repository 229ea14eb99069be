"""Project from Python: from pytest, from a script without a `__main__` guard, and from a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tripletkit
from tests.conftest import ANY_COSINE
from tripletkit import Project
from tripletkit.errors import ConfigError, SourceError, TableError
from tripletkit.project import OWN_PASSAGES, own_passages
from tripletkit.settings import MineSettings

QUICK: dict[str, Any] = {
    "train": {"max_steps": 2, "batch_size": 4},
    "publish": {"license": "CC-BY-4.0"},
    "allow_worse": True,
    **ANY_COSINE,
}


@pytest.fixture(scope="module")
def done(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    output = tmp_path_factory.mktemp("project") / "output"
    project = Project(output, books=[book], encoder=tiny_encoder, **QUICK)
    reports = project.run()
    assert [report.stage for report in reports][:9] == [
        "extract", "glossary", "tag", "split", "mine", "teach", "publish", "train", "evaluate",
    ]  # fmt: skip
    return project


@pytest.mark.slow
def test_tables_dataset_scores_and_encoder(done: Project) -> None:
    triplets = done.table("triplets")
    assert triplets.height > 0
    dataset = done.dataset("triplet")
    assert sum(rows.num_rows for rows in dataset.values()) == triplets.height
    assert set(dataset["train"].column_names) >= {"anchor", "positive", "negative"}
    assert done.scores() is not None
    assert done.encoder().encode(["loam"], show_progress_bar=False).shape == (1, 32)


@pytest.mark.slow
def test_a_stage_that_is_up_to_date_is_skipped_and_prints_nothing(
    done: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    report = done.tag()
    assert report.fresh
    assert "tag " in str(report)
    assert [row["stage"] for row in done.report()][:2] == ["extract", "glossary"]
    assert capsys.readouterr() == ("", "")


def test_settings_by_keyword_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('seed = 1\nbooks = ["b.pdf"]\n[mine]\nnegatives = 2\npositives = 2\n')
    dotted: dict[str, Any] = {"split.by": "pages"}
    project = Project(tmp_path, config=file, mine={"negatives": 5}, **dotted)
    found = project.settings
    assert (found.seed, found.mine.negatives, found.mine.positives, found.split.by) == (1, 5, 2, "pages")
    assert found.books == (tmp_path / "b.pdf",)
    assert Project(mine=MineSettings(negatives=4)).settings.mine.negatives == 4
    assert Project(books="one.pdf").settings.books == (Path("one.pdf"),)
    with pytest.raises(ConfigError, match="Did you mean 'negatives'"):
        Project(mine={"negativs": 1})


def test_what_was_not_made_names_its_command(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(TableError, match="tripletkit mine"):
        project.table("triplets")
    with pytest.raises(ConfigError, match=r"no table is called 'triplet'.*\n.*triplets"):
        project.table("triplet")
    with pytest.raises(TableError, match="tripletkit publish"):
        project.dataset()
    with pytest.raises(TableError, match="tripletkit evaluate"):
        project.scores()
    with pytest.raises(TableError, match="tripletkit train"):
        project.encoder()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        Project(tmp_path / "file")


def test_a_book_that_cannot_be_read_is_raised_when_the_others_are_done(
    book: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    project = Project(tmp_path / "o", books=[tmp_path / "none.pdf", book], encoder=tiny_encoder)
    with pytest.raises(SourceError, match="1 of the books could not be read"):
        project.extract()
    assert project.table("books").height == 1


@pytest.mark.parametrize(
    "given",
    [
        ["one", "two"],
        [{"text": "one"}, {"text": "two"}],
        pl.DataFrame({"text": ["one", "two"]}),
        (text for text in ("one", "two")),
    ],
)
def test_own_passages_are_written_as_json_lines(given: object, tmp_path: Path) -> None:
    lines = own_passages(given).decode().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "one"}, {"text": "two"}]


def test_own_passages_are_a_source_like_a_book(tmp_path: Path) -> None:
    assert Project(tmp_path, passages=["one"]).settings.books == (tmp_path / OWN_PASSAGES,)
    assert Project(tmp_path, passages="chunks.csv", books=["a.pdf"]).settings.books == (
        Path("a.pdf"),
        Path("chunks.csv"),
    )
    assert list(tmp_path.iterdir()) == []  # nothing is written before they are read
    with pytest.raises(ConfigError, match="item 2 is of type int"):
        Project(tmp_path, passages=["one", 2])


_SCRIPT = """
from tripletkit import Project
project = Project({output!r}, books=[{book!r}], encoder={encoder!r})
print(project.extract().counts["passages"])
"""


def run_python(arguments: list[str], script: str, folder: Path) -> str:
    root = str(Path(tripletkit.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, *arguments],
        input=script,
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def script(book: Path, tiny_encoder: Path, tmp_path: Path) -> str:
    return _SCRIPT.format(output=str(tmp_path / "o"), book=str(book), encoder=str(tiny_encoder))


@pytest.mark.slow
def test_a_script_needs_no_main_guard(script: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(script)
    assert int(run_python(["script.py"], "", tmp_path)) > 0


@pytest.mark.slow
def test_a_notebook_has_no_file(script: str, tmp_path: Path) -> None:
    """The cells of a notebook are compiled and executed in a `__main__` that has no file; here they come from a pipe."""
    cell = f"exec(compile({script!r}, '<cell 1>', 'exec'))"
    assert int(run_python(["-"], cell, tmp_path)) > 0


def test_a_test_reads_books_too(book: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    assert Project(tmp_path, books=[book], encoder=tiny_encoder).extract().counts["passages"] > 0
