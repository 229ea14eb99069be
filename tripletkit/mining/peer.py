"""`mine_hard_negatives` of sentence-transformers on the same pairs and vectors, to compare with. Imports sentence-transformers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch

from tripletkit.mining.guards import Block
from tripletkit.mining.miner import Anchors, Mined, blocks, triplets_of
from tripletkit.mining.pool import Candidate, Pool, numbers
from tripletkit.mining.scores import Scores, Vectors
from tripletkit.mining.shortlist import Judged
from tripletkit.settings import MineSettings

#: The rule that its triplets carry.
RULE = "sentence-transformers"


class KnownVectors:
    """What `mine_hard_negatives` asks of a model, answered from vectors that are there already."""

    device = torch.device("cpu")

    def __init__(self, vectors: Mapping[str, Vectors]) -> None:
        self._vectors = vectors

    def encode_query(self, texts: Sequence[str], **_: object) -> Vectors:
        """The texts' rows."""
        return np.stack([self._vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, queries: Any, documents: Any) -> torch.Tensor:  # noqa: ANN401 - arrays or tensors
        """Cosines of all with all."""
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries: Any, documents: Any) -> torch.Tensor:  # noqa: ANN401
        """Cosines row by row."""
        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(-1)


def mine_by_sentence_transformers(
    pool: Pool,
    pairs: Sequence[Candidate],
    texts: Sequence[str],
    anchors: Anchors,
    terms: Vectors,
    settings: MineSettings,
) -> Mined:
    """Its triplets at the setting that its documentation recommends (relative margin 0.05), without a guard of ours.

    ``texts`` are the pairs' anchors. Terms and anchors of one text are one to it; the first stands for all.
    """
    names = {name: i for i, name in reversed(list(enumerate(pool.names)))}
    pair_of = {(text, pool.names[p.term]): p for p, text in reversed(list(zip(pairs, texts, strict=True)))}
    vectors = {name: terms[i] for name, i in names.items()}
    vectors |= {text: anchors.vectors[anchors.row(p)] for (text, _), p in pair_of.items()}
    negatives: dict[Candidate, list[int]] = {pair: [] for pair in pairs}
    for anchor, positive, negative in search(KnownVectors(vectors), list(pair_of), list(names), settings.negatives):
        negatives[pair_of[anchor, positive]].append(names[negative])
    scores = Scores(terms, settings.memory_mb)
    mined = Mined(barren=[pair for pair, found in negatives.items() if not found])
    no_synonyms = [numbers(())] * len(terms)
    for held, rows, cosines in blocks(scores, anchors, [pair for pair, found in negatives.items() if found]):
        chosen = {i: [(negative, RULE) for negative in negatives[pair]] for i, pair in enumerate(held)}
        judged = Judged(Block(pool, held, rows, cosines, no_synonyms, settings.relative_bound), settings.negatives)
        mined.triplets += triplets_of(judged, chosen, scores)
    return mined


def search(
    model: Any,  # noqa: ANN401 - a SentenceTransformer, or what answers like one
    rows: Sequence[tuple[str, str]],
    corpus: Sequence[str],
    negatives: int,
) -> list[tuple[str, str, str]]:
    """(anchor, positive, negative) texts by `mine_hard_negatives` for rows of anchor and positive."""
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    given = datasets.Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]})
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its bars
        mined = mine_hard_negatives(
            given,
            model,
            corpus=list(corpus),
            relative_margin=0.05,
            num_negatives=negatives,
            sampling_strategy="top",
            output_format="triplet",
            verbose=False,
        )
    return list(zip(mined["anchor"], mined["positive"], mined["negative"], strict=True))
