"""Texts → unit vectors, and a cache that a killed run continues from. Imports sentence-transformers."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import EncoderError
from tripletkit.progress import Advance, Progress
from tripletkit.store import write_atomically

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]
#: Texts per shard of the cache: what a killed run can lose.
SHARD_TEXTS = 512


class Encoder(Protocol):
    """Anything that makes one unit-length row per text. ``fingerprint`` names the weights behind the vectors."""

    fingerprint: str

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1."""


class SentenceEncoder:
    """A SentenceTransformer folder, loaded when the first vector that no cache holds is asked for."""

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
        self._cached: VectorCache | None = None
        self._progress, self._batch_size = progress, batch_size
        self._model: Any = None

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """One unit-length float32 row per text; equal texts are encoded once, ever, per fingerprint."""
        known = self._cache.load() if self._cache is not None else {}
        keys = [text_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of like length share a batch, so that little of it is padding. The key breaks ties: order never matters.
        queue = sorted(missing, key=lambda key: (-len(missing[key]), key))
        with self._progress.bar(f"encoding {what}", len(queue), "texts") as advance:
            for start in range(0, len(queue), SHARD_TEXTS):
                shard = queue[start : start + SHARD_TEXTS]
                vectors = self._encode([missing[key] for key in shard], advance)
                known.update(zip(shard, vectors, strict=True))
                if self._cache is not None:
                    self._cache.add(shard, vectors)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)

    @property
    def _cache(self) -> VectorCache | None:
        """Under the fingerprint and, as vectors differ in their last digits, the precision."""
        if self._cached is None and self._folder is not None:
            self._cached = VectorCache(self._folder / f"{self.fingerprint}-{self._computed_in}")
        return self._cached

    @cached_property
    def _computed_in(self) -> str:
        from tripletkit.encoding.precision import choose_precision

        return choose_precision(self._precision)

    def _encode(self, texts: list[str], advance: Advance) -> Vectors:
        from tripletkit.encoding.precision import computing

        model = self._load()
        rows = []
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            with computing(model.device.type, self._computed_in):
                vectors = model.encode(
                    batch, convert_to_tensor=True, show_progress_bar=False, batch_size=self._batch_size
                )
            rows.append(vectors.float().cpu().numpy())
            advance(len(batch))
        found: Vectors = np.concatenate(rows).astype(np.float32)
        # After the cast: rows have length 1 in float32, whatever they were computed in.
        unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return unit

    def _load(self) -> Any:  # noqa: ANN401 - untyped library
        if self._model is None:
            self._model = load_model(self.place)
        return self._model


def load_model(place: EncoderFolder) -> Any:  # noqa: ANN401 - untyped library
    """The SentenceTransformer in ``place``. Raises EncoderError for a folder that holds none."""
    import torch
    from sentence_transformers import SentenceTransformer

    quieten_libraries()
    torch.set_num_threads(
        max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    )
    try:
        return SentenceTransformer(str(place.folder), local_files_only=True)
    except Exception as error:  # the library raises whatever its parts raise
        raise EncoderError(
            f"encoder {place.name!r}: {place.folder} cannot be loaded ({type(error).__name__}: {error})",
            "Give a folder that SentenceTransformer.save_pretrained wrote, or a hub id.",
        ) from error


def quieten_libraries() -> None:
    """Switch off the bars that the libraries draw by themselves: a user sees ours."""
    import datasets
    import transformers.utils.logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    datasets.disable_progress_bars()
    disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()


class VectorCache:
    """Vectors by text, in shards that are written whole, under the fingerprint of the encoder that made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every vector in the cache. A shard that cannot be read is set aside as if it had never been written."""
        known: dict[str, npt.NDArray[np.float32]] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with np.load(path, allow_pickle=False) as shard:
                    known.update(zip(shard["keys"].tolist(), shard["vectors"], strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s: damaged, its texts are encoded again (%s)", path, error)
        return known

    def add(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Write one shard; its name follows from its texts."""
        buffer = io.BytesIO()
        np.savez(buffer, keys=np.array(keys), vectors=vectors)
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        write_atomically(self.folder / f"{name}.npz", buffer.getvalue())


def text_key(text: str) -> str:
    """What the cache knows a text by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
