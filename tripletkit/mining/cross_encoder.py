"""A second opinion on chosen negatives, by a model that reads passage and term together. Imports sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tripletkit.errors import EncoderError
from tripletkit.mining.search import Mined, Triplet

#: The guard's name among those that reject.
TOO_CLOSE_BY_CROSS_ENCODER = "too close by the cross-encoder"


@dataclass(frozen=True)
class Rescored:
    """What is left, what was rejected with the scores of positive and negative, and both scores of what is left."""

    mined: Mined
    rejected: list[tuple[Triplet, float, float]]
    scores: list[tuple[float, float]]


def rescore(mined: Mined, texts: Sequence[tuple[str, str, str]], model: Any, relative_margin: float) -> Rescored:  # noqa: ANN401 - untyped library
    """Reject negatives whose score is not below their positive's by ``relative_margin``, a share of the positive's score.

    ``texts`` holds each triplet's anchor, positive and negative. What is rejected is not replaced.
    """
    pairs = list(dict.fromkeys(pair for anchor, *both in texts for pair in ((anchor, both[0]), (anchor, both[1]))))
    score = dict(zip(pairs, map(float, model.predict(pairs, show_progress_bar=False)), strict=True))
    left, rejected, scores = [], [], []
    for triplet, (anchor, positive, negative) in zip(mined.triplets, texts, strict=True):
        of_positive, of_negative = score[anchor, positive], score[anchor, negative]
        if of_negative > of_positive - relative_margin * abs(of_positive):
            rejected.append((triplet, of_positive, of_negative))
        else:
            left.append(triplet)
            scores.append((of_positive, of_negative))
    counts = mined.rejected.copy()
    counts[TOO_CLOSE_BY_CROSS_ENCODER] = len(rejected)
    return Rescored(replace(mined, triplets=left, rejected=counts), rejected, scores)


def load_cross_encoder(name: str) -> Any:  # noqa: ANN401 - untyped library
    """The CrossEncoder of one score in a folder, or of a hub id. Raises EncoderError."""
    import torch
    from sentence_transformers import CrossEncoder

    from tripletkit.encoding.loading import check_weights

    folder = Path(name).expanduser()
    try:
        model = CrossEncoder(
            str(folder) if folder.is_dir() else name,
            local_files_only=folder.is_dir(),
            model_kwargs={"dtype": torch.float32},
        )
    except Exception as error:  # the library raises whatever its parts raise
        raise EncoderError(
            f"cross-encoder {name!r} cannot be loaded ({type(error).__name__}: {error})",
            "Give a folder that CrossEncoder.save_pretrained wrote, or a hub id such as cross-encoder/ms-marco-MiniLM-L6-v2.",
        ) from error
    architectures = model.config.architectures or [""]
    if model[0].transformer_task == "sequence-classification" and not architectures[0].endswith("Classification"):
        raise EncoderError(
            f"cross-encoder {name!r}: it is a {architectures[0] or 'model'} without scores, such as an encoder has",
            "Give a CrossEncoder, such as cross-encoder/ms-marco-MiniLM-L6-v2.",
        )
    check_weights(f"cross-encoder {name!r}", model)
    if model.num_labels != 1:
        raise EncoderError(
            f"cross-encoder {name!r} gives {model.num_labels} scores a pair",
            "Choose one that was trained to rank, which gives one.",
        )
    return model
