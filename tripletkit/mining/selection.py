"""Which of the legal negatives: small rules, each with a name that stays with the triplet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tripletkit.config import MineSettings
from tripletkit.mining.guards import Query
from tripletkit.mining.pool import Mask, Numbers

#: Temperature of the draw by cosine: terms .05 nearer are drawn e times as often.
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Draw:
    """One negative to choose: the pair, what may be taken, and a generator fixed by the pair."""

    query: Query
    legal: Mask
    settings: MineSettings
    rng: random.Random


def nearest(draw: Draw) -> int | None:
    """The legal term nearest to the anchor."""
    return _first(nearest_first(draw, _legal(draw), 1))


def sibling(draw: Draw) -> int | None:
    """The nearest legal term of the positive's family (one head word, one parent), else of the passage's chapter."""
    pool, query = draw.query.pool, draw.query
    for family in (pool.kin[query.positive], pool.near[query.passage]):
        found = nearest_first(draw, family[draw.legal[family]], 1)
        if len(found):
            return int(found[0])
    return None


def window(draw: Draw) -> int | None:
    """One legal term from a window of ranks: hard enough, and seldom a positive that nobody labelled."""
    low, high = draw.settings.window
    inside = nearest_first(draw, _legal(draw), high)[low:]
    return int(draw.rng.choice(inside.tolist())) if len(inside) else None


def weighted(draw: Draw) -> int | None:
    """One legal term, nearer ones more often."""
    terms = np.flatnonzero(draw.legal)
    if not len(terms):
        return None
    cos = draw.query.cos_anchor[terms].astype(np.float64)
    sums = np.cumsum(np.exp((cos - cos.max()) / TEMPERATURE))
    at = int(np.searchsorted(sums, draw.rng.random() * sums[-1], side="right"))
    return int(terms[min(at, len(terms) - 1)])


def uniform(draw: Draw) -> int | None:
    """One legal term, all alike."""
    terms = np.flatnonzero(draw.legal)
    return int(terms[draw.rng.randrange(len(terms))]) if len(terms) else None


Rule = Callable[[Draw], int | None]
STRATEGIES: dict[str, tuple[tuple[str, Rule], ...]] = {
    "mix": (("nearest", nearest), ("sibling", sibling), ("window", window)),
    "top": (("nearest", nearest),),
    "weighted": (("weighted", weighted),),
    "random": (("random", uniform),),
}


def nearest_first(draw: Draw, terms: Numbers, most: int) -> Numbers:
    """The ``most`` of ``terms`` that are nearest to the anchor, the nearest first, ties by id (``terms`` ascend by id)."""
    cos = draw.query.cos_anchor[terms]
    if len(terms) > most:
        # All that tie with the last one stay until ids have decided.
        inside = cos >= np.partition(cos, len(cos) - most)[len(cos) - most]
        terms, cos = terms[inside], cos[inside]
    return terms[np.argsort(-cos, kind="stable")[:most]]


def _legal(draw: Draw) -> Numbers:
    return np.flatnonzero(draw.legal).astype(np.int32)


def _first(terms: Numbers) -> int | None:
    return int(terms[0]) if len(terms) else None


def choose(draw: Draw) -> list[tuple[int, str]]:
    """Up to ``settings.negatives`` different terms, each with the rule that chose it.

    A rule that finds none leaves its turn to the strategy's first rule, under that rule's name. A share of the turns
    looks in other books first.
    """
    settings, query = draw.settings, draw.query
    rules = STRATEGIES[settings.strategy if settings.hard_negatives else "random"]
    left, chosen = draw.legal.copy(), list[tuple[int, str]]()
    home = query.pool.at_home(query.passage)
    for turn in range(settings.negatives):
        abroad = draw.rng.random() < settings.other_books
        for mask, where in ((~home, " (other book)"), (home, "")) if abroad else ((home, ""), (~home, " (other book)")):
            found = _first_found(Draw(query, left & mask, settings, draw.rng), (rules[turn % len(rules)], rules[0]))
            if found is not None:
                chosen.append((found[0], found[1] + where))
                left[found[0]] = False
                break
    return chosen


def _first_found(draw: Draw, rules: tuple[tuple[str, Rule], ...]) -> tuple[int, str] | None:
    for name, rule in rules:
        term = rule(draw)
        if term is not None:
            return term, name
    return None
