"""A CrossEncoder: how it is loaded, and its scores of pairs of texts, which are cached. Imports sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tripletkit.addresses import Place
from tripletkit.encoding.encoder import PART_TEXTS, VectorCache, Vectors, batched, check_finite, text_key
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import EncoderError
from tripletkit.progress import Progress


def load_cross_encoder(name: str | None, folder: Path | None = None) -> Any:  # noqa: ANN401 - untyped library
    """The CrossEncoder in a folder or of a Hub id, which must give one score a pair; None for None. Raises EncoderError.

    ``folder``: where it lies, if ``name`` is only what the user called it.
    """
    if name is None:
        return None
    import torch
    from sentence_transformers import CrossEncoder

    from tripletkit.encoding.loading import check_limits, check_weights

    folder = folder or Path(name).expanduser()
    try:
        model = CrossEncoder(
            str(folder) if folder.is_dir() else name,
            local_files_only=folder.is_dir(),
            model_kwargs={"dtype": torch.float32},
        )
    except Exception as error:  # the library raises many types
        raise EncoderError(
            f"cross-encoder {name!r} cannot be loaded ({type(error).__name__}: {error})",
            "Give a folder written by CrossEncoder.save_pretrained, or a Hub id: cross-encoder/ms-marco-MiniLM-L6-v2.",
        ) from error
    architectures = model.config.architectures or [""]
    if model[0].transformer_task == "sequence-classification" and not architectures[0].endswith("Classification"):
        raise EncoderError(
            f"cross-encoder {name!r}: it is a {architectures[0] or 'model'} without scores, such as an encoder has",
            "Give a CrossEncoder, such as cross-encoder/ms-marco-MiniLM-L6-v2.",
        )
    check_weights(f"cross-encoder {name!r}", model)
    check_limits(f"cross-encoder {name!r}", model)
    if model.num_labels != 1:
        raise EncoderError(
            f"cross-encoder {name!r} gives {model.num_labels} scores a pair",
            "Choose one that was trained to rank, which gives one.",
        )
    return model


class PairScorer:
    """Scores of pairs of texts by the CrossEncoder in ``place``, which is loaded only when a pair is not in the cache."""

    def __init__(self, place: EncoderFolder, *, cache: Place | None, progress: Progress, precision: str) -> None:
        from tripletkit.encoding.precision import choose_precision

        self.place, self._progress, self._precision = place, progress, choose_precision(precision)
        name = f"{place.fingerprint}-{self._precision}"
        self._cache = VectorCache(cache / "pairs" / name) if cache is not None else None

    def score(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """float32, shape (len(pairs),): logits, which rank as the model's scores do and do not saturate at 1.

        The first text of a pair is the query. Raises EncoderError for a score that is NaN or infinite.
        """
        known = self._cache.load() if self._cache is not None else {}
        keys = [text_key("\0".join(map(text_key, pair))) for pair in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        # Pairs of similar length share a batch; the key breaks ties.
        queue = sorted(missing, key=lambda key: (-sum(map(len, missing[key])), key))
        with self._progress.bar("scoring by the cross-encoder", len(queue), "pairs") as advance:
            for part in batched(queue, PART_TEXTS):
                scores = self._score([missing[key] for key in part])
                known.update(zip(part, scores, strict=True))
                if self._cache is not None:
                    self._cache.add(part, scores)
                advance(len(part))
        return np.array([known[key] for key in keys], dtype=np.float32)

    def _score(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        import torch

        from tripletkit.encoding.precision import autocast

        with autocast(self._model.device.type, self._precision):
            found = self._model.predict(
                list(pairs), activation_fn=torch.nn.Identity(), convert_to_tensor=True, show_progress_bar=False
            )
        return check_finite(f"cross-encoder {self.place.name!r}", found.float().cpu().numpy(), self._precision)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - untyped library
        return load_cross_encoder(self.place.name, self.place.folder)
