"""Cosines have the same bits in blocks of any size, and near-synonyms are those of exact products."""

from __future__ import annotations

import numpy as np
import pytest

from tripletkit.errors import TableError
from tripletkit.mining.cosines import TermCosines, Vectors


def unit_rows(count: int, dimensions: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_cosines_are_the_same_bits_in_every_shape() -> None:
    """In float32 they are not: BLAS adds in another order for another shape."""
    anchors, terms = unit_rows(257, 384, 0), unit_rows(301, 384, 1)
    of_terms = TermCosines(terms, 64)
    whole = of_terms.of(anchors)
    for rows in (1, 3, 100):
        parts = [of_terms.of(anchors[start : start + rows]) for start in range(0, 257, rows)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert of_terms.of(anchors[::-1])[::-1].tobytes() == whole.tobytes()
    everywhere = np.divmod(np.arange(whole.size), 301)
    assert of_terms.of_pairs(anchors[everywhere[0]], everywhere[1]).tobytes() == whole.tobytes()
    among = TermCosines(terms, 64).of(terms)
    assert np.stack([of_terms.between(i, np.arange(301)) for i in range(301)]).tobytes() == among.tobytes()
    assert np.abs(whole - anchors.astype(np.float64) @ terms.astype(np.float64).T).max() < 1e-7


@pytest.mark.parametrize(("count", "dimensions"), [(90, 6), (120, 384)])
def test_near_synonyms_are_those_of_exact_products(count: int, dimensions: int) -> None:
    """Here a threshold at which a cosine lies, and one just beyond it. In float32 it may lie on the other side."""
    terms = unit_rows(count, dimensions, 1)
    exact = TermCosines(terms, 64).of(terms)
    for threshold in (0.5, float(np.sort(exact.ravel())[-200]), float(np.nextafter(np.sort(exact.ravel())[-200], 2))):
        for memory in (64, 0.05):
            near = TermCosines(terms, memory).near_synonyms(threshold)
            assert [row.tolist() for row in near] == [
                np.flatnonzero(row >= np.float32(threshold)).tolist() for row in exact
            ]


def test_an_encoder_that_finds_all_terms_alike_is_refused_before_it_fills_the_memory() -> None:
    alike = np.ones((2000, 1), dtype=np.float32)
    with pytest.raises(TableError, match=r"breaks mine.memory_mb"):
        TermCosines(alike, memory_mb=1).near_synonyms(0.85)
    assert [row.tolist() for row in TermCosines(alike[:2], memory_mb=1).near_synonyms(0.85)] == [[0, 1], [0, 1]]
