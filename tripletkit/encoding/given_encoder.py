"""The encoder that a caller gives: a folder, a hub id, a SentenceTransformer, or any object with ``encode``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tripletkit.encoding.encoder import SentenceEncoder, Vectors, each_by_task
from tripletkit.encoding.properties import Tasks
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import EncoderError
from tripletkit.progress import Progress


def given_encoder(model: Any) -> SentenceEncoder | ObjectEncoder:  # noqa: ANN401 - anything that encodes
    """An encoder that keeps no cache and shows no progress. Raises EncoderError for what is none."""
    if isinstance(model, str | Path):
        return SentenceEncoder(resolve_encoder(str(model)), cache=None, progress=Progress(quiet=True))
    return ObjectEncoder(model)


def mask_token_of(encoder: SentenceEncoder | ObjectEncoder) -> str | None:
    """The mask token of the encoder's tokenizer, None if it has none."""
    return encoder.place.mask_token if isinstance(encoder, SentenceEncoder) else encoder.mask_token


class ObjectEncoder:
    """Unit vectors of an object with ``encode``, checked. It stays on its device."""

    fingerprint = ""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self.name = type(model).__name__
        if not hasattr(model, "encode"):
            raise EncoderError(
                f"a {self.name} is no model",
                "Give a SentenceTransformer, a path or hub id, or an object with encode().",
            )
        token = getattr(getattr(model, "tokenizer", None), "mask_token", None)
        self.mask_token = token if isinstance(token, str) else None
        self._model = model
        accepted = inspect.signature(model.encode).parameters
        self._options = {"show_progress_bar": False} if "show_progress_bar" in accepted else {}

    def encode(self, texts: Sequence[str], what: str = "texts", task: Tasks = "document") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1. Queries by ``encode_query`` if the object has that."""
        if not isinstance(task, str) and hasattr(self._model, "encode_query"):
            return each_by_task(self, texts, what, task)
        call = getattr(self._model, f"encode_{task}", self._model.encode)
        rows = np.asarray(_on_cpu(call(list(texts), **self._options)), dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(texts):
            problem = f"{self.name}.encode gave an array of shape {rows.shape} for {len(texts)} {what}"
            raise EncoderError(problem, "It must give a row per text.")
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            raise EncoderError(
                f"{self.name}.encode gave NaN or infinity for {len(broken)} of {len(texts)} {what}, "
                f"first for {texts[int(broken[0])][:60]!r}",
                "Use another model, or float32 if it overflows in float16.",
            )
        unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> Vectors | None:
        """MaxSim, float32, shape (queries, documents). None for objects that give no token vectors."""
        if not all(hasattr(self._model, name) for name in ("tokenizer", "preprocess", "encode_query")):
            return None
        from tripletkit.encoding.maxsim import max_similarities

        return max_similarities(self._model, queries, documents, "float32")


def _on_cpu(vectors: Any) -> Any:  # noqa: ANN401 - arrays or tensors
    """Tensors, on whatever device and in whatever precision, as arrays; so are lists of them."""
    if isinstance(vectors, list | tuple):
        return [_on_cpu(vector) for vector in vectors]
    return vectors.detach().float().cpu().numpy() if hasattr(vectors, "detach") else vectors
