"""Triplets → a tuned SentenceTransformer folder, by SentenceTransformerTrainer."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tripletkit.encoding.encoder import Encoder, load_model
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError
from tripletkit.ids import rng_for, stable_id
from tripletkit.progress import Progress, is_first_process, process_count
from tripletkit.settings import TrainSettings
from tripletkit.training.saving import save

#: What a killed training loses at most.
CHECKPOINT_STEPS = 50
#: A line of the log sums up so many steps.
LOG_STEPS = 10
#: So many looks at held-out passages per training, but none nearer than so many steps: they cost as much as some steps do.
LOOKS = 4
LOOK_STEPS = 25

#: By default a small book is gone over again until so many steps are taken, but not more often than this.
ENOUGH_STEPS, MOST_PASSES = 150, 4

Triplet = tuple[str, str, str]


@dataclass(frozen=True)
class Example:
    """A row of the training data. ``known``: terms that are no negatives for the anchor, beside its positive."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    known: frozenset[str] = frozenset()
    book: str = ""


@dataclass(frozen=True)
class HeldOut:
    """What tells the best checkpoint: a figure (higher is better) of an encoder on passages that do not train."""

    judge: Callable[[Encoder], float]
    untouched: float | None  # the base encoder's figure, where this process knows it
    key: str  # equal for equal passages and answers


@dataclass(frozen=True)
class Trained:
    """How training went: steps taken, the mean loss over them, the step whose weights were saved, and the trainer's log."""

    steps: int
    loss: float
    saved_step: int
    history: tuple[Mapping[str, float], ...] = ()


def planned_steps(rows: int, settings: TrainSettings, processes: int = 1) -> int:
    """Optimiser steps for so many rows."""
    once = math.ceil(rows / (settings.batch_size * settings.accumulate * processes))
    steps = math.ceil(once * settings.epochs) if settings.epochs else max(once, min(ENOUGH_STEPS, MOST_PASSES * once))
    return max(1, min(steps, settings.max_steps or steps))


def look_steps(steps: int, settings: TrainSettings) -> int:
    """Steps between looks at held-out passages; the last step is always looked at."""
    return settings.eval_steps or max(LOOK_STEPS, math.ceil(steps / LOOKS))


def train(
    triplets: Sequence[Triplet],
    place: EncoderFolder,
    target: Path,
    settings: TrainSettings,
    *,
    seed: int,
    progress: Progress,
    precision: str = "auto",
    known: Sequence[frozenset[str]] | None = None,
    books: Sequence[str] | None = None,
    held_out: HeldOut | None = None,
) -> Trained:
    """Tune the encoder in ``place`` on (anchor, positive, negative) texts and write it to ``target``, whole or not at all.

    ``known``: per triplet, terms that are no negatives for its anchor (its own positive is one anyway); ``books``: per triplet,
    where it is from; both count where what a batch holds are negatives. With ``held_out`` the best checkpoint is written, else
    the last. A killed run continues from its last checkpoint, which lies beside ``target`` until the end, as does the log
    (``target``.training.jsonl) for good. Of several processes the first writes.
    """
    from tripletkit.encoding.precision import choose_precision
    from tripletkit.training.callbacks import HeldOutEvaluator, best_step, mean_loss

    precision = choose_precision(precision)
    rows = examples(triplets, known, books, settings)
    if process_count() > 1 and len(rows) < process_count() * settings.batch_size:
        raise ConfigError(
            f"train: {len(rows):,} rows fill no batch of {settings.batch_size} for each of {process_count()} processes",
            "Fewer processes, or a smaller --batch-size.",
        )
    steps = planned_steps(len(rows), settings, process_count())
    work = target.with_name(f"{target.name}.training") / _key_of(triplets, place, settings, seed, held_out)
    rng_for(seed, "train").shuffle(rows)
    model = _load(place, settings, seed)
    with progress.bar("training", steps, "steps") as advance:
        trainer = _trainer(
            model,
            rows,
            settings,
            _arguments(work, settings, steps=steps, seed=seed, precision=precision, looks=held_out is not None),
            HeldOutEvaluator(held_out.judge, precision) if held_out else None,
        )
        trainer.add_callback(_watch(target, settings, held_out, advance, progress))
        _report_beside(trainer, target)
        history = _run(trainer, work, settings)
    taken = int(history[-1]["step"])
    chosen = (best_step(history) if settings.best else None) or taken
    if is_first_process():
        save(_weights(model, place, work, settings, chosen, taken), place, target, settings, chosen)
        shutil.rmtree(work.parent, ignore_errors=True)
    return Trained(taken, mean_loss(history), chosen, tuple(history))


