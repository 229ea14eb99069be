"""What sentences say about terms: "X is a …", "is called X", "X, also called Y"; and the stems and plurals of their names.

A second language must bring its own patterns for all of these, how many letters of a word's end may differ between words
of one stem, and the ending of its plurals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: What stands before a term that is being named; what opens a sentence, and stands after a term that is being explained.
LEAD_IN = re.compile(
    r"\b(?:(?:is|are|was|be|often|also|sometimes|usually|commonly|so-)\s?(?:called|termed|named)"
    r"|(?:we|may|will|shall) call (?:it|this|that|them|these|such)?|known as|referred to as"
    r"|call(?:ed)? (?:this|it|them) (?:the|an?)|defined? as|definition of|(?:the )?(?:term|notion|concept) of?)"
    r"(?: either| simply| also| respectively)?(?: an?| the)?\s*[“‘\"(]?\Z",
    re.I,
)
OPENING = re.compile(r"(?:^|[.!?:;]['”’)]?\s+|,\s+)(?:An?|The|an?)?\s*\Z")
IS = re.compile(
    r"[”’\")]*(?:\s\([\w .,-]{1,30}\))?,?(?: \([^)]*\))? (?:is|are|means|refers to|denotes|consists of)"
    r" (?:an?|any|the|one|defined|simply|those|when|said|how|what|that|the process)\b"
)
_WORD = r"[^\W\d_](?:[\w’']|[-‐‑](?=\w))*"
#: "is called a hash table", "also known as chaining"; without the words around it this says less than a sentence's start.
_NAMES = re.compile(
    r"\b(?:(?:is|are|be) (?:often |also |sometimes |usually |commonly |then )?(?:called|termed|known as|referred to as)"
    r"|(?:also|often|commonly) (?:called|known as|referred to as)|we call (?:this|it|them))"
    rf"(?: an?| the)? [“‘\"]?(?P<term>{_WORD}(?: {_WORD}){{0,5}})"
)
#: "A hash function is a …": with an article, as "This is the …" and "It is a …" define nothing.
_EXPLAINS = re.compile(
    rf"(?:^|(?<=[.!?]\s)|(?<=\n))An? (?P<term>{_WORD}(?: {_WORD}){{0,3}}?)(?: \([^()]{{2,30}}\))?"
    r" (?:is (?:an?|the|any|one)|means|refers to|denotes)\b"
)
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
#: The plural ending s, where it is one.
PLURAL = re.compile(r"(?<=[^\Wsui])s$")
_LETTERS = re.compile(r"[^\W\d_]+")


def is_defined(text: str, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a mention stands where a sentence says what it is: "X is a …", "is called X", "known as X"."""
    return any(
        LEAD_IN.search(text[max(0, start - 40) : start])
        or (OPENING.search(text[max(0, start - 12) : start]) and IS.match(text, end))
        for start, end in spans
    )


def named_words(text: str) -> Iterator[list[str]]:
    """Where a sentence defines something: the words of its name; after "is called", whatever words follow it too."""
    for pattern in (_NAMES, _EXPLAINS):
        yield from (match["term"].split() for match in pattern.finditer(text))


def are_names_of_one_thing(text: str, first_end: int, second_start: int, second_end: int) -> bool:
    """Whether the text between two terms joins names of one thing: "X, also called Y" or "X (Y)"."""
    between = text[first_end:second_start]
    bracketed = _OPENED.fullmatch(between) and _CLOSED.match(text, second_end)
    return bool(_ALSO_CALLED.fullmatch(between) or bracketed)


def singular_and_plural(form: str) -> tuple[str, ...]:
    """The form, with "s" and without it: "economics" and "economic", which the matcher's normaliser keeps apart."""
    return tuple(dict.fromkeys((form, form.casefold() + "s", PLURAL.sub("", form.casefold()))))


def words_of(text: str) -> list[str]:
    """The text's words in lower case, without digits and signs."""
    return _LETTERS.findall(text.casefold())


def stem(name: str) -> str | None:
    """The stem of a term of one word in lower case; None if it has no letters to spare, or is more than a word."""
    spare = name.isalpha() and len(name) > STEM_LETTERS
    return name[: max(STEM_LETTERS, len(name) - ENDING_LETTERS)] if spare else None


def stems_of_many(words: Iterable[str]) -> tuple[str, ...]:
    """The stem of each word of a term of several words."""
    return tuple(word[: max(STEM_LETTERS_OF_MANY, len(word) - ENDING_LETTERS)] for word in words)
