"""The number printed on each page: the PDF's own labels if the pages' edges agree, else read from the edges."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

from tripletkit.pdf.numbers import Printed, printed_numbers, to_roman

#: A page confirms its neighbour's count if it is at most this far away.
NEAR_PAGES = 8
#: The PDF's labels are believed if at least this share of the numbers printed on its pages says the same.
AGREEMENT = 0.7


def page_labels(own: Sequence[str], edges: Sequence[Sequence[str]]) -> list[str]:
    """One label a page. ``own`` are the PDF's ("" for none), ``edges`` the texts of each page's furniture."""
    printed = confirmed_numbers(edges)
    if all(own) and len(own) > 0 and _agree(own, printed):
        return list(own)
    if not printed:
        return [label or str(i + 1) for i, label in enumerate(own)]
    return _fill(len(edges), printed)


def confirmed_numbers(edges: Sequence[Sequence[str]]) -> dict[int, Printed]:
    """Page index → its number, where pages near by count the same way."""
    seen = [(page, value) for page, rows in enumerate(edges) for row in rows for value in printed_numbers(row)]
    places: dict[tuple[bool, int], set[int]] = {}
    for page, value in seen:
        places.setdefault((value.roman, value.number - page), set()).add(page)
    best: dict[int, tuple[int, Printed]] = {}
    for page, value in seen:
        same = places[value.roman, value.number - page]
        near = sum(other in same for other in range(page - NEAR_PAGES, page + NEAR_PAGES + 1)) - 1
        if near >= 2 and near > best.get(page, (0, value))[0]:
            best[page] = (near, value)
    return {page: value for page, (_, value) in best.items()}


def _agree(own: Sequence[str], printed: Mapping[int, Printed]) -> bool:
    says = [own[page].strip().lower() == _text(value) for page, value in printed.items()]
    return sum(says) >= AGREEMENT * len(says)


def _text(value: Printed) -> str:
    return to_roman(value.number) if value.roman else str(value.number)


def _fill(pages: int, printed: Mapping[int, Printed]) -> list[str]:
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


def _label_near(page: int, before: int | None, after: int | None, printed: Mapping[int, Printed]) -> str:
    if after is not None and (value := printed[after]).number - (after - page) >= (0 if after == page else 1):
        return _text(Printed(value.number - (after - page), value.roman))
    if before is not None:
        return _text(Printed(printed[before].number + page - before, printed[before].roman))
    return ""


def _unused(page: int, labels: Mapping[str, int]) -> str:
    label = to_roman(page + 1)
    return label if label not in labels else f"{label} (page {page + 1})"
