"""Callbacks of the trainer: validation runs, the log, checkpoints, and early stopping. Imports transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from transformers.trainer_callback import TrainerCallback

from tripletkit.encoding.encoder import Encoder, ModelEncoder
from tripletkit.progress import Advance
from tripletkit.settings import TrainSettings
from tripletkit.store import write_atomically

#: The validation score in the trainer's log, where the library puts "eval_" before it.
VALIDATION_METRIC = "ndcg"
_EVAL_KEY = f"eval_{VALIDATION_METRIC}"
_LOGGED = (
    "step",
    "epoch",
    "loss",
    "kl_divergence",
    "cosine_margin",
    "violation_rate",
    "learning_rate",
    "grad_norm",
    _EVAL_KEY,
)
LogEntry = Mapping[str, float]


class ValidationEvaluator(SentenceEvaluator):  # type: ignore[misc]
    """The validation score of the model in training."""

    def __init__(self, score: Callable[[Encoder], float], precision: str) -> None:
        super().__init__()
        self._score, self._precision = score, precision

    def __call__(self, model: Any, *_: object, **__: object) -> dict[str, float]:  # noqa: ANN401 - untyped library
        """The score by its name in the trainer's log."""
        return {VALIDATION_METRIC: self._score(ModelEncoder(model, self._precision))}


class TrainingMonitor(TrainerCallback):  # type: ignore[misc]
    """Moves the progress bar, keeps the log file, saves a checkpoint at each validation run, and stops early."""

    def __init__(
        self,
        settings: TrainSettings,
        log: Path,
        base: float | None,
        advance: Advance,
        say: Callable[[str], None],
        error: float = 0.0,
    ) -> None:
        self._settings, self._log, self._base, self._error = settings, log, base, error
        self._advance, self._say = advance, say

    def on_step_end(self, args: object, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Log at each validation run and checkpoint, so that the log of a continued training has the same entries."""
        control.should_log |= control.should_evaluate or control.should_save
        self._advance(1)

    def on_evaluate(self, args: object, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Save a checkpoint, as it may be the one that is kept."""
        control.should_save = True
        if self._settings.keep_best:
            # The library keeps this checkpoint when it removes old ones.
            state.best_global_step = chosen_step(state.log_history, self._error)
        control.should_training_stop |= out_of_patience(state.log_history, self._settings.patience, self._error)
        if state.is_world_process_zero:
            self._say(describe_validation(state.log_history, self._base))

    def on_log(self, args: object, state: Any, control: object, **_: object) -> None:  # noqa: ANN401
        """Rewrite the whole log, so that the log of a continued training has no gaps or repetitions."""
        if state.is_world_process_zero:
            write_log(self._log, state.log_history, self._base)


def validation_runs(history: Sequence[LogEntry]) -> list[tuple[int, float]]:
    """(step, validation score) of each run, in order."""
    return [(int(entry["step"]), entry[_EVAL_KEY]) for entry in history if _EVAL_KEY in entry]


def chosen_step(history: Sequence[LogEntry], error: float) -> int | None:
    """The last validation run whose score is within ``error`` of the best one; None without a validation run.

    With the standard error of the score this is the one-standard-error rule (Breiman et al. 1984) for the number of steps:
    smaller differences are noise, and on unseen text later weights are as good or better (docs/training.md).
    """
    runs = validation_runs(history)
    best = max((score for _, score in runs), default=0.0)
    return max((step for step, score in runs if score >= best - error), default=None)


def out_of_patience(history: Sequence[LogEntry], patience: int, error: float) -> bool:
    """Whether the last ``patience`` validation runs (0: any number) were more than ``error`` below the best one."""
    return 0 < patience <= sum(step > (chosen_step(history, error) or 0) for step, _ in validation_runs(history))


def mean_loss(history: Sequence[LogEntry]) -> float:
    """The mean over all steps; an entry has the mean since the entry before it."""
    total, before = 0.0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - before)
            before = entry["step"]
    return total / before if before else 0.0


def describe_validation(history: Sequence[LogEntry], base: float | None) -> str:
    """The last validation run, and the batches before it, in words."""
    step, score = validation_runs(history)[-1]
    last = next((entry for entry in reversed(history) if "loss" in entry), {})
    start = f" (base encoder {base:.3f})" if base is not None else ""
    text = f"step {step:,}: validation nDCG@10 {score:.3f}{start}"
    if "loss" in last:
        text += f", loss {last['loss']:.4f}"
    if "kl_divergence" in last:
        text += f", KL divergence from the teacher {last['kl_divergence']:.4f}"
    if "cosine_margin" in last:
        text += (
            f", mean cos(pos) − cos(neg) {last['cosine_margin']:.3f}, "
            f"{last['violation_rate']:.0%} of triplets violate the margin"
        )
    return text


def write_log(path: Path, history: Sequence[LogEntry], base: float | None) -> None:
    """One JSON object per line, without times, so that equal trainings have equal logs. Step 0 is the base encoder."""
    start = [{"step": 0, _EVAL_KEY: base}] if base is not None else []
    rows = [{name: entry[name] for name in _LOGGED if name in entry} for entry in (*start, *history)]
    lines = [json.dumps(row) for row in rows if len(row.keys() - {"step", "epoch"})]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
