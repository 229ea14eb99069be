"""What happens beside the steps: looks at held-out passages, the log, checkpoints, and when to stop. Imports transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from transformers.trainer_callback import TrainerCallback

from tripletkit.encoding.encoder import Encoder, Vectors
from tripletkit.encoding.precision import autocast
from tripletkit.progress import Advance
from tripletkit.settings import TrainSettings
from tripletkit.store import write_atomically

#: The held-out figure's name in the trainer's log, which puts "eval_" before what an evaluator says.
FIGURE = "ndcg"
_LOGGED = ("step", "epoch", "loss", "gap", "active", "learning_rate", "grad_norm", f"eval_{FIGURE}")
Entry = Mapping[str, float]


class LiveEncoder:
    """The model in training as an encoder. It changes with every step, so nothing of it is cached."""

    fingerprint = "in training"

    def __init__(self, model: Any, precision: str) -> None:  # noqa: ANN401 - untyped library
        self._model, self._precision = model, precision

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """One unit-length float32 row per text."""
        # Autocast alone, no inference mode: what a module caches here must serve the next training step.
        with autocast(self._model.device.type, self._precision):
            rows = self._model.encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
        found: Vectors = rows.float().cpu().numpy()
        unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return unit


class HeldOutEvaluator(SentenceEvaluator):  # type: ignore[misc]
    """The held-out figure of the model in training."""

    def __init__(self, judge: Callable[[Encoder], float], precision: str) -> None:
        super().__init__()
        self._judge, self._precision = judge, precision

    def __call__(self, model: Any, *_: object, **__: object) -> dict[str, float]:  # noqa: ANN401 - untyped library
        """By the name that ``best`` and the log know it by."""
        return {FIGURE: self._judge(LiveEncoder(model, self._precision))}


class Watch(TrainerCallback):  # type: ignore[misc]
    """Moves the bar, keeps the log file, saves what was judged, and stops when patience is at its end."""

    def __init__(
        self,
        settings: TrainSettings,
        log: Path,
        untouched: float | None,
        advance: Advance,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._log, self._untouched = settings, log, untouched
        self._advance, self._say = advance, say

    def on_step_end(self, args: object, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Whatever is looked at or saved is logged, so that the log of a resumed training has the same entries."""
        control.should_log |= control.should_evaluate or control.should_save
        self._advance(1)

    def on_evaluate(self, args: object, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """What was judged is saved: it may be the best."""
        control.should_save = True
        control.should_training_stop |= out_of_patience(state.log_history, self._settings.patience)
        if state.is_world_process_zero:
            self._say(told(state.log_history, self._untouched))

    def on_log(self, args: object, state: Any, control: object, **_: object) -> None:  # noqa: ANN401
        """The whole log each time: a resumed training's log has no gaps and nothing twice."""
        if state.is_world_process_zero:
            write_log(self._log, state.log_history, self._untouched)


def looks(history: Sequence[Entry]) -> list[tuple[int, float]]:
    """(step, held-out figure), in order."""
    return [(int(entry["step"]), entry[f"eval_{FIGURE}"]) for entry in history if f"eval_{FIGURE}" in entry]


def best_step(history: Sequence[Entry]) -> int | None:
    """The first step with the highest held-out figure; None if there was no look."""
    seen = looks(history)
    return max(seen, key=lambda look: (look[1], -look[0]))[0] if seen else None


def out_of_patience(history: Sequence[Entry], patience: int) -> bool:
    """Whether the last ``patience`` looks (0: any number) brought nothing better. Known from the log, so a resumed run knows it too."""
    seen = looks(history)
    return 0 < patience <= sum(step > (best_step(history) or 0) for step, _ in seen)


def mean_loss(history: Sequence[Entry]) -> float:
    """Over all steps; an entry's loss is the mean since the entry before."""
    total, before = 0.0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - before)
            before = entry["step"]
    return total / before if before else 0.0


def told(history: Sequence[Entry], untouched: float | None) -> str:
    """The last look, and how the batches before it stood."""
    step, figure = looks(history)[-1]
    last = next((entry for entry in reversed(history) if "loss" in entry), {})
    start = f" (untouched {untouched:.3f})" if untouched is not None else ""
    batches = f", loss {last['loss']:.4f}, gap {last['gap']:+.3f}, active {last['active']:.0%}" if "gap" in last else ""
    return f"step {step:,}: held-out nDCG@10 {figure:.3f}{start}{batches}"


def write_log(path: Path, history: Sequence[Entry], untouched: float | None) -> None:
    """One JSON object a line, without clock times: equal trainings give equal logs. Step 0 is the untouched encoder."""
    start = [{"step": 0, f"eval_{FIGURE}": untouched}] if untouched is not None else []
    rows = [{name: entry[name] for name in _LOGGED if name in entry} for entry in (*start, *history)]
    lines = [json.dumps(row) for row in rows if len(row.keys() - {"step", "epoch"})]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
