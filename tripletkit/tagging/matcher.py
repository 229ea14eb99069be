"""Find every form of every term at once: a trie over word keys, walked from each word of the text.

All matches are found, nested ones included, longest first at each place. Offsets are exact. Whether a match means its
term in its place is for ``mentions`` to decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tripletkit.language.normalise import Normaliser, Token, acronym_singular, is_acronym, normaliser, telling_signs
from tripletkit.language.term_words import JOINED_PREFIXES

# Between the words of one term: white space, or one joining mark. Never a line break, comma or full stop with a space.
_JOINS = re.compile(r"[^\S\n]+|[-‐‑–−/.'’&+*]|[^\S\n]*[-‐‑–−/][^\S\n]*|['’%][^\S\n]+|[^\S\n]*[+*∗][^\S\n]*[-‐‑–−]")
_POSSESSIVE = ("’s", "'s")
_PLAIN = re.compile(r"[\w\s'’‘‐‑–—/.&-]*")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐‑](?=[^\W\d_])")


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
    """A form with what every match of it needs, worked out once."""

    form: Form
    folded: str
    capitals: str  # an acronym's; "" for a word
    possessive: bool

    def covers(self, other: _HeldForm) -> bool:
        """Whether whatever ``other`` finds where both stand, this finds too: it is but another surface of the term."""
        return (
            self.form.term_id == other.form.term_id
            and (self.capitals, self.possessive) == (other.capitals, other.possessive)
            and (self.form.canonical or not other.form.canonical)
            and telling_signs(self.form.text) == telling_signs(other.form.text)
        )


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    entries: list[_HeldForm] = field(default_factory=list)


class Matcher:
    """A trie of forms. Building is linear in the forms' words, matching in the text's.

    Forms and texts are compared by the normaliser that is in force when the matcher is made.
    """

    def __init__(self, forms: Iterable[Form]) -> None:
        self._root = _Node()
        self._normaliser = normaliser()
        for form in forms:
            capitals = _capitals(form.text) if is_acronym(form.text) else ""
            entry = _HeldForm(form, form.text.casefold(), capitals, form.text.endswith(_POSSESSIVE))
            for key in spellings(form.text, self._normaliser):
                node = self._root
                for word in key:
                    node = node.children.setdefault(word, _Node())
                if not any(held.covers(entry) for held in node.entries):
                    node.entries.append(entry)

    def matches(self, text: str) -> Iterator[Match]:
        """Every form in ``text``, by start, longest first."""
        words = list(self._normaliser.tokens(text))
        roots = self._root.children
        for i, word in enumerate(words):
            node = roots.get(word.key)
            if node is not None:
                yield from reversed(list(self._walk(text, words, i, node)))

    def _walk(self, text: str, words: Sequence[Token], i: int, node: _Node) -> Iterator[Match]:
        start = words[i].start
        for j in range(i, len(words)):
            if node.entries:
                yield from _matches(text, start, words[j].end, node.entries)
            if j + 1 == len(words):
                return
            following = node.children.get(words[j + 1].key)
            if following is None or not _JOINS.fullmatch(text, words[j].end, words[j + 1].start):
                return
            node = following


def spellings(form: str, words: Normaliser) -> list[tuple[str, ...]]:
    """The keys a form goes by: as it stands, written together ("dataset"), and with a prefix apart ("non-linear")."""
    key = words.term_key(form)
    if not key:
        return []
    keys = {key: None, words.term_key(_HYPHEN.sub("", form)): None}
    if len(key) == 2 and form.islower() and form.replace(" ", "").isalpha():
        keys[words.term_key(form.replace(" ", ""))] = None
    for at, word in enumerate(key):
        for prefix in JOINED_PREFIXES:
            if word.startswith(prefix) and len(word) >= len(prefix) + 4:
                keys[(*key[:at], prefix, word[len(prefix) :], *key[at + 1 :])] = None
    return list(keys)


def _matches(text: str, start: int, end: int, entries: Sequence[_HeldForm]) -> Iterator[Match]:
    whole = text[start:end]
    plain = whole[:-2] if whole.endswith(_POSSESSIVE) else whole
    for entry in entries:
        surface = whole if entry.possessive else plain
        kind = ("exact" if surface.casefold() == entry.folded else "variant") if entry.form.canonical else "form"
        cased = not entry.capitals or _capitals(surface) == entry.capitals
        yield Match(entry.form, start, start + len(surface), kind, cased)


def _capitals(text: str) -> str:
    """An acronym's letters and digits, its plural and dashes aside."""
    return "".join(c for c in acronym_singular(text) if c.isalnum())


def signs_agree(surface: str, form: str) -> bool:
    """Whether the signs that tell the form from others ("B*-tree") stand in the surface too."""
    both_plain = _PLAIN.fullmatch(surface) and _PLAIN.fullmatch(form)
    return bool(both_plain) or telling_signs(form) == telling_signs(surface)
