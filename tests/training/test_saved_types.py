"""Training does not depend on the type that the base encoder's weights were saved in, nor on the layout of its folder."""

import errno
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.book import CHAPTERS
from tests.conftest import make_tiny_encoder
from tests.encoding.layouts import PROMPTS, bfloat16, change_json, half, loaded, prompts, router, static_half, truncated
from tests.training.test_teacher_lists import some_lists
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.progress import Progress
from tripletkit.settings import PromptSettings, TrainSettings
from tripletkit.training import trainer
from tripletkit.training.batches import triplet_data
from tripletkit.training.losses import BatchTripletLoss
from tripletkit.training.teacher_lists import ListData, TeacherLoss
from tripletkit.training.trainer import TrainingResult, train

pytestmark = pytest.mark.slow

TERMS = [(name, text) for terms in CHAPTERS.values() for name, text in terms.items()]
TRIPLETS = [(text, name, TERMS[i - 1][0]) for i, (name, text) in enumerate(TERMS)]
STEPS = 12


def base(folder: Path, layout: Callable[[Path], Path] | None) -> Path:
    made = make_tiny_encoder(folder / "base", seed=1)
    folder = layout(made) if layout else made
    for config in folder.rglob("config.json"):
        if "hidden_dropout_prob" in config.read_text():  # dropout would hide small differences
            change_json(config, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    return folder


def trained(folder: Path, target: Path, chosen: PromptSettings | None = None) -> TrainingResult:
    settings = TrainSettings(teacher="none", batch_size=4, max_steps=STEPS, epochs=9, learning_rate=1e-3, margin=0.5)
    place = resolve_encoder(str(folder), chosen or PromptSettings())
    quiet = Progress(quiet=True)
    data = triplet_data(TRIPLETS, settings, seed=0)
    return train(data, place, target, settings, seed=0, progress=quiet, precision="float32")


def changed(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> float:
    """The share of weights that moved, but for those of the embeddings, of which only seen tokens move, and of the unused pooler."""
    names = [
        name
        for name, values in before.items()
        if not re.search("embedding|pooler", name) and values.is_floating_point()
    ]
    moved = sum(int((before[name] != after[name]).sum()) for name in names)
    return moved / sum(before[name].numel() for name in names)


def test_the_type_of_the_saved_weights_does_not_change_training(tmp_path: Path) -> None:
    losses, shares = [], []
    for layout in (None, half, bfloat16):
        work = tmp_path / (layout.__name__ if layout else "float32")
        folder = base(work, layout)
        before = load_model(resolve_encoder(str(folder))).cpu().state_dict()
        result = trained(folder, work / "trained")
        after = loaded(work / "trained")
        assert {values.dtype for values in after.parameters()} == {torch.float32}
        shares.append(changed(before, after.state_dict()))
        losses.append([entry["loss"] for entry in result.history if "loss" in entry])
    assert min(shares) > 0.95
    assert max(shares) - min(shares) < 0.01
    np.testing.assert_allclose(losses[1:], [losses[0], losses[0]], rtol=0.02)


@pytest.mark.parametrize("layout", [prompts, router, static_half, truncated])
def test_an_encoder_is_trained_as_it_is_used(
    tmp_path: Path, layout: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of the first batch are the library's own, of passages as documents and of terms as queries."""
    folder = base(tmp_path, layout)
    model = loaded(folder)
    seen: list[list[torch.Tensor]] = []
    compute = BatchTripletLoss.compute_loss_from_embeddings

    def listening(loss: Any, vectors: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        seen.append([rows.detach().clone() for rows in vectors])
        return compute(loss, vectors, labels)

    monkeypatch.setattr(BatchTripletLoss, "compute_loss_from_embeddings", listening)
    trained(folder, tmp_path / "trained")
    passages = model.float().encode_document([text for text, _, _ in TRIPLETS])
    terms = model.encode_query([name for name, _ in TERMS])
    for rows, expected in zip(seen[0], (passages, terms, terms), strict=False):
        assert max(np.abs(expected - row).max(axis=1).min() for row in rows.numpy()) < 1e-5
    after = loaded(tmp_path / "trained")
    assert after.prompts == model.prompts
    assert after.max_seq_length == model.max_seq_length
    assert after.similarity_fn_name == model.similarity_fn_name


@pytest.mark.parametrize("layout", [prompts, router, static_half, truncated])
def test_an_encoder_learns_lists_as_it_is_used(
    tmp_path: Path, layout: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a teacher's list, every layout with its own prompts, routes and dimensions."""
    folder, seen = base(tmp_path, layout), list[list[torch.Tensor]]()
    model, [of] = loaded(folder).float(), some_lists(1)
    compute = TeacherLoss.compute_loss_from_embeddings

    def listening(loss: Any, vectors: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        seen.append([rows.detach().clone() for rows in vectors])
        return compute(loss, vectors, labels)

    monkeypatch.setattr(TeacherLoss, "compute_loss_from_embeddings", listening)
    settings, quiet = TrainSettings(epochs=2, learning_rate=1e-3), Progress(quiet=True)
    place, target = resolve_encoder(str(folder)), tmp_path / "trained"
    train(ListData([of], settings), place, target, settings, seed=0, progress=quiet, precision="float32")
    expected = (model.encode_document(list(of.passages)), model.encode_query(list(of.terms)))
    for rows, library in zip(seen[0], expected, strict=True):
        np.testing.assert_allclose(rows.numpy(), library, atol=1e-5)
    assert loaded(target).prompts == model.prompts


def test_chosen_prompts_are_those_of_the_saved_folder(tmp_path: Path) -> None:
    folder = base(tmp_path, None)
    trained(folder, tmp_path / "trained", PromptSettings(**PROMPTS))
    assert loaded(tmp_path / "trained").prompts == PROMPTS
    card = (tmp_path / "trained" / "README.md").read_text()
    assert "query 'roots of ', document 'a layer of '" in card
    assert "128 tokens" in card
    assert "'cosine'" in card
    assert json.loads((tmp_path / "trained" / "config_sentence_transformers.json").read_text())["prompts"] == PROMPTS


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(trainer, "save", full)
    with pytest.raises(OSError, match="No space left") as told:
        trained(base(tmp_path, None), tmp_path / "trained")
    assert told.value.errno == errno.ENOSPC
