"""Commands, their errors and exit codes; and options, which are what the settings are: name, type, help."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

import tripletkit
from tripletkit import cli
from tripletkit.cli import FLAGS, _field, app, main
from tripletkit.project import Project
from tripletkit.settings import Settings


def out(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    return capsys.readouterr().out


def test_help_takes_under_half_a_second_of_the_processor() -> None:
    code = "import resource, tripletkit.cli; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    used = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout) for _ in range(3)
    ]
    assert min(used) < 0.5


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "spacy", "sentence_transformers", "datasets", "polars", "pypdfium2", "pdfplumber")
    code = f"import sys, tripletkit.cli; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_every_command_and_option_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    import typer.main

    click = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    assert click.help
    assert all(p.help for p in click.params if p.name not in ("help",)), [
        p.name for p in click.params if not getattr(p, "help", "")
    ]
    assert "Usage" in out([command, "--help"], capsys)


def test_settings_are_printed_with_their_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(["settings", "--set", "mine.negatives=4"], capsys)
    assert "negatives = 4  # negatives per positive" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["settings", "--set", "nonsense"], "expected KEY=VALUE"),
        (["settings", "--set", "mine.negativse=1"], "Did you mean 'negatives'"),
        (["settings", "--config", "nowhere.toml"], "nowhere.toml: no such settings file"),
        (["run", "--output", "nothing-here"], "no book was given"),
        (["report", "--output", "nothing-here"], "nothing was made here yet"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_debug_shows_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tripletkit.errors import SourceError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="no book was given"):
        main(["run", "--debug", "--output", "nothing-here"])


def test_doctor_finds_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"x")
    with pytest.raises(SystemExit) as end:
        main(
            [
                "doctor",
                str(tmp_path / "bad.pdf"),
                "--encoder",
                "embedded",
                "--output",
                str(tmp_path),
                "--set",
                "train.margin=5",
                "--set",
                "train.distance=euclidean",
                "--set",
                "train.teacher=none",
            ]
        )
    assert end.value.code == 1
    text = capsys.readouterr().out
    assert "FAIL  margin 5 in euclidean distance can never be met" in text
    assert "bad.pdf: is not a PDF" in text
    assert "ok    encoder: sentence-transformers/all-MiniLM-L6-v2" in text


def test_doctor_reads_some_pages_of_a_book(
    book: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.stages.test_extract import without_page

    flags = ["--encoder", str(tiny_encoder), "--output", str(tmp_path / "out")]
    text = out(["doctor", str(book), *flags], capsys)
    assert re.search(rf"ok    {book}: 21 pages, 20 of them read as a sample, \d\d passages\n", text)
    torn = without_page(book, 4, tmp_path / "torn.pdf")
    with pytest.raises(SystemExit, match="1"):
        main(["doctor", str(torn), *flags])
    text = capsys.readouterr().out
    assert "FAIL  " in text
    assert "1 page cannot be read (torn.pdf page 4: PDFium cannot load it)\n      The other pages will be read" in text


def test_doctor_warns_of_triplets_that_teach_little(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from tests.training.test_diagnostics import mentions, triplets
    from tripletkit.store import Store

    store = Store(tmp_path)
    store.write("triplets", triplets([{"positive_id": "c"}, {"positive_id": "c", "anchor": "other"}]))
    store.write("mentions", mentions(("p", "c", 0)))
    flags = ["--encoder", "embedded", "--output", str(tmp_path), "--set", "train.teacher=none"]
    text = out(["doctor", *flags], capsys)
    assert "warn  1 of the 1 negatives (100.0%) never occur as a positive, such as fjord" in text
    assert "Raise mine.positives" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert out(["--version"], capsys).strip() == tripletkit.__version__


@pytest.mark.slow
def test_reading_a_book_imports_what_that_needs(book: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    """The process that starts the readers loads no stage but its own, nor PDFium, which is theirs."""
    unused = ("numpy", "pyarrow", "rapidfuzz", "pypdfium2", "sentence_transformers", "tripletkit.stages.mine")
    code = (
        "import sys\nfrom tripletkit.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit as end: assert not end.code\n"
        f"print([name for name in {unused} if name in sys.modules])"
    )
    arguments = ["extract", str(book), "--output", str(tmp_path), "--encoder", str(tiny_encoder), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


COMMANDS = [str(command.name) for command in app.registered_commands]
#: Arguments without which a command is not understood.
NEEDED = {"fill": ["dataset"], "inspect": ["book.pdf", "--page", "1"], "plan": ["10"], "why": ["loam", "p_0"]}


def ended(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        (["--set", "nonsense"], 1, "expected KEY=VALUE"),
        (["--config", "nowhere.toml"], 1, "no such settings file"),
        (["--no-such-option"], 2, "--no-such-option"),
    ],
)
def test_an_error_of_any_command_is_json_if_json_is_asked_for(
    command: str, wrong: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended([command, *NEEDED.get(command, []), *wrong, "--json"]) == code
    captured = capsys.readouterr()
    error = json.loads(captured.out)
    assert set(error) == {"error", "hint"}
    assert message in error["error"]
    assert captured.err == ""


def test_an_error_while_a_stage_runs_is_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["tag", "--output", str(tmp_path), "--json"]) == 1
    error = json.loads(capsys.readouterr().out)
    assert "passages.parquet: not there yet" in error["error"]
    assert "tripletkit extract" in error["hint"]


def test_wrong_options_are_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["train", "--no-such-option"]) == 2
    assert "No such option: --no-such-option" in capsys.readouterr().err


def test_an_output_that_is_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for command in ("run", "report"):
        assert ended([command, "--output", str(tmp_path / "file")]) == 1
        assert "is a file, not a folder" in capsys.readouterr().err
    assert ended(
        ["extract", str(tmp_path / "a.pdf"), "--output", str(tmp_path / "file" / "o"), "--encoder", "embedded"]
    )
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_stream_that_cannot_write_a_sign_gets_a_plain_one(encoding: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONIOENCODING": encoding,
        "PYTHONPATH": str(Path(tripletkit.__file__).parent.parent),
    }
    begin = [sys.executable, "-m", "tripletkit"]
    arguments = ["settings", "--set", 'publish.name="Erdős → 日"']
    done = subprocess.run([*begin, *arguments], check=True, capture_output=True, env=environment, cwd=tmp_path)
    assert 'name = "Erdos -> ?"' in done.stdout.decode(encoding)
    failed = subprocess.run([*begin, "report", "-o", "ő → x"], check=False, capture_output=True, env=environment)
    assert failed.returncode == 1
    assert "error: o -> x: nothing was made here yet" in failed.stderr.decode(encoding)


def test_shell_completion_can_be_installed_and_completes(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(tripletkit.__file__).parent.parent),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    begin = [sys.executable, "-m", "tripletkit"]
    done = subprocess.run(
        [*begin, "--install-completion", "bash"], check=True, capture_output=True, text=True, env=environment
    )
    assert "bash completion installed" in done.stdout
    assert "_TRIPLETKIT_COMPLETE" in (tmp_path / ".bash_completions" / "tripletkit.sh").read_text()
    asked = {"_TRIPLETKIT_COMPLETE": "complete_bash", "COMP_WORDS": "tripletkit ev", "COMP_CWORD": "1"}
    done = subprocess.run(begin, check=True, capture_output=True, text=True, env=environment | asked)
    assert done.stdout.split() == ["evaluate"]


def test_the_disk_and_rights_are_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from tripletkit.project import Project

    for number, message in ((errno.ENOSPC, "the disk is full (a/file)"), (errno.EACCES, "a/file: no right to write")):

        def fail(*_: object, code: int = number, **__: object) -> None:
            raise OSError(code, os.strerror(code), "a/file")

        monkeypatch.setattr(Project, "stages", fail)
        assert ended(["tag"]) == 1
        assert message in capsys.readouterr().err


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
    flags = [
        "--lr",
        "1e-4",
        "--max-steps",
        "7",
        "--loss",
        "mnrl",
        "--teacher",
        "none",
        "--text",
        "train",
        "--allow-worse",
    ]
    train = settings_of(["train", *flags], monkeypatch)
    assert (train.train.learning_rate, train.train.max_steps, train.train.loss) == (1e-4, 7, "mnrl")
    assert (train.train.teacher, train.train.text, train.allow_worse) == ("none", "train", True)
    mixes = [
        settings_of([command, "--blend", of], monkeypatch) for command in ("train", "run") for of in ("0.7", "auto")
    ]
    assert [of.train.blend for of in mixes] == [0.7, "auto"] * 2
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


@pytest.mark.parametrize(
    "arguments",
    ["report --html --to", "inspect a.pdf -p 1 --to", "fill dataset --to", "review --export", "review --import"],
)
def test_an_address_where_only_a_path_can_be_is_refused(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main([*arguments.split(), "s3://bucket/file"])
    assert end.value.code == 2
    assert "s3://bucket/file: this option takes no address" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [str(command.name) for command in app.registered_commands])
def test_a_command_only_parses_calls_and_prints(command: str) -> None:
    source = inspect.getsource(getattr(cli, command))
    body = source.split('"""', 2)[2].strip().splitlines()
    assert len(body) <= (16 if command == "publish" else 10)
