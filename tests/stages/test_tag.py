"""The stage tag by the command line: what it says, what it leaves out and why, and when it runs again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stages.test_glossary import own_passages, run
from tripletkit.errors import ConfigError
from tripletkit.rules import load_rules
from tripletkit.stages.tag import TagSetup, tagger
from tripletkit.store import Store
from tripletkit.tagging import part_of_speech
from tripletkit.tagging.part_of_speech import Pipeline, pipeline_in_words

TEXTS = ["We sort it. They merge it.", "The A* search (see [1]) is “A* search”, an α-helix."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder, own = own_passages(tmp_path / "out", TEXTS), tmp_path / "own.txt"
    own.write_text("sort\nA* search\nalpha helix\ngaol\n")
    assert run(folder, "glossary", "--terms", str(own)) == 0
    return folder


def test_dropped_says_what_is_true(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "tag", "--nlp", "none") == 0
    assert "verbs found by rules alone" in capsys.readouterr().out
    rows = Store(folder).read("dropped").filter(stage="tag").select("related", "reason", "detail").rows()
    assert sorted(rows) == [
        ("gaol", "not mentioned in any passage", "none of its forms occurs in a tagged passage"),
        ("sort", "not mentioned in any passage", "each match of its forms was rejected"),
        ("sort", "used as a verb", "1 matches rejected"),
    ]
    mentions = Store(folder).read("mentions")
    assert mentions["surface"].to_list() == ["A* search", "A* search", "α-helix"]


def test_another_pipeline_or_version_runs_the_stage_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def key() -> object:
        return json.loads((folder / "manifests" / "tag.json").read_text())["key"]["pipeline"]

    assert run(folder, "tag", "--nlp", "none") == 0
    assert key() == "none"
    for version in ("3.8.0", "3.8.1"):
        monkeypatch.setattr("tripletkit.pipeline.find_pipeline", lambda _, held=version: Pipeline("small", held))
        monkeypatch.setattr("tripletkit.stages.tag.find_pipeline", lambda _: None)
        assert run(folder, "tag") == 0
        assert key() == f"small {version}"


def test_a_worker_with_another_pipeline_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletkit.stages.tag.find_pipeline", lambda name: Pipeline(name, "3.8.1"))
    setup = TagSetup(Pipeline("small", "3.8.1"), load_rules(), ("prose",), frozenset(), Store(Path()))
    tagger(setup)
    with pytest.raises(ConfigError, match=r"a node of the cluster has small 3\.8\.1, this machine small 3\.8\.0"):
        tagger(replace(setup, pipeline=Pipeline("small", "3.8.0")))


def test_a_book_that_cannot_be_tagged_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such word")

    monkeypatch.setattr("tripletkit.stages.tag.mention_rows", broken)
    assert run(folder, "tag", "--nlp", "none") == 1
    said = capsys.readouterr()
    assert "tag left this book out: a fault in tripletkit, not in the file (ValueError: no such word" in said.err
    assert Store(folder).dropped("tag")["book refused"] == 1


def test_doctor_says_which_pipeline_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tag.nlp = none; words used as verbs are found by rules alone" in pipeline_in_words("none")
    monkeypatch.setattr(part_of_speech, "KNOWN", ("xx_no_such",))
    assert "none is installed: pip install 'tripletkit[embedded]'" in pipeline_in_words("auto")
