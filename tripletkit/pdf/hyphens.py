"""Words cut at a line's end: joined, or kept with their hyphen, as the book itself writes them elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from tripletkit.language.layout_words import ENDING_LETTERS

_TOKEN = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_TAIL = re.compile(r"([^\W\d_]+(?:[-‐][^\W\d_]+)*)[-‐]$")
_HEAD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_LOOSE = re.compile(r"([^\W\d_]+)- ([^\W\d_]+)")


@dataclass(frozen=True)
class Vocabulary:
    """How often the book writes each word within a line, lower case, compounds with hyphens; and words' beginnings."""

    words: Counter[str]
    stems: frozenset[str]
    prefixes: Counter[str]

    def keeps_hyphen(self, left: str, right: str) -> bool:
        """Whether ``left-right``, cut after its hyphen, is a compound and not one word."""
        first, second = left.lower(), right.lower()
        joined, compound = self.words[first + second], self.words[f"{first}-{second}"]
        if joined or compound:
            return compound > joined
        if right[0].isupper():
            return True
        last, head = first.rsplit("-", 1)[-1], second.split("-", 1)[0]
        if (
            len(last + head) >= 6
            and (last + head)[:-ENDING_LETTERS] in self.stems
            and len(last) + 1 <= len(last + head) - ENDING_LETTERS
        ):
            return False
        # "self-", "non-", "well-": what the book often writes before a hyphen, and words that stand by themselves.
        return (
            self.words[head] >= 2
            and len(head) >= 3
            and (self.prefixes[last] >= 2 or (self.words[last] >= 3 and len(last) >= 4))
        )


def book_vocabulary(texts: Iterable[str]) -> Vocabulary:
    """The vocabulary of the lines ``texts``, without words that a line's end cuts."""
    words: Counter[str] = Counter()
    # Each different text between spaces is looked at once.
    whole = (text[: tail.start()] if (tail := _cut_word(text)) else text for text in texts)
    for text, times in Counter(chain.from_iterable(map(str.split, whole))).items():
        for token in _TOKEN.findall(text):
            words[token.lower().replace("‐", "-")] += times
    stems = frozenset(
        word[:end]
        for word, times in words.items()
        if "-" not in word
        for end in range(max(3, len(word) - ENDING_LETTERS), len(word) + 1)
    )
    prefixes: Counter[str] = Counter()
    for word, times in words.items():
        if "-" in word:
            prefixes[word.split("-", 1)[0]] += times
    return Vocabulary(words, stems, prefixes)


def _cut_word(text: str) -> re.Match[str] | None:
    """The word with a hyphen behind it that ends a text. Looked for in what follows the last space: that is quick."""
    return _TAIL.search(text, max(text.rfind(" ") + 1, len(text) - 80)) if text.endswith(("-", "‐")) else None


def join_lines(before: str, after: str, vocabulary: Vocabulary) -> str:
    """``before`` and ``after`` as running text, the hyphen between them undone where it only marks the line's end."""
    tail = _cut_word(before)
    if tail is None:
        # "1990-" + "1995", "x-" + "axis": no syllable is cut here.
        cut = before.endswith(("-", "‐")) and re.match(r"\w", before[-2:]) and after[:1].isalnum()
        return f"{before}{'' if cut else ' '}{after}" if before and after else before or after
    head = _HEAD.match(after)
    if head is None:
        return f"{before} {after}" if not after[:1].isalnum() else before + after
    if vocabulary.keeps_hyphen(tail.group(1), head.group()):
        return before + after
    return before[:-1] + after


def mend(text: str, vocabulary: Vocabulary) -> str:
    """``text`` with "double- blind" made one word where the book writes it so; "over- or under-estimate" stays."""
    return _LOOSE.sub(lambda m: _mended(m.group(1), m.group(2), vocabulary), text) if "- " in text else text


def _mended(left: str, right: str, vocabulary: Vocabulary) -> str:
    one, compound = vocabulary.words[(left + right).lower()], vocabulary.words[f"{left}-{right}".lower()]
    if one or compound:
        return f"{left}-{right}" if compound > one else left + right
    return f"{left}- {right}"
