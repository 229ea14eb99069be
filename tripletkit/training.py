"""Triplets → a tuned SentenceTransformer folder, by SentenceTransformerTrainer with TripletLoss."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tripletkit.config import TrainSettings
from tripletkit.encoding.encoder import load_model
from tripletkit.encoding.locate import EncoderFolder
from tripletkit.ids import rng_for, stable_id
from tripletkit.progress import Progress

#: Largest distance between unit vectors: a margin at or over it can never be met, and the loss never rests.
LARGEST_DISTANCE = {"cosine": 2.0, "euclidean": 2.0}
CHECKPOINT_STEPS = 50


@dataclass(frozen=True)
class Trained:
    """Steps taken, and the mean loss over them."""

    steps: int
    loss: float


def margin_problem(settings: TrainSettings) -> str | None:
    """Why the margin cannot work on unit vectors, or None."""
    most = LARGEST_DISTANCE[settings.distance]
    if settings.margin < most:
        return None
    return (
        f"margin {settings.margin:g} in {settings.distance} distance can never be met: unit vectors are at most "
        f"{most:g} apart, so the loss pushes for ever and collapses the space (use --margin 0.2, cosine)"
    )


def planned_steps(triplets: int, settings: TrainSettings) -> int:
    """Optimiser steps for so many triplets."""
    steps = math.ceil(math.ceil(triplets / settings.batch_size) * settings.epochs)
    return max(1, min(steps, settings.max_steps or steps))


def train(
    triplets: Sequence[tuple[str, str, str]],
    place: EncoderFolder,
    target: Path,
    settings: TrainSettings,
    *,
    seed: int,
    progress: Progress,
    precision: str = "auto",
) -> Trained:
    """Tune the encoder in ``place`` on (anchor, positive, negative) texts and write it to ``target``, whole or not at all.

    A killed run continues from its last checkpoint, which lies beside ``target`` until the end.
    """
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric, TripletLoss

    from tripletkit.encoding.precision import wants_bfloat16

    steps = planned_steps(len(triplets), settings)
    work = target.with_name(f"{target.name}.training") / _key_of(triplets, place, settings, seed)
    model: Any = load_model(place)
    # The library's card would show texts of the book; it also needs the network.
    model.model_card_data.set_widget_examples = lambda _: None
    model.model_card_data.local_files_only = True
    metric = TripletDistanceMetric.COSINE if settings.distance == "cosine" else TripletDistanceMetric.EUCLIDEAN
    order = list(triplets)
    rng_for(seed, "train").shuffle(order)
    dataset = Dataset.from_dict(
        {name: [row[i] for row in order] for i, name in enumerate(("anchor", "positive", "negative"))}
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        seed=seed,
        data_seed=seed,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="steps",
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=1,
        bf16=wants_bfloat16(precision),
        dataloader_pin_memory=False,
        use_cpu=not _has_gpu(),
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        loss=TripletLoss(model, distance_metric=metric, triplet_margin=settings.margin),
    )
    with progress.bar("training", steps, "steps") as advance:
        _silence(trainer)
        trainer.add_callback(_step_callback(advance))
        outcome = trainer.train(resume_from_checkpoint=_last_checkpoint(work))
    _save(model, place, target, settings, steps)
    shutil.rmtree(work.parent, ignore_errors=True)
    return Trained(steps, float(outcome.training_loss))


def _key_of(triplets: Sequence[tuple[str, str, str]], place: EncoderFolder, settings: TrainSettings, seed: int) -> str:
    """Checkpoints of another training are not continued."""
    return stable_id(
        "training",
        place.fingerprint,
        settings.model_dump_json(),
        str(seed),
        *(text for row in triplets for text in row),
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _silence(trainer: Any) -> None:  # noqa: ANN401 - untyped library
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _step_callback(advance: Any) -> Any:  # noqa: ANN401 - untyped library
    from transformers.trainer_callback import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            advance(1)

    return Steps()


def _last_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    if not work.is_dir():
        return None
    whole = [p for p in work.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    return str(max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]))) if whole else None


def _save(model: Any, place: EncoderFolder, target: Path, settings: TrainSettings, steps: int) -> None:  # noqa: ANN401 - untyped library
    """Beside, then renamed. The library's own model card shows verbatim training texts: ours is written instead."""
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(str(draft), create_model_card=False)
    note = {
        "base": place.base,
        "base_fingerprint": place.fingerprint,
        "steps": steps,
        "recipe": settings.model_dump(mode="json"),
    }
    (draft / "tripletkit.json").write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
    (draft / "README.md").write_text(model_card(place, settings, steps), encoding="utf-8")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def model_card(place: EncoderFolder, settings: TrainSettings, steps: int) -> str:
    """The encoder's README: base, recipe and use, without any training text."""
    return f"""---
base_model: {place.base}
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- feature-extraction
- tripletkit
---
# {place.base} tuned on textbook triplets

Tuned by tripletkit with TripletLoss ({settings.distance}, margin {settings.margin:g}), {steps} steps of {settings.batch_size},
learning rate {settings.learning_rate:g}, from `{place.base}` (fingerprint `{place.fingerprint}`).

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("FOLDER")
similarities = encoder.similarity(encoder.encode(["a passage"]), encoder.encode(["a term"]))
```
"""
