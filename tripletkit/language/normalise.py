"""Words as they are compared: one shared normaliser for terms and for text.

A token's key ignores case, plural, hyphens, quotes and British or American spelling. Only nouns' endings are undone:
verbs lemmatised out of context turn terms into everyday words ("spacing" → "space").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tripletkit.rules import load_rules

# A word may hold apostrophes and end in + or # ("C++", "C#"); a hyphen separates words.
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*[+#]{0,2}")
_APOSTROPHE = re.compile(r"['’]s?$")
_KEEP_S = re.compile(r"(ss|us|is)$")
# Fields of study, which without their s are adjectives ("economics"); a statistic, a metric and a heuristic are things.
# fmt: off
_FIELDS = (
    "omics", "amics", "physics", "matics", "onics", "netics", "guistics", "gistics", "mantics", "botics", "litics", "ethics",
    "optics", "tactics", "oustics", "lytics", "chanics", "natorics", "econometrics",
)
# fmt: on
_ACRONYMS = re.compile(r"\w+[A-Z]s")
_STRIP_ES = re.compile(r"(ss|x|ch|sh|zz)es$")
_PLAIN_SIGNS = frozenset("'\"`,.;:()[]{}/&!?_’‘")
_PLAIN_KINDS = frozenset(("Pd", "Pi", "Pf", "Mn"))


class Token(NamedTuple):
    """A word in a text: what it is compared by, and where it stands."""

    key: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text`` in order, offsets into ``text`` as it is."""
    for match in _TOKEN.finditer(text):
        key = word_key(match.group())
        if key:
            yield Token(key, match.start(), match.end())


def term_key(form: str) -> tuple[str, ...]:
    """What a term is compared by: ("binary", "search", "tree") for "Binary search-trees"."""
    return tuple(token.key for token in tokens(form))


def telling_signs(form: str) -> str:
    """Signs that tell terms of the same words apart, sorted: "*" for "B*-tree". Quotes, brackets and hyphens do not."""
    plain = unicodedata.normalize("NFKC", form).replace("∗", "*").replace("−", "-")
    return "".join(
        sorted(
            c
            for c in plain
            if not c.isalnum()
            and not c.isspace()
            and c not in _PLAIN_SIGNS
            and unicodedata.category(c) not in _PLAIN_KINDS
        )
    )


@lru_cache(maxsize=1 << 17)
def word_key(word: str) -> str:
    """One word, lower case, NFKC, singular, possessive undone, in American spelling."""
    word = _APOSTROPHE.sub("", unicodedata.normalize("NFKC", word))
    if _ACRONYMS.fullmatch(word):
        return word[:-1].casefold()
    return _american(singular(word.casefold()))


def singular(word: str) -> str:
    """A lower-case noun's singular by its ending; other words may lose an s, alike wherever they stand."""
    if word in (irregular := _irregular()):
        return irregular[word]
    if len(word) < 4 or not word.endswith("s") or not word.isalpha():
        return word
    if _KEEP_S.search(word) or word.endswith(_FIELDS):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if _STRIP_ES.search(word):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=1)
def _irregular() -> dict[str, str]:
    return {rule.label: rule.text for rule in load_rules().files["plurals"]}


@lru_cache(maxsize=1)
def _spellings() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    words, endings = {}, []
    for rule in load_rules().files["variants"]:
        if rule.label.startswith("-"):
            endings.append((rule.label[1:], rule.text.lstrip("-")))
        else:
            words[rule.label] = rule.text
    return words, tuple(endings)


def _american(word: str) -> str:
    words, endings = _spellings()
    if word in words:
        return words[word]
    for british, american in endings:
        if word.endswith(british) and len(word) > len(british) + 2:
            return word[: -len(british)] + american
    return word


def is_acronym(form: str) -> bool:
    """Whether case tells this form from a word: two to six letters, most of them capitals ("CNN", "mAP"; "SSet" is not)."""
    letters = [c for c in form if c.isalpha()]
    return " " not in form and 2 <= len(letters) <= 6 and sum(c.isupper() for c in letters) >= max(2, len(letters) - 1)
