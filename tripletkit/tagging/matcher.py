"""Find every form of every term at once: a trie over word keys, walked from each word of the text.

All matches are found, nested ones included, longest first at each place. Offsets are exact. Whether a match means its
term in its place is for ``mentions`` to decide.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter

from tripletkit.language.normalise import Token, acronym_singular, is_acronym, normaliser, telling_signs
from tripletkit.language.spellings import HYPHEN, Spelling, spellings

# Between the words of one term: white space, or one joining mark. Never a line break, comma or full stop with a space.
_JOINS = re.compile(r"[^\S\n]+|[-‐‑–−/.'’&+*]|[^\S\n]*[-‐‑–−/][^\S\n]*|['’%][^\S\n]+|[^\S\n]*[+*∗][^\S\n]*[-‐‑–−]")
_POSSESSIVE = ("’s", "'s")
_PLAIN = re.compile(r"[\w\s'’‘‐‑–—/.&-]*")
_SPACES = re.compile(r"[^\S\n]+")
# One sign for each kind of quote, dash and asterisk.
_SIGNS = str.maketrans(
    {**dict.fromkeys("‐‑‒–—−", "-"), **dict.fromkeys("’‘´＇ʼ`", "'"), **dict.fromkeys("“”„«»", '"'), "∗": "*"}
)
#: Letters of a short name that has a capital behind a small letter ("pH"), which case tells from a word.
_SHORT_NAME = re.compile(r"[^\W\d_]|[a-z][A-Z][a-zA-Z]?")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a term."""

    term_id: str
    text: str
    canonical: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A form found at ``text[start:end]``, a possessive ending left out.

    ``match``: exact is the canonical form, case aside; variant is that in another number or spelling; form is another form.
    ``cased`` is False where an acronym stands in the wrong case ("set" for SET).
    """

    form: Form
    start: int
    end: int
    match: str
    cased: bool


@dataclass(frozen=True, slots=True)
class _HeldForm:
    """A form with precomputed values that every match of it needs."""

    form: Form
    folded: str
    capitals: str  # an acronym's; "" for a word
    possessive: bool
    literal: tuple[tuple[int, str], ...]
    before: str  # signs before the first word and behind the last
    after: str
    joins: tuple[str | None, ...]  # what stands between its words where _JOINS has it not, else None

    def covers(self, other: _HeldForm) -> bool:
        """Whether this form matches wherever ``other`` matches: ``other`` is then only another surface of the term."""
        return (
            self.form.term_id == other.form.term_id
            and (self.capitals, self.possessive, self.literal) == (other.capitals, other.possessive, other.literal)
            and (self.before, self.after, self.joins) == (other.before, other.after, other.joins)
            and (self.form.canonical or not other.form.canonical)
            and telling_signs(self.form.text) == telling_signs(other.form.text)
        )

    def reach(self, text: str, start: int, end: int) -> tuple[int, int]:
        """``start`` and ``end`` with the form's own signs around them, where the text has them and no more of them."""
        first, last = start - len(self.before), end + len(self.after)
        if (
            self.before
            and first >= 0
            and _signs(text[first:start]) == self.before
            and not _doubled(text, first - 1, first)
        ):
            start = first
        closes = self.after[:1] == ")" and "(" in self.form.text and "(" not in text[start:end]  # another's bracket
        if self.after and not closes and _signs(text[end:last]) == self.after and not _doubled(text, last, last - 1):
            end = last
        return start, end


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    entries: list[_HeldForm] = field(default_factory=list)
    joins: set[str] = field(default_factory=set)  # what forms have before this word, where _JOINS has it not


