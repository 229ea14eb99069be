"""Texts to unit-length vectors, with a cache that an interrupted run continues from. Imports sentence-transformers."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tripletkit.addresses import Place, files_of, readable
from tripletkit.cluster.mapper import Mapper, Work
from tripletkit.encoding.properties import TASKS, Task, Tasks
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import EncoderError
from tripletkit.pdf.workers import Failure, WorkerFunction
from tripletkit.progress import Advance, Progress
from tripletkit.store import write_atomically

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]
#: Texts of one task that are encoded together.
Part: TypeAlias = tuple[list[str], Task]
ENCODE_PART: WorkerFunction[PartSetup, Callable[[Part], Vectors]] = WorkerFunction(
    "tripletkit.encoding.encoder:part_encoder"
)
#: Where scores of MaxSim are kept; another number for another rule of computing them.
MAXSIM = "maxsim-2"
#: Texts per file of the cache, and so the most that an interrupted run encodes again.
PART_TEXTS = 512


class Encoder(Protocol):
    """Anything that encodes texts as unit-length vectors. ``fingerprint`` identifies the weights."""

    fingerprint: str

    def encode(self, texts: Sequence[str], what: str = "texts", task: Tasks = "document") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1. Terms are queries, passages documents."""

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> Vectors | None:
        """MaxSim, float32, shape (queries, documents): see `tripletkit.encoding.maxsim`. None without token vectors."""


