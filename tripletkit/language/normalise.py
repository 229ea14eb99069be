"""Words as they are compared: one normaliser for terms and for text.

A token's key ignores case, plural, hyphens, quotes, accents and British or American spelling, and a Greek letter is its
name. Only nouns' endings are undone: verbs lemmatised out of context turn terms into everyday words ("spacing" → "space").
What a key cannot hold, since it depends on the whole term ("Type I", "bases"), is in ``spellings``.

Irregular plurals and spellings come from the rules files ``plurals`` and ``variants``: a user's own inside of
``normalised_by``, else the packaged ones. Two projects in one process, or two threads, do not see each other's.
A second language brings both files and its own ``Normaliser.singular``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import NamedTuple

from tripletkit.rules import Rules, load_rules

# A word may hold apostrophes and end in + or # ("C++", "C#"); a hyphen separates words. Accents may follow their letter.
_TOKEN = re.compile(
    r"[^\W_]+(?:(?=[\u0300-\u036f'’‘´＇+#])"  # most words end here
    r"(?:[\u0300-\u036f]+[^\W_]*|['’‘´＇][^\W\d_]+)*(?:[+#]{1,2}+(?![^\W_]))?)?"
)
_APOSTROPHE = re.compile(r"'s?$")
_APOSTROPHES = dict.fromkeys(map(ord, "’‘´＇ʼ"), "'")
# Letters that Unicode does not take apart.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
#: A shorter word keeps its accents: "p̂" is not "p".
_FEWEST_LETTERS = 3
_KEEP_S = re.compile(r"(ss|us|is)$")
# Fields of study, which without their s are adjectives ("economics"); a statistic, a metric and a heuristic are things.
_FIELDS = (
    "omics", "amics", "physics", "matics", "onics", "netics", "guistics", "gistics", "mantics", "botics", "litics",
    "ethics", "optics", "tactics", "oustics", "lytics", "chanics", "natorics", "econometrics",
)  # fmt: skip
_ACRONYM_PLURAL = re.compile(r"\w+[A-Z]s")
_ACRONYM_END = re.compile(r"[A-Z]s$")
_STRIP_ES = re.compile(r"(ss|x|ch|sh|zz)es$")
_PLAIN_SIGNS = frozenset("'\"`,.;:()[]{}/&!?_’‘")
_PLAIN_KINDS = frozenset(("Pd", "Pi", "Pf", "Mn"))

Pairs = tuple[tuple[str, str], ...]


class Token(NamedTuple):
    """A word in a text: what it is compared by, and where it stands."""

    key: str
    start: int
    end: int


class Normaliser:
    """Makes word keys with irregular plurals and spelling variants; "-ending" is a variant of all words that end so."""

    def __init__(self, plurals: Pairs, variants: Pairs) -> None:
        self._plurals = {plural.casefold(): singular.casefold() for plural, singular in plurals}
        # Plurals of two words: "bases" is compared as "base", so that "basis" has to know its own.
        self.shared_plurals: dict[str, list[str]] = {}
        for plural, singular in plurals:
            if self._plurals[plural.casefold()] != singular.casefold():
                self.shared_plurals.setdefault(singular.casefold(), []).append(plural.casefold())
        self._words = {one.casefold(): other.casefold() for one, other in variants}
        self._endings = [(key[1:], to.lstrip("-")) for key, to in self._words.items() if key.startswith("-")]
        # Cached, because most words of a book occur many times.
        self.word_key = lru_cache(maxsize=1 << 17)(self._word_key)

    def tokens(self, text: str) -> Iterator[Token]:
        """The words of ``text`` in order, with offsets into ``text`` as it is."""
        for match in _TOKEN.finditer(text):
            key = self.word_key(match.group())
            if key:
                yield Token(key, match.start(), match.end())

    def term_key(self, form: str) -> tuple[str, ...]:
        """The key of a term: ("binary", "search", "tree") for "Binary search-trees"."""
        return tuple(filter(None, map(self.word_key, _TOKEN.findall(form))))

    def _word_key(self, word: str) -> str:
        """One word, folded, singular, possessive undone, in American spelling."""
        word = _APOSTROPHE.sub("", word.translate(_APOSTROPHES))
        if _ACRONYM_PLURAL.fullmatch(word):
            return fold(word[:-1])
        word = self.singular(fold(word))
        if word in self._words:
            return self._words[word]
        for british, american in self._endings:
            if word.endswith(british) and len(word) > len(british) + 2:
                return word[: -len(british)] + american
        return word

    def singular(self, word: str) -> str:
        """A lower-case noun's singular by its ending; other words may lose an s, alike wherever they stand."""
        if word in self._plurals:
            return self._plurals[word]
        if len(word) < 4 or not word.endswith("s") or not word.isalpha():
            return word
        if _KEEP_S.search(word) or word.endswith(_FIELDS):
            return word
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        return word[:-2] if _STRIP_ES.search(word) else word[:-1]


