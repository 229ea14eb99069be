"""Mixes base and fine-tuned weights: less of what fine-tuning taught, less of what it made the encoder forget. Imports torch.

Averaging the weights of a model before and after fine-tuning: WiSE-FT (arXiv:2109.01903), for encoders LM-Cocktail
(arXiv:2311.13534).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tripletkit.settings import describe_blend

#: Shares of the fine-tuned weights that "auto" tries.
WEIGHTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Trial:
    """A share of the fine-tuned weights: its validation score, and its general similarity."""

    weight: float
    score: float
    general: float

    def __str__(self) -> str:
        mix, score = describe_blend(self.weight), f"validation nDCG@10 {self.score:.3f}"
        return f"{mix}: {score}, general similarity {self.general:.3f}"


def mix(base: Mapping[str, Tensor], fine_tuned: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """The weights between base (0) and fine-tuned (1); numbers that are no weights, such as positions, are the fine-tuned's."""
    return {
        name: torch.lerp(base[name].to(tuned), tuned, weight) if tuned.is_floating_point() else tuned
        for name, tuned in fine_tuned.items()
    }


def best_weight(trials: list[Trial], least_general: float) -> float:
    """The share with the best score among those that reach ``least_general``; if none does, the one that is most general."""
    general = [trial for trial in trials if trial.general >= least_general]
    chosen = max(general, key=lambda trial: trial.score) if general else max(trials, key=lambda trial: trial.general)
    return chosen.weight


def blender(model: Any, base: Any) -> Callable[[float], None]:  # noqa: ANN401 - untyped library
    """A function that gives ``model``, which is fine-tuned, the mix with this share of its own weights."""
    before, after = base.state_dict(), {name: values.clone() for name, values in model.state_dict().items()}
    return lambda weight: model.load_state_dict(mix(before, after, weight))
