"""Mixing base and fine-tuned weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.test_teacher_lists import some_lists
from tripletkit.encoding.encoder import Encoder, SentenceEncoder
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError
from tripletkit.progress import Progress
from tripletkit.settings import TrainSettings, load_settings
from tripletkit.training.blend import WEIGHTS, Trial, best_weight, mix
from tripletkit.training.teacher_lists import ListData
from tripletkit.training.trainer import TrainingResult, Validation, train

QUIET = Progress(quiet=True)
TEXTS = ["roots of loam", "a delta"]


def run(encoder: Path, target: Path, validation: Validation | None = None, **settings: Any) -> TrainingResult:  # noqa: ANN401
    chosen = TrainSettings(**{"learning_rate": 1e-2, **settings})
    data, place = ListData(some_lists(), chosen), resolve_encoder(str(encoder))
    return train(data, place, target, chosen, seed=0, progress=QUIET, precision="float32", validation=validation)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(resolve_encoder(str(folder)), "cpu").state_dict())


def test_the_best_of_those_that_keep_general_similarity() -> None:
    trials = [Trial(0.5, 0.60, 0.90), Trial(0.7, 0.62, 0.88), Trial(1.0, 0.64, 0.80)]
    assert best_weight(trials, 0.85) == 0.7
    assert best_weight(trials, 0.89) == 0.5
    assert best_weight(trials, 0.10) == 1.0
    assert best_weight(trials, 0.95) == 0.5  # none keeps it: the one that keeps most


def test_a_mix_lies_between_and_its_ends_are_exact() -> None:
    base = {"w": torch.tensor([0.1, 3.0]), "position": torch.tensor([1, 2])}
    tuned = {"w": torch.tensor([0.7, -1.0]), "position": torch.tensor([5, 6])}
    assert torch.equal(mix(base, tuned, 0.0)["w"], base["w"])
    assert torch.equal(mix(base, tuned, 1.0)["w"], tuned["w"])
    assert mix(base, tuned, 0.25)["w"].tolist() == pytest.approx([0.25, 2.0])
    assert mix(base, tuned, 0.25)["position"].tolist() == [5, 6]


@pytest.mark.parametrize("rank", [0, 2])
def test_a_given_mix_is_saved_and_named(tiny_encoder: Path, tmp_path: Path, rank: int) -> None:
    run(tiny_encoder, tmp_path / "whole", lora_rank=rank)
    trained = run(tiny_encoder, tmp_path / "mixed", lora_rank=rank, blend=0.25)
    assert trained.blend == 0.25
    base, whole, mixed = (weights(folder) for folder in (tiny_encoder, tmp_path / "whole", tmp_path / "mixed"))
    for name, values in mixed.items():
        np.testing.assert_allclose(values, 0.75 * base[name] + 0.25 * whole[name], atol=1e-6)
    assert json.loads((tmp_path / "mixed" / "tripletkit.json").read_text())["recipe"]["blend"] == 0.25
    assert "then mixed: 25% fine-tuned weights, 75% base weights" in (tmp_path / "mixed" / "README.md").read_text()
    assert "then mixed" not in (tmp_path / "whole" / "README.md").read_text()


def test_auto_saves_the_best_mix_that_forgets_little(tiny_encoder: Path, tmp_path: Path) -> None:
    """More fine-tuning is better on validation, and less general: 0.97 of the base where 0.95 is asked for is 0.7."""
    start = SentenceEncoder(resolve_encoder(str(tiny_encoder)), cache=None, progress=QUIET, precision="float32").encode(
        TEXTS
    )
    seen: list[float] = []

    def distance(encoder: Encoder) -> float:
        return float(np.linalg.norm(encoder.encode(TEXTS) - start))

    def general(encoder: Encoder) -> float:
        seen.append(distance(encoder))
        return [1.0, 0.99, 0.98, 0.97, 0.94, 0.93, 0.92][len(seen) - 1]

    validation = Validation(distance, 0.0, "key", general=general, least_general=0.95)
    trained = run(tiny_encoder, tmp_path / "auto", validation, blend="auto", eval_steps=99)
    assert trained.blend == WEIGHTS[2] == 0.7
    assert seen[0] < 1e-5  # the base encoder
    assert seen[1:] == sorted(seen[1:])
    found = SentenceEncoder(
        resolve_encoder(str(tmp_path / "auto")), cache=None, progress=QUIET, precision="float32"
    ).encode(TEXTS)
    assert float(np.linalg.norm(found - start)) == pytest.approx(seen[3], abs=1e-4)
    assert json.loads((tmp_path / "auto" / "tripletkit.json").read_text())["recipe"]["blend"] == 0.7


def test_auto_without_a_validation_run_is_an_error(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'train\.blend = "auto": there is no validation run'):
        run(tiny_encoder, tmp_path / "encoder", blend="auto")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [-0.1, 1.5, "some", True])
def test_a_blend_is_a_share_or_auto(value: object) -> None:
    with pytest.raises(ConfigError, match=r'train\.blend = .*: expected "auto" or a number from 0'):
        load_settings(None, {"train.blend": value})
    assert [load_settings(None, {"train.blend": of}).train.blend for of in (0, 0.5, 1, "auto")] == [0, 0.5, 1, "auto"]
