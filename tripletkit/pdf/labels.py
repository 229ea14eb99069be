"""The number printed on each page: the PDF's own labels if they agree with what is printed, else read from the edges."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

#: A page number is confirmed by pages at most this far away that count the same way.
NEAR_PAGES = 6
#: The PDF's labels are believed if at least this share of the numbers printed on its pages says the same.
AGREEMENT = 0.7

_ROMAN = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})", re.IGNORECASE)
_VALUES = {"c": 100, "xc": 90, "l": 50, "xl": 40, "x": 10, "ix": 9, "v": 5, "iv": 4, "i": 1}
_EDGES = "()[]{}-–—|·•●.,:/ "


class PageNumber(NamedTuple):
    """A page number as printed: its value, and whether it is roman."""

    value: int
    roman: bool

    def __str__(self) -> str:
        return to_roman(self.value) if self.roman else str(self.value)


class SeenNumber(NamedTuple):
    """A page number on row ``row`` of the page with index ``page``, and how many pages near by count the same way."""

    page: int
    row: int
    number: PageNumber
    near: int


def page_labels(own: Sequence[str], edges: Sequence[Sequence[str]]) -> list[str]:
    """One label a page. ``own`` are the PDF's ("" for none), ``edges`` the texts of each page's furniture."""
    printed = printed_numbers(edges)
    if all(own) and len(own) > 0 and _agree(own, printed):
        return list(own)
    if not printed:
        return [label or str(i + 1) for i, label in enumerate(own)]
    return _fill(len(edges), printed)


def printed_numbers(edges: Sequence[Sequence[str]]) -> dict[int, PageNumber]:
    """Page index → the number on it that most pages near by confirm."""
    best: dict[int, SeenNumber] = {}
    for seen in confirmed_numbers(edges):
        if seen.page not in best or seen.near > best[seen.page].near:
            best[seen.page] = seen
    return {page: seen.number for page, seen in best.items()}


def confirmed_numbers(edges: Sequence[Sequence[str]]) -> Iterator[SeenNumber]:
    """The first and last words of the pages' rows that are numbers counting up with the pages, as page numbers do."""
    found = [
        (page, row, number)
        for page, rows in enumerate(edges)
        for row, text in enumerate(rows)
        for number in numbers_at_ends(text)
    ]
    counting: dict[tuple[bool, int], set[int]] = defaultdict(set)
    for page, _, number in found:
        counting[number.roman, number.value - page].add(page)
    for page, row, number in found:
        same = counting[number.roman, number.value - page]
        near = sum(other in same for other in range(page - NEAR_PAGES, page + NEAR_PAGES + 1)) - 1
        # Any number may fit by chance; one that a third of the pages around agrees with does not.
        around = min(page + NEAR_PAGES, len(edges) - 1) - max(page - NEAR_PAGES, 0)
        if near >= max(2, around / 3):
            yield SeenNumber(page, row, number, near)


def numbers_at_ends(text: str) -> Iterator[PageNumber]:
    """What the first and the last word of a row at a page's edge may say its number is."""
    words = text.split()
    for word in dict.fromkeys(words[:1] + words[-1:]):
        bare = word.strip(_EDGES)
        if bare.isascii() and bare.isdigit() and len(bare) <= 5:
            yield PageNumber(int(bare), False)
        elif (value := roman_value(bare)) is not None:
            yield PageNumber(value, True)


def roman_value(text: str) -> int | None:
    """1 to 399 for a well-formed roman number, upper or lower case, else None."""
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_VALUES[c] for c in text.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def to_roman(number: int) -> str:
    """Lower-case roman number; arabic digits from 400 on, which no front matter reaches."""
    if not 0 < number < 400:
        return str(number)
    text = ""
    for sign, value in _VALUES.items():
        text += sign * (number // value)
        number %= value
    return text


def _agree(own: Sequence[str], printed: Mapping[int, PageNumber]) -> bool:
    says = [own[page].strip().lower() == str(number) for page, number in printed.items()]
    return sum(says) >= AGREEMENT * len(says)


def _fill(pages: int, printed: Mapping[int, PageNumber]) -> list[str]:
    """Pages without a number count on from the nearest that has one, backwards only down to 1.

    Pages before the first numbered one get roman numbers, as their physical numbers would name other pages.
    """
    known = sorted(printed)
    labels: list[str] = []
    for page in range(pages):
        place = bisect_left(known, page)
        after = known[place] if place < len(known) else None
        before = after if after == page else known[place - 1] if place else None
        labels.append(_label_near(page, before, after, printed))
    repeated = Counter(labels)
    return [label or _unused(page, repeated) for page, label in enumerate(labels)]


def _label_near(page: int, before: int | None, after: int | None, printed: Mapping[int, PageNumber]) -> str:
    if after is not None:
        value, roman = printed[after]
        if value - (after - page) >= (0 if after == page else 1):
            return str(PageNumber(value - (after - page), roman))
    if before is not None:
        return str(printed[before]._replace(value=printed[before].value + page - before))
    return ""


def _unused(page: int, labels: Mapping[str, int]) -> str:
    label = to_roman(page + 1)
    return label if label not in labels else f"{label} (page {page + 1})"
