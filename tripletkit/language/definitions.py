"""Sentences that say what a term is: "X is a …", "is called X", "known as X"."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def is_defined(text: str, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a mention stands where a sentence says what it is: "X is a …", "is called X", "known as X"."""
    return any(
        LEAD_IN.search(text[max(0, start - 40) : start])
        or (OPENING.search(text[max(0, start - 12) : start]) and IS.match(text, end))
        for start, end in spans
    )