def _load(place: EncoderFolder, settings: TrainSettings, seed: int) -> Any:  # noqa: ANN401 - untyped library
    import torch

    model = load_model(place)
    # load_model takes every core, which processes on one machine must share.
    torch.set_num_threads(max(1, torch.get_num_threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    # The library's card would show texts of the book; it also needs the network.
    model.model_card_data.set_widget_examples = lambda _: None
    model.model_card_data.local_files_only = True
    # Nor does a checkpoint need one: writing it takes as long as a step.
    model.save_pretrained = partial(model.save_pretrained, create_model_card=False)
    if settings.gradient_checkpointing:
        inner = model.transformers_model
        # The name since transformers 5.23, and the one before.
        enable = getattr(inner, "activation_checkpointing_enable", None) or inner.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if settings.lora:
        from tripletkit.training.adapters import add_adapters

        # Adapters begin at random: without this, as the process left its generator.
        torch.manual_seed(seed)
        add_adapters(model, settings.lora)
    return model


def examples(
    triplets: Sequence[Triplet],
    known: Sequence[frozenset[str]] | None,
    books: Sequence[str] | None,
    settings: TrainSettings,
) -> list[Example]:
    """A row per triplet; where what a batch holds are negatives, a row per (anchor, positive), with as many negatives in each.

    A row with fewer negatives than another has its own more than once.
    """
    of = [(known[i] if known else frozenset[str](), books[i] if books else "") for i in range(len(triplets))]
    if not settings.uses_batch:
        return [Example(a, p, (n,), *more) for (a, p, n), more in zip(triplets, of, strict=True)]
    negatives: dict[tuple[str, str], list[str]] = defaultdict(list)
    told: dict[tuple[str, str], tuple[frozenset[str], str]] = {}
    for (anchor, positive, negative), (terms, book) in zip(triplets, of, strict=True):
        negatives[anchor, positive].append(negative)
        before, _ = told.setdefault((anchor, positive), (terms, book))
        if before is not terms:  # a passage's pairs share one set, unless its text stands twice
            told[anchor, positive] = before | terms, book
    width = max(map(len, negatives.values()))
    return [Example(*pair, tuple(islice(cycle(held), width)), *told[pair]) for pair, held in negatives.items()]


def _columns(rows: Sequence[Example], settings: TrainSettings) -> dict[str, list[Any]]:
    """What the trainer reads. A row's number goes along where the loss must know whose terms to mask."""
    columns: dict[str, list[Any]] = {"anchor": [row.anchor for row in rows], "positive": [row.positive for row in rows]}
    for i in range(len(rows[0].negatives)):
        columns[f"negative_{i + 1}"] = [row.negatives[i] for row in rows]
    return columns | ({"label": list(range(len(rows)))} if settings.uses_batch else {})


def _loss(model: Any, rows: Sequence[Example], settings: TrainSettings) -> Any:  # noqa: ANN401 - untyped library
    from tripletkit.training.losses import Known, make_loss

    known = Known([row.positive for row in rows], [row.negatives for row in rows], [row.known for row in rows])
    return make_loss(model, settings, known)


def _arguments(work: Path, settings: TrainSettings, *, steps: int, seed: int, precision: str, looks: bool) -> Any:  # noqa: ANN401
    from sentence_transformers import SentenceTransformerTrainingArguments

    from tripletkit.training.callbacks import FIGURE

    watching = {"eval_strategy": "steps", "eval_steps": look_steps(steps, settings)} if looks else {}
    if looks and settings.best:
        # The library then spares the best checkpoint when it removes old ones.
        watching |= {"metric_for_best_model": FIGURE, "greater_is_better": True}
    return SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        seed=seed,
        data_seed=seed,
        report_to=_reporters(settings.report_to),
        disable_tqdm=True,
        logging_strategy="steps",
        logging_steps=LOG_STEPS,
        save_strategy="steps",
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=1,
        bf16=precision == "bfloat16",
        fp16=precision == "float16",
        dataloader_pin_memory=False,
        use_cpu=not _has_gpu(),
        ddp_backend="gloo" if process_count() > 1 and not _has_gpu() else None,
        **watching,
    )


def _trainer(model: Any, rows: Sequence[Example], settings: TrainSettings, arguments: Any, evaluator: Any) -> Any:  # noqa: ANN401
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from transformers.trainer_callback import PrinterCallback

    from tripletkit.training.batches import BookBatches

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            """The loss's own figures go wherever the loss goes."""
            super().log({**logs, **self.loss.tally.told()} if "loss" in logs else logs, start_time)

        def get_batch_sampler(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            """Of one book where what a batch holds are negatives."""
            if not settings.uses_batch:
                return super().get_batch_sampler(dataset, *args, **kwargs)
            return BookBatches(dataset, [row.book for row in rows], [row.anchor for row in rows], *args, **kwargs)

    dataset = Dataset.from_dict(_columns(rows, settings))
    loss = _loss(model, rows, settings)
    trainer = Trainer(model=model, args=arguments, train_dataset=dataset, loss=loss, evaluator=evaluator)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _run(trainer: Any, work: Path, settings: TrainSettings) -> list[Mapping[str, float]]:  # noqa: ANN401 - untyped library
    """Train from the last checkpoint on, and return the whole log. What was finished, or stopped early, is not trained further."""
    from tripletkit.training.callbacks import out_of_patience

    last = _last_checkpoint(work)
    if last is not None:
        state = json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))
        if out_of_patience(state["log_history"], settings.patience):
            trainer._load_from_checkpoint(last)
            return list(state["log_history"])
    trainer.train(resume_from_checkpoint=last)
    return list(trainer.state.log_history)


