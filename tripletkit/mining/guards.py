"""Why a term is rejected as a negative for a passage and its positive. The first guard that rejects a term is the one that counts.

Most guards are lists of terms; the last is a bound on the cosine of the passage and the term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tripletkit.mining.cosines import Vectors
from tripletkit.mining.pool import Candidate, Pool
from tripletkit.mining.relations import Numbers

Mask = npt.NDArray[np.bool_]

#: A form of the term stands in the passage: it is a positive.
MENTIONED = "mentioned in the passage"
#: The book's own index says that these pages are about the term.
CITED = "cited by the index for these pages"
#: The passage is about the term without mentioning it.
IMPLIED = "in a section heading, or shares a word stem with the passage"
#: The positive itself, its parent, its children, its see-also terms, other names of it.
RELATED = "related to the positive"
#: So near the positive that they may be one concept.
NEAR_SYNONYM = "near-synonym of the positive"
#: Nearer to the passage than its positive less a margin: perhaps true, certainly confusing.
TOO_CLOSE = "too close to the passage"
GUARDS = (MENTIONED, CITED, IMPLIED, RELATED, NEAR_SYNONYM, TOO_CLOSE)
#: Rejections that are facts; a person may want to look at what the others reject.
CERTAIN = (MENTIONED, RELATED)


class NearRejection(NamedTuple):
    """The nearest term that was rejected for a pair without certainty, for a person to look at."""

    pair: Candidate
    term: int
    guard: str
    cos_positive: float
    cos_term: float


@dataclass(frozen=True)
class Judged:
    """Which terms the guards reject for a pair, how many each rejects, and the nearest doubtful one."""

    rejected: Mask
    counts: Counter[str]
    nearest_doubtful: NearRejection | None


@dataclass(frozen=True)
class Guards:
    """The guards of one pool. ``synonyms`` holds each term's near-synonyms, ``relative_margin`` is a share of a cosine."""

    pool: Pool
    synonyms: Sequence[Numbers]
    relative_margin: float

    def judge(self, pair: Candidate, cosines: Vectors) -> Judged:
        """What is rejected for ``pair``; ``cosines`` are those of its anchor with every term."""
        rejected, counts = np.zeros(len(cosines), dtype=bool), Counter[str]()
        doubtful: list[NearRejection] = []
        pool, bound = self.pool, highest_cosine(cosines[pair.term], self.relative_margin)
        lists: tuple[npt.NDArray[np.integer], ...] = (
            *(pool.mentioned[pair.passage], pool.cited[pair.passage], pool.implied[pair.passage]),
            *(pool.related[pair.term], self.synonyms[pair.term], np.flatnonzero(cosines > bound)),
        )
        for guard, terms in zip(GUARDS, lists, strict=True):
            new = terms[~rejected[terms]]
            rejected[new] = True
            counts[guard] += len(new)
            if len(new) and guard not in CERTAIN:
                nearest = int(new[cosines[new].argmax()])
                near = NearRejection(pair, nearest, guard, float(cosines[pair.term]), float(cosines[nearest]))
                doubtful.append(near)
        return Judged(rejected, counts, min(doubtful, key=lambda near: (-near.cos_term, near.term), default=None))


def highest_cosine(positive: np.float32, relative_margin: float) -> np.float32:
    """The highest cosine with the passage that a negative may have, from the positive's.

    The positive-aware bound of NV-Retriever (arXiv:2407.15831), for each positive by itself. It stays below the positive's
    cosine where that is negative.
    """
    cosine = np.float64(positive)
    return np.float32(cosine - relative_margin * abs(cosine))
