"""Which of the legal negatives: small rules, each with a name that stays with the triplet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tripletkit.config import MineSettings
from tripletkit.mining.guards import Query
from tripletkit.mining.pool import Mask, Numbers

#: Temperature of the draw by cosine: terms .05 nearer are drawn e times as often.
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Draw:
    """What a pair's negatives are chosen from, and a generator fixed by the pair. What is taken is legal no longer."""

    query: Query
    legal: Mask
    settings: MineSettings
    rng: random.Random

    @cached_property
    def _shortlist(self) -> Numbers:
        """All that a rule can ask for by rank, sorted once: after every negative is taken, a whole window is left."""
        most = self.settings.window[1] + self.settings.negatives
        return nearest_first(self.query, np.flatnonzero(self.legal).astype(np.int32), most)

    @property
    def by_rank(self) -> Numbers:
        """Legal terms, nearest to the anchor first, at least as many as the window reaches to."""
        return self._shortlist[self.legal[self._shortlist]]


def nearest(draw: Draw) -> int | None:
    """The legal term nearest to the anchor."""
    return _first(draw.by_rank)


def sibling(draw: Draw) -> int | None:
    """The nearest legal term of the positive's family (one head word, one parent), else of the passage's chapter."""
    pool, query = draw.query.pool, draw.query
    for family in (pool.kin[query.positive], pool.near[query.passage]):
        found = nearest_first(query, family[draw.legal[family]], 1)
        if len(found):
            return int(found[0])
    return None


def window(draw: Draw) -> int | None:
    """One legal term from a window of ranks: hard enough, and seldom a positive that nobody labelled."""
    low, high = draw.settings.window
    inside = draw.by_rank[low:high]
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


def nearest_first(query: Query, terms: Numbers, most: int) -> Numbers:
    """The ``most`` of ``terms`` that are nearest to the anchor, the nearest first, ties by id (``terms`` ascend by id)."""
    cos = query.cos_anchor[terms]
    if most == 1 < len(terms):
        return terms[[np.argmax(cos)]]
    if len(terms) > most:
        # All that tie with the last one stay until ids have decided.
        inside = cos >= np.partition(cos, len(cos) - most)[len(cos) - most]
        terms, cos = terms[inside], cos[inside]
    return terms[np.argsort(-cos, kind="stable")[:most]]


def _first(terms: Numbers) -> int | None:
    return int(terms[0]) if len(terms) else None


def choose(query: Query, legal: Mask, settings: MineSettings, rng: random.Random) -> list[tuple[int, str]]:
    """Up to ``settings.negatives`` different terms, each with the rule that chose it.

    A rule that finds none leaves its turn to the strategy's first rule, under that rule's name. A share of the turns
    looks in other books first.
    """
    rules = STRATEGIES[settings.strategy if settings.hard_negatives else "random"]
    at_home = query.pool.at_home(query.passage)
    home, away = (Draw(query, legal & mask, settings, rng) for mask in (at_home, ~at_home))
    chosen = list[tuple[int, str]]()
    for turn in range(settings.negatives):
        abroad = rng.random() < settings.other_books
        for draw in (away, home) if abroad else (home, away):
            found = _first_found(draw, (rules[turn % len(rules)], rules[0]))
            if found is not None:
                term, rule = found
                chosen.append((term, rule + (" (other book)" if draw is away else "")))
                draw.legal[term] = False
                break
    return chosen


def _first_found(draw: Draw, rules: tuple[tuple[str, Rule], ...]) -> tuple[int, str] | None:
    for name, rule in rules:
        term = rule(draw)
        if term is not None:
            return term, name
    return None
