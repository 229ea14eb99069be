"""`doctor` and the first stage load the encoder before any work, and say what it is or why it cannot be used."""

from pathlib import Path

import pytest

from tests.conftest import make_tiny_cross_encoder, make_tiny_encoder
from tests.encoding.layouts import half, prompts
from tests.encoding.test_refused import not_a_number
from tripletkit.cli import main
from tripletkit.encoding.cross_encoder import load_cross_encoder
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import EncoderError
from tripletkit.pdf.workers import Bounds, run_bounded
from tripletkit.stages.extract import FIND_PROBLEM


def output_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    text = capsys.readouterr()
    return end.value.code, text.out + text.err


@pytest.mark.parametrize("command", ["extract", "run"])
def test_an_unsound_encoder_is_refused_before_any_work(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = not_a_number(make_tiny_encoder(tmp_path / "encoder", seed=1))
    arguments = [command, str(book), "--encoder", str(folder), "--output", str(tmp_path / "out")]
    code, text = output_of(arguments, capsys)
    assert code == 1
    assert "hold NaN" in text
    assert not (tmp_path / "out" / "cache").exists()


def test_an_encoder_in_place_of_a_cross_encoder_is_refused_before_any_work(
    book: Path, tmp_path: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(book), "--encoder", str(tiny_encoder), "--set", f"mine.cross_encoder={tiny_encoder}"]
    code, text = output_of([*arguments, "--output", str(tmp_path / "out")], capsys)
    assert code == 1
    assert "without scores, such as an encoder has" in text
    assert not (tmp_path / "out" / "cache").exists()


def test_a_cross_encoder_is_loaded_in_float32_and_must_be_finite(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(make_tiny_cross_encoder(tmp_path / "plain", seed=0)))
    model.half().save_pretrained(str(tmp_path / "half"))
    assert load_cross_encoder(str(tmp_path / "half")).dtype == torch.float32
    next(model.parameters()).data[0, 0] = float("nan")
    model.save_pretrained(str(tmp_path / "nan"))
    with pytest.raises(EncoderError, match="hold NaN"):
        load_cross_encoder(str(tmp_path / "nan"))


@pytest.mark.slow
def test_a_process_of_its_own_finds_the_same_problem(tmp_path: Path) -> None:
    sound = resolve_encoder(str(make_tiny_encoder(tmp_path / "sound", seed=1)))
    broken = resolve_encoder(str(not_a_number(make_tiny_encoder(tmp_path / "broken", seed=1))))
    outcomes = run_bounded(
        FIND_PROBLEM, [(sound, None, None), (broken, None, None)], workers=1, bounds=Bounds(300, 1 << 20)
    )
    found = dict(list(outcomes))
    assert found[0] is None
    assert "hold NaN" in str(found[1])


def test_doctor_says_what_the_encoder_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = half(prompts(make_tiny_encoder(tmp_path / "encoder", seed=1)))
    arguments = ["doctor", "--encoder", str(folder), "--output", str(tmp_path / "out"), "--set", "precision=float32"]
    code, text = output_of(arguments, capsys)
    assert not code
    assert "it was loaded and encodes" in text
    assert "32 dimensions, 128 tokens, cosine similarity, Transformer → Pooling" in text
    assert "prompts in use: query 'roots of ', document 'a layer of '" in text
    assert "saved in float16, held in float32, computed in float32" in text


def test_doctor_fails_on_what_it_cannot_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = not_a_number(make_tiny_encoder(tmp_path / "encoder", seed=1))
    code, text = output_of(["doctor", "--encoder", str(folder), "--output", str(tmp_path / "out")], capsys)
    assert code == 1
    assert "FAIL  encoder: " in text
    assert "hold NaN" in text
