"""How common English words are in any text: the list of the `wordfreq` package, of books, news, subtitles and the web."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

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
    spec = find_spec("wordfreq")
    assert spec is not None
    assert spec.origin is not None
    with gzip.open(Path(spec.origin).parent / "data" / "large_en.msgpack.gz") as file:
        unpacker = msgpack.Unpacker(file)
        unpacker.read_array_header()
        unpacker.skip()  # what the file is
        found: dict[str, float] = {}
        # One list of words for each hundredth of the scale, from 9 downwards.
        for place in range(round(100 * (9 - COMMON_FROM)) + 1):
            found.update(zip(filter(str.isalpha, unpacker.unpack()), repeat(9 - place / 100), strict=False))
    return found
