import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.book import CHAPTERS
from tests.training.test_teacher_lists import some_lists
from tripletkit.encoding.encoder import Encoder, SentenceEncoder, Vectors
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError
from tripletkit.progress import Progress
from tripletkit.settings import TrainSettings
from tripletkit.store import folder_sha256
from tripletkit.training import trainer
from tripletkit.training.batches import examples, triplet_data
from tripletkit.training.callbacks import TrainingMonitor
from tripletkit.training.model import model_card
from tripletkit.training.teacher_lists import ListData
from tripletkit.training.trainer import TrainingResult, Validation, train

pytestmark = pytest.mark.slow

TERMS = [(what, term) for terms in CHAPTERS.values() for term, what in terms.items()]
TRIPLETS = [(f"It {what}.", term, other) for what, term in TERMS for _, other in TERMS if other[0] > term[0]]
QUIET = Progress(quiet=True)


def run(encoder: Path, target: Path, validation: Validation | None = None, **settings: Any) -> TrainingResult:  # noqa: ANN401
    """On triplets, or with a teacher on four lists."""
    chosen = TrainSettings(**{"teacher": "none", "batch_size": 8, **settings})
    triplets = triplet_data(TRIPLETS, chosen, seed=0, known=[frozenset[str]()] * len(TRIPLETS))
    data = ListData(some_lists(4), chosen) if chosen.has_teacher else triplets
    place = resolve_encoder(str(encoder))
    return train(data, place, target, chosen, seed=0, progress=QUIET, precision="float32", validation=validation)


def scores_of(*figures: float) -> Validation:
    """A validation with these scores, one per run."""
    said = iter(figures)
    return Validation(lambda _: next(said), 0.5, "key")


def vectors(folder: Path) -> Vectors:
    encoder = SentenceEncoder(resolve_encoder(str(folder)), cache=None, progress=QUIET)
    return encoder.encode([anchor for anchor, _, _ in TRIPLETS[::9]])


def log(target: Path) -> list[dict[str, float]]:
    lines = target.with_name(f"{target.name}.training.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_fine_tuned_encoder_loads_and_differs(tiny_encoder: Path, tmp_path: Path) -> None:
    trained = run(tiny_encoder, tmp_path / "encoder", max_steps=3, learning_rate=1e-3)
    assert trained.steps == 3
    base, fine_tuned = (
        SentenceEncoder(resolve_encoder(str(p)), cache=None, progress=QUIET).encode(["roots"])
        for p in (tiny_encoder, tmp_path / "encoder")
    )
    assert not (base == fine_tuned).all()
    note = json.loads((tmp_path / "encoder" / "tripletkit.json").read_text())
    assert note["base_fingerprint"] == resolve_encoder(str(tiny_encoder)).fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "encoder",
        "encoder.training.jsonl",
    ]  # no draft, no checkpoint


def test_training_raises_the_cosine_margin(tiny_encoder: Path, tmp_path: Path) -> None:
    run(tiny_encoder, tmp_path / "encoder", max_steps=40, learning_rate=5e-3, margin=0.3)

    def gap(folder: Path) -> float:
        encoder = SentenceEncoder(resolve_encoder(str(folder)), cache=None, progress=QUIET)
        anchors, positives, negatives = (encoder.encode([row[i] for row in TRIPLETS]) for i in range(3))
        return float(((anchors * positives).sum(1) - (anchors * negatives).sum(1)).mean())

    assert gap(tmp_path / "encoder") > gap(tiny_encoder) + 0.1


