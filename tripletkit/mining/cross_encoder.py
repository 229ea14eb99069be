"""A second opinion on chosen negatives, by a model that reads passage and term together. Imports sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tripletkit.errors import EncoderError
from tripletkit.mining.miner import Mined, Triplet

#: The guard's name among those that refuse.
GUARD = "too near by the cross-encoder"


@dataclass(frozen=True)
class Reread:
    """What is left, what was refused with the scores of positive and negative, and both scores of what is left."""

    mined: Mined
    refused: list[tuple[Triplet, float, float]]
    scores: list[tuple[float, float]]


def reread(mined: Mined, texts: Sequence[tuple[str, str, str]], model: Any, bound: float) -> Reread:  # noqa: ANN401 - untyped library
    """Refuse negatives whose score is over ``bound`` of their positive's. ``texts``: each triplet's anchor, positive, negative.

    What is refused is not replaced: the rule that chose it has no next one that was read.
    """
    pairs = list(dict.fromkeys(pair for anchor, *both in texts for pair in ((anchor, both[0]), (anchor, both[1]))))
    score = dict(zip(pairs, map(float, model.predict(pairs, show_progress_bar=False)), strict=True))
    left, refused, scores = [], [], []
    for triplet, (anchor, positive, negative) in zip(mined.triplets, texts, strict=True):
        of_positive, of_negative = score[anchor, positive], score[anchor, negative]
        if of_negative > of_positive - (1 - bound) * abs(of_positive):
            refused.append((triplet, of_positive, of_negative))
        else:
            left.append(triplet)
            scores.append((of_positive, of_negative))
    counts = mined.refused.copy()
    counts[GUARD] = len(refused)
    return Reread(replace(mined, triplets=left, refused=counts), refused, scores)


def load_cross_encoder(name: str) -> Any:  # noqa: ANN401 - untyped library
    """The CrossEncoder of one score in a folder, or of a hub id. Raises EncoderError."""
    from sentence_transformers import CrossEncoder

    folder = Path(name).expanduser()
    try:
        model = CrossEncoder(str(folder) if folder.is_dir() else name, local_files_only=folder.is_dir())
    except Exception as error:  # the library raises whatever its parts raise
        raise EncoderError(
            f"cross-encoder {name!r} cannot be loaded ({type(error).__name__}: {error})",
            "Give a folder that CrossEncoder.save_pretrained wrote, or a hub id such as cross-encoder/ms-marco-MiniLM-L6-v2.",
        ) from error
    if model.num_labels != 1:
        raise EncoderError(
            f"cross-encoder {name!r} gives {model.num_labels} scores a pair",
            "Take one that was trained to rank, which gives one.",
        )
    return model
