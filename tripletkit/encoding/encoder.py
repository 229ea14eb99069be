"""Texts to unit-length vectors, with a cache that an interrupted run continues from. Imports sentence-transformers."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tripletkit.encoding.quiet import hidden_progress_bars
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import EncoderError
from tripletkit.progress import Advance, Progress
from tripletkit.store import write_atomically

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]
#: Texts per file of the cache, and so the most that an interrupted run encodes again.
PART_TEXTS = 512


class Encoder(Protocol):
    """Anything that encodes texts as unit-length vectors. ``fingerprint`` identifies the weights."""

    fingerprint: str

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1."""


class SentenceEncoder:
    """A SentenceTransformer folder, which is loaded only when a text is not in the cache."""

    def __init__(
        self,
        place: EncoderFolder,
        *,
        cache: Path | None,
        progress: Progress,
        batch_size: int = 32,
        precision: str = "auto",
    ) -> None:
        self.place, self.fingerprint = place, place.fingerprint
        self._folder, self._precision = cache, precision
        self._progress, self._batch_size = progress, batch_size

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1. Equal texts are encoded once per fingerprint."""
        known = self._cache.load() if self._cache is not None else {}
        keys = [text_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of similar length share a batch, so that little of it is padding. The key breaks ties: the order of texts does not matter.
        queue = sorted(missing, key=lambda key: (-len(missing[key]), key))
        with self._progress.bar(f"encoding {what}", len(queue), "texts") as advance:
            for start in range(0, len(queue), PART_TEXTS):
                part = queue[start : start + PART_TEXTS]
                vectors = self._encode([missing[key] for key in part], advance)
                known.update(zip(part, vectors, strict=True))
                if self._cache is not None:
                    self._cache.add(part, vectors)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)

    @cached_property
    def _cache(self) -> VectorCache | None:
        """One folder per fingerprint and precision, as vectors differ in their last digits."""
        return (
            VectorCache(self._folder / f"{self.fingerprint}-{self._computed_in}") if self._folder is not None else None
        )

    @cached_property
    def _computed_in(self) -> str:
        from tripletkit.encoding.precision import choose_precision

        return choose_precision(self._precision)

    def _encode(self, texts: list[str], advance: Advance) -> Vectors:
        import torch

        rows = []
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            with torch.inference_mode():
                rows.append(_unit_vectors(self._model, batch, self._computed_in, batch_size=self._batch_size))
            advance(len(batch))
        return np.concatenate(rows)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - untyped library
        return load_model(self.place)


class ModelEncoder:
    """A SentenceTransformer object as an encoder. Nothing is cached, as its weights may change between calls."""

    fingerprint = ""

    def __init__(self, model: Any, precision: str) -> None:  # noqa: ANN401 - untyped library
        self._model, self._precision = model, precision

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1."""
        # Without inference mode: what a module caches here must still serve the next training step.
        return _unit_vectors(self._model, list(texts), self._precision)


def _unit_vectors(model: Any, texts: list[str], precision: str, **options: Any) -> Vectors:  # noqa: ANN401
    """Rows of length 1 in float32, whatever precision they are computed in."""
    from tripletkit.encoding.precision import autocast

    with autocast(model.device.type, precision):
        vectors = model.encode(texts, convert_to_tensor=True, show_progress_bar=False, **options)
    found: Vectors = vectors.float().cpu().numpy()
    unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return unit


def load_model(place: EncoderFolder) -> Any:  # noqa: ANN401 - untyped library
    """The SentenceTransformer in ``place``. Raises EncoderError if the folder has none."""
    from sentence_transformers import SentenceTransformer

    try:
        with hidden_progress_bars():
            return SentenceTransformer(str(place.folder), local_files_only=True)
    except Exception as error:  # the library raises whatever its parts raise
        raise EncoderError(
            f"encoder {place.name!r}: {place.folder} cannot be loaded ({type(error).__name__}: {error})",
            "Give a folder that SentenceTransformer.save_pretrained wrote, or a hub id.",
        ) from error


class VectorCache:
    """Vectors by text, in files that are written whole or not at all. Each encoder has a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every vector in the cache. A file that cannot be read is logged and left out."""
        known: dict[str, npt.NDArray[np.float32]] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with np.load(path, allow_pickle=False) as part:
                    known.update(zip(part["keys"].tolist(), part["vectors"], strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s: damaged; its texts are encoded again (%s)", path, error)
        return known

    def add(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Write one file; its name follows from its texts."""
        buffer = io.BytesIO()
        np.savez(buffer, keys=np.array(keys), vectors=vectors)
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        write_atomically(self.folder / f"{name}.npz", buffer.getvalue())


def text_key(text: str) -> str:
    """The key of a text in the cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
