"""The teacher's scores of all passages and terms of one book, part by part, and the logits that they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
#: Parts on a scale of their own. They are standardised in the direction in which scores are compared; the others are counts.
STANDARDISED = ("cosine", "maxsim", "bm25")


@dataclass(frozen=True)
class BookScores:
    """One book's passages and terms by id. Each of ``parts`` and both targets have the shape (passages, terms).

    ``over_terms`` and ``over_passages`` are logits: softmax over terms (rows) or over passages (columns) is what is taught.
    """

    passage_ids: Sequence[str]
    term_ids: Sequence[str]
    parts: dict[str, Scores]
    over_terms: Scores
    over_passages: Scores


def add_up(parts: Mapping[str, Scores], weights: Mapping[str, float], axis: int) -> Scores:
    """The weighted sum of the parts, those in STANDARDISED with mean 0 and deviation 1 along ``axis``. float32, same shape."""
    used = {name: weight for name, weight in weights.items() if weight and name in parts}
    scores = [
        weight * (standardised(parts[name], axis) if name in STANDARDISED else parts[name])
        for name, weight in used.items()
    ]
    total: Scores = np.sum(scores, axis=0, dtype=np.float32)
    return total


def standardised(scores: Scores, axis: int) -> Scores:
    """Mean 0 and standard deviation 1 along ``axis``; 0 where all scores are equal."""
    mean, deviation = scores.mean(axis=axis, keepdims=True), scores.std(axis=axis, keepdims=True)
    found: Scores = (scores - mean) / np.maximum(deviation, 1e-6)
    return found
