"""The command on a small book with random encoders: comparing, failing, warning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import make_tiny_encoder
from tripletkit.cli import main

pytestmark = pytest.mark.slow  # they need a book that has been read


@pytest.fixture(scope="module")
def tagged(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that is read, tagged and split, with no encoder of its own yet."""
    output = tmp_path_factory.mktemp("tagged") / "output"
    for command in (["extract", str(book)], ["glossary"], ["tag"], ["split"]):
        assert code([*command, "--output", str(output), "--encoder", str(tiny_encoder), "--quiet"]) == 0
    return output


@pytest.fixture
def output(tagged: Path, tmp_path: Path) -> Path:
    shutil.copytree(tagged, tmp_path / "output")
    return tmp_path / "output"


@pytest.fixture(scope="module")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("other") / "tiny", seed=1)


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_any_encoders_are_compared_with_the_first(
    output: Path, tiny_encoder: Path, other_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoders = ["--encoder", str(tiny_encoder), "--encoder", str(other_encoder)]
    assert code(["evaluate", "--output", str(output), *encoders, "--split", "validation"]) == 0  # better or not
    scores = json.loads((output / "scores.json").read_text())
    assert scores["split"] == "validation"
    assert set(scores["encoders"]) == {str(tiny_encoder), str(other_encoder)}
    assert scores["differences"][str(other_encoder)].keys() == {str(tiny_encoder)}
    assert scores["fusion"]["chosen_on"] == ""  # the validation split itself is scored
    assert scores["promise"] == ""  # of other people's encoders nothing is known
    assert scores["left_out"]["definition→term"] == "no term here has a definition"
    assert scores["leakage"] == 0
    out = capsys.readouterr().out
    assert (
        f"leakage: 0.0% of the {scores['passages']} validation passages have most of their sentences in training" in out
    )
    assert f"  B = {other_encoder}" in out
    assert "term→passage, masked" in out
    assert "definition→term: left out" in out
    assert code(["evaluate", "--output", str(output), *encoders, "--split", "validation"]) == 0
    assert "[fresh, skipped]" in capsys.readouterr().out
    assert code(["evaluate", "--output", str(output), *encoders[:2], *encoders[:2]]) == 1
    assert "is given twice" in capsys.readouterr().err


def test_the_fine_tuned_encoder_must_be_better_than_the_base(
    output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--output", str(output), "--encoder", str(tiny_encoder)]
    assert code(arguments) == 1
    assert "`tripletkit train`, or name two encoders" in capsys.readouterr().err
    shutil.copytree(tiny_encoder, output / "encoder")
    weights = output / "encoder" / "modules.json"
    weights.write_text(weights.read_text() + "\n")  # another fingerprint, the same vectors
    assert code([*arguments, "--set", "seed=1"]) == 0, "over few terms no difference is not a failure"
    scores = json.loads((output / "scores.json").read_text())
    difference = scores["differences"]["fine-tuned"]["base"]["term→passage"]["nDCG@10"]
    assert difference["value"] == 0
    assert scores["better"]
    assert {verdict["outcome"] for verdict in scores["verdicts"]} == {"not significant"}
    assert scores["fusion"]["chosen_on"] == "validation"
    out = capsys.readouterr().out
    assert "you search passages by term, fused with BM25" in out
    assert "weight chosen on validation: base 0." in " ".join(out.split())


def test_a_drop_in_general_similarity_is_a_warning(
    output: Path, tiny_encoder: Path, other_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tripletkit.encoding.encoder import SentenceEncoder
    from tripletkit.encoding.resolve import resolve_encoder
    from tripletkit.evaluation.general import general_similarity
    from tripletkit.progress import Progress

    def value(folder: Path) -> float:
        encoder = SentenceEncoder(resolve_encoder(str(folder)), cache=None, progress=Progress(quiet=True))
        return float(general_similarity(encoder, 0).point[0])

    better, worse = sorted((tiny_encoder, other_encoder), key=value, reverse=True)
    arguments = ["evaluate", "--output", str(output), "--encoder", str(better), "--encoder", str(worse)]
    assert code([*arguments, "--set", "evaluate.max_general_drop=0"]) == 0
    assert (
        f"WARNING: general-domain similarity (Spearman) dropped: catastrophic forgetting in {worse}: "
        in capsys.readouterr().err
    )
    assert code([*arguments, "--set", "evaluate.max_general_drop=0.99"]) == 0
    assert "WARNING" not in capsys.readouterr().err


def test_an_unknown_split_is_refused(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["evaluate", "--output", str(output), "--split", "train"]) == 1
    assert "evaluate.split = 'train': input should be 'validation' or 'test'" in capsys.readouterr().err
