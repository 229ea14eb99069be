"""Terms in bold or italic where body text defines them: "A *set* is a", "is called a *lemma*", "known as *chaining*".

Emphasis alone says little: titles, stress and variables are set so too. So the words around it must define, precision first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tripletkit.language.definitions import IS, LEAD_IN, OPENING
from tripletkit.terms.book import Book

#: Longer runs of emphasis are sentences.
MOST_WORDS = 5
_WORD = re.compile(r"[^\W\d_][^\W\d_’'-]+|[^\W\d_]{2,}-[^\W\d_]+|of|in|and|to|[A-Z]")
_EDGE = "“”‘’\"'(),.;:!?"
_SMALL = frozenset(("of", "in", "and", "to", "the", "a", "an", "on", "for", "by", "with", "or", "is", "as"))


@dataclass(frozen=True, slots=True)
class Emphasis:
    """A phrase emphasised where it is defined, and the physical page."""

    text: str
    page: int


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    style: str


def defined_phrases(book: Book) -> list[Emphasis]:
    """Every emphasised phrase that its sentence defines, in order of place."""
    found = []
    for page, lines in enumerate(book.pages):
        if book.roles[page] != "body":
            continue
        kept = [
            line
            for line, kind in zip(lines, book.kinds[page], strict=True)
            if kind in ("prose", "list", "box", "footnote")
        ]
        words = [
            _Word(text, style) for line in kept for text, style in zip(line.text.split(), line.styles, strict=False)
        ]
        found += [Emphasis(text, page + 1) for text in _phrases(_whole(words, book))]
    return found


def _whole(words: Sequence[_Word], book: Book) -> list[_Word]:
    """Words broken at a line's end made whole."""
    whole: list[_Word] = []
    for word in words:
        last = whole[-1] if whole else None
        if last is not None and last.text.endswith("-") and len(last.text) > 1 and last.style == word.style:
            whole[-1] = _Word(book.joiner.join(last.text, word.text), last.style)
        else:
            whole.append(word)
    return whole


def _phrases(words: Sequence[_Word]) -> Iterator[str]:
    at = 0
    for stressed, group in groupby(words, key=lambda word: word.style in "biz"):
        run = list(group)
        start, at = at, at + len(run)
        # A mark at the end of a word closes the phrase: "*sets*. *Subsets* are" holds two.
        if not stressed or len(run) > MOST_WORDS or any(word.text[-1] in _EDGE for word in run[:-1]):
            continue
        phrase = " ".join(word.text for word in run).strip(_EDGE)
        before = " ".join(word.text for word in words[max(0, start - 8) : start])
        after = " ".join(["", *(word.text for word in words[at : at + 6])])
        if _is_phrase(phrase) and _is_defined(run, before, after):
            yield phrase


def _is_phrase(phrase: str) -> bool:
    words = phrase.split()
    if not words or len(phrase) < 3 or words[0].lower() in _SMALL or words[-1].lower() in _SMALL:
        return False
    return all(_WORD.fullmatch(word) or word.lower() in _SMALL for word in words) and any(
        len(word) > 2 for word in words
    )


def _is_defined(run: Sequence[_Word], before: str, after: str) -> bool:
    if LEAD_IN.search(f"{before} ") or LEAD_IN.search(before):
        return True
    closes = run[-1].text[-1] in ".;:!?,"
    return not closes and OPENING.search(f"{before} " if before else "") is not None and IS.match(after) is not None