def test_one_seed_gives_equal_weights(tiny_encoder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(tiny_encoder, tmp_path / name, max_steps=3)
    assert folder_sha256(tmp_path / "a") == folder_sha256(tmp_path / "b")


def test_training_brings_the_encoder_near_the_teacher(tiny_encoder: Path, tmp_path: Path) -> None:
    """In the log the KL divergence falls, and so does the share of triplets that violate their margins."""
    trained = run(tiny_encoder, tmp_path / "encoder", teacher="self", epochs=8, learning_rate=5e-3)
    assert trained.steps == 32
    first, *_, last = log(tmp_path / "encoder")
    assert last["kl_divergence"] < 0.5 * first["kl_divergence"]
    assert last["violation_rate"] < first["violation_rate"]
    assert last["loss"] == pytest.approx(last["kl_divergence"], rel=0.05)  # the rest is the triplets'


def test_the_learning_rate_follows_from_the_teacher(tiny_encoder: Path, tmp_path: Path) -> None:
    for teacher, rate in (("self", 5e-5), ("none", 3e-5)):
        target = tmp_path / teacher
        run(tiny_encoder, target, teacher=teacher, max_steps=2, warmup_ratio=0, gradient_accumulation_steps=2)
        recipe = json.loads((target / "tripletkit.json").read_text())["recipe"]
        assert (recipe["learning_rate"], recipe["text"]) == (rate, "own" if teacher == "self" else "train")
        assert log(target)[0]["learning_rate"] == pytest.approx(rate / 2)  # of the second and last step


def test_the_card_says_what_the_scores_hold_for(tiny_encoder: Path, tmp_path: Path) -> None:
    cards = {}
    for text in ("own", "train"):
        run(tiny_encoder, tmp_path / text, teacher="self", text=text, max_steps=1)
        cards[text] = (tmp_path / text / "README.md").read_text()
    assert "KL divergence from the scores of the teacher 'self' (maxsim 1, structure 1, label 3)" in cards["own"]
    assert "1 step of 24 passages × 120 terms, learning rate 5e-05" in cards["own"]
    assert "\nOwn corpus: " in cards["own"]
    assert "\nUnseen text: " in cards["train"]


@pytest.mark.parametrize("teacher", ["none", "self"])
def test_an_interrupted_training_continues_from_its_checkpoint(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: str
) -> None:
    """Of four lists the fifth step is in the second epoch."""
    common: dict[str, Any] = {"teacher": teacher, "max_steps": 6, "epochs": 2, "learning_rate": 1e-3}
    run(tiny_encoder, tmp_path / "whole", **common)
    monkeypatch.setattr(trainer, "CHECKPOINT_STEPS", 2)
    taken: list[int] = []

    def step_or_break(self: TrainingMonitor, *_: object, **__: object) -> None:
        taken.append(1)
        if len(taken) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingMonitor, "on_step_begin", step_or_break)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_encoder, tmp_path / "broken", **common)
    assert not (tmp_path / "broken").exists()
    run(tiny_encoder, tmp_path / "broken", **common)
    assert len(taken) == 5 + 2  # steps 5 and 6 only: four were kept
    assert folder_sha256(tmp_path / "broken") == folder_sha256(tmp_path / "whole")


def test_checkpoints_of_another_training_are_not_continued(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_encoder, tmp_path / "clean", max_steps=4, learning_rate=1e-4)
    monkeypatch.setattr(trainer, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(trainer, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tiny_encoder, tmp_path / "encoder", max_steps=4, learning_rate=1e-2)
    monkeypatch.undo()
    run(tiny_encoder, tmp_path / "encoder", max_steps=4, learning_rate=1e-4)
    assert folder_sha256(tmp_path / "encoder") == folder_sha256(tmp_path / "clean")


def test_rows_too_few_for_the_processes_are_an_error(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the error the library would take no step, silently."""
    monkeypatch.setattr(trainer, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match="fill no batch of 99 for each of 2 processes"):
        run(tiny_encoder, tmp_path / "encoder", batch_size=99)
    assert not list(tmp_path.iterdir())


def test_the_card_names_the_base_and_shows_no_text(tiny_encoder: Path) -> None:
    card = model_card(resolve_encoder("embedded"), TrainSettings().model_dump(), 5)
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in card
    assert not any(anchor in card for anchor, _, _ in TRIPLETS)


def test_the_loss_of_the_model_cards_recipe_never_becomes_small(tiny_encoder: Path, tmp_path: Path) -> None:
    """Margin 5 in Euclidean distance: at least 3 whatever the encoder does."""
    assert run(tiny_encoder, tmp_path / "encoder", max_steps=2, distance="euclidean", margin=5.0).loss >= 3


def test_mnrl_masks_known_terms(steady_encoder: Path, tmp_path: Path) -> None:
    """Every term known for every anchor leaves a row its own triplets: a softmax of its positive and its negatives."""
    place = resolve_encoder(str(steady_encoder))
    settings = TrainSettings(teacher="none", batch_size=len(TRIPLETS), loss="mnrl", learning_rate=1e-9, max_steps=1)
    everything = [frozenset(term for _, term in TERMS)] * len(TRIPLETS)
    losses = [
        train(
            triplet_data(TRIPLETS, settings, seed=0, known=known),
            place,
            tmp_path / "encoder",
            settings,
            seed=0,
            progress=QUIET,
            precision="float32",
        ).loss
        for known in (everything, None)
    ]
    encoder = SentenceEncoder(place, cache=None, progress=QUIET, precision="float32")
    odds = []
    for row in examples(TRIPLETS, None, None, settings):
        anchor, *terms = encoder.encode([row.anchor, row.positive, *row.negatives])
        odds.append(np.exp(20 * (np.array(terms) @ anchor)))
    assert losses[0] == pytest.approx(np.mean([-np.log(of[0] / of.sum()) for of in odds]), abs=1e-3)
    assert losses[1] > losses[0] + 1


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 4, "gradient_accumulation_steps": 2, "in_batch_negatives": False},
        {"gradient_checkpointing": True},
        {"loss": "mnrl", "mini_batch_size": 3},
        {"gradient_checkpointing": True, "teacher": "self"},
    ],
    ids=str,
)
def test_settings_that_save_memory_do_not_change_the_weights(
    steady_encoder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    common: dict[str, Any] = {"max_steps": 3, "learning_rate": 1e-3, "margin": 1.0}
    common |= {name: settings[name] for name in ("teacher", "loss", "in_batch_negatives") if name in settings}
    run(steady_encoder, tmp_path / "plain", **common)
    run(steady_encoder, tmp_path / "saving", **{**common, **settings})
    plain, saving, base = (vectors(folder) for folder in (tmp_path / "plain", tmp_path / "saving", steady_encoder))
    assert np.abs(plain - saving).max() < 0.01 * np.abs(plain - base).max()


@pytest.fixture(scope="module")
def steady_encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder without dropout, which would draw differently for other batches."""
    folder = tmp_path_factory.mktemp("steady") / "encoder"
    shutil.copytree(tiny_encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0})
    )
    return folder


