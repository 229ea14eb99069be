"""Which of the legal negatives: small rules, each with a name that stays with the triplet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tripletkit.config import MineSettings
from tripletkit.mining.guards import Query
from tripletkit.mining.pool import Mask

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
    return next(iter(by_cosine(draw)), None)


def sibling(draw: Draw) -> int | None:
    """The nearest legal term of the positive's family (one head word, one parent), else of the passage's chapter."""
    pool, query = draw.query.pool, draw.query
    for family in (pool.kin[query.positive], pool.near[query.passage]):
        found = by_cosine(Draw(query, draw.legal & family, draw.settings, draw.rng))
        if found:
            return found[0]
    return None


def window(draw: Draw) -> int | None:
    """One legal term from a window of ranks: hard enough, and seldom a positive that nobody labelled."""
    low, high = draw.settings.window
    inside = by_cosine(draw)[low:high]
    return draw.rng.choice(inside) if inside else None


def weighted(draw: Draw) -> int | None:
    """One legal term, nearer ones more often."""
    terms = by_cosine(draw)
    cos = draw.query.cos_anchor
    weights = [float(np.exp((cos[t] - cos[terms[0]]) / TEMPERATURE)) for t in terms]
    return draw.rng.choices(terms, weights)[0] if terms else None


def uniform(draw: Draw) -> int | None:
    """One legal term, all alike."""
    terms = [int(t) for t in np.flatnonzero(draw.legal)]
    return draw.rng.choice(terms) if terms else None


Rule = Callable[[Draw], int | None]
STRATEGIES: dict[str, tuple[tuple[str, Rule], ...]] = {
    "mix": (("nearest", nearest), ("sibling", sibling), ("window", window)),
    "top": (("nearest", nearest),),
    "weighted": (("weighted", weighted),),
    "random": (("random", uniform),),
}


def by_cosine(draw: Draw) -> list[int]:
    """Legal terms, nearest to the anchor first, ties by id."""
    terms = np.flatnonzero(draw.legal)
    order = np.argsort(-draw.query.cos_anchor[terms], kind="stable")  # the pool's terms are sorted by id
    return [int(t) for t in terms[order]]


def choose(draw: Draw) -> list[tuple[int, str]]:
    """Up to ``settings.negatives`` different terms, each with the rule that chose it.

    A rule that finds none leaves its turn to the strategy's first rule, under that rule's name. A share of the turns
    looks in other books first.
    """
    settings, query = draw.settings, draw.query
    rules = STRATEGIES[settings.strategy if settings.hard_negatives else "random"]
    left, chosen = draw.legal.copy(), list[tuple[int, str]]()
    for turn in range(settings.negatives):
        abroad = draw.rng.random() < settings.other_books
        home = query.pool.same_book[query.passage]
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
