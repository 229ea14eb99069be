"""Sentences that say what a term is: "X is a …", "is called X", "known as X".

A second language must bring its own patterns for all of these.
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
