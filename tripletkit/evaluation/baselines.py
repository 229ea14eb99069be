"""Baselines that need no encoder: exact match and BM25. A useful encoder beats both. Imports bm25s."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import numpy as np

from tripletkit.evaluation.metrics import Mask, ScoreMatrix
from tripletkit.language.normalise import term_key
from tripletkit.tagging.matcher import Form, Matcher


def build_matcher(forms: Sequence[Sequence[str]]) -> Matcher:
    """Finds any form of any term; the ``term_id`` of a match is the position of the term in ``forms``."""
    return Matcher(Form(str(number), form, canonical=True) for number, names in enumerate(forms) for form in names)


def mentioned(forms: Sequence[Sequence[str]], texts: Sequence[str]) -> Mask:
    """bool, shape (terms, texts): whether the text has any form of the term, in any case, number and spelling."""
    matcher = build_matcher(forms)
    found = np.zeros((len(forms), len(texts)), dtype=bool)
    for j, text in enumerate(texts):
        for match in matcher.matches(text):
            found[int(match.form.term_id), j] = True
    return found


def bm25(queries: Sequence[str], candidates: Sequence[str]) -> ScoreMatrix:
    """BM25 as in Lucene (k1 1.5, b 0.75), shape (queries, candidates), over the normalised words that terms are matched by."""
    first_import = "bm25s" not in sys.modules
    import bm25s

    if first_import:
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # which the import has set to DEBUG
    scores = np.zeros((len(queries), len(candidates)), dtype=np.float32)
    corpus = [list(term_key(text)) for text in candidates]
    if any(corpus):
        index = bm25s.BM25()
        index.index(corpus, show_progress=False)
        for row, query in zip(scores, queries, strict=True):
            if words := list(term_key(query)):
                row[:] = index.get_scores(words)
    return scores
