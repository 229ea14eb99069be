"""Numbers as pages print them: arabic and roman."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ROMAN = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})", re.IGNORECASE)
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_EDGES = "()[]{}-–—|·•●.,:/ "


@dataclass(frozen=True, slots=True)
class Printed:
    """A page number as read: its value, and whether it is roman."""

    number: int
    roman: bool


def printed_numbers(row: str) -> Iterator[Printed]:
    """What the first and the last word of a row at a page's edge may say its number is."""
    words = row.split()
    for word in dict.fromkeys(words[:1] + words[-1:]):
        bare = word.strip(_EDGES)
        if bare.isascii() and bare.isdigit() and len(bare) <= 5:
            yield Printed(int(bare), False)
        elif (value := roman_value(bare)) is not None:
            yield Printed(value, True)


def roman_value(text: str) -> int | None:
    """1–399 for a well-formed roman number, upper or lower case, else None."""
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_VALUES[c] for c in text.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def to_roman(number: int) -> str:
    """Lower-case roman number; arabic digits from 400 on, which no front matter reaches."""
    if not 0 < number < 400:
        return str(number)
    text = ""
    for value, sign in (
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ):
        text += sign * (number // value)
        number %= value
    return text
