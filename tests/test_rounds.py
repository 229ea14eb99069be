"""Rounds on the book of twenty-one pages with a random encoder; what each scores on validation is given, so that it rises or not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ANY_COSINE
from tripletkit import rounds
from tripletkit.cli import main
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.evaluation.metrics import Metrics
from tripletkit.progress import Progress
from tripletkit.rounds import RoundStore, round_rows, rounds_lines
from tripletkit.settings import TrainSettings
from tripletkit.stage import Job
from tripletkit.stages import train
from tripletkit.store import Store, folder_sha256
from tripletkit.training import trainer
from tripletkit.training.batches import triplet_data
from tripletkit.training.trainer import train as train_encoder

SETTINGS = {
    "train.teacher": "none",
    "train.max_steps": 2,
    "train.batch_size": 4,
    # A row per triplet: no knowledge of passages is needed to train again.
    "train.in_batch_negatives": False,
    **ANY_COSINE,
}
pytestmark = pytest.mark.slow
FLAGS = ["--allow-worse", "--license", "CC-BY-4.0", *(f"--set={name}={value}" for name, value in SETTINGS.items())]
BASE_SCORE = 0.5
Judge = Callable[[Job, EncoderFolder, str], dict[str, Metrics]]


def judge_by_round(values: Mapping[int, float]) -> Judge:
    def judge(job: Job, place: EncoderFolder, split: str) -> dict[str, Metrics]:
        value = values[job.round] if Path(place.name).name == "encoder" else BASE_SCORE
        return {task: {"queries": 100.0, "nDCG@10": value, "MAP": value} for task in ("term→passage", "passage→term")}

    return judge


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what each round's encoder scores."""
    return lambda *values: monkeypatch.setattr(train, "judge", judge_by_round(dict(enumerate(values, start=1))))


@pytest.fixture(scope="module")
def begin(book: Path, tiny_encoder: Path) -> list[str]:
    return ["run", str(book), "--encoder", str(tiny_encoder), *FLAGS]


