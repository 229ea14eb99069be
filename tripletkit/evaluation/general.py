"""Whether training has cost an encoder its general sense: rank correlation of cosines and grades of everyday sentence pairs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.errors import SourceError
from tripletkit.evaluation.metrics import RESAMPLES, Estimate, Values
from tripletkit.user_rows import read_user_pairs

#: The grade of two texts, higher for more alike, and the texts.
GradedPair = tuple[float, str, str]
#: A rank correlation of fewer pairs has an interval of more than ±0.4.
FEWEST_PAIRS = 20


def graded_pairs(path: Path | None = None) -> list[GradedPair]:
    """A user's pairs, or 180 pairs that come with the package, graded from 0 (unrelated) to 5 (same meaning).

    Raises SourceError for a file that cannot be used, with its line.
    """
    if path is None:
        text = (files("tripletkit.evaluation") / "similarity.tsv").read_text(encoding="utf-8")
        rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
        return [(float(grade), one, other) for grade, one, other in rows]
    pairs = read_user_pairs(path)
    if len(pairs) < FEWEST_PAIRS or len({grade for grade, *_ in pairs}) == 1:
        what = f"{len(pairs)} pairs with {len({grade for grade, *_ in pairs})} different scores"
        raise SourceError(f"{path}: {what}", f"A rank correlation needs at least {FEWEST_PAIRS} pairs and two scores.")
    return pairs


def general_similarity(encoder: Encoder, seed: int, pairs: Sequence[GradedPair] | None = None) -> Estimate:
    """Spearman correlation of cosine and grade, also on resampled pairs; without ``pairs`` on those of the package."""
    pairs = graded_pairs() if pairs is None else pairs
    vectors = encoder.encode([text for _, *texts in pairs for text in texts], "everyday sentences", "query")
    cosines = (vectors[0::2] * vectors[1::2]).sum(axis=1).astype(np.float64)
    grades = np.array([grade for grade, *_ in pairs], dtype=np.float64)
    every = np.arange(len(pairs))[None, :]
    drawn = np.random.default_rng(seed).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    return Estimate(spearman(cosines, grades, every)[0], spearman(cosines, grades, drawn))


def spearman(ones: Values, others: Values, drawn: npt.NDArray[np.integer]) -> Values:
    """Rank correlation for each row of ``drawn``, which holds indices of pairs: shape (rows, 1). Ties share their mean rank."""
    columns = [pl.from_numpy(np.ascontiguousarray(of[drawn].T)) for of in (ones, others)]
    ranks = [table.select(pl.all().rank("average")).to_numpy().T for table in columns]
    a, b = (rows - rows.mean(axis=1, keepdims=True) for rows in ranks)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found: Values = ((a * b).sum(axis=1) / np.maximum(norm, 1e-12))[:, None]
    return found
