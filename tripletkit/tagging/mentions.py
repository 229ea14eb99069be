"""The mentions of a text: every match that means its term, and what was rejected, by reason; and surfaces as forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tripletkit.language.normalise import is_acronym
from tripletkit.tagging.context import Context
from tripletkit.tagging.matcher import Match, Matcher

#: Kinds of match, the closest first.
_ORDER = ("exact", "variant", "form")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | {ord("’"): "'", ord("‘"): "'"}

#: For texts and the matches in each, which matches a part-of-speech pipeline rejects.
Parser = Callable[[Iterable[tuple[str, Sequence[Match]]]], Iterator[Sequence[Match]]]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A match that is no mention."""

    match: Match
    reason: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text's mentions in order of place, one a term and place, and the matches that were rejected."""

    mentions: list[Match]
    rejected: list[Rejection]


class Tagger:
    """A matcher, the rules of context, and a part-of-speech pipeline if there is one."""

    def __init__(self, matcher: Matcher, context: Context, parser: Parser | None = None) -> None:
        self._matcher, self._context, self._parser = matcher, context, parser

    def tag(self, texts: Iterable[str]) -> Iterator[Tagged]:
        """The mentions of each text in turn."""
        by_rule = ((text, self._by_rule(text)) for text in texts)
        if self._parser is None:
            yield from (tagged for _, tagged in by_rule)
            return
        found = list(by_rule)
        parsed = self._parser((text, tagged.mentions) for text, tagged in found)
        for (_, tagged), unfit in zip(found, parsed, strict=True):
            mentions = [match for match in tagged.mentions if match not in unfit]
            rejected = [Rejection(match, "tagged as a verb by spaCy") for match in unfit]
            yield Tagged(mentions, [*tagged.rejected, *rejected])

    def _by_rule(self, text: str) -> Tagged:
        best: dict[tuple[int, int, str], Match] = {}
        rejected: list[Rejection] = []
        for match in self._matcher.matches(text):
            reason = self._context.objection(text, match)
            if reason is not None:
                rejected.append(Rejection(match, reason))
                continue
            place = (match.start, match.end, match.form.term_id)
            if place not in best or _ORDER.index(match.match) < _ORDER.index(best[place].match):
                best[place] = match
        # "MAP" is an acronym where the book has one, not the word "map".
        acronyms = {(m.start, m.end): m.form.term_id for m in best.values() if is_acronym(m.form.text)}
        mentions: list[Match] = []
        for match in best.values():
            owner = acronyms.get((match.start, match.end), match.form.term_id)
            if owner == match.form.term_id or is_acronym(match.form.text):
                mentions.append(match)
            else:
                rejected.append(Rejection(match, "acronym of another term"))
        places = {(m.start, m.end, m.form.term_id) for m in mentions}
        kept_out = [r for r in rejected if (r.match.start, r.match.end, r.match.form.term_id) not in places]
        return Tagged(mentions, kept_out)


def surfaces_of(texts: Iterable[tuple[str, Sequence[Match]]]) -> dict[str, list[str]]:
    """By term: each surface of its matches in the texts, case and dashes aside, in the smallest case in which it occurs.

    Capitals are kept where the form is an acronym, which they tell from a word.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text, matches in texts:
        for match in matches:
            surface = " ".join(text[match.start : match.end].split())
            if surface.isupper() and not is_acronym(match.form.text):
                surface = surface.lower()
            held = found[match.form.term_id]
            held[fold(surface)] = min(surface, held.get(fold(surface), surface), key=_capitals)
    return {term_id: sorted(held.values()) for term_id, held in found.items()}


def with_surfaces(forms: Sequence[str], surfaces: Iterable[str]) -> list[str]:
    """A term's forms, the first left in front, and the surfaces that equal none of them."""
    known = {fold(form) for form in forms}
    return [*forms[:1], *sorted({*forms[1:], *(surface for surface in surfaces if fold(surface) not in known)})]


def fold(form: str) -> str:
    """What two surfaces share that differ only in case and in the sort of dashes and quotes."""
    return form.translate(_DASHES).casefold()


def _capitals(surface: str) -> tuple[int, str]:
    return sum(c.isupper() for c in surface), surface
