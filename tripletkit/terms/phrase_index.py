"""Where each phrase stands in a long text: the places of all words, sorted once by the words that begin there.

A suffix array (Manber and Myers 1993) that compares the first few words only. Looking a phrase up takes two binary
searches, so the time for many phrases grows as their number, not as their number times the length of the text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
#: Phrases are sorted by so many words at most; the few places that share them are compared word by word.
MOST_SORTED_WORDS = 4
_END = "\n"


class PhraseIndex:
    """Texts as sequences of words, searched for phrases. No phrase runs from one text into the next."""

    def __init__(self, texts: Iterable[Sequence[str]]) -> None:
        self._numbers: dict[str, int] = {}
        self._starts: list[int] = []
        self._words = np.fromiter(self._number_words(texts), dtype=np.int64)
        self._base = max(2, len(self._numbers))
        # As many words as fit into one number of 63 bits.
        self._depth = max(1, min(int(62 / math.log2(self._base)), MOST_SORTED_WORDS))
        padded = np.concatenate([self._words, np.zeros(self._depth, dtype=np.int64)])
        keys = np.zeros_like(self._words)
        for at in range(self._depth):
            keys = keys * self._base + padded[at : at + len(keys)]
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def _number_words(self, texts: Iterable[Sequence[str]]) -> Iterator[int]:
        at = 0
        for words in texts:
            self._starts.append(at)
            at += len(words) + 1
            for word in (*words, _END):
                yield self._numbers.setdefault(word, len(self._numbers))

    def places(self, phrase: Sequence[str]) -> Places:
        """The number of each word at which the phrase begins, counted through all texts; shape (occurrences,), unsorted."""
        numbers = [self._numbers[word] for word in phrase if word in self._numbers]
        if not phrase or len(numbers) < len(phrase):
            return self._order[:0]
        first = numbers[: self._depth]
        low, width = 0, self._base ** (self._depth - len(first))
        for number in first:
            low = low * self._base + number
        start, end = np.searchsorted(self._keys, [low * width, (low + 1) * width])
        found = self._order[start:end]
        for at, number in enumerate(numbers[self._depth :], self._depth):
            found = found[found + at < len(self._words)]
            found = found[self._words[found + at] == number]
        return found

    def texts_of(self, places: Places) -> list[int]:
        """The number of each text that holds one of the places, sorted."""
        return [int(text) for text in np.unique(np.searchsorted(self._starts, places, side="right") - 1)]
