"""Lists of passages and terms of one book: what an encoder learns in one training step.

Half of the passages of a list are near one term by the teacher, so that the list holds hard cases; the others are from
anywhere in the book. The terms are the best of each passage by the teacher, those of its mined triplet, and random ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np

from tripletkit.ids import rng_for
from tripletkit.teaching.scores import BookScores

#: One list is one step, unless gradients are accumulated. Fewer steps teach less, many more hardly anything (docs/results.md);
#: but each passage should be seen.
FEWEST_LISTS = 160
#: Passages that are always taken: the nearest to the list's term.
NEAREST = 4
#: Of each passage, this many terms: the best by the teacher.
BEST_TERMS = 6

#: By passage id: (positive, negative) of its mined triplets.
Triplets = Mapping[str, Sequence[tuple[str, str]]]
Row = dict[str, object]


def list_count(passages: int, list_passages: int) -> int:
    """The number of lists for this many passages. `train.max_steps` does not count: a step may take several lists."""
    return max(FEWEST_LISTS, math.ceil(passages / list_passages))


def books_of_lists(sizes: Mapping[str, int], count: int, seed: int) -> dict[str, list[int]]:
    """By book, the numbers of its lists. A book is drawn by the square root of its passages, so that large ones hide no small ones."""
    books, found = sorted(sizes), dict[str, list[int]]()
    for number in range(count):
        book = rng_for(seed, "book of list", str(number)).choices(books, [math.sqrt(sizes[one]) for one in books])[0]
        found.setdefault(book, []).append(number)
    return found


def draw_list(book: BookScores, number: int, triplets: Triplets, *, passages: int, terms: int, seed: int) -> list[Row]:
    """Rows of the table `teacher`: one list of up to ``passages`` x ``terms``."""
    rng = rng_for(seed, "list", str(number))
    term = rng.randrange(len(book.term_ids))
    chosen = _passages(book, term, passages, rng)
    place = {term_id: i for i, term_id in enumerate(book.term_ids)}
    mined = [_triplet(triplets.get(book.passage_ids[i], ()), place, rng) for i in chosen]
    columns = _terms(book, chosen, [term, *(place[one] for pair in mined if pair for one in pair)], terms, rng)
    held = {book.term_ids[i] for i in columns}
    names = [book.term_ids[i] for i in columns]
    scores = book.parts | {"over_terms": book.over_terms, "over_passages": book.over_passages}
    rows = list[Row]()
    for passage, pair in zip(chosen, mined, strict=True):
        positive, negative = pair if pair and held.issuperset(pair) else (None, None)
        row: Row = {"list": number, "passage_id": book.passage_ids[passage], "term_ids": names}
        row |= {"positive_id": positive, "negative_id": negative}
        rows.append(row | {name: of[passage, columns].tolist() for name, of in scores.items()})
    return rows


def _passages(book: BookScores, term: int, count: int, rng: Random) -> list[int]:
    near: list[int] = np.argsort(-book.over_passages[:, term], kind="stable")[: 2 * count].tolist()
    half = near[:NEAREST] + rng.sample(near[NEAREST:], max(0, min(count // 2, len(near)) - NEAREST))
    left = sorted(set(range(len(book.passage_ids))) - set(half))
    return (half + rng.sample(left, min(len(left), max(0, count - len(half)))))[:count]


def _triplet(mined: Sequence[tuple[str, str]], known: Mapping[str, int], rng: Random) -> tuple[str, str] | None:
    """One of the passage's triplets whose terms are both of this book."""
    own = [pair for pair in mined if known.keys() >= set(pair)]
    return rng.choice(own) if own else None


def _terms(book: BookScores, passages: Sequence[int], wanted: Sequence[int], count: int, rng: Random) -> list[int]:
    best = np.argsort(-book.over_terms[passages], axis=1, kind="stable")[:, :BEST_TERMS]
    by_rank: list[int] = best.T.ravel().tolist()  # the best of every passage before the second best of any
    others = rng.sample(range(len(book.term_ids)), min(count, len(book.term_ids)))
    return list(dict.fromkeys([*wanted, *by_rank, *others]))[:count]
