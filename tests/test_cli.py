import subprocess
import sys
import time
from pathlib import Path

import pytest

from tripletkit.cli import app, main


def out(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    return capsys.readouterr().out


def test_help_answers_in_under_a_second() -> None:
    best = min(_seconds() for _ in range(3))
    assert best < 1.0, f"{best:.2f} s"


def _seconds() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tripletkit", "--help"], check=True, capture_output=True)
    return time.perf_counter() - start


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
            ]
        )
    assert end.value.code == 1
    text = capsys.readouterr().out
    assert "FAIL  margin 5 in euclidean distance can never be met" in text
    assert "bad.pdf: is not a PDF" in text
    assert "ok    encoder: sentence-transformers/all-MiniLM-L6-v2" in text


def test_doctor_warns_of_triplets_that_teach_little(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from tests.training.test_diagnostics import mentions, triplets
    from tripletkit.store import Store

    store = Store(tmp_path)
    store.write("triplets", triplets([{"positive_id": "c"}, {"positive_id": "c", "anchor": "other"}]))
    store.write("mentions", mentions(("p", "c", 0)))
    text = out(["doctor", "--encoder", "embedded", "--output", str(tmp_path)], capsys)
    assert "warn  1 of the 1 negative terms (100.0%) are positives nowhere, such as fjord" in text
    assert "Raise mine.positives" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import tripletkit

    assert out(["--version"], capsys).strip() == tripletkit.__version__


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