class SentenceEncoder:
    """A SentenceTransformer folder, which is loaded only when a text is not in the cache."""

    def __init__(
        self,
        place: EncoderFolder,
        *,
        cache: Place | None,
        progress: Progress,
        batch_size: int = 32,
        precision: str = "auto",
        mapper: Mapper | None = None,
    ) -> None:
        """``mapper``: where texts are encoded; None for this process."""
        self._mapper = mapper
        self.place, self.fingerprint = place, place.fingerprint
        self._folder, self._precision = cache, precision
        self._progress, self._batch_size = progress, batch_size

    def encode(self, texts: Sequence[str], what: str = "texts", task: Tasks = "document") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1. Equal texts are encoded once per fingerprint.

        Raises EncoderError for a vector that is NaN or infinite.
        """
        known = self._known if self._cache is not None else {}
        tasks = [task] * len(texts) if isinstance(task, str) else task
        roles = {one: self.place.role(one) for one in TASKS}
        keys = [text_key(roles[one] + text) for text, one in zip(texts, tasks, strict=True)]
        missing = {key: (one, text) for key, one, text in zip(keys, tasks, texts, strict=True) if key not in known}

        def role(key: str) -> str:
            return roles[missing[key][0]]

        # Texts of similar length share a batch, so that little of it is padding. The key breaks ties: the order of texts does not matter.
        queue = sorted(missing, key=lambda key: (role(key), -len(missing[key][1]), key))
        with self._progress.bar(f"encoding {what}", len(queue), "texts") as advance:
            parts = [part for _, alike in groupby(queue, role) for part in batched(alike, PART_TEXTS)]
            tasks_of = [([missing[key][1] for key in part], missing[part[0]][0]) for part in parts]
            for number, vectors in self._encode_parts(tasks_of, what, advance):
                known.update(zip(parts[number], vectors, strict=True))
                if self._cache is not None:
                    self._cache.add(parts[number], vectors)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> Vectors | None:
        """MaxSim, float32, shape (queries, documents), cached as a whole. None without token vectors.

        Raises EncoderError for a score that is NaN or infinite.
        """
        from tripletkit.encoding.maxsim import max_similarities

        texts = [self.place.role("query"), *queries, self.place.role("document"), *documents]
        cache = ScoreCache(self._folder / MAXSIM / f"{self.fingerprint}-{self._computed_in}") if self._folder else None
        if cache is not None and (known := cache.load(texts, (len(queries), len(documents)))) is not None:
            return known
        with self._progress.bar(f"matching tokens of {what}", len(documents), "texts") as advance:
            found = max_similarities(self._model, queries, documents, self._computed_in, advance)
        if found is not None:
            self._check(found)
            if cache is not None:
                cache.add(texts, found)
        return found

    @cached_property
    def _cache(self) -> VectorCache | None:
        """One folder per fingerprint and precision, as vectors differ in their last digits."""
        return (
            VectorCache(self._folder / f"{self.fingerprint}-{self._computed_in}") if self._folder is not None else None
        )

    @cached_property
    def _known(self) -> dict[str, npt.NDArray[np.float32]]:
        """The vectors of the cache, read once, and those added since."""
        return self._cache.load() if self._cache is not None else {}

    @cached_property
    def _computed_in(self) -> str:
        from tripletkit.encoding.precision import choose_precision

        return choose_precision(self._precision)

    def _encode_parts(self, parts: Sequence[Part], what: str, advance: Advance) -> Iterator[tuple[int, Vectors]]:
        """The number and the vectors of each part, as they come. Raises EncoderError where a worker cannot encode one."""
        if self._mapper is None:
            yield from ((number, self._encode(*part, advance)) for number, part in enumerate(parts))
            return
        setup = PartSetup(self.place, self.fingerprint, self._computed_in, self._batch_size)
        work = Work(ENCODE_PART, setup, gpu=True, keep=True)
        for number, vectors in self._mapper.map(work, parts, total=len(parts)):
            if isinstance(vectors, Failure):
                log.debug("encoding failed\n%s", vectors.traceback)
                problem = f"encoder {self.place.name!r}: a worker that encodes {what} {vectors.why}"
                raise EncoderError(problem, "Give the nodes of the cluster more memory; what is encoded is kept.")
            advance(len(parts[number][0]))
            yield number, vectors

    def _encode(self, texts: list[str], task: Task, advance: Advance) -> Vectors:
        import torch

        rows = []
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            with torch.inference_mode():
                rows.append(_unit_vectors(self._model, batch, self._computed_in, task))
            advance(len(batch))
        return self._check(np.concatenate(rows))

    def _check(self, found: Vectors) -> Vectors:
        return check_finite(f"encoder {self.place.name!r}", found, self._computed_in)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - untyped library
        from tripletkit.encoding.loading import load_model

        return load_model(self.place)


@dataclass(frozen=True)
class PartSetup:
    """What a worker needs to encode: the encoder, the fingerprint that its copy must have, precision and batch size."""

    place: EncoderFolder
    fingerprint: str
    precision: str
    batch_size: int


def part_encoder(setup: PartSetup) -> Callable[[Part], Vectors]:
    """The function that encodes texts of one task with this worker's copy of the encoder.

    Raises EncoderError if the encoder is not on this machine, or is another one.
    """
    at = setup.place
    # A new object: what the other process worked out of its folder does not hold for this one.
    place = EncoderFolder(at.name, at.base, at.folder, at.prompts)
    place = place if place.folder.is_dir() else resolve_encoder(at.name, at.prompts)
    if place.fingerprint != setup.fingerprint:
        hint = "Put the same folder, or the same revision in the Hub's cache, on every node."
        raise EncoderError(f"encoder {at.name!r}: a node of the cluster has other weights of that name", hint)
    progress = Progress(quiet=True)
    encoder = SentenceEncoder(
        place, cache=None, progress=progress, batch_size=setup.batch_size, precision=setup.precision
    )
    return lambda part: encoder._encode(*part, lambda _: None)


def check_finite(model: str, found: Vectors, precision: str) -> Vectors:
    """``found``, the vectors or scores of a model. Raises EncoderError, which names it, if one is NaN or infinite."""
    if not np.isfinite(found).all():
        raise EncoderError(f"{model}: it gives NaN for some texts in {precision}", "Set precision to float32.")
    return found


class ModelEncoder:
    """A SentenceTransformer object as an encoder. Nothing is cached, as its weights may change between calls."""

    fingerprint = ""

    def __init__(self, model: Any, precision: str) -> None:  # noqa: ANN401 - untyped library
        self._model, self._precision = model, precision

    def encode(self, texts: Sequence[str], what: str = "texts", task: Tasks = "document") -> Vectors:
        """float32, shape (len(texts), dimensions), rows of length 1."""
        if not isinstance(task, str):
            return each_by_task(self, texts, what, task)
        # Without inference mode: what a module caches here must still serve the next training step.
        return _unit_vectors(self._model, texts, self._precision, task)

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> Vectors | None:
        """MaxSim, float32, shape (queries, documents). None without token vectors."""
        from tripletkit.encoding.maxsim import max_similarities

        return max_similarities(self._model, queries, documents, self._precision)


def each_by_task(encoder: Encoder, texts: Sequence[str], what: str, tasks: Sequence[Task]) -> Vectors:
    """The vectors of texts of both tasks, each of which is encoded in one call."""
    places = {one: [i for i, own in enumerate(tasks) if own == one] for one in dict.fromkeys(tasks)}
    rows = [encoder.encode([texts[i] for i in own], what, one) for one, own in places.items()]
    return np.concatenate(rows)[np.argsort(np.concatenate(list(places.values())))]


def _unit_vectors(model: Any, texts: Sequence[str], precision: str, task: Task) -> Vectors:  # noqa: ANN401
    """Rows of length 1 in float32, whatever precision they are computed in."""
    from tripletkit.encoding.loading import encode
    from tripletkit.encoding.precision import autocast

    with autocast(model.device.type, precision):
        vectors = encode(model, texts, task)
    found: Vectors = vectors.float().cpu().numpy()
    unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return unit


def batched(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of ``size`` keys, the last one shorter."""
    left = iter(keys)
    while part := list(islice(left, size)):
        yield part


