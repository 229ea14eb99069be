"""`mine_hard_negatives` of sentence-transformers on the same pairs and vectors, to compare with. Imports sentence-transformers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch

from tripletkit.config import MineSettings
from tripletkit.mining.miner import Anchors, Mined, Triplet
from tripletkit.mining.pool import Candidate, Pool
from tripletkit.mining.scores import Vectors

#: The rule that its triplets carry.
RULE = "sentence-transformers"


class _KnownVectors:
    """What `mine_hard_negatives` asks of a model, answered from vectors that are there already."""

    device = torch.device("cpu")

    def __init__(self, vectors: dict[str, Vectors]) -> None:
        self._vectors = vectors

    def encode_query(self, texts: Sequence[str], **_: object) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, queries: Any, documents: Any) -> torch.Tensor:  # noqa: ANN401 - arrays or tensors
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries: Any, documents: Any) -> torch.Tensor:  # noqa: ANN401
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
    of_texts = {(text, pool.names[p.term]): p for p, text in reversed(list(zip(pairs, texts, strict=True)))}
    vectors = {name: terms[i] for name, i in names.items()}
    rows = _run(
        _KnownVectors(vectors | {text: anchors.vectors[anchors.row(p)] for (text, _), p in of_texts.items()}),
        list(of_texts),
        list(names),
        settings,
    )
    found = []
    for row in rows:
        pair = of_texts[row["anchor"], row["positive"]]
        negative = names[row["negative"]]
        cosines = terms @ anchors.vectors[anchors.row(pair)]
        found.append(
            Triplet(
                pair.passage,
                pair.term,
                negative,
                float(cosines[pair.term]),
                float(cosines[negative]),
                float(terms[pair.term] @ terms[negative]),
                1 + int(np.count_nonzero(cosines > cosines[negative])),
                RULE,
            )
        )
    served = {(t.passage, t.positive) for t in found}
    return Mined(found, barren=[pair for pair in pairs if (pair.passage, pair.term) not in served])


def _run(
    model: _KnownVectors, rows: Sequence[tuple[str, str]], corpus: Sequence[str], settings: MineSettings
) -> list[dict[str, str]]:
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    given = datasets.Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]})
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its bars
        mined = mine_hard_negatives(
            given,
            model,
            corpus=list(corpus),
            relative_margin=0.05,
            num_negatives=settings.negatives,
            sampling_strategy="top",
            output_format="triplet",
            verbose=False,
        )
    found: list[dict[str, str]] = mined.to_list()
    return found
