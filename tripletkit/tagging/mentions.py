"""The mentions of a text: every match that means its term where it stands, and what was rejected, by reason.

No mention stands in code, is used as a verb, is part of an idiom, or differs in case or signs. A verb is recognised by
its neighbours, for one-word forms in small letters only, and only where no noun could stand: "we run", "can set", "is
split", "to sort the", "Merge the". Where that leaves open what a noun that is a verb too means (``Context.is_ambiguous``),
the tagger of a spaCy pipeline decides if there is one (``part_of_speech``).
A second language brings its own rules files ``idioms``, ``noun_verbs`` and ``verb_neighbours``, and its own
``Context._is_verb``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tripletkit.language.normalise import is_acronym, normaliser
from tripletkit.language.term_words import ADJECTIVE_OR_GERUND, BRACKETED_ENDINGS, INFINITIVE, NEGATION
from tripletkit.rules import Rules
from tripletkit.tagging.matcher import Match, Matcher, signs_agree
from tripletkit.tagging.part_of_speech import VerbFinder

#: Kinds of match, the closest first.
_ORDER = ("exact", "variant", "form")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | {ord("’"): "'", ord("‘"): "'"}

#: Texts of which the ambiguous mentions are looked at together.
_TOGETHER = 512
# What stands right before or after a word inside code: a.b, a::b, a_b, x->b, \b, @b, $b, a[i], f(x), size=3, <b>, --b.
_CODE_BEFORE = re.compile(r"(?:[\w)\]]\.|::|->|[\\@#$_=<]|(?:^|\s)(?:--|&)|(?:^|\s|[\w)]\.\w+)/(?:[\w.-]*/)*)\Z")
_CODE_AFTER = re.compile(
    rf"\((?!(?:{BRACKETED_ENDINGS})\))"
    r"|\[[^\W\d]\w{0,2}(?:\s?[+*/–−-]\s?\w+)?\]|\.[a-z_]\w|::|->|_|=(?=\S)|>|\w|\.\w+\("
)
_RUN_TOGETHER = re.compile(r"\.[A-Z][a-z]+(?:[^\S\n][a-z]+)")  # two sentences without a space: "(Pe1).Equilibrium is"
_PLAIN_BEFORE, _PLAIN_AFTER = frozenset(" \n(‘“'\""), frozenset(" \n,;)!?’”'\"")
_HYPHENS = frozenset("-‐‑")
_WORD_BEFORE = re.compile(r"([^\W\d_]+(?:['’][^\W\d_]+)?)[^\S\n]+\Z")
_WORD_AFTER = re.compile(r"[^\S\n]+([^\W\d_]+)")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]['”’)]?\s+|\n)\Z")


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
    """A matcher, the rules of context, and what finds verbs by their part of speech, if there is a pipeline for it."""

    def __init__(self, matcher: Matcher, context: Context, verbs: VerbFinder | None = None) -> None:
        self._matcher, self._context, self._verbs = matcher, context, verbs

    def tag(self, texts: Iterable[str]) -> Iterator[Tagged]:
        """The mentions of each text in turn."""
        if self._verbs is None:
            yield from map(self._by_rule, texts)
            return
        left = iter(texts)
        while block := list(islice(left, _TOGETHER)):
            yield from self._without_verbs(self._verbs, block, list(map(self._by_rule, block)))

    def _without_verbs(self, verbs: VerbFinder, texts: Sequence[str], tagged: Sequence[Tagged]) -> Iterator[Tagged]:
        asked = []
        for number, (text, of) in enumerate(zip(texts, tagged, strict=True)):
            inside = _inside(of.mentions, of.mentions)
            alone = (match for match in of.mentions if (match.start, match.end) not in inside)
            asked += [(number, match) for match in alone if self._context.is_ambiguous(text, match)]
        found = verbs.verbs((texts[number], match.start) for number, match in asked)
        unfit: dict[int, list[Match]] = defaultdict(list)
        for (number, match), is_verb in zip(asked, found, strict=True):
            if is_verb:
                unfit[number].append(match)
        for number, of in enumerate(tagged):
            rejected = [Rejection(match, "tagged as a verb by spaCy") for match in unfit[number]]
            verbs_here = set(unfit[number])
            mentions = [match for match in of.mentions if match not in verbs_here] if rejected else of.mentions
            yield Tagged(mentions, [*of.rejected, *rejected])

    def _by_rule(self, text: str) -> Tagged:
        best, rejected = dict[tuple[int, int, str], Match](), list[Rejection]()
        for match in self._matcher.matches(text):
            reason, place = self._context.objection(text, match), _place(match)
            if reason is not None:
                rejected.append(Rejection(match, reason))
            elif place not in best or _ORDER.index(match.match) < _ORDER.index(best[place].match):
                best[place] = match
        mentions, others = _settle(text, list(best.values()))
        places = set(map(_place, mentions))
        return Tagged(mentions, [one for one in (*rejected, *others) if _place(one.match) not in places])


def _settle(text: str, matches: Sequence[Match]) -> tuple[list[Match], list[Rejection]]:
    """Of names that case alone tells apart, those that the text means: "MAP" is no map, "SET" in "SET COVER" no SET."""
    at_place: dict[tuple[int, int], list[Match]] = defaultdict(list)
    for match in matches:
        at_place[match.start, match.end].append(match)
    owned = {place: _owners(text, held) for place, held in at_place.items() if len(held) > 1}
    titles = [m for m in matches if text[m.start : m.end].isupper() and not m.form.text.isupper()]
    in_titles = _inside(matches, titles)
    shortest: dict[tuple[int, str], int] = {}  # by start and term
    for match in matches:
        key = match.start, match.form.term_id
        shortest[key] = min(match.end, shortest.get(key, match.end))
    mentions, rejected = list[Match](), list[Rejection]()
    for match in matches:
        owners = owned.get((match.start, match.end), ())
        if match.form.text.endswith(")") and shortest[match.start, match.form.term_id] < match.end:
            continue  # two names of one term, which are mentions themselves: "support vector machine (SVM)"
        if owners and not any(match is owner for owner in owners):
            of_acronym = any(is_acronym(owner.form.text) for owner in owners)
            rejected.append(Rejection(match, "acronym of another term" if of_acronym else "another term in this case"))
        elif (match.start, match.end) in in_titles and is_acronym(match.form.text):
            rejected.append(Rejection(match, "part of a longer term in capitals"))
        else:
            mentions.append(match)
    return mentions, rejected


def _owners(text: str, matches: Sequence[Match]) -> Sequence[Match]:
    """The matches at one place that are written as the text is: first the same text, then acronyms, else all."""
    surface = text[matches[0].start : matches[0].end]
    acronyms = [match for match in matches if is_acronym(match.form.text)]
    alike = [match for match in matches if fold(match.form.text) == fold(surface)]
    same = {surface}
    if _SENTENCE_START.search(text, max(0, matches[0].start - 3), matches[0].start):
        same.add(surface[:1].lower() + surface[1:])
    exact = [match for match in alike if match.form.text in same]
    if acronyms:
        return exact or acronyms
    return [match for match in matches if match not in alike or match in exact] if exact else matches


def _place(match: Match) -> tuple[int, int, str]:
    return match.start, match.end, match.form.term_id


class Context:
    """The idioms and verb neighbours of one set of rules."""

    def __init__(self, rules: Rules) -> None:
        patterns = [rule.text for rule in rules.files["idioms"]]
        self._idioms = re.compile(rf"(?<![\w-])(?:{'|'.join(patterns or ['(?!)'])})(?![\w-])", re.IGNORECASE)
        # Words that idioms spell out: other words need no search.
        words = (word for text in patterns for word in re.findall(r"(?<!\\)\b[^\W\d_]{2,}", text))
        self._words = frozenset(map(str.lower, words))
        self._role: dict[str, set[str]] = defaultdict(set)
        for rule in rules.files["verb_neighbours"]:
            self._role[rule.label].add(rule.text)
        self._noun_verbs = rules.words("noun_verbs")
        roles = ("before_verb", "subject", "modal", "adverb", "question", "auxiliary")
        self._before_verb = frozenset().union(*(self._role[role] for role in roles)) | {INFINITIVE}
        self._singular = normaliser().singular

    def is_ambiguous(self, text: str, match: Match) -> bool:
        """Whether the match is one word, a noun that may be a verb, and its neighbours do not settle that it is a noun."""
        surface = text[match.start : match.end]
        one_word = surface.isalpha() and " " not in match.form.text and (surface.islower() or surface.istitle())
        if not one_word or not {surface.lower(), self._singular(surface.lower())} & self._noun_verbs:
            return False
        before, _ = _before(text, match.start)
        if not before:  # where a clause begins, "sets" is a noun; after a bracket or quote stands a name
            return not surface.endswith("s") and (match.start == 0 or text[match.start - 1].isspace())
        after = _after(text, match.end)
        if (
            before in self._role["noun"]
            or after in self._role["predicate"]
            or text[match.end : match.end + 1] in _HYPHENS
        ):
            return False
        return (
            self._may_be_third_person(before, after) if surface.endswith("s") else self._may_be_base_form(before, after)
        )

    def _may_be_third_person(self, before: str, after: str) -> bool:
        """Whether a word in s may be a verb: "the firm exits the", but not "two exits", "small exits" or "exits."."""
        settled = before in self._role["before_plural"] or ADJECTIVE_OR_GERUND.search(before) is not None
        return after != "" and not settled and not _is_plural(before)

    def _may_be_base_form(self, before: str, after: str) -> bool:
        """Whether another word may be a verb: "firms exit", "to exit", "and exit the", but not "market exit", "and exit"."""
        if before in self._role["coordination"]:
            return after.lower() in self._role["determiner"]
        return _is_plural(before) or before in self._before_verb or before.endswith("ly")

    def objection(self, text: str, match: Match) -> str | None:
        """Why the match does not mean its term here, or None."""
        if not match.cased:
            kind = "capitals of the acronym" if is_acronym(match.form.text) else "case of the name"
            return f"not in the {kind}"
        surface = text[match.start : match.end]
        if not signs_agree(surface, match.form.text):
            return "signs differ from those of the term"
        if in_code(text, match.start, match.end):
            return "part of code"
        if text[match.start - 1 : match.start] in _HYPHENS and NEGATION.search(
            text[max(0, match.start - 5) : match.start]
        ):
            return "negated by a prefix"
        if self._in_idiom(text, match.start, match.end, surface):
            return "part of an idiom"
        return "used as a verb" if self._is_verb(text, match, surface) else None

    def _is_verb(self, text: str, match: Match, surface: str) -> bool:
        """Whether a one-word form in lower case can, given its neighbours, only be a verb."""
        if not surface.isalpha() or len(surface) < 3 or " " in match.form.text:
            return False
        if surface.istitle():
            starts = _SENTENCE_START.search(text, max(0, match.start - 3), match.start) is not None
            return starts and not surface.endswith("s") and _after(text, match.end) in self._role["object"]
        if not surface.islower():
            return False
        before, place = _before(text, match.start)
        adverb = before in self._role["adverb"]
        if adverb:
            before, place = _before(text, place)
        if before == INFINITIVE:
            return _after(text, match.end).lower() in self._role["determiner"]
        if before in self._role["singular"]:
            return surface.endswith("s") and not match.form.text.endswith("s")
        if before in self._role["being"]:
            return surface in self._role["participle"]
        if before in self._role["modal"]:
            subject, _ = _before(text, place)
            return subject != "" and subject not in self._role["question"]
        return before in self._role["subject"] or (adverb and before in self._role["auxiliary"])

    def _in_idiom(self, text: str, start: int, end: int, surface: str) -> bool:
        first = surface.split()[0].lower()
        if not any(word in self._words for word in (first, first.rstrip("s"), f"{first}s")):
            return False
        # An idiom is short. The search starts at a space, so that none begins inside a word.
        left = text.rfind(" ", 0, max(0, start - 40)) + 1
        idioms = (found.span() for found in self._idioms.finditer(text, left, min(len(text), end + 40)))
        return any(left <= start and end <= right and (left, right) != (start, end) for left, right in idioms)


def in_code(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is part of an identifier, a call, an index, a path or an option."""
    if (start == 0 or text[start - 1] in _PLAIN_BEFORE) and (end == len(text) or text[end] in _PLAIN_AFTER):
        return False  # the common case
    before = _CODE_BEFORE.search(text, max(0, start - 40), start) and not _RUN_TOGETHER.match(text, start - 1)
    return bool(before or _CODE_AFTER.match(text, end))


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith("ss")


