"""Options are what the settings are: name, type, help."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tripletkit import cli
from tripletkit.cli import FLAGS, _field, app, main
from tripletkit.project import Project
from tripletkit.settings import Settings


def options(command: str) -> dict[str, Any]:
    found = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {flag: one for one in found for flag in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (
            "glossary",
            ["--terms", "--bold", "--no-bold", "--headings", "--no-headings", "--automatic", "--list", "--kept"],
        ),
        ("tag", ["--nlp", "--show"]),
        ("mine", ["--hard-negatives", "--random-negatives", "--cross-encoder"]),
        (
            "publish",
            ["--to", "--license", "--redact", "--i-have-the-right", "--fine-tuned", "--push-to-hub", "--dry-run"],
        ),
        ("train", ["--recipe", "--loss", "--margin", "--distance", "--epochs", "--lr", "--batch-size", "--max-steps"]),
        ("train", ["--lora", "--report-to", "--allow-worse", "--push"]),
        ("evaluate", ["--encoder", "--split", "--allow-worse"]),
        ("run", ["--terms", "--license", "--rounds", "--allow-worse", "--random-negatives"]),
        ("split", ["--output", "-o", "--config", "-c", "--encoder", "--rules", "--seed", "--set", "--force", "--json"]),
    ],
)
def test_the_options_have_their_names(command: str, flags: list[str]) -> None:
    assert set(flags) <= set(options(command))


def test_help_is_the_settings_description() -> None:
    (help_,) = {options(command)["--rounds"].help for command in ("run",)}
    assert help_.casefold().startswith((Settings.model_fields["rounds"].description or "").casefold())
    assert help_.endswith("[default: 1]")


def test_every_renamed_flag_is_of_a_setting() -> None:
    for dotted in FLAGS:
        assert _field(dotted).description


class CapturedError(Exception):
    def __init__(self, settings: Settings) -> None:
        self.settings = settings


def settings_of(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that a command would run its stages with."""

    def stop(self: Project, *_: object, **__: object) -> None:
        raise CapturedError(self.settings)

    monkeypatch.setattr(Project, "stages", stop)
    with pytest.raises(CapturedError) as caught:
        main(arguments)
    return caught.value.settings


def test_options_reach_their_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    train = settings_of(["train", "--lr", "1e-4", "--max-steps", "7", "--loss", "mnrl", "--allow-worse"], monkeypatch)
    assert (train.train.learning_rate, train.train.max_steps, train.train.loss) == (1e-4, 7, "mnrl")
    assert train.allow_worse
    glossary = settings_of(["glossary", "--no-bold", "--headings", "--automatic", "5", "--terms", "t.csv"], monkeypatch)
    assert (glossary.glossary.bold, glossary.glossary.headings, glossary.glossary.automatic) == (False, True, 5)
    assert str(glossary.glossary.terms) == "t.csv"
    run = settings_of(["run", "a.pdf", "b.pdf", "--rounds", "2", "-o", "there", "--seed", "4"], monkeypatch)
    assert ([str(book) for book in run.books], run.rounds, str(run.output), run.seed) == (
        ["a.pdf", "b.pdf"],
        2,
        "there",
        4,
    )


def test_a_flag_overrides_set_and_set_overrides_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tripletkit.toml").write_text("seed = 1\n[train]\nmargin = 0.1\nepochs = 1\n")
    found = settings_of(["train", "--set", "train.margin=0.2", "--set", "train.epochs=2", "--epochs", "3"], monkeypatch)
    assert (found.seed, found.train.margin, found.train.epochs) == (1, 0.2, 3)


@pytest.mark.parametrize("command", ["mine", "run"])
@pytest.mark.parametrize("options", [["--set", "mine.hard_negatives=false"], ["--random-negatives"], []])
def test_every_way_of_refusing_hard_negatives_is_heard(
    command: str, options: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_of([command], monkeypatch).mine.hard_negatives
    if not options:
        (tmp_path / "tripletkit.toml").write_text("[mine]\nhard_negatives = false\n")
    assert not settings_of([command, *options], monkeypatch).mine.hard_negatives
    assert settings_of([command, "--hard-negatives"], monkeypatch).mine.hard_negatives


@pytest.mark.parametrize("command", [str(command.name) for command in app.registered_commands])
def test_a_command_only_parses_calls_and_prints(command: str) -> None:
    source = inspect.getsource(getattr(cli, command))
    body = source.split('"""', 2)[2].strip().splitlines()
    assert len(body) <= (16 if command == "publish" else 10)