class Matcher:
    """A trie of forms, compared by the normaliser in force when it is made. Building and matching take linear time."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._root = _Node()
        self._normaliser = normaliser()
        self._wordless: list[Form] = []
        for form in forms:
            ways = spellings(form.text, self._normaliser)
            for spelling in ways:
                self._add(form, spelling)
            if not ways and form.text.strip():
                self._wordless.append(form)
        signs = sorted({re.escape(form.text) for form in self._wordless}, key=len, reverse=True)
        self._signs = (
            re.compile(rf"(?<![^\w\s(\[“‘'\"])(?:{'|'.join(signs)})(?![^\w\s)\]”’'\",.;:?!])") if signs else None
        )

    def _add(self, form: Form, spelling: Spelling) -> None:
        tokens = list(self._normaliser.tokens(spelling.text))
        joins = _odd_joins(spelling.text, tokens)
        if ", " in joins and not form.canonical:
            return  # as an index prints it: "slurs, phrasing" is not said in "slurs, phrasing slurs and beams"
        entry = _HeldForm(
            form,
            form.text.casefold(),
            _capitals(form.text) if is_acronym(form.text) or _SHORT_NAME.fullmatch(form.text) else "",
            form.text.endswith(_POSSESSIVE),
            spelling.literal,
            _signs(spelling.text[: tokens[0].start]),
            _signs(spelling.text[tokens[-1].end :]),
            joins if any(join is not None for join in joins) else (),
        )
        node = self._root
        for at, word in enumerate(spelling.key):
            node = node.children.setdefault(word, _Node())
            if 0 < at < len(tokens) == len(spelling.key) and (join := joins[at - 1]) is not None:
                node.joins.add(join)
        if not any(held.covers(entry) for held in node.entries):
            node.entries.append(entry)

    def matches(self, text: str) -> Iterator[Match]:
        """Every form in ``text``, by start, longest first; then what has no word, such as "≤"."""
        words = list(self._normaliser.tokens(text))
        roots = self._root.children
        joined = self._joined(text, words)
        for i, word in enumerate(words):
            if word.key in roots or (joined and joined.get(i) in roots):
                found = list(self._walk(text, words, joined, i, i, self._root, odd=False))
                if len(found) > 1:
                    found.sort(key=_longest_first)
                yield from found
        if self._signs is not None:
            for found_sign in self._signs.finditer(text):
                for form in self._wordless:
                    if form.text == found_sign.group():
                        yield Match(form, *found_sign.span(), "exact" if form.canonical else "form", cased=True)

    def _joined(self, text: str, words: Sequence[Token]) -> dict[int, str]:
        """By its number, the key of each word that a hyphen joins to the next, written together: "data-set"."""
        found = {}
        for mark in HYPHEN.finditer(text):
            after = bisect_left(words, mark.end(), key=_START)
            if not 0 < after < len(words) or words[after - 1].end != mark.start():
                continue
            first, second = words[after - 1], words[after]
            around = text[max(0, first.start - 1) : first.start] + text[second.end : second.end + 1]
            if not any(sign in around for sign in "-‐‑"):  # "end-of-stream" holds no "ofstream"
                whole = text[first.start : first.end] + text[second.start : second.end]
                found[after - 1] = self._normaliser.word_key(whole)
        return found

    def _walk(
        self,
        text: str,
        words: Sequence[Token],
        joined: Mapping[int, str],
        first: int,
        at: int,
        node: _Node,
        *,
        odd: bool,
    ) -> Iterator[Match]:
        """Matches that begin at word ``first`` and go on from ``node`` with word ``at``; ``odd``: by a join of some forms."""
        ways = ((words[at].key, at), (joined[at], at + 1)) if at in joined else ((words[at].key, at),)
        for key, last in ways:
            following = node.children.get(key)
            if following is None:
                continue
            own = at > first and _JOINS.fullmatch(text, words[at - 1].end, words[at].start) is None
            if own and _signs(text[words[at - 1].end : words[at].start]) not in following.joins:
                continue
            if following.entries:
                yield from _matches(text, words[first : last + 1], following.entries, odd=odd or own)
            if following.children and last + 1 < len(words):
                yield from self._walk(text, words, joined, first, last + 1, following, odd=odd or own)


_START = attrgetter("start")


def _longest_first(match: Match) -> int:
    return -match.end


def _odd_joins(text: str, words: Sequence[Token]) -> tuple[str | None, ...]:
    """What stands between two words, None where any term may have it."""
    return tuple(
        None if _JOINS.fullmatch(text, one.end, other.start) else _signs(text[one.end : other.start])
        for one, other in pairwise(words)
    )


def _doubled(text: str, outside: int, inside: int) -> bool:
    """Whether a sign that tells terms apart goes on outside the match: "operator=" is not in "operator=="."""
    return 0 <= outside < len(text) and text[outside] == text[inside] and telling_signs(text[inside]) != ""


def _signs(text: str) -> str:
    """Signs as they are compared: one kind of quote and of dash, white space made one space."""
    return _SPACES.sub(" ", text.translate(_SIGNS))


def _matches(text: str, words: Sequence[Token], entries: Sequence[_HeldForm], *, odd: bool) -> Iterator[Match]:
    joins = _odd_joins(text, words) if odd else ()
    for entry in entries:
        if odd and joins != entry.joins:
            continue
        start, end = words[0].start, words[-1].end
        if entry.before or entry.after:
            start, end = entry.reach(text, start, end)
        surface = text[start:end]
        if surface.endswith(_POSSESSIVE) and not entry.possessive:
            surface = surface[:-2]
        same = not entry.literal or _literal(text, words, entry.literal)
        if same is None:
            continue
        kind = ("exact" if surface.casefold() == entry.folded else "variant") if entry.form.canonical else "form"
        cased = same and (not entry.capitals or _capitals(surface) == entry.capitals)
        yield Match(entry.form, start, start + len(surface), kind, cased)


def _literal(text: str, words: Sequence[Token], literal: tuple[tuple[int, str], ...]) -> bool | None:
    """Whether words stand as they must; None if they differ by more than case."""
    found = [(text[words[at].start : words[at].end], word) for at, word in literal if at < len(words)]
    if len(literal) > 1 and text[words[literal[0][0]].end] != ".":  # an acronym with full stops: "U.S.", not "U S"
        return None
    if any(here.casefold() != word.casefold() for here, word in found):
        return None
    return all(here == word or word.islower() for here, word in found)


def _capitals(text: str) -> str:
    """An acronym's letters and digits, its plural and dashes aside."""
    return "".join(c for c in acronym_singular(text) if c.isalnum())


def signs_agree(surface: str, form: str) -> bool:
    """Whether the surface has the form's distinguishing signs ("B*-tree")."""
    both_plain = _PLAIN.fullmatch(surface) and _PLAIN.fullmatch(form)
    return bool(both_plain) or telling_signs(form) == telling_signs(surface)
