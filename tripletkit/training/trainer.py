"""Fine-tunes a SentenceTransformer on triplets or lists by SentenceTransformerTrainer. Imports torch: imported only to train."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from transformers.integrations import TensorBoardCallback, get_available_reporting_integrations
from transformers.trainer_callback import PrinterCallback

from tripletkit.encoding.encoder import Encoder, ModelEncoder
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.precision import choose_precision
from tripletkit.encoding.quiet import hidden_progress_bars
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError
from tripletkit.ids import stable_id
from tripletkit.progress import Progress, is_first_process, process_count
from tripletkit.settings import TrainSettings
from tripletkit.training.batches import TripletData, validation_steps
from tripletkit.training.blend import WEIGHTS, Trial, best_weight, blender
from tripletkit.training.callbacks import (
    TrainingMonitor,
    ValidationEvaluator,
    chosen_step,
    mean_loss,
    out_of_patience,
)
from tripletkit.training.model import load, merge_adapters, save
from tripletkit.training.teacher_lists import ListData
from tripletkit.user_rows import counted

#: An interrupted training repeats at most this many steps.
CHECKPOINT_STEPS = 50
#: Steps per line of the log.
LOG_STEPS = 10


TrainingData = TripletData | ListData


@dataclass(frozen=True)
class Validation:
    """What chooses the checkpoint: ``score`` rates an encoder on passages that do not train, higher is better."""

    score: Callable[[Encoder], float]
    base: float | None  # the base encoder's score; None in processes that have not computed it
    key: str  # equal for equal passages and gold labels
    error: float = 0.0  # standard error of a score: smaller differences between checkpoints do not count
    general: Callable[[Encoder], float] | None = None  # similarity on everyday sentences, for `train.blend`
    least_general: float = 0.99  # of the base encoder's, for a mix that is chosen


@dataclass(frozen=True)
class TrainingResult:
    """Steps taken, mean loss over them, the step whose weights were saved, and the log of the trainer."""

    steps: int
    loss: float
    saved_step: int
    history: tuple[Mapping[str, float], ...] = ()
    blend: float | None = None  # share of the fine-tuned weights, if they are mixed with the base encoder's


@dataclass(frozen=True)
class _Training:
    """The arguments that all parts of one training share."""

    base: EncoderFolder
    target: Path
    work: Path  # for checkpoints
    settings: TrainSettings
    seed: int
    precision: str
    validation: Validation | None


class DataTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The library's trainer, with the batches of the training data and the statistics of the loss in the log."""

    def __init__(self, data: TrainingData, **options: Any) -> None:  # noqa: ANN401 - untyped library
        self._data = data
        super().__init__(train_dataset=Dataset.from_dict(data.columns()), **options)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the batch statistics to every log entry of the loss."""
        super().log({**logs, **self.loss.statistics.take()} if "loss" in logs else logs, start_time)

    def get_batch_sampler(self, dataset: Dataset, **options: Any) -> Any:  # noqa: ANN401
        """The sampler of the training data, if it has its own."""
        return self._data.sampler(dataset, **options) or super().get_batch_sampler(dataset, **options)

    def get_data_collator(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """The collator of the training data."""
        return self._data.collator(super().get_data_collator(*args, **options))


def train(
    data: TrainingData,
    base: EncoderFolder,
    target: Path,
    settings: TrainSettings,
    *,
    seed: int,
    progress: Progress,
    precision: str = "auto",
    validation: Validation | None = None,
) -> TrainingResult:
    """Fine-tune ``base`` and write it to ``target``, whole or not at all.

    With ``validation`` the checkpoint that it chooses is written, else the last.

    An interrupted training continues from its last checkpoint, which lies beside ``target`` until the end. The log stays
    (``target``.training.jsonl). Of several processes only the first writes.

    Raises ConfigError for fewer rows than the processes need, for a blend that nothing can choose, and for a precision, LoRA
    or logger that this machine lacks.
    """
    if process_count() > 1 and len(data) < process_count() * data.batch_size:
        raise ConfigError(
            f"train: {counted(len(data), data.unit)} fill no batch of {data.batch_size} for each of {process_count()} processes",
            "Use fewer processes, or a smaller --batch-size.",
        )
    if settings.blend == "auto" and (validation is None or validation.general is None):
        problem = 'train.blend = "auto": there is no validation run to choose the mix'
        raise ConfigError(problem, "Give a number such as --blend 0.7, or validation passages that mention terms.")
    recipe, validated = settings.model_dump_json(exclude={"report_to"}), validation.key if validation else ""
    # The folder of the checkpoints: those of another training are not continued.
    key = stable_id("training", base.fingerprint, recipe, str(seed), str(process_count()), validated, *data.key())
    work, chosen = target.with_name(f"{target.name}.training") / key, choose_precision(precision)
    training = _Training(
        base=base, target=target, work=work, settings=settings, seed=seed, precision=chosen, validation=validation
    )
    with _restored_globals(), _full_disk_as_os_error(target):
        return _train(training, data, progress)


def _train(training: _Training, data: TrainingData, progress: Progress) -> TrainingResult:
    settings, target, validation = training.settings, training.target, training.validation
    steps = data.steps(process_count())
    model = load(training.base, settings, training.seed)
    with progress.bar("training", steps, "steps") as advance:
        args = _arguments(training, data, steps)
        evaluator = ValidationEvaluator(validation.score, training.precision) if validation else None
        trainer = DataTrainer(data, model=model, args=args, loss=data.loss(model), evaluator=evaluator)
        trainer.remove_callback(PrinterCallback)
        log = target.with_name(f"{target.name}.training.jsonl")
        base_score, error = (validation.base, validation.error) if validation else (None, 0.0)
        trainer.add_callback(TrainingMonitor(settings, log, base_score, advance, progress.say, error))
        history = _run(trainer, training)
    last = int(history[-1]["step"])
    chosen = (chosen_step(history, error) if settings.keep_best else None) or last
    weight = None
    if is_first_process():
        if chosen != last:
            best = load_model(replace(training.base, folder=training.work / f"checkpoint-{chosen}"))
            model.load_state_dict(best.state_dict())
        with hidden_progress_bars():
            plain = merge_adapters(model, training.base) if settings.lora_rank else model
            weight = _blend(plain, training, progress) if settings.blend is not None else None
            save(plain, training.base, target, _recipe(settings, weight), chosen)
        shutil.rmtree(training.work.parent, ignore_errors=True)
    return TrainingResult(last, mean_loss(history), chosen, tuple(history), weight)


def _blend(model: Any, training: _Training, progress: Progress) -> float:  # noqa: ANN401 - untyped library
    """Mix the weights with the base encoder's, and return the share of the fine-tuned."""
    given, base, validation = training.settings.blend, load_model(training.base), training.validation
    take, weight = blender(model, base), given
    if validation and validation.general and given == "auto":
        before, after = (ModelEncoder(of, training.precision) for of in (base, model))
        least, trials = validation.least_general * validation.general(before), list[Trial]()
        for share in WEIGHTS:
            take(share)
            trials.append(Trial(share, validation.score(after), validation.general(after)))
            progress.say(f"{trials[-1]} (at least {least:.3f})")
        weight = best_weight(trials, least)
    mixed = float(weight or 0)
    take(mixed)
    return mixed