def test_the_best_checkpoint_is_saved(tiny_encoder: Path, tmp_path: Path) -> None:
    common = {"max_steps": 6, "eval_steps": 2, "learning_rate": 1e-3}
    trained = run(tiny_encoder, tmp_path / "best", scores_of(0.6, 0.9, 0.7), **common)
    assert (trained.steps, trained.saved_step) == (6, 4)
    last = run(tiny_encoder, tmp_path / "last", scores_of(0.6, 0.9, 0.7), keep_best=False, **common)
    assert (last.steps, last.saved_step) == (6, 6)
    assert not np.allclose(vectors(tmp_path / "best"), vectors(tmp_path / "last"), atol=1e-5)
    assert [(row["step"], row["eval_ndcg"]) for row in log(tmp_path / "best") if "eval_ndcg" in row] == [
        (0, 0.5),
        (2, 0.6),
        (4, 0.9),
        (6, 0.7),
    ]
    assert json.loads((tmp_path / "best" / "tripletkit.json").read_text())["steps"] == 4


def test_the_last_checkpoint_near_the_best_is_kept_until_the_end(tiny_encoder: Path, tmp_path: Path) -> None:
    """Step 4 is neither the best one nor the last."""
    near = replace(scores_of(0.9, 0.88, 0.7, 0.6), error=0.03)
    trained = run(tiny_encoder, tmp_path / "kept", near, max_steps=8, eval_steps=2, patience=2, learning_rate=1e-3)
    assert (trained.steps, trained.saved_step) == (8, 4)
    run(tiny_encoder, tmp_path / "short", max_steps=8, eval_steps=2, learning_rate=1e-3)
    assert not np.allclose(vectors(tmp_path / "kept"), vectors(tmp_path / "short"), atol=1e-5)


def test_training_stops_when_patience_ends(tiny_encoder: Path, tmp_path: Path) -> None:
    figures = scores_of(0.9, 0.8, 0.7)
    trained = run(tiny_encoder, tmp_path / "encoder", figures, max_steps=20, eval_steps=1, patience=2)
    assert (trained.steps, trained.saved_step) == (3, 1)


def test_the_log_has_loss_cosine_margin_and_violation_rate(tiny_encoder: Path, tmp_path: Path) -> None:
    trained = run(tiny_encoder, tmp_path / "encoder", max_steps=12, learning_rate=5e-3, margin=0.5)
    rows = log(tmp_path / "encoder")
    assert [row["step"] for row in rows] == [10, 12]
    assert all(0 <= row["violation_rate"] <= 1 for row in rows)
    assert rows[1]["cosine_margin"] > rows[0]["cosine_margin"]
    assert trained.loss == pytest.approx((10 * rows[0]["loss"] + 2 * rows[1]["loss"]) / 12)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training.test_trainer import judged, run