def _before(text: str, start: int) -> tuple[str, int]:
    """The word before ``start`` in small letters and where it begins; "" if a mark or a line break stands between."""
    match = _WORD_BEFORE.search(text, max(0, start - 24), start)
    return (match.group(1).lower(), match.start()) if match else ("", start)


def _after(text: str, end: int) -> str:
    """The word after ``end`` as it is written; "" if a mark or a line break stands between."""
    match = _WORD_AFTER.match(text, end)
    return match.group(1) if match else ""


def _inside(matches: Iterable[Match], others: Iterable[Match]) -> set[tuple[int, int]]:
    """Start and end of each match that lies inside a longer one of the others; in about linear time."""
    longer = {(match.start, match.end) for match in others}
    found, furthest = set[tuple[int, int]](), -1
    for start, end in sorted(
        {*longer, *((match.start, match.end) for match in matches)}, key=lambda at: (at[0], -at[1])
    ):
        if end <= furthest:
            found.add((start, end))
        elif (start, end) in longer:
            furthest = end
    return found


def surfaces_of(texts: Iterable[tuple[str, Sequence[Match]]]) -> dict[str, list[str]]:
    """By term: the surfaces of its matches, folded, in their smallest case; acronyms keep their capitals."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text, matches in texts:
        for match in matches:
            surface = " ".join(text[match.start : match.end].split())
            if surface.isupper() and not is_acronym(match.form.text):
                surface = surface.lower()
            _keep_smallest(found[match.form.term_id], surface)
    return {term_id: sorted(held.values()) for term_id, held in found.items()}


def join_surfaces(parts: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """What `surfaces_of` gives for the texts of all parts together."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for part in parts:
        for term_id, surfaces in part.items():
            for surface in surfaces:
                _keep_smallest(found[term_id], surface)
    return {term_id: sorted(held.values()) for term_id, held in found.items()}


def _keep_smallest(held: dict[str, str], surface: str) -> None:
    """Keep the surface, unless one with fewer capitals that differs in nothing else is held."""
    held[fold(surface)] = min(
        surface, held.get(fold(surface), surface), key=lambda one: (sum(c.isupper() for c in one), one)
    )


def with_surfaces(forms: Sequence[str], surfaces: Iterable[str]) -> list[str]:
    """A term's forms, the first left in front, and the surfaces that equal none of them."""
    known = {fold(form) for form in forms}
    return [*forms[:1], *sorted({*forms[1:], *(surface for surface in surfaces if fold(surface) not in known)})]


def fold(form: str) -> str:
    """The surface in lower case with dashes and quotes unified."""
    return form.translate(_DASHES).casefold()
