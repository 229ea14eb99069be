"""MaxSim: how well each token of a query is matched somewhere in a document, with an encoder's own token vectors.

The score of ColBERT (Khattab and Zaharia, arXiv:2004.12832), but as a mean over the query's tokens, and with an encoder that
was trained for one vector per text. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from tripletkit.encoding.loading import encode_tokens
from tripletkit.encoding.precision import autocast
from tripletkit.encoding.properties import Task
from tripletkit.progress import Advance

Scores = npt.NDArray[np.float32]
#: Documents per batch. Their token vectors are compared with all query tokens, then freed.
BATCH = 32


def max_similarities(
    model: Any,  # noqa: ANN401 - untyped library
    queries: Sequence[str],
    documents: Sequence[str],
    precision: str,
    advance: Advance = lambda _: None,
) -> Scores | None:
    """Mean over a query's tokens of the highest cosine with a token of the document.

    float32, shape (queries, documents); None for an encoder without token vectors, such as a StaticEmbedding. Special tokens
    and prompts are left out. ``advance`` is called with the number of documents done.
    """
    return compare_tokens(partial(_token_vectors, model, precision=precision), queries, documents, advance)


def compare_tokens(
    vectors: Callable[[Sequence[str], Task], list[torch.Tensor] | None],
    queries: Sequence[str],
    documents: Sequence[str],
    advance: Advance = lambda _: None,
) -> Scores | None:
    """MaxSim of texts whose tokens' unit vectors ``vectors`` gives, at least one a text; None where it gives None."""
    tokens = vectors(queries, "query")
    if tokens is None:
        return None
    found = np.zeros((len(queries), len(documents)), dtype=np.float32)
    if not tokens:
        return found
    together, lengths = torch.cat(tokens), torch.tensor([len(rows) for rows in tokens])
    owner = torch.repeat_interleave(torch.arange(len(queries)), lengths)
    for places in _by_length(documents):
        part = vectors([documents[i] for i in places], "document")
        if part is None:
            return None
        best = torch.stack([(together @ rows.T).amax(dim=1) for rows in part])  # documents x query tokens
        # On the CPU, where sums do not depend on the order of threads.
        sums = torch.zeros(len(places), len(queries)).index_add_(1, owner, best.cpu())
        found[:, places] = (sums / lengths).T.numpy()
        advance(len(places))
    return found


def _by_length(texts: Sequence[str]) -> Iterator[list[int]]:
    """Positions of texts of similar length together, so that little of a batch is padding."""
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
    yield from (order[i : i + BATCH] for i in range(0, len(order), BATCH))


def _token_vectors(model: Any, texts: Sequence[str], task: Task, precision: str) -> list[torch.Tensor] | None:  # noqa: ANN401
    """Per text, unit vectors of its tokens without special tokens and prompt (of all tokens, if no others are left)."""
    special = torch.tensor(sorted(getattr(model.tokenizer, "all_special_ids", [])), device=model.device)
    rows = []
    with torch.inference_mode(), autocast(model.device.type, precision):
        for one in encode_tokens(model, texts, task):
            if "token_embeddings" not in one or "input_ids" not in one:
                return None
            real, vectors = one["attention_mask"].bool(), one["token_embeddings"]
            kept = real & ~torch.isin(one["input_ids"], special)
            kept &= real.cumsum(0) > (one.get("prompt_length") or 0)  # padding may stand before the prompt
            held = vectors[kept] if kept.any() else vectors[real]
            # A text without any token matches nothing.
            rows.append(
                normalize(held.float(), dim=-1) if len(held) else vectors.new_zeros(1, vectors.shape[-1]).float()
            )
    return rows