from tripletkit.training import callbacks, trainer
trainer.CHECKPOINT_STEPS = 2
point, encoder, target = sys.argv[1:]
if point == "save":
    trainer.save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
else:
    def step_or_die(self, args, state, control, **_):
        if state.global_step == int(point):
            os.kill(os.getpid(), signal.SIGKILL)
    callbacks.TrainingMonitor.on_step_begin = step_or_die
judged(Path(encoder), Path(target))
"""


def judged(encoder: Path, target: Path) -> TrainingResult:
    """Eight steps and a validation run every third; the score falls as the encoder changes, so the first run is the best."""
    start = vectors(encoder)

    def likeness(live: Encoder) -> float:
        return float((live.encode([anchor for anchor, _, _ in TRIPLETS[::9]]) * start).sum())

    return run(
        encoder, target, Validation(likeness, 1.0, "key"), max_steps=8, eval_steps=3, patience=2, learning_rate=1e-2
    )


@pytest.mark.slow
@pytest.mark.parametrize("point", ["4", "save"])
def test_a_killed_training_ends_with_equal_weights_and_log(
    tiny_encoder: Path, tmp_path: Path, whole: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between validation runs, and after the last one, before the encoder is saved."""
    target = tmp_path / "killed"
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, point, str(tiny_encoder), str(target)], check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    monkeypatch.setattr(trainer, "CHECKPOINT_STEPS", 2)
    judged(tiny_encoder, target)
    assert folder_sha256(target) == folder_sha256(whole)
    assert log(target) == log(whole)


@pytest.fixture(scope="module")
def whole(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("whole") / "encoder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_STEPS", 2)
        trained = judged(tiny_encoder, target)
    assert (trained.steps, trained.saved_step) == (8, 3)
    return target


@pytest.mark.parametrize("teacher", ["none", "self"])
def test_lora_leaves_a_folder_that_needs_no_peft(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: str
) -> None:
    run(tiny_encoder, tmp_path / "encoder", teacher=teacher, lora_rank=4, max_steps=3, learning_rate=1e-2)
    monkeypatch.setitem(sys.modules, "peft", None)
    assert not np.allclose(vectors(tmp_path / "encoder"), vectors(tiny_encoder), atol=1e-3)
    names = {p.relative_to(tiny_encoder) for p in tiny_encoder.rglob("*")}
    made = {p.relative_to(tmp_path / "encoder") for p in (tmp_path / "encoder").rglob("*")}
    assert made == names | {Path("tripletkit.json"), Path("README.md")}


def test_lora_saves_the_merged_weights_of_the_best_checkpoint(steady_encoder: Path, tmp_path: Path) -> None:
    """The vectors of the best validation run are those of the saved folder."""
    seen: list[Vectors] = []
    figures = iter([0.6, 0.9, 0.7])

    def judge(encoder: Encoder) -> float:
        seen.append(encoder.encode([anchor for anchor, _, _ in TRIPLETS[::9]]))
        return next(figures)

    validation = Validation(judge, 0.5, "key")
    run(steady_encoder, tmp_path / "encoder", validation, lora_rank=4, max_steps=6, eval_steps=2, learning_rate=1e-2)
    found = vectors(tmp_path / "encoder")
    assert np.allclose(found, seen[1], atol=1e-4)
    assert not np.allclose(found, seen[2], atol=1e-4)


@pytest.mark.slow
def test_tensorboard_gets_every_value(tiny_encoder: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tiny_encoder, tmp_path / "encoder", scores_of(0.6), max_steps=3, report_to="tensorboard")
    events = EventAccumulator(str(tmp_path / "encoder.tensorboard"))
    events.Reload()
    assert {"train/loss", "train/cosine_margin", "train/violation_rate", "eval/ndcg"} <= set(events.Tags()["scalars"])
    assert [event.value for event in events.Scalars("eval/ndcg")] == pytest.approx([0.6])


def test_a_logger_that_is_not_installed_is_an_error(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.report_to = 'wandbb': not installed"):
        run(tiny_encoder, tmp_path / "encoder", report_to="wandbb")


def test_of_a_teachers_folder_the_note_has_only_the_name(tmp_path: Path) -> None:
    (tmp_path / "teacher").mkdir()
    given = {str(tmp_path / "teacher"): "teacher", "cross-encoder/ms-marco-MiniLM-L6-v2": None, "self": None}
    for teacher, name in given.items():
        assert trainer._recipe(TrainSettings(teacher=teacher), None)["teacher"] == (name or teacher)
