"""BM25 with stems."""

from __future__ import annotations

import numpy as np

from tripletkit.language.lexical import bm25, stems


def test_bm25_prefers_the_rarer_word_and_matches_plurals() -> None:
    texts = ["the tree and the heap", "the tree and the list", "the tree and the tree"]
    scores = bm25(["heaps of trees", "graph", "!?"], texts)
    assert scores[0].argmax() == 0
    assert (scores[0] > 0).all()
    assert (scores[1:] == 0).all()


def test_bm25_of_empty_texts_is_zero() -> None:
    assert np.array_equal(bm25(["a tree"], ["", "…"]), [[0, 0]])


def test_words_of_one_stem_match() -> None:
    scores = bm25(["normalization of tables"], ["normalized table", "a norm", "chairs"])
    assert scores[0, 0] > scores[0, 1:].max()
    assert stems(["Hashing hashed hashes"]) == [["hash"] * 3]
