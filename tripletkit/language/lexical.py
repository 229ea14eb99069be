"""BM25 (Robertson and Zaragoza, 2009) of short queries over texts, with English stems. Imports bm25s and Stemmer."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tripletkit.language.normalise import tokens

Scores = npt.NDArray[np.float32]


def bm25(queries: Sequence[str], documents: Sequence[str]) -> Scores:
    """BM25 as in Lucene (k1 1.5, b 0.75), float32, shape (queries, documents). Words are compared by their Snowball stems."""
    first_import = "bm25s" not in sys.modules
    import bm25s

    if first_import:
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # which the import has set to DEBUG
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    corpus = stems(documents)
    if any(corpus):
        index = bm25s.BM25()
        index.index(corpus, show_progress=False)
        for row, query in zip(scores, stems(queries), strict=True):
            if query:
                row[:] = index.get_scores(query)
    return scores


def stems(texts: Sequence[str]) -> list[list[str]]:
    """The stem of each word, in lower case, by the Snowball stemmer for English (Porter2)."""
    import Stemmer

    stem = Stemmer.Stemmer("english").stemWords
    return [stem([token.key for token in tokens(text)]) for text in texts]
