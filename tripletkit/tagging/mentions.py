"""The mentions of a text: every match that means its term where it stands, and what was rejected, by reason.

No mention stands in code, is used as a verb, is part of an idiom, or differs in case or signs. A verb is recognised by
its neighbours, for one-word forms in small letters only, and only where no noun could stand: "we run", "can set", "is
split", "to sort the", "Merge the". A part-of-speech pipeline of spaCy, which is slow, decides the rest where ``tag.nlp`` names one.
A second language brings its own rules files ``idioms`` and ``verb_neighbours``, and its own ``Context._is_verb``.
"""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import ConfigError
from tripletkit.language.normalise import is_acronym
from tripletkit.language.term_words import BRACKETED_ENDINGS, INFINITIVE
from tripletkit.rules import Rules
from tripletkit.tagging.matcher import Match, Matcher, signs_agree

#: Kinds of match, the closest first.
_ORDER = ("exact", "variant", "form")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | {ord("’"): "'", ord("‘"): "'"}

#: For texts and the matches in each, which matches a part-of-speech pipeline rejects.
Parser = Callable[[Iterable[tuple[str, Sequence[Match]]]], Iterator[Sequence[Match]]]
# What stands right before or after a word inside code: a.b, a::b, a_b, x->b, \b, @b, $b, a[i], f(x), size=3, <b>, --b.
_CODE_BEFORE = re.compile(r"(?:[\w)\]]\.|::|->|[\\@#$_=<]|(?:^|\s)--|(?:^|\s|[\w)]\.\w+)/(?:[\w.-]*/)*)\Z")
_CODE_AFTER = re.compile(
    rf"\((?!(?:{BRACKETED_ENDINGS})\))"
    r"|\[[^\W\d]\w{0,2}(?:\s?[+*/–−-]\s?\w+)?\]|\.[a-z_]\w|::|->|_|=(?=\S)|>|\w|\.\w+\("
)
_RUN_TOGETHER = re.compile(r"\.[A-Z][a-z]+(?:[^\S\n][a-z]+)")  # two sentences without a space: "(Pe1).Equilibrium is"
_PLAIN_BEFORE, _PLAIN_AFTER = frozenset(" \n(‘“'\""), frozenset(" \n,;)!?’”'\"")
_WORD_BEFORE = re.compile(r"([^\W\d_]+(?:['’][^\W\d_]+)?)[^\S\n]+\Z")
_WORD_AFTER = re.compile(r"[^\S\n]+([^\W\d_]+)")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]['”’)]?\s+|\n)\Z")
#: Finite verbs. A gerund names what is done ("hashing", "pooling"), a participle may be a term ("fixed"): both stay.
VERB_TAGS = frozenset(("VB", "VBP", "VBZ", "VBD", "MD"))
_LEFT_OUT = ("parser", "ner", "lemmatizer", "senter")


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
        if self._parser is None:
            yield from map(self._by_rule, texts)
            return
        found = [(text, self._by_rule(text)) for text in texts]
        parsed = self._parser((text, tagged.mentions) for text, tagged in found)
        for (_, tagged), unfit in zip(found, parsed, strict=True):
            mentions = [match for match in tagged.mentions if match not in unfit]
            rejected = [Rejection(match, "tagged as a verb by spaCy") for match in unfit]
            yield Tagged(mentions, [*tagged.rejected, *rejected])

    def _by_rule(self, text: str) -> Tagged:
        best, rejected = dict[tuple[int, int, str], Match](), list[Rejection]()
        for match in self._matcher.matches(text):
            reason, place = self._context.objection(text, match), _place(match)
            if reason is not None:
                rejected.append(Rejection(match, reason))
            elif place not in best or _ORDER.index(match.match) < _ORDER.index(best[place].match):
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
        places = set(map(_place, mentions))
        return Tagged(mentions, [one for one in rejected if _place(one.match) not in places])


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

    def objection(self, text: str, match: Match) -> str | None:
        """Why the match does not mean its term here, or None."""
        if not match.cased:
            return "not in the capitals of the acronym"
        surface = text[match.start : match.end]
        if not signs_agree(surface, match.form.text):
            return "signs differ from those of the term"
        if in_code(text, match.start, match.end):
            return "part of code"
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


def _before(text: str, start: int) -> tuple[str, int]:
    """The word before ``start`` in small letters and where it begins; "" if a mark or a line break stands between."""
    match = _WORD_BEFORE.search(text, max(0, start - 24), start)
    return (match.group(1).lower(), match.start()) if match else ("", start)


def _after(text: str, end: int) -> str:
    """The word after ``end`` as it is written; "" if a mark or a line break stands between."""
    match = _WORD_AFTER.match(text, end)
    return match.group(1) if match else ""


def load_parser(name: str) -> Parser:
    """The pipeline of that name or in that folder. Raises ConfigError if spaCy, the pipeline or its tagger is missing."""
    if importlib.util.find_spec("spacy") is None:
        cure = "pip install 'tripletkit[nlp]', or leave tag.nlp out."
        raise ConfigError(f"tag.nlp = {name!r}: spaCy is not installed", cure)
    import spacy

    try:
        nlp = spacy.load(Path(name) if Path(name).is_dir() else name, exclude=list(_LEFT_OUT))
    except (OSError, ValueError) as error:
        hint = f"Install it: python -m spacy download {name}. Any installed spaCy pipeline or its folder will do."
        raise ConfigError(f"tag.nlp = {name!r}: no such spaCy pipeline ({str(error).splitlines()[0]})", hint) from None
    if "tagger" not in nlp.pipe_names:
        problem = f"tag.nlp = {name!r}: the pipeline has no tagger, only {', '.join(nlp.pipe_names) or 'nothing'}"
        raise ConfigError(problem, "Take one that tags parts of speech, such as en_core_web_sm.")

    def unfit(texts: Iterable[tuple[str, Sequence[Match]]]) -> Iterator[Sequence[Match]]:
        for doc, matches in nlp.pipe(texts, as_tuples=True, batch_size=64):
            tags = {token.idx: token.tag_ for token in doc}
            verbs = [m for m in matches if m.form.text.isalpha() and tags.get(m.start) in VERB_TAGS]
            # A word inside a multi-word term is not a verb.
            inner = {m.start for m in matches if any(_is_inside(m, other) for other in matches)} if verbs else ()
            yield [m for m in verbs if m.start not in inner]

    return unfit


def _is_inside(match: Match, other: Match) -> bool:
    return other.start <= match.start and match.end <= other.end and other.end - other.start > match.end - match.start


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