class VectorCache:
    """Vectors by text, in files that are written whole or not at all. Each encoder has a folder of its own.

    A file holds the name of its folder, so that one that was copied from another encoder's is not used.
    """

    def __init__(self, folder: Place) -> None:
        self.folder = folder

    def load(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every vector in the cache. A file that cannot be read, or holds NaN or other weights' vectors, is logged and left out."""
        known: dict[str, npt.NDArray[np.float32]] = {}
        for path in sorted(files_of(self.folder, "*.npz"), key=str):
            try:
                with np.load(readable(path), allow_pickle=False) as part:
                    known.update(zip(part["keys"].tolist(), self._vectors(part), strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s: damaged; its texts are encoded again (%s)", path, error)
        return known

    def _vectors(self, part: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Raises ValueError for vectors of another encoder, or that are no numbers. Files of older versions name no encoder."""
        maker, vectors = str(part.get("encoder", self.folder.name)), part["vectors"]
        if maker != self.folder.name:
            raise ValueError(f"its vectors are those of {maker}")
        if not np.isfinite(vectors).all():
            raise ValueError("it holds NaN")
        return vectors

    def add(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Write one file; its name follows from its texts."""
        buffer = io.BytesIO()
        np.savez(buffer, keys=np.array(keys), vectors=vectors, encoder=np.array(self.folder.name))
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        write_atomically(self.folder / f"{name}.npz", buffer.getvalue())


class ScoreCache:
    """Matrices of scores by the texts that they are of, one file each. Each encoder has a folder of its own."""

    def __init__(self, folder: Place) -> None:
        self.folder = folder

    def _file(self, texts: Sequence[str]) -> Place:
        return self.folder / f"{text_key(chr(0).join(map(text_key, texts)))}.npy"

    def load(self, texts: Sequence[str], shape: tuple[int, int]) -> Vectors | None:
        """The scores, or None if they are not there. A file that cannot be read or holds other scores is logged and left out."""
        path = self._file(texts)
        if not path.is_file():
            return None
        try:
            found: Vectors = np.load(readable(path), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            log.warning("%s: damaged; its scores are computed again (%s)", path, error)
            return None
        return found if found.shape == shape and np.isfinite(found).all() else None

    def add(self, texts: Sequence[str], scores: Vectors) -> None:
        """Write one file."""
        buffer = io.BytesIO()
        np.save(buffer, scores, allow_pickle=False)
        write_atomically(self._file(texts), buffer.getvalue())


def text_key(text: str) -> str:
    """The key of a text in the cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
