"""The labels that may teach: citations of the index on pages that hold passages of the training split and no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt

from tripletkit.mining.relations import Span, Values, cited_pages

Scores = npt.NDArray[np.float32]
Page = tuple[str, int]


def pages_of(passages: Sequence[Values]) -> set[Page]:
    """(book, physical page) of every page that one of the passages is on."""
    return {(row["book_id"], page) for row in passages for page in range(row["page_first"], row["page_last"] + 1)}


def label_scores(
    passages: Sequence[Values],
    terms: Sequence[Values],
    spans: Mapping[int, Sequence[Span]],
    *,
    trains: Sequence[bool],
    held_out: Set[Page],
) -> Scores:
    """float32, shape (passages, terms): 1 where the index cites the term on the passage's page, else 0.

    On a cited page the passages that mention the term are labelled; where none does, all on that page. ``trains``: whether
    each passage is in the training split; others get no label. Nor does a citation of a page in ``held_out``, which is
    also the label of a validation or test passage.
    """
    on_page: dict[Page, list[int]] = defaultdict(list)
    for i, row in enumerate(passages):
        for page in pages_of([row]) if trains[i] else ():
            on_page[page].append(i)
    mentions = {(passage, term) for passage, found in spans.items() for _, _, term in found}
    labels = np.zeros((len(passages), len(terms)), dtype=np.float32)
    for j, term in enumerate(terms):
        for page in {(term["book_id"], page) for page in cited_pages(term)} - held_out:
            held = on_page.get(page, [])
            labels[[i for i in held if (i, j) in mentions] or held, j] = 1
    return labels
