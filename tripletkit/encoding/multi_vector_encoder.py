"""The MaxSim of a MultiVectorEncoder of sentence-transformers, which is cached. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch.nn.functional import normalize

from tripletkit.addresses import Place
from tripletkit.encoding.encoder import MAXSIM, ScoreCache, Vectors, check_finite
from tripletkit.encoding.loading import load_multi_vector
from tripletkit.encoding.maxsim import compare_tokens
from tripletkit.encoding.precision import autocast, choose_precision
from tripletkit.encoding.properties import Task
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.progress import Progress


class MultiVectorScorer:
    """Scores by the MultiVectorEncoder in ``place``, which is loaded only when scores are not in the cache."""

    def __init__(self, place: EncoderFolder, *, cache: Place | None, progress: Progress, precision: str) -> None:
        self.place, self._progress, self._precision = place, progress, choose_precision(precision)
        name = f"{place.fingerprint}-{self._precision}"
        self._cache = ScoreCache(cache / MAXSIM / name) if cache is not None else None

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> Vectors:
        """Mean over a query's token vectors of the highest cosine with one of the document's.

        float32, shape (queries, documents). Prompts, lengths, query expansion and which tokens have vectors are the model's
        own. Raises EncoderError for a score that is NaN or infinite.
        """
        texts = [*queries, "", *documents]
        if self._cache is not None and (known := self._cache.load(texts, (len(queries), len(documents)))) is not None:
            return known
        with self._progress.bar(f"matching tokens of {what}", len(documents), "texts") as advance:
            found = compare_tokens(self._vectors, queries, documents, advance)
        assert found is not None  # a MultiVectorEncoder has token vectors
        check_finite(f"multi-vector encoder {self.place.name!r}", found, self._precision)
        if self._cache is not None:
            self._cache.add(texts, found)
        return found

    def _vectors(self, texts: Sequence[str], task: Task) -> list[torch.Tensor]:
        """Per text, unit vectors, shape (tokens, dimensions)."""
        call = self._model.encode_query if task == "query" else self._model.encode_document
        with torch.inference_mode(), autocast(self._model.device.type, self._precision):
            rows = [rows.float() for rows in call(list(texts), show_progress_bar=False)]
        # A text without a token that counts matches nothing.
        return [normalize(one, dim=-1) if len(one) else one.new_zeros(1, one.shape[1]) for one in rows]

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - untyped library
        return load_multi_vector(self.place)
