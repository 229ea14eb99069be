"""Why a term is no safe negative for a passage and its positive. Each guard is one small function; the first that refuses is counted.

A guard looks at all terms at once: it returns a mask over the pool's terms, True where it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tripletkit.mining.pool import Mask, Pool


@dataclass(frozen=True)
class Query:
    """One (passage, positive), with the cosines that the guards need."""

    pool: Pool
    passage: int
    positive: int
    cos_anchor: npt.NDArray[np.float32]  # of the anchor with every term
    cos_positive: npt.NDArray[np.float32]  # of the positive with every term
    relative_bound: float
    synonym_bound: float


def said_in_passage(query: Query) -> Mask:
    """A form of the term stands in the passage: it is a positive."""
    row: Mask = query.pool.said[query.passage]
    return row


def cited_on_page(query: Query) -> Mask:
    """The book's own index says that these pages are about the term."""
    row: Mask = query.pool.cited[query.passage]
    return row


def one_family(query: Query) -> Mask:
    """The positive itself, its parent, its children, its see-also terms."""
    row: Mask = query.pool.related[query.positive]
    return row


def near_synonym(query: Query) -> Mask:
    """So near the positive that they may be one concept."""
    return query.cos_positive >= query.synonym_bound


def too_near_anchor(query: Query) -> Mask:
    """Nearer to the passage than a share of the positive's own cosine: perhaps true, certainly confusing.

    The positive-aware bound of NV-Retriever (arXiv:2407.15831), taken per positive instead of per passage.
    """
    cos_ap = float(query.cos_anchor[query.positive])
    return query.cos_anchor > cos_ap - (1 - query.relative_bound) * abs(cos_ap)


GUARDS: dict[str, Callable[[Query], Mask]] = {
    "said in the passage": said_in_passage,
    "cited on its pages": cited_on_page,
    "one family with the positive": one_family,
    "near-synonym of the positive": near_synonym,
    "too near the anchor": too_near_anchor,
}


@dataclass(frozen=True)
class Verdict:
    """Which terms are legal, how many each guard refused, and the nearest refused one that is not in the passage."""

    legal: Mask
    refused: dict[str, int]
    nearest_refused: tuple[int, str] | None


def judge(query: Query) -> Verdict:
    """Ask every guard about every term; the first guard to refuse a term is the one that counts."""
    legal = np.ones(len(query.pool.term_ids), dtype=bool)
    refused: dict[str, int] = {}
    review: list[tuple[float, int, str]] = []
    for name, guard in GUARDS.items():
        hit = guard(query) & legal
        refused[name] = int(hit.sum())
        legal &= ~hit
        if name not in ("said in the passage", "one family with the positive") and hit.any():
            best = int(np.argmax(np.where(hit, query.cos_anchor, -2)))
            review.append((float(query.cos_anchor[best]), best, name))
    nearest = max(review, default=None)
    return Verdict(legal, refused, (nearest[1], nearest[2]) if nearest else None)
