"""The ways in which one term may be written: what the trie of the tagger holds, and by what two terms are one.

A word's key (``normalise``) takes care of case, number, accents and Greek letters. Here is what depends on the whole term:
what is written together or apart, umlauts spelled out, roman and arabic numbers, full stops in acronyms, and plurals that
two words share. A second language brings its own ``JOINED_PREFIXES``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from tripletkit.language.normalise import Normaliser, Token, normaliser
from tripletkit.language.term_words import JOINED_PREFIXES

Key = tuple[str, ...]
HYPHEN = re.compile(r"[-‐‑](?<=[^\W\d_][-‐‑])(?=[^\W\d_])")
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
_UMLAUT = re.compile(f"[{''.join(_UMLAUTS)}]")
# Only in names, which have a capital: "Schroedinger", but not "does".
_SPELLED_UMLAUT = re.compile(r"(?<=[^\W\d_aeiou])([aou])e(?=[^\W\d_])")
_NAME = re.compile(r"[A-Z][^\W\d_]{4,}")
_ROMAN = dict(
    zip(["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"], map(str, range(1, 13)), strict=True)
)
_ARABIC = {arabic: roman for roman, arabic in _ROMAN.items()}
_CASED = frozenset("IV")  # "Type I" is not "type i"; "X-axis" is "x-axis", and "ii" is nothing but a number
_LETTERS = frozenset("VX")  # oftener names of variables than numbers
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Z]\.){2,}(?![^\W_])")
_UNDOTTED = re.compile(r"(?<![\w.-])[A-Z]{2,4}(?![\w.-])")


class Spelling(NamedTuple):
    """One way to write a term. ``literal`` holds words that must stand as they are: position among the words, text."""

    text: str
    key: Key
    literal: tuple[tuple[int, str], ...] = ()


def spellings(form: str, words: Normaliser | None = None) -> list[Spelling]:
    """The ways to write a form, its own first; none if it holds no word."""
    words = words or normaliser()
    found: dict[tuple[Key, tuple[tuple[int, str], ...]], Spelling] = {}
    for text, literal in _texts(form, words):
        for key in _keys(text, words):
            found.setdefault((key, literal), Spelling(text, key, literal))
    return list(found.values())


def one_text(form: str) -> str:
    """The form with arabic numbers, and acronyms without full stops: "Type I error" is "Type 1 error", "U.S." is "US"."""
    form = _DOTTED.sub(lambda match: match.group().replace(".", ""), form)
    head, *rest = re.split(r"(\W+)", form)
    return head + "".join(part if part in _LETTERS else _ROMAN.get(part, part) for part in rest)


def spelled_umlauts(form: str) -> str:
    """The form with its umlauts spelled out: "Schroedinger" for "Schrödinger"."""
    if form.isascii():
        return form
    return _UMLAUT.sub(lambda match: _UMLAUTS[match.group()], unicodedata.normalize("NFC", form))


def _texts(form: str, words: Normaliser) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """The form and its other spellings, with the words that must stand as they are."""
    tokens = list(words.tokens(form))
    surfaces = [form[token.start : token.end] for token in tokens]
    cased = tuple((at, word) for at, word in enumerate(surfaces) if at and word in _CASED)
    collapsed = _NAME.sub(lambda match: _SPELLED_UMLAUT.sub(r"\1", match.group()), form)
    for text in dict.fromkeys((form, spelled_umlauts(form), collapsed)):
        yield text, cased
    for at, (token, word) in enumerate(zip(tokens, surfaces, strict=True)):
        if at and word in _ROMAN:
            yield _replaced(form, token, _ROMAN[word]), ()
        elif at and word in _ARABIC:
            yield _replaced(form, token, _ARABIC[word]), ((at, _ARABIC[word]),)
        for plural in words.shared_plurals.get(token.key, ()):
            yield _replaced(form, token, plural), ((at, plural),)
    if not form.islower():
        yield from _acronyms(form, words)


def _replaced(form: str, token: Token, word: str) -> str:
    return form[: token.start] + word + form[token.end :]


def _acronyms(form: str, words: Normaliser) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """With and without full stops, in capitals only: "US" is not "us"."""
    if match := _DOTTED.search(form):
        short = match.group().replace(".", "")
        yield form[: match.start()] + short + form[match.end() :], ((_position(form, match.start(), words), short),)
    elif match := _UNDOTTED.search(form):
        at = _position(form, match.start(), words)
        dotted = "".join(f"{letter}." for letter in match.group())
        literal = tuple((at + i, letter) for i, letter in enumerate(match.group()))
        yield form[: match.start()] + dotted + form[match.end() :], literal


def _position(form: str, start: int, words: Normaliser) -> int:
    return sum(token.start < start for token in words.tokens(form))


def _keys(form: str, words: Normaliser) -> Iterator[Key]:
    """The key as the form stands, written together ("dataset"), and with a prefix apart ("non-linear")."""
    key = words.term_key(form)
    if not key:
        return
    yield key
    if (together := HYPHEN.sub("", form)) != form:
        yield words.term_key(together)
    if len(key) == 2 and form.islower() and form.replace(" ", "").isalpha():
        yield words.term_key(form.replace(" ", ""))
    for at, word in enumerate(key):
        if not word.startswith(JOINED_PREFIXES):
            continue
        for prefix in JOINED_PREFIXES:
            if word.startswith(prefix) and len(word) >= len(prefix) + 4:
                yield (*key[:at], prefix, word[len(prefix) :], *key[at + 1 :])
