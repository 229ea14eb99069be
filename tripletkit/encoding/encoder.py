"""Texts → unit vectors, and a cache that a killed run continues from. Imports sentence-transformers."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tripletkit.encoding.locate import EncoderFolder
from tripletkit.errors import EncoderError
from tripletkit.progress import Progress
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

    def __init__(self, place: EncoderFolder, *, cache: Path | None, progress: Progress, batch_size: int = 32) -> None:
        self.place, self.fingerprint = place, place.fingerprint
        self._cache = VectorCache(cache / place.fingerprint) if cache is not None else None
        self._progress, self._batch_size = progress, batch_size
        self._model: object | None = None

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        """One unit-length float32 row per text; equal texts are encoded once, ever, per fingerprint."""
        known = self._cache.load() if self._cache else {}
        keys = [text_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of like length share a batch, so that little of it is padding. The key breaks ties: order never matters.
        queue = sorted(missing, key=lambda key: (-len(missing[key]), key))
        with self._progress.bar(f"encoding {what}", len(queue), "texts") as advance:
            for start in range(0, len(queue), SHARD_TEXTS):
                shard = queue[start : start + SHARD_TEXTS]
                vectors = self._encode([missing[key] for key in shard], advance)
                known.update(zip(shard, vectors, strict=True))
                if self._cache:
                    self._cache.add(shard, vectors)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)

    def _encode(self, texts: list[str], advance: object) -> Vectors:
        model = self._load()
        rows = []
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            rows.append(model.encode(batch, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False, batch_size=self._batch_size))  # type: ignore[attr-defined]
            advance(len(batch))  # type: ignore[operator]
        return np.concatenate(rows).astype(np.float32)

    def _load(self) -> object:
        if self._model is None:
            self._model = load_model(self.place)
        return self._model


def load_model(place: EncoderFolder) -> object:
    """The SentenceTransformer in ``place``. Raises EncoderError for a folder that holds none."""
    import torch
    from sentence_transformers import SentenceTransformer

    quieten_libraries()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))
    try:
        return SentenceTransformer(str(place.folder), local_files_only=True)
    except Exception as error:  # the library raises whatever its parts raise
        raise EncoderError(f"encoder {place.name!r}: {place.folder} cannot be loaded ({type(error).__name__}: {error})",
                           "Give a folder that SentenceTransformer.save_pretrained wrote, or a hub id.") from error


def quieten_libraries() -> None:
    """Switch off the bars that the libraries draw by themselves: a user sees ours."""
    import datasets
    from huggingface_hub.utils.tqdm import disable_progress_bars
    import transformers.utils.logging

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
