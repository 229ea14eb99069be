"""General-domain similarity: Spearman correlation on 180 graded everyday sentence pairs that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.bootstrap import RESAMPLES, Estimate
from tripletkit.evaluation.metrics import Values


def graded_pairs() -> Iterator[tuple[int, str, str]]:
    """Grade from 0 (unrelated) to 5 (same meaning), and the two sentences."""
    text = (files("tripletkit.evaluation") / "similarity.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            grade, one, other = line.split("\t")
            yield int(grade), one, other


def general_similarity(encoder: Encoder, seed: int) -> Estimate:
    """Spearman correlation of cosine and grade, also on resampled pairs."""
    pairs = list(graded_pairs())
    vectors = encoder.encode([text for _, *texts in pairs for text in texts], "everyday sentences", "query")
    cosines = (vectors[0::2] * vectors[1::2]).sum(axis=1).astype(np.float64)
    grades = np.array([grade for grade, *_ in pairs], dtype=np.float64)
    every = np.arange(len(pairs))[None, :]
    drawn = np.random.default_rng(seed).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    return Estimate(spearman(cosines, grades, every)[0], spearman(cosines, grades, drawn))


def spearman(ones: Values, others: Values, drawn: npt.NDArray[np.integer]) -> Values:
    """Rank correlation for each row of ``drawn``, which holds indices of pairs: shape (rows, 1). Ties share their mean rank."""
    a, b = _centred_ranks(ones[drawn]), _centred_ranks(others[drawn])
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found: Values = ((a * b).sum(axis=1) / np.maximum(norm, 1e-12))[:, None]
    return found


def _centred_ranks(rows: Values) -> Values:
    ranks = pl.from_numpy(np.ascontiguousarray(rows.T)).select(pl.all().rank("average")).to_numpy().T
    centred: Values = ranks - ranks.mean(axis=1, keepdims=True)
    return centred