def _recipe(settings: TrainSettings, blend: float | None) -> dict[str, Any]:
    """The settings as they took effect, for the encoder's note and card. Of a teacher's folder only the name is public."""
    text = settings.text if settings.has_teacher else "train"  # triplets are those of the training split
    effective = {"learning_rate": settings.peak_learning_rate, "text": text, "blend": blend}
    teacher = Path(settings.teacher).expanduser()
    name = teacher.resolve().name if teacher.is_dir() else settings.teacher
    return settings.model_dump(mode="json") | effective | {"teacher": name}


@contextmanager
def _full_disk_as_os_error(target: Path) -> Iterator[None]:
    """The libraries that write weights have errors of their own for a full disk."""
    try:
        yield
    except Exception as error:
        # The second is what torch says of any write that fails.
        if isinstance(error, OSError) or not re.search("No space left|PytorchStreamWriter failed", str(error)):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target.parent)) from error


@contextmanager
def _restored_globals() -> Iterator[None]:
    """Put back what the libraries change: random generators (of the CPU) and the environment."""
    python, numpy, environment = random.getstate(), np.random.get_state(), dict(os.environ)  # noqa: NPY002 - the generator that they seed
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def _arguments(training: _Training, data: TrainingData, steps: int) -> SentenceTransformerTrainingArguments:
    settings, base, tasks = training.settings, training.base, dict(data.tasks)
    prompts = {column: base.prompt(task) for column, task in tasks.items() if base.prompt(task)}
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    evaluation: dict[str, Any] = {}
    if training.validation:
        evaluation = {"eval_strategy": "steps", "eval_steps": validation_steps(steps, settings)}
    return SentenceTransformerTrainingArguments(
        output_dir=str(training.work),
        max_steps=steps,
        per_device_train_batch_size=data.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.peak_learning_rate,
        warmup_steps=settings.warmup_ratio,
        seed=training.seed,
        data_seed=training.seed,
        report_to=_reporters(settings.report_to),
        disable_tqdm=True,
        logging_steps=LOG_STEPS,
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=1,
        bf16=training.precision == "bfloat16",
        fp16=training.precision == "float16",
        dataloader_pin_memory=False,
        use_cpu=not gpu,
        prompts=prompts or None,
        router_mapping=tasks if base.properties.by_task else None,
        ddp_backend="gloo" if process_count() > 1 and not gpu else None,
        **evaluation,
    )


def _run(trainer: DataTrainer, training: _Training) -> list[Mapping[str, float]]:
    """Train from the last checkpoint on and return the whole log. A training that stopped early is not continued."""
    for callback in trainer.callback_handler.callbacks:
        # By default TensorBoard's files lie among the checkpoints, which are removed.
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(training.target.with_name(f"{training.target.name}.tensorboard"))
    complete = [path for path in training.work.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    last = max(complete, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)
    if last is not None:
        state = json.loads((last / "trainer_state.json").read_text(encoding="utf-8"))
        error = training.validation.error if training.validation else 0.0
        # At its last step the library would take one more.
        done = state["global_step"] >= trainer.args.max_steps
        if done or out_of_patience(state["log_history"], training.settings.patience, error):
            trainer._load_from_checkpoint(str(last))
            return list(state["log_history"])
    with hidden_progress_bars():
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    return list(trainer.state.log_history)


def _reporters(name: str) -> list[str]:
    """The libraries to log to. Raises ConfigError for one that is not installed."""
    if name == "none":
        return []
    installed = sorted(get_available_reporting_integrations())
    if name not in installed:
        raise ConfigError(
            f"train.report_to = {name!r}: not installed, or unknown",
            f"pip install {'tensorboard' if name == 'tensorboard' else name}; installed here: {', '.join(installed) or 'none'}.",
        )
    return [name]
