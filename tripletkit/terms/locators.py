"""Page locators as an index prints them: "84n", "xii", "586–9", "12, 45–48 passim"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tripletkit.language.term_words import PAGE_AND, PAGE_NOTE, PAGE_PREFIX, PAGE_TAIL, PAGE_TO

_NUMBER = r"(?:[A-Z]{1,2}[-.])?\d{1,4}(?:\.\d{1,3})*"
_ROMAN = r"(?:[ivxlc]{1,8}|[IVXLC]{2,8})"
_ONE = rf"{PAGE_PREFIX}(?:{_NUMBER}|{_ROMAN}){PAGE_NOTE}"
_RANGE = rf"{_ONE}(?:\s?(?:[–—−-]+|{PAGE_TO})\s?{_ONE})?"
_NEXT = rf"\s?(?:[,;]|,?\s{PAGE_AND})\s?"
LOCATOR_LIST = re.compile(rf"{_RANGE}(?:{_NEXT}{_RANGE})*(?:,?\s{PAGE_TAIL})?[.,;]?")
_SPLIT = re.compile(_NEXT)
_ENDS = re.compile(
    rf"{PAGE_PREFIX}(?P<first>{_NUMBER}|{_ROMAN}){PAGE_NOTE}"
    rf"(?:\s?(?:[–—−-]+|{PAGE_TO})\s?(?P<last>{_NUMBER}|{_ROMAN}){PAGE_NOTE})?"
)
_ROMAN_NUMERAL = re.compile(r"(?=[ivxlc])(c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})", re.I)


@dataclass(frozen=True, slots=True)
class Span:
    """Printed pages from ``first`` to ``last``; ``last`` is "" for a single page."""

    first: str
    last: str = ""


def parse_locators(text: str, known: Labels) -> tuple[Span, ...]:
    """The spans in a list of locators; what cannot be one is left out."""
    spans = []
    for part in _SPLIT.split(text.strip(" .,;")):
        found = _ENDS.match(part)
        if found is None:
            continue
        if part in known.pages:  # "A-12" is one page in some books, a range in none that has such a label
            spans.append(Span(part))
            continue
        first, last = found["first"], found["last"] or ""
        spans.append(Span(first, _whole_end(first, last)) if last else Span(first))
    return tuple(spans)


def _whole_end(first: str, last: str) -> str:
    """The end of a range with the digits that print leaves out: 586–9 ends at 589."""
    if first.isdigit() and last.isdigit() and len(last) < len(first):
        return first[: len(first) - len(last)] + last
    return last


class Labels:
    """Printed page labels of one book, and the physical pages that bear them."""

    #: A range longer than this is a misreading.
    MOST_PAGES = 300

    def __init__(self, labels: Sequence[str]) -> None:
        self._order = list(labels)
        self.pages: dict[str, list[int]] = {}
        for number, label in enumerate(labels, 1):
            if label:
                self.pages.setdefault(label, []).append(number)
        self._roman = any(map(_ROMAN_NUMERAL.fullmatch, self.pages))
        self._most = max((int(label) for label in self.pages if label.isdigit()), default=0)

    def plausible(self, locator: str) -> bool:
        """Whether a page of this book may bear the label: years and quantities do not."""
        if not self.pages or locator in self.pages or locator.lower() in self.pages:
            return True
        if locator.isdigit():
            return int(locator) <= self._most + 2 and not (len(locator) > 1 and locator.startswith("0"))
        # Where no page is known by a roman number, front matter may have gone unlabelled; a lone "c" is a letter.
        return not self._roman and len(locator) > 1 and bool(_ROMAN_NUMERAL.fullmatch(locator))

    def expand(self, spans: Iterable[Span]) -> list[dict[str, object]]:
        """One locator for each page that the spans cite: its printed label, physical page and the range's end."""
        found: dict[tuple[str, int | None], dict[str, object]] = {}
        for span in spans:
            end = span.last or None
            for label in self._labels(span):
                for page in self.pages.get(label) or [None]:  # type: ignore[list-item]
                    found.setdefault((label, page), {"label": label, "page": page, "range_end": end})
        return list(found.values())

    def _labels(self, span: Span) -> list[str]:
        first, last = (self._own(label) for label in (span.first, span.last or span.first))
        if first == last:
            return [first]
        if first.isdigit() and last.isdigit() and 0 < int(last) - int(first) <= self.MOST_PAGES:
            return [str(n) for n in range(int(first), int(last) + 1)]
        if first in self.pages and last in self.pages:
            start, stop = self.pages[first][0], self.pages[last][-1]
            if 0 < stop - start <= self.MOST_PAGES:
                return [self._order[page - 1] for page in range(start, stop + 1) if self._order[page - 1]]
        return [first, last]

    def _own(self, label: str) -> str:
        return label if label in self.pages or label.lower() not in self.pages else label.lower()
