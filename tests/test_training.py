import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.book import CHAPTERS
from tripletkit import training
from tripletkit.config import SEED_RECIPE, TrainSettings
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.locate import locate_encoder
from tripletkit.progress import Progress
from tripletkit.store import folder_sha256
from tripletkit.training import Trained, margin_problem, model_card, planned_steps, train

TERMS = [(what, term) for terms in CHAPTERS.values() for term, what in terms.items()]
TRIPLETS = [(f"It {what}.", term, other) for what, term in TERMS for _, other in TERMS if other[0] > term[0]]
QUIET = Progress(quiet=True)


def run(encoder: Path, target: Path, **settings: Any) -> Trained:  # noqa: ANN401
    return train(
        TRIPLETS, locate_encoder(str(encoder)), target, TrainSettings(batch_size=8, **settings), seed=0, progress=QUIET
    )


@pytest.mark.parametrize(
    ("triplets", "settings", "steps"),
    [
        (160, {}, 10),
        (161, {}, 11),
        (160, {"epochs": 3}, 30),
        (160, {"epochs": 0.5}, 5),
        (160, {"max_steps": 4}, 4),
        (3, {}, 1),
    ],
)
def test_steps(triplets: int, settings: dict[str, Any], steps: int) -> None:
    assert planned_steps(triplets, TrainSettings(**settings)) == steps


def test_a_margin_that_unit_vectors_cannot_meet_is_told() -> None:
    assert margin_problem(TrainSettings()) is None
    assert "at most 2 apart" in (margin_problem(TrainSettings(**SEED_RECIPE)) or "")


def test_the_tuned_encoder_loads_and_differs(tiny_encoder: Path, tmp_path: Path) -> None:
    trained = run(tiny_encoder, tmp_path / "encoder", max_steps=3, learning_rate=1e-3)
    assert trained.steps == 3
    base, tuned = (
        SentenceEncoder(locate_encoder(str(p)), cache=None, progress=QUIET).encode(["roots"])
        for p in (tiny_encoder, tmp_path / "encoder")
    )
    assert not (base == tuned).all()
    note = json.loads((tmp_path / "encoder" / "tripletkit.json").read_text())
    assert note["base_fingerprint"] == locate_encoder(str(tiny_encoder)).fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["encoder"]  # no draft, no checkpoint


def test_training_brings_positives_nearer_than_negatives(tiny_encoder: Path, tmp_path: Path) -> None:
    run(tiny_encoder, tmp_path / "encoder", max_steps=40, learning_rate=5e-3, margin=0.3)

    def gap(folder: Path) -> float:
        encoder = SentenceEncoder(locate_encoder(str(folder)), cache=None, progress=QUIET)
        anchors, positives, negatives = (encoder.encode([row[i] for row in TRIPLETS]) for i in range(3))
        return float(((anchors * positives).sum(1) - (anchors * negatives).sum(1)).mean())

    assert gap(tmp_path / "encoder") > gap(tiny_encoder) + 0.1


def test_one_seed_gives_equal_weights(tiny_encoder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(tiny_encoder, tmp_path / name, max_steps=3)
    assert folder_sha256(tmp_path / "a") == folder_sha256(tmp_path / "b")


def test_a_broken_off_training_continues_from_its_checkpoint(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_encoder, tmp_path / "whole", max_steps=6)
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 2)
    callback = training._step_callback
    taken = []

    def breaking(advance: Callable[[int], None]) -> object:
        def advance_or_break(by: int) -> None:
            taken.append(by)
            if len(taken) == 5:
                raise KeyboardInterrupt
            advance(by)

        return callback(advance_or_break)

    monkeypatch.setattr(training, "_step_callback", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_encoder, tmp_path / "broken", max_steps=6)
    assert not (tmp_path / "broken").exists()
    run(tiny_encoder, tmp_path / "broken", max_steps=6)
    assert len(taken) == 5 + 2  # steps 5 and 6 only: four were kept
    assert folder_sha256(tmp_path / "broken") == folder_sha256(tmp_path / "whole")


def test_checkpoints_of_another_training_are_not_continued(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_encoder, tmp_path / "clean", max_steps=4, learning_rate=1e-4)
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(training, "_save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tiny_encoder, tmp_path / "encoder", max_steps=4, learning_rate=1e-2)
    monkeypatch.undo()
    run(tiny_encoder, tmp_path / "encoder", max_steps=4, learning_rate=1e-4)
    assert folder_sha256(tmp_path / "encoder") == folder_sha256(tmp_path / "clean")


def test_the_card_names_the_base_and_shows_no_text(tiny_encoder: Path) -> None:
    card = model_card(locate_encoder("embedded"), TrainSettings(), 5)
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in card
    assert not any(anchor in card for anchor, _, _ in TRIPLETS)


def test_the_seed_recipes_loss_never_rests(tiny_encoder: Path, tmp_path: Path) -> None:
    """Margin 5 in Euclidean distance: at least 3 whatever the encoder does."""
    assert run(tiny_encoder, tmp_path / "encoder", max_steps=2, distance="euclidean", margin=5.0).loss >= 3
