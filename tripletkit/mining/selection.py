"""Which of the legal negatives: small rules, each with a name that stays with the triplet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tripletkit.mining.guards import Block
from tripletkit.mining.pool import Mask
from tripletkit.settings import MineSettings

#: Temperature of the draw by cosine: terms .05 nearer are drawn e times as often.
TEMPERATURE = 0.05


@dataclass(slots=True)
class Draw:
    """What a pair's negatives are chosen from: legal terms of its book, or of others. What is taken is legal no longer."""

    block: Block
    i: int
    settings: MineSettings
    at_home: bool
    terms: list[int]  # the shortlist
    whole: bool  # whether it holds all that is legal
    kin: list[int]
    free: Mask
    taken: list[int]

    def neighbour(self) -> int | None:
        """The nearest legal term of the passage's chapter, looked for beyond the shortlist if need be."""
        chapter = self.block.pool.near[self.block.pairs[self.i].passage]
        members = self.block.members(chapter)
        for term in self.terms:
            if term in members:
                return term
        if self.whole:
            return None
        here = np.full(len(chapter), self.i)
        fit = self.free[chapter] & self.block.legal(here, chapter) & ~np.isin(chapter, self.taken)
        terms = chapter[fit & (self.block.at_home(here, chapter) == self.at_home)]
        return int(terms[np.argmax(self.block.cosines_at(np.full(len(terms), self.i), terms))]) if len(terms) else None


def nearest(draw: Draw, _: float) -> int | None:
    """The legal term nearest to the anchor."""
    return draw.terms[0] if draw.terms else None


def sibling(draw: Draw, _: float) -> int | None:
    """The nearest legal term of the positive's family (one head word, one parent), else of the passage's chapter."""
    for term in draw.kin:
        if draw.free[term] and term not in draw.taken:
            return term
    return draw.neighbour()


def window(draw: Draw, lot: float) -> int | None:
    """One legal term from a window of ranks: hard enough, and seldom a positive that nobody labelled."""
    low, high = draw.settings.window
    return _drawn(draw.terms[low:high], lot)


def weighted(draw: Draw, lot: float) -> int | None:
    """One legal term, nearer ones more often."""
    if not draw.terms:
        return None
    cos = draw.block.cosines_at(np.full(len(draw.terms), draw.i), np.array(draw.terms)).astype(np.float64)
    sums = np.cumsum(np.exp((cos - cos[0]) / TEMPERATURE))
    at = int(np.searchsorted(sums, lot * sums[-1], side="right"))
    return draw.terms[min(at, len(draw.terms) - 1)]


def uniform(draw: Draw, lot: float) -> int | None:
    """One legal term, all alike."""
    return _drawn(draw.terms, lot)


Rule = Callable[[Draw, float], int | None]
STRATEGIES: dict[str, tuple[tuple[str, Rule], ...]] = {
    "mix": (("nearest", nearest), ("sibling", sibling), ("window", window)),
    "top": (("nearest", nearest),),
    "weighted": (("weighted", weighted),),
    "random": (("random", uniform),),
}


def turns(settings: MineSettings) -> list[tuple[tuple[str, Rule], ...]]:
    """For each negative of a pair: the rule whose turn it is, and the strategy's first for where it finds none."""
    rules = STRATEGIES[settings.strategy if settings.hard_negatives else "random"]
    return [tuple(dict.fromkeys((rules[turn % len(rules)], rules[0]))) for turn in range(settings.negatives)]


def wanted(settings: MineSettings, terms: int) -> int:
    """How many legal terms the rules can ask for by rank, all of a pair's negatives taken; all ``terms`` if they draw from all."""
    by_rank = settings.hard_negatives and settings.strategy != "weighted"
    return min(settings.window[1] + settings.negatives, terms) if by_rank else terms


def choose(
    draws: Sequence[Draw], rules_of_turns: Sequence[tuple[tuple[str, Rule], ...]], lots: Sequence[float]
) -> list[tuple[int, str]]:
    """Up to one term a turn, all different, each with the rule that chose it. ``lots`` holds two for each turn.

    ``draws`` are those of the passage's book and, if there are, of others; a share of the turns looks in others first. A
    rule that finds none leaves its turn to the strategy's first rule, under that rule's name.
    """
    settings, taken = draws[0].settings, draws[0].taken
    chosen = list[tuple[int, str]]()
    for turn, rules in enumerate(rules_of_turns):
        abroad = lots[2 * turn] < settings.other_books
        for draw in draws[::-1] if abroad else draws:
            if found := _first_found(draw, rules, lots[2 * turn + 1]):
                term, rule = found
                chosen.append((term, rule if draw.at_home else rule + " (other book)"))
                taken.append(term)
                try:  # noqa: SIM105 - asked for every negative: suppress takes six times as long
                    draw.terms.remove(term)
                except ValueError:  # beyond the shortlist
                    pass
                break
    return chosen


def _first_found(draw: Draw, rules: tuple[tuple[str, Rule], ...], lot: float) -> tuple[int, str] | None:
    for name, rule in rules:
        if (term := rule(draw, lot)) is not None:
            return term, name
    return None


def _drawn(terms: Sequence[int], lot: float) -> int | None:
    return terms[int(lot * len(terms))] if terms else None
