"""A small textbook as a PDF: roman front matter, contents, six chapters, running heads, an index that cites its pages."""

from __future__ import annotations

from pathlib import Path

from tests.pdfs import Text, write_pdf

#: Chapter title → the terms it teaches, each with a sentence that says what it is.
CHAPTERS: dict[str, dict[str, str]] = {
    "Soil": {
        "humus": "is the dark matter that remains when leaves and roots have rotted down",
        "loam": "holds sand, silt and clay in nearly equal parts and drains well",
        "leaching": "carries dissolved salts below the reach of roots after heavy rain",
    },
    "Water": {
        "aquifer": "is a layer of porous rock that yields water to a well",
        "water table": "is the level below which the ground is wholly soaked",
        "runoff": "flows over the ground because it cannot sink in fast enough",
    },
    "Weather": {
        "cold front": "pushes under warm air and lifts it, so that clouds build quickly",
        "dew point": "is the temperature at which the air can hold no more vapor",
        "trade wind": "blows toward the equator from the same quarter all year",
    },
    "Rocks": {
        "igneous rock": "forms when molten material cools, under the ground or above it",
        "sandstone": "consists of grains that were pressed and cemented together",
        "fault line": "marks where two blocks of the crust slide past each other",
    },
    "Rivers": {
        "meander": "is a wide bend that grows as its outer bank is worn away",
        "delta": "builds up where a river drops its load at the mouth",
        "flood plain": "is the flat land that a river covers when it rises",
    },
    "Glaciers": {
        "moraine": "is a ridge of debris that the ice pushed along and left behind",
        "crevasse": "opens in the ice where it bends over a step in its bed",
        "fjord": "is a drowned valley that a glacier carved below the sea",
    },
}
_OPENINGS = (
    "A {term} {what}.",
    "Students often meet the {term} first in the field.",
    "When a {term} is drawn on a map, its age is noted beside it.",
    "Measuring a {term} takes patience and a steady hand.",
    "No two surveys of a {term} agree in every detail, and that is no fault of theirs.",
    "The history of each {term} can be read from the layers around it.",
    "Farmers have learned to live with the {term} and to profit from it.",
)


def write_book(path: Path, *, title: str = "Earth") -> Path:
    """Twenty-one pages: two of front matter, three a chapter, one of index. Printed page n is physical page n + 2."""
    pages = [[Text(120, 200, f"The {title} Reader", 24, "b")], _contents()]
    cited: dict[str, int] = {}
    for number, (chapter, terms) in enumerate(CHAPTERS.items(), 1):
        for term, what in terms.items():
            printed = len(pages) - 1
            cited[term] = printed
            pages.append(_page(number, chapter, term, what, printed, first=term == next(iter(terms))))
    pages += _index(cited, len(pages) - 1)
    return write_pdf(path, pages, labels="0 <</S/r>> 2 <</S/D>>")


def _contents() -> list[Text]:
    lines = [Text(60, 80, "Contents", 18, "b")]
    for i, chapter in enumerate(CHAPTERS):
        lines.append(Text(60, 120 + 16 * i, f"{i + 1} {chapter} . . . . . . . . . . . . . . . {3 * i + 1}"))
    return [*lines, Text(205, 570, "ii")]


def _page(number: int, chapter: str, term: str, what: str, printed: int, *, first: bool) -> list[Text]:
    lines = [Text(60, 40, f"Chapter {number}. {chapter}", 9, "i"), Text(205, 570, str(printed))]
    y = 80.0
    if first:
        lines.append(Text(60, y, f"{number} {chapter}", 20, "b"))
        y += 40
    for part in range(3):
        sentences = " ".join(s.format(term=term, what=what) for s in _OPENINGS[part:] + _OPENINGS[:part])
        for i, row in enumerate(_wrap(sentences, 62)):
            lines.append(Text(60 if i else 75, y, row))
            y += 12
    return lines


def _wrap(text: str, width: int) -> list[str]:
    rows = [""]
    for word in text.split():
        if len(rows[-1]) + len(word) + 1 > width:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word}".strip()
    return rows


def _index(cited: dict[str, int], printed: int) -> list[list[Text]]:
    entries = [f"{term}, {page}" for term, page in sorted(cited.items())]
    entries.insert(entries.index(next(e for e in entries if e.startswith("igneous"))), "ice cliff, see crevasse")
    column = (len(entries) + 1) // 2
    lines = [Text(60 + 160 * (n // column), 120 + 12 * (n % column), entry, 9) for n, entry in enumerate(entries)]
    return [[Text(60, 80, "Index", 20, "b"), *lines, Text(205, 570, str(printed))]]