def run_ok(arguments: list[str], output: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--output", str(output)])
    assert not end.value.code, f"{arguments} ended with {end.value.code}"


@pytest.fixture(scope="module")
def done(begin: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A run of one round, and one that went on to two; both rose.

    It goes on because the last bits of a vector depend on the texts that share its batch, and so on what the first run's
    scores have cached: runs are compared that have the same past.
    """
    folder = tmp_path_factory.mktemp("rounds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "judge", judge_by_round({1: 0.6, 2: 0.7}))
        run_ok([*begin, "--quiet"], folder / "1")
        shutil.copytree(folder / "1", folder / "2")
        run_ok([*begin, "--quiet", "--rounds", "2"], folder / "2")
    return {1: folder / "1", 2: folder / "2"}


@pytest.fixture
def copy_of(done: dict[int, Path], tmp_path: Path) -> Callable[[int], Path]:
    """A copy to spoil."""
    return lambda rounds: Path(shutil.copytree(done[rounds], tmp_path / "output"))


def digests(output: Path) -> dict[str, str]:
    """All that a user takes from the folder, and what is kept of the rounds."""
    files = [*output.glob("*.parquet"), *output.glob("rounds/*/*.parquet"), *output.rglob("validation.json")]
    names = [str(path.relative_to(output)) for path in files] + ["encoder", "dataset", "scores.json"]
    return {name: Store(output).sha(name) for name in sorted(names)}


def reports(capsys: pytest.CaptureFixture[str]) -> dict[str, bool]:
    """Whether each step was fresh, by "stage round"."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return {f"{line['stage']} {line.get('round', '')}".strip(): line["fresh"] for line in lines}


def test_the_second_round_is_mined_by_the_firsts_encoder(done: dict[int, Path], tiny_encoder: Path) -> None:
    first, second = (RoundStore(done[2], number).read("triplets") for number in (1, 2))
    assert set(first["round"]) == {1}
    assert set(first["encoder"]) == {resolve_encoder(str(tiny_encoder)).fingerprint}
    assert set(second["round"]) == {2}
    assert set(second["encoder"]) == {resolve_encoder(str(done[1] / "encoder")).fingerprint}
    assert first.equals(Store(done[1]).read("triplets"))
    assert not first["cos_an"].equals(second["cos_an"])


def test_the_output_folder_is_the_best_rounds(done: dict[int, Path], tiny_encoder: Path, tmp_path: Path) -> None:
    triplets = Store(done[2]).read("triplets")
    assert triplets.equals(RoundStore(done[2], 2).read("triplets"))
    settings = TrainSettings(teacher="none", max_steps=2, batch_size=4, in_batch_negatives=False)
    rows = list(triplets.filter(split="train").select("anchor", "positive", "negative").iter_rows())
    # Its weights are the base encoder's, trained on its own round's triplets.
    train_encoder(
        triplet_data(rows, settings, seed=0),
        resolve_encoder(str(tiny_encoder)),
        tmp_path / "again",
        settings,
        seed=0,
        progress=Progress(quiet=True),
    )
    assert folder_sha256(done[2] / "encoder") == folder_sha256(tmp_path / "again")
    assert folder_sha256(done[2] / "encoder") != folder_sha256(done[1] / "encoder")
    assert list((done[2] / "rounds").rglob("model.safetensors")) == []


def test_the_card_says_who_mined(done: dict[int, Path]) -> None:
    (fingerprint,) = set(Store(done[2]).read("triplets")["encoder"])
    card = (done[2] / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "Mined by `tiny`, fine-tuned on the triplets of an earlier round" in card
    assert f"fingerprint `{fingerprint}`" in card


def test_what_mining_dropped_is_the_best_rounds(done: dict[int, Path]) -> None:
    of_all, of_round = (store.read("dropped") for store in (Store(done[2]), RoundStore(done[2], 2)))
    assert of_all.filter(stage="mine").equals(of_round.filter(stage="mine"))
    assert {"glossary", "mine"} <= set(of_all["stage"])


def test_a_second_run_does_nothing(
    begin: list[str], copy_of: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    output = copy_of(2)
    run_ok([*begin, "--rounds", "2", "--json"], output)
    steps = ["extract", "glossary", "tag", "split", "mine 1", "teach 1", "train 1"]
    steps += ["mine 2", "teach 2", "train 2", "rounds", "publish"]
    assert reports(capsys) == dict.fromkeys([*steps, "evaluate"], True)


def test_stages_by_themselves_find_all_fresh(
    begin: list[str], tiny_encoder: Path, copy_of: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    output = copy_of(2)
    settings = [flag for flag in FLAGS if flag.startswith("--set")] + ["--encoder", str(tiny_encoder), "--json"]
    run_ok(["train", *settings], output)
    run_ok(["publish", "--license", "CC-BY-4.0", *settings], output)
    run_ok(["evaluate", "--allow-worse", *settings], output)
    assert reports(capsys) == {"teach": True, "train": True, "publish": True, "evaluate": True}


def test_a_run_of_one_round_is_the_first(
    begin: list[str],
    done: dict[int, Path],
    copy_of: Callable[[int], Path],
    judged: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged(0.6, 0.7)
    output = copy_of(1)
    run_ok([*begin, "--rounds", "2", "--json"], output)
    told = reports(capsys)
    assert told["mine 1"]
    assert told["train 1"]
    assert not told["mine 2"]
    assert digests(output) == digests(done[2])


def test_a_third_round_is_added_to_two(
    begin: list[str], copy_of: Callable[[int], Path], judged: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    judged(0.6, 0.7, 0.8)
    output = copy_of(2)
    run_ok([*begin, "--rounds", "3", "--json"], output)
    made = {step for step, fresh in reports(capsys).items() if not fresh}
    assert made == {"mine 3", "teach 3", "train 3", "rounds", "publish", "evaluate"}
    assert set(Store(output).read("triplets")["round"]) == {3}


def test_rounds_stop_when_validation_does_not_rise(
    begin: list[str],
    done: dict[int, Path],
    copy_of: Callable[[int], Path],
    judged: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged(0.6, 0.6)
    output = copy_of(1)
    run_ok([*begin, "--rounds", "3"], output)
    told = capsys.readouterr().out
    assert "2 of 3 rounds, round 1 is kept; stopped, as round 2 scored no higher on validation than round 1" in told
    kept = {name: sha for name, sha in digests(output).items() if not name.startswith("rounds")}
    assert kept == digests(done[1])
    assert RoundStore(output, 2).read("triplets").height > 0
    assert RoundStore(output, 2).scores() == {"base": (0.5, 0.5), "fine-tuned": (0.6, 0.6)}
    assert [path.name for path in (output / "rounds").iterdir() if (path / "encoder").exists()] == []
    assert sorted(path.name for path in (output / "rounds").iterdir()) == ["1", "2"]


def test_rounds_stop_when_training_changes_nothing(
    begin: list[str], copy_of: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run_ok([*begin, "--rounds", "3", "--set", "train.learning_rate=1e-12"], copy_of(1))
    told = capsys.readouterr().out
    assert (
        "1 of 3 rounds, round 1 is kept; stopped, as round 1 scored no higher on validation than the base encoder"
        in told
    )


def test_a_kept_round_that_is_worse_than_the_base_encoder_fails(
    begin: list[str], copy_of: Callable[[int], Path], judged: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    judged(0.4)
    strict = [flag for flag in begin if flag != "--allow-worse"]
    with pytest.raises(SystemExit) as end:
        main([*strict, "--rounds", "2", "--output", str(copy_of(1)), "--set", "train.margin=0.1"])
    assert end.value.code == 1
    assert "validation term→passage nDCG@10 0.5000 → 0.4000" in capsys.readouterr().err


def test_a_changed_setting_makes_every_round_again(
    begin: list[str], copy_of: Callable[[int], Path], judged: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    judged(0.4)
    output = copy_of(2)
    run_ok([*begin, "--rounds", "2", "--set", "train.margin=0.1", "--json"], output)
    told = reports(capsys)
    assert told["mine 1"]
    assert not told["train 1"]
    assert not (output / "rounds" / "2").exists()  # it followed from another encoder
    assert set(Store(output).read("triplets")["round"]) == {1}


def test_a_lost_encoder_is_made_again_from_its_rounds_triplets(
    begin: list[str], done: dict[int, Path], copy_of: Callable[[int], Path], judged: Callable[..., None]
) -> None:
    judged(0.6, 0.7)
    output = copy_of(2)
    shutil.rmtree(output / "encoder")
    run_ok([*begin, "--rounds", "2", "--quiet"], output)
    assert digests(output) == digests(done[2])


def test_a_changed_table_of_a_round_is_not_overwritten(
    begin: list[str], copy_of: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    output = copy_of(2)
    store = RoundStore(output, 2)
    store.write("triplets", store.read("triplets").head(3))
    with pytest.raises(SystemExit) as end:
        main([*begin, "--rounds", "2", "--output", str(output)])
    assert end.value.code == 1
    assert f"{store.folder / 'triplets.parquet'} is not what" in capsys.readouterr().err
    assert store.read("triplets").height == 3


class Killed(BaseException):
    """Nothing catches it."""


#: Where a run is ended: the owner of a function, its name, and which of its calls.
POINTS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "mining 2": (Store, "write", lambda store, name, _: name == "triplets" and store.folder.name == "2"),
    "training 2": (trainer, "save", lambda model, place, target, *_: target.parent.name == "2"),
    "moving the encoder": (Path, "rename", lambda path, target: path.name == "encoder" and path.parent.name == "2"),
    "copying the round": (
        rounds,
        "_copy_results",
        lambda stage, source, _: source.folder.name == "2" and stage == "train",
    ),
}


def end_at(point: str, how: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    owner, name, wanted = POINTS[point]
    real = getattr(owner, name)
    patch.setattr(owner, name, lambda *given: how() if wanted(*given) else real(*given))


@pytest.mark.parametrize("point", POINTS)
def test_a_broken_off_run_continues_to_the_same_bytes(
    begin: list[str],
    done: dict[int, Path],
    copy_of: Callable[[int], Path],
    judged: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    point: str,
) -> None:
    def die() -> None:
        raise Killed

    output = copy_of(1)
    judged(0.6, 0.7)
    with pytest.MonkeyPatch.context() as patch:
        end_at(point, die, patch)
        with pytest.raises(Killed):
            main([*begin, "--rounds", "2", "--quiet", "--output", str(output)])
    run_ok([*begin, "--rounds", "2", "--json"], output)
    told = reports(capsys)
    assert told["train 1"]
    assert told["train 2"] == (point in ("moving the encoder", "copying the round"))
    assert digests(output) == digests(done[2])


_KILLED = """
import os, signal, sys
import pytest
from tests import test_rounds
test_rounds.train.judge = test_rounds.judge_by_round({1: 0.6, 2: 0.7})
test_rounds.end_at(sys.argv[1], lambda: os.kill(os.getpid(), signal.SIGKILL), pytest.MonkeyPatch())
test_rounds.main(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_run_continues_to_the_same_bytes(
    begin: list[str], done: dict[int, Path], copy_of: Callable[[int], Path], judged: Callable[..., None]
) -> None:
    output = copy_of(1)
    arguments = [*begin, "--rounds", "2", "--quiet"]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, "moving the encoder", *arguments, "--output", str(output)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (output / "encoder").exists()
    judged(0.6, 0.7)
    run_ok(arguments, output)
    assert digests(output) == digests(done[2])


def test_random_negatives_need_no_rounds(begin: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*begin, "--rounds", "2", "--set", "mine.hard_negatives=false", "--output", str(tmp_path)])
    assert "rounds = 2 with random negatives" in capsys.readouterr().err


def test_the_report_tells_the_rounds(done: dict[int, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run_ok(["report"], done[2])
    head, base, first, second = capsys.readouterr().out.splitlines()[-4:]
    assert head.split()[:4] == ["round", "triplets", "nDCG@10", "MAP"]
    assert base.split() == ["base", "0.500", "0.500"]
    counts = [f"{RoundStore(done[2], number).read('triplets').height:,}" for number in (1, 2)]
    assert first.split() == ["1", counts[0], "0.600", "0.600"]
    assert second.split() == ["2", counts[1], "0.700", "0.700", "kept"]
    assert list(rounds_lines(round_rows(done[1]))) == []
