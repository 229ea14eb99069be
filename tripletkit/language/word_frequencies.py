"""How common English words are in any text: the list of the `wordfreq` package, of books, news, subtitles and the web."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution

#: Words below this frequency are not looked up: among them many are misspelt.
COMMON_FROM = 2.0


def frequency(word: str) -> float:
    """A word's frequency on the Zipf scale: 7.7 for "the", 3.8 for "cooperate", 0 for one under COMMON_FROM or unknown.

    The Zipf scale is the logarithm to base 10 of a word's occurrences in a billion words. Case counts for nothing. The
    list is read at the first call.
    """
    return _frequencies().get(word.lower(), 0.0)


@cache
def _frequencies() -> Mapping[str, float]:
    import msgpack

    # Only the list is read, and of it no more than is kept: importing wordfreq takes four times as long, for all languages.
    with gzip.open(str(distribution("wordfreq").locate_file("wordfreq/data/large_en.msgpack.gz"))) as file:
        unpacker = msgpack.Unpacker(file)
        unpacker.read_array_header()
        unpacker.skip()  # what the file is
        # One list of words for each hundredth of the scale, from 9 downwards.
        lists = [unpacker.unpack() for _ in range(round(100 * (9 - COMMON_FROM)) + 1)]
    return {
        word: zipf
        for place, words in enumerate(lists)
        for zipf in [9 - place / 100]
        for word in words
        if word.isalpha()
    }
