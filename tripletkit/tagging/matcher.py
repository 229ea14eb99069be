"""Find every form of every term at once: a trie over word keys, walked from each word of the text.

All matches are found, nested ones included, longest first at each place. Offsets are exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tripletkit.text.normalise import Token, is_acronym, term_key, tokens

# Between the words of one term: white space, or one joining mark. Never a line break, comma or full stop with a space.
_JOINS = re.compile(r"[^\S\n]+|[-‐‑–−/.'’&+*]|[^\S\n]*[-‐‑–−/][^\S\n]*|['’][^\S\n]+")
_CODE_BEFORE = re.compile(r"[\w.\\@#$]$")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a term."""

    term_id: str
    text: str
    canonical: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A form said at ``text[start:end]``. ``cased`` is False where an acronym stands in the wrong case ("set" for SET)."""

    form: Form
    start: int
    end: int
    how: str  # exact, lemma or form
    cased: bool


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    forms: list[Form] = field(default_factory=list)


class Matcher:
    """A trie of forms. Building is linear in the forms' words, matching in the text's."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._root = _Node()
        for form in forms:
            key = term_key(form.text)
            if not key:
                continue
            node = self._root
            for word in key:
                node = node.children.setdefault(word, _Node())
            node.forms.append(form)

    def matches(self, text: str) -> Iterator[Match]:
        """Every form in ``text``, by start, longest first."""
        words = list(tokens(text))
        roots = self._root.children
        for i, word in enumerate(words):
            node = roots.get(word.key)
            if node is not None:
                yield from reversed(list(self._walk(text, words, i, node)))

    def _walk(self, text: str, words: Sequence[Token], i: int, node: _Node) -> Iterator[Match]:
        start = words[i].start
        for j in range(i, len(words)):
            if node.forms:
                surface = text[start : words[j].end]
                for form in node.forms:
                    yield Match(form, start, words[j].end, _how(surface, form), _cased(surface, form))
            if j + 1 == len(words):
                return
            following = node.children.get(words[j + 1].key)
            if following is None or not _JOINS.fullmatch(text, words[j].end, words[j + 1].start):
                return
            node = following


def _how(surface: str, form: Form) -> str:
    same = surface.casefold() == form.text.casefold()
    return ("exact" if form.canonical else "form") if same else "lemma"


def _cased(surface: str, form: Form) -> bool:
    return not is_acronym(form.text) or surface[: len(form.text)] == form.text
