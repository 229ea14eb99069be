"""The English that the guards of mining know: word stems, plurals, and phrases that give one thing two names.

A second language must bring: the phrases that join two names of one thing, how many letters of a word's end may differ
between words of one stem, and the ending of its plurals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Two words share a stem if all but so many of the term's last letters begin both, and so many letters at least.
ENDING_LETTERS, STEM_LETTERS = 3, 6
#: In terms of several words, each word's stem may be this short, because all of the words must be there.
STEM_LETTERS_OF_MANY = 4

# What stands between two names of one thing. Neither "or" nor a mere "called": see docs/design-decisions.md.
_ALSO_CALLED = re.compile(
    r"[”’\")]*,? (?:\(|(?:is|are|which is|which are) )?"
    r"(?:(?:also|often|sometimes|commonly|usually|otherwise) (?:called|termed)|(?:also |often |sometimes |commonly |better )*"
    r"(?:known as|referred to as)|abbreviated(?: as)?|a\.?k\.?a\.?|i\.e\.,?)(?: an?| the)? ?[“‘\"(]?"
)
_OPENED, _CLOSED = re.compile(r"[”’\"]* \([“‘\"]?"), re.compile(r"[”’\"]?\)")
_PLURAL = re.compile(r"(?<=[^\Wsui])s$")
_WORD = re.compile(r"[^\W\d_]+")


def are_names_of_one_thing(text: str, first_end: int, second_start: int, second_end: int) -> bool:
    """Whether the text between two terms joins names of one thing: "X, also called Y" or "X (Y)"."""
    between = text[first_end:second_start]
    return bool(
        _ALSO_CALLED.fullmatch(between) or (_OPENED.fullmatch(between) and _CLOSED.match(text, second_end) is not None)
    )


def singular_and_plural(form: str) -> tuple[str, ...]:
    """The form, with "s" and without it: "economics" and "economic", which the matcher's normaliser keeps apart."""
    return tuple(dict.fromkeys((form, form.casefold() + "s", _PLURAL.sub("", form.casefold()))))


def words_of(text: str) -> list[str]:
    """The text's words in lower case, without digits and signs."""
    return _WORD.findall(text.casefold())


def stem(name: str) -> str | None:
    """The stem of a term of one word in lower case; None if it has no letters to spare, or is more than a word."""
    return (
        name[: max(STEM_LETTERS, len(name) - ENDING_LETTERS)] if name.isalpha() and len(name) > STEM_LETTERS else None
    )


def stems_of_many(words: Iterable[str]) -> tuple[str, ...]:
    """The stem of each word of a term of several words."""
    return tuple(word[: max(STEM_LETTERS_OF_MANY, len(word) - ENDING_LETTERS)] for word in words)