def fold(word: str) -> str:
    """A word in lower case, NFKC, without accents; a single Greek letter is its name ("α" → "alpha")."""
    if word.isascii():
        return word.lower()
    word = unicodedata.normalize("NFKC", word).casefold()
    if len(word) == 1:
        return greek_name(word)
    if len(word) < _FEWEST_LETTERS:
        return word
    marked = unicodedata.normalize("NFKD", word).translate(_LETTERS)
    bare = "".join(c for c in marked if not unicodedata.combining(c))
    return bare if len(bare) >= _FEWEST_LETTERS else word


def greek_name(letter: str) -> str:
    """The name of a Greek letter in lower case; anything else as it is."""
    name = unicodedata.name(letter, "").split()
    if len(name) != 4 or name[0] != "GREEK" or name[2] != "LETTER":
        return letter
    return "lambda" if name[3] == "LAMDA" else name[3].lower()


_shared = lru_cache(maxsize=8)(Normaliser)
_in_force: ContextVar[Normaliser | None] = ContextVar("normaliser", default=None)


@contextmanager
def normalised_by(rules: Rules) -> Iterator[None]:
    """Inside this block, ``normaliser()`` and all that uses it follow the plurals and variants of ``rules``."""
    token = _in_force.set(normaliser_of(rules))
    try:
        yield
    finally:
        _in_force.reset(token)


def normaliser() -> Normaliser:
    """The normaliser in force: that of the nearest ``normalised_by``, else one with the packaged rules."""
    return _in_force.get() or _packaged()


def normaliser_of(rules: Rules) -> Normaliser:
    """The normaliser with the plurals and variants of ``rules``. Equal rules share one, with its cache of keys."""
    return _shared(*(tuple((rule.label, rule.text) for rule in rules.files[name]) for name in ("plurals", "variants")))


@cache
def _packaged() -> Normaliser:
    return normaliser_of(load_rules())


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text`` in order, by the normaliser in force."""
    return normaliser().tokens(text)


def term_key(form: str) -> tuple[str, ...]:
    """The key of a term by the normaliser in force: ("binary", "search", "tree") for "Binary search-trees"."""
    return normaliser().term_key(form)


def telling_signs(form: str) -> str:
    """Signs that tell terms of the same words apart, sorted: "*" for "B*-tree". Quotes, brackets and hyphens do not."""
    plain = unicodedata.normalize("NFKC", form).replace("∗", "*").replace("−", "-")
    signs = (c for c in plain if not (c.isalnum() or c.isspace() or c in _PLAIN_SIGNS))
    return "".join(sorted(c for c in signs if unicodedata.category(c) not in _PLAIN_KINDS))


def is_acronym(form: str) -> bool:
    """Whether case tells this form from a word: two to six letters, most of them capitals ("CNN", "mAP"; "SSet" is not)."""
    letters = [c for c in form if c.isalpha()]
    return " " not in form and 2 <= len(letters) <= 6 and sum(c.isupper() for c in letters) >= max(2, len(letters) - 1)


def acronym_singular(text: str) -> str:
    """The acronym without its plural ending: "CNN" for "CNNs"; other texts as they are."""
    return text[:-1] if _ACRONYM_END.search(text) else text
