"""The mentions of a text: every match that means its term, and what was refused, by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tripletkit.language.normalise import is_acronym
from tripletkit.tagging.context import Context
from tripletkit.tagging.matcher import Match, Matcher

_ORDER = ("exact", "lemma", "form")

#: For texts and the matches in each, which matches a part-of-speech pipeline refuses.
Parser = Callable[[Iterable[tuple[str, Sequence[Match]]]], Iterator[Sequence[Match]]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A match that is no mention."""

    match: Match
    reason: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text's mentions in order of place, one a term and place, and the matches that were refused."""

    mentions: list[Match]
    refused: list[Refusal]


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
            yield Tagged(mentions, [*tagged.refused, *(Refusal(match, "part of speech") for match in unfit)])

    def _by_rule(self, text: str) -> Tagged:
        best: dict[tuple[int, int, str], Match] = {}
        refused: list[Refusal] = []
        for match in self._matcher.matches(text):
            reason = self._context.objection(text, match)
            if reason is not None:
                refused.append(Refusal(match, reason))
                continue
            place = (match.start, match.end, match.form.term_id)
            if place not in best or _ORDER.index(match.how) < _ORDER.index(best[place].how):
                best[place] = match
        # "MAP" is an acronym where the book has one, not the word "map".
        acronyms = {(m.start, m.end): m.form.term_id for m in best.values() if is_acronym(m.form.text)}
        mentions: list[Match] = []
        for match in best.values():
            owner = acronyms.get((match.start, match.end), match.form.term_id)
            if owner == match.form.term_id or is_acronym(match.form.text):
                mentions.append(match)
            else:
                refused.append(Refusal(match, "an acronym of another term"))
        said = {(m.start, m.end, m.form.term_id) for m in mentions}
        return Tagged(mentions, [r for r in refused if (r.match.start, r.match.end, r.match.form.term_id) not in said])