def _weights(
    model: Any,  # noqa: ANN401 - untyped library
    place: EncoderFolder,
    work: Path,
    settings: TrainSettings,
    chosen: int,
    taken: int,
) -> Any:  # noqa: ANN401 - untyped library
    """The model with the weights of step ``chosen``."""
    if chosen != taken:
        best = load_model(replace(place, folder=work / f"checkpoint-{chosen}"))
        model.load_state_dict(best.state_dict())
    if not settings.lora:
        return model
    from tripletkit.training.adapters import merged

    return merged(model, place)


def _key_of(
    triplets: Sequence[Triplet], place: EncoderFolder, settings: TrainSettings, seed: int, held_out: HeldOut | None
) -> str:
    """Checkpoints of another training are not continued."""
    return stable_id(
        "training",
        place.fingerprint,
        settings.model_dump_json(exclude={"report_to"}),
        str(seed),
        str(process_count()),
        held_out.key if held_out else "",
        *(text for row in triplets for text in row),
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _reporters(name: str) -> list[str]:
    """The libraries that show a training. Raises ConfigError for one that is not installed."""
    from transformers.integrations import get_available_reporting_integrations

    if name == "none":
        return []
    there = sorted(get_available_reporting_integrations())
    if name not in there:
        raise ConfigError(
            f"train.report_to = {name!r}: not installed, or unknown",
            f"pip install {'tensorboard' if name == 'tensorboard' else name}; installed here: {', '.join(there) or 'none'}.",
        )
    return [name]


def _report_beside(trainer: Any, target: Path) -> None:  # noqa: ANN401 - untyped library
    """TensorBoard's files would lie among the checkpoints, which are removed."""
    from transformers.integrations import TensorBoardCallback

    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(target.with_name(f"{target.name}.tensorboard"))


def _watch(
    target: Path,
    settings: TrainSettings,
    held_out: HeldOut | None,
    advance: Callable[[int], None],
    progress: Progress,
) -> Any:  # noqa: ANN401 - untyped library
    from tripletkit.training.callbacks import Watch

    untouched = held_out.untouched if held_out else None
    return Watch(settings, target.with_name(f"{target.name}.training.jsonl"), untouched, advance, progress.say)


def _last_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    if not work.is_dir():
        return None
    whole = [p for p in work.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    return str(max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]))) if whole else None
