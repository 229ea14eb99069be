"""Where sentences end: offsets into a text, by full stops, abbreviations and what follows; no model is needed.

A second language must bring its own rules file ``abbreviations``, and its own capitals and quotation marks if it has others.
"""

from __future__ import annotations

import re
from collections.abc import Set

#: An end mark with closing quotes or brackets, before white space and something that can open a sentence.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s+[\"'“‘(\[«¿¡]*[^\W_a-zß-öø-ÿ])")
_AT_END = re.compile(r"[.!?…]+[\"'”’)\]»]*$")
#: What a text that _AT_END fits can end in; a cheap test that comes first, as it is made for every line.
_LAST_MARKS = frozenset(".!?…\"'”’)]»\n")
_LAST_WORD = re.compile(r"[^\s\"'“‘(\[«]+$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def sentence_spans(text: str, abbreviations: Set[str]) -> list[tuple[int, int]]:
    """(start, end) of each sentence. White space between two of them belongs to neither; nothing else is left out.

    ``abbreviations`` are lower case, without their last full stop. A line break ends a paragraph, and so a sentence.
    """
    spans = []
    start = 0
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        for end in _ends(line.group(), abbreviations):
            spans.append((start, line.start() + end))
            start = line.start() + end
        spans.append((start, line.end()))
    return [trimmed for span in spans if (trimmed := _trim(text, *span))]


def ends_sentence(text: str, abbreviations: Set[str]) -> bool:
    """Whether ``text`` stops where a sentence may stop."""
    if text[-1:] not in _LAST_MARKS:
        return False
    tail = text[-60:]
    match = _AT_END.search(tail)
    return match is not None and not _abbreviated(tail[: match.start() + 1], abbreviations)


def _ends(line: str, abbreviations: Set[str]) -> list[int]:
    return [m.end() for m in _SENTENCE_END.finditer(line) if not _abbreviated(line[: m.start() + 1], abbreviations)]


def _abbreviated(before: str, abbreviations: Set[str]) -> bool:
    """Whether the full stop at the end of ``before`` belongs to an abbreviation or to initials."""
    if not before.endswith("."):
        return False
    end = len(before) - 1
    # From the last space on, as far as 39 characters back: a search of the whole would try every place.
    match = _LAST_WORD.search(before, max(before.rfind(" ", 0, end) + 1, end - 39), end)
    if match is None:
        return False
    word = match.group().lower()
    # "J. Smith", "U.S. Census": a capital is an initial; a small letter is a variable that ends a clause: "than x."
    return word in abbreviations or (match.group()[-1].isupper() and _INITIALS.fullmatch(word) is not None)


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
