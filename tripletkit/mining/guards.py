"""Why a term is no safe negative for a passage and its positive. Each guard is one small function; the first that refuses is counted.

A guard gives the terms it refuses, by number, ascending.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tripletkit.mining.pool import Mask, Numbers, Pool


@dataclass(frozen=True)
class Query:
    """One (passage, positive), with the cosines that the guards need."""

    pool: Pool
    passage: int
    positive: int
    cos_anchor: npt.NDArray[np.float32]  # of the anchor with every term
    synonyms: Numbers  # terms so near the positive that they may be one concept
    relative_bound: float


def said_in_passage(query: Query) -> Numbers:
    """A form of the term stands in the passage: it is a positive."""
    return query.pool.said[query.passage]


def cited_on_page(query: Query) -> Numbers:
    """The book's own index says that these pages are about the term."""
    return query.pool.cited[query.passage]


def one_family(query: Query) -> Numbers:
    """The positive itself, its parent, its children, its see-also terms."""
    return query.pool.related[query.positive]


def near_synonym(query: Query) -> Numbers:
    """So near the positive that they may be one concept."""
    return query.synonyms


def too_near_anchor(query: Query) -> Numbers:
    """Nearer to the passage than a share of the positive's own cosine: perhaps true, certainly confusing.

    The positive-aware bound of NV-Retriever (arXiv:2407.15831), taken per positive instead of per passage.
    """
    cos_ap = float(query.cos_anchor[query.positive])
    return np.flatnonzero(query.cos_anchor > cos_ap - (1 - query.relative_bound) * abs(cos_ap)).astype(np.int32)


GUARDS: dict[str, Callable[[Query], Numbers]] = {
    "said in the passage": said_in_passage,
    "cited on its pages": cited_on_page,
    "one family with the positive": one_family,
    "near-synonym of the positive": near_synonym,
    "too near the anchor": too_near_anchor,
}
#: Refusals that are facts; what the others refuse a person may want to look at.
CERTAIN = ("said in the passage", "one family with the positive")


@dataclass(frozen=True)
class Verdict:
    """Which terms are legal, how many each guard refused, and the nearest that was refused on a doubt."""

    legal: Mask
    refused: dict[str, int]
    nearest_refused: tuple[int, str] | None


def judge(query: Query) -> Verdict:
    """Ask every guard about every term; the first guard to refuse a term is the one that counts."""
    legal = np.ones(len(query.pool.term_ids), dtype=bool)
    refused: dict[str, int] = {}
    review: list[tuple[float, int, str]] = []
    for name, guard in GUARDS.items():
        hit = guard(query)
        hit = hit[legal[hit]]
        refused[name] = len(hit)
        legal[hit] = False
        if name not in CERTAIN and len(hit):
            best = int(hit[np.argmax(query.cos_anchor[hit])])
            review.append((float(query.cos_anchor[best]), best, name))
    nearest = max(review, default=None)
    return Verdict(legal, refused, (nearest[1], nearest[2]) if nearest else None)
