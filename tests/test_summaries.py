"""Terms and passages as they are shown; nothing is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.publishing.tables import ALPHA, small_tables
from tripletkit.cli import main
from tripletkit.store import Store
from tripletkit.summaries import ranges


@pytest.fixture
def output(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    for name, table in small_tables(ALPHA).items():
        if name == "terms":
            table = table.with_columns(kept=table["term"] != "kernel xylophone")
        store.write(name, table)
    return tmp_path


def told(arguments: list[str], capsys: pytest.CaptureFixture[str], *, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code or 0) == code
    both = capsys.readouterr()
    return both.err if code else both.out


def test_terms_are_listed_and_nothing_is_made(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(output.iterdir())
    lines = told(["glossary", "--list", "--output", str(output)], capsys).splitlines()
    assert lines[0].split() == ["term", "forms", "sources", "pages", "kept"]
    assert lines[1].split() == ["epoch", "xylophone", "epochs", "xylophone", "index", "1", "yes"]
    assert len(lines) == 6
    assert sorted(output.iterdir()) == before


def test_only_kept_terms_as_json(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        json.loads(line)
        for line in told(["glossary", "--kept", "--json", "--output", str(output)], capsys).split("\n")[:-1]
    ]
    assert [row["term"].split()[0] for row in rows] == ["epoch", "gradient", "layer", "loss"]
    assert set(rows[0]) == {"term_id", "term", "forms", "sources", "pages", "kept", "reason"}


def test_a_passage_is_shown_with_its_terms(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passage = Store(output).read("passages").row(0, named=True)
    shown = told(["tag", "--show", passage["passage_id"][:12], "--output", str(output)], capsys)
    assert passage["text"] in " ".join(shown.split("\n"))
    given = json.loads(told(["tag", "--show", passage["passage_id"], "--json", "--output", str(output)], capsys))
    assert len(given["mentions"]) == 2
    for mention in given["mentions"]:
        assert passage["text"][mention["start"] : mention["end"]] == mention["surface"] == mention["term"]
        assert f"{mention['start']}–{mention['end']}  {mention['surface']}" in shown


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("zebra", "no passage has an id that begins with 'zebra'"),
        ("", "no passage has an id that begins with ''"),
        ("passage", "10 passages have an id that begins with 'passage'"),
    ],
)
def test_no_one_passage_is_an_error(
    output: Path, capsys: pytest.CaptureFixture[str], wanted: str, message: str
) -> None:
    error = told(["tag", "--show", wanted, "--output", str(output)], capsys, code=1)
    assert message in error


@pytest.mark.parametrize("arguments", [["glossary", "--list"], ["tag", "--show", "p"]])
def test_missing_tables_name_their_command(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = told([*arguments, "--output", str(tmp_path)], capsys, code=1)
    assert "not there yet" in error
    assert "Make it with `tripletkit" in error


def test_pages_in_a_row_become_a_range() -> None:
    assert ranges(["xi", "3", "7", "8", "9", "11", "12"]) == ["xi", "3", "7–9", "11", "12"]
