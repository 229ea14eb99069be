"""Tokens of many texts, for the price of tokenising each different word once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

CountTokens = Callable[[Sequence[str]], list[int]]

#: Whether counts add up over words is tried on so many of a book's texts.
SAMPLE = 50
#: From this share of the limit on, a text is counted as a whole: the limit must hold whatever the sample said.
NEAR_LIMIT = 0.85


class _Known(dict[str, int]):
    """Tokens of words, special ones not counted; a word that is asked for the first time is counted then."""

    def __init__(self, count_tokens: CountTokens, words: Sequence[str], special: int) -> None:
        super().__init__(zip(words, (count - special for count in count_tokens(words)), strict=True))
        self._count_tokens, self._special = count_tokens, special

    def __missing__(self, word: str) -> int:
        self[word] = self._count_tokens([word])[0] - self._special
        return self[word]


def counter_by_words(count_tokens: CountTokens, texts: Sequence[str], limit: int) -> CountTokens:
    """A function that counts like ``count_tokens``, for ``texts``, parts of them between spaces, and parts joined.

    Most tokenizers cut at white space first, so that a text has the tokens of its words. Where a sample of ``texts``
    says otherwise, it is ``count_tokens`` itself.
    """
    special = count_tokens([""])[0]
    known = _Known(count_tokens, list(dict.fromkeys(chain.from_iterable(map(str.split, texts)))), special)

    def summed(text: str) -> int:
        return sum(map(known.__getitem__, text.split())) + special

    sample = list(texts[:: max(1, len(texts) // SAMPLE)])
    sample += [" ".join(sample), "\n".join(sample)]
    if [summed(text) for text in sample] != count_tokens(sample):
        return count_tokens

    def count(texts: Sequence[str]) -> list[int]:
        counts = [summed(text) for text in texts]
        near = [i for i, value in enumerate(counts) if value >= NEAR_LIMIT * limit]
        for i, value in zip(near, count_tokens([texts[i] for i in near]) if near else (), strict=True):
            counts[i] = value
        return counts

    return count
