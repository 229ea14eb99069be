"""Books with a glossary in every shape: laid out by real widths, over page breaks, with running heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pdfminer.fontmetrics import FONT_METRICS

from tests.pdfs import FONTS, Box, Text, write_pdf

#: Term → definition; a line break parts paragraphs.
ENTRIES = {
    "aquifer": "A layer of porous rock that yields water to a well; its upper bound is the water table, which falls in dry "
    "years and where more is drawn than the rain brings back.",
    "bedrock": "Solid rock under the soil.",
    "cold front": "The edge of a mass of cold air that pushes under warm air and lifts it, so that clouds build quickly.",
    "delta": "Flat land built up where a river drops its load at the mouth.\nMany deltas are among the most fertile and the "
    "most crowded lands of the earth, and among those that sink.",
    "dew point": "The temperature at which the air can hold no more vapor.",
    "erosion": "The wearing away of land by water, wind or ice; compare weathering, which breaks rock where it lies.",
    "fault line": "A line where two blocks of the crust slide past each other.",
    "fjord": "See glacial valley.",
    "glacial valley": "A valley that a glacier carved, wide at its floor and steep at its sides, and drowned where the sea "
    "has risen since.",
    "global positioning system (GPS)": "A set of satellites from whose signals a receiver works out where it stands.",
    "humus": "The dark matter that remains when leaves and roots have rotted down.",
    "loam": "Soil of sand, silt and clay in nearly equal parts, which drains well and is easily worked.",
    "meander": "A wide bend of a river that grows as its outer bank is worn away.",
    "moraine": "A ridge of debris that the ice pushed along and left behind.",
    "runoff": "Water that flows over the ground because it cannot sink in fast enough.",
    "sandstone": "Rock of grains that were pressed and cemented together.",
    "sediment": "Matter that settles to the bottom of a liquid. What rivers carry settles in the order of its grains: first "
    "the gravel, then the sand, and last of all the clay.",
    "trade wind": "A wind that blows toward the equator from the same quarter all year.",
    "tundra": "Land without trees whose deeper soil is always frozen.",
    "water table": "The level below which the ground is wholly soaked.",
}
PROSE = (
    "Students of the earth meet most of its matters first in the field, where no two surveys agree in every detail. "
    "That is no fault of theirs: the history of each place can be read from the layers around it, if one has time. "
    "Measuring takes patience and a steady hand, and a map is never more exact than those who have drawn it. "
    "Farmers have learned to live with what the ground gives them, and often enough they profit from it as well."
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, PITCH = 420, 600, 60.0, 360.0, 80.0, 540.0, 12.0


@dataclass(frozen=True)
class Row:
    """A printed row: (left edge from the margin, text, font r, b, i or m, size) and the space above it in points."""

    runs: tuple[tuple[float, str, str, float], ...]
    above: float = 0.0


def row(x: float, text: str, font: str = "r", *, size: float = 10, above: float = 0.0) -> Row:
    return Row(((x, text, font, size),), above)


def width(text: str, font: str, size: float = 10) -> float:
    """Of a text in points."""
    held = FONT_METRICS[FONTS[font]][1]
    return size / 1000 * sum(held.get(c, held["n"]) for c in text)


def wrap(text: str, room: float, *, first: float | None = None, font: str = "r", size: float = 10) -> list[str]:
    """Rows of a text, ragged; ``first`` is the room of the first row."""
    rows, left = [""], room if first is None else first
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if width(longer, font, size) > left:
            rows.append(word)
            left = room
        else:
            rows[-1] = longer
    return rows


@dataclass
class Book:
    """Pages that rows flow onto. ``serif`` sets all in Times, ``columns`` in two columns."""

    serif: bool = False
    pages: list[list[Text | Box]] = field(default_factory=list)
    y: float = BOTTOM + 1

    def flow(self, rows: Sequence[Row]) -> None:
        for at, one in enumerate(rows):
            self.y += PITCH + one.above
            if self.y > BOTTOM:
                self.turn("The Earth Reader" if at else "")
            for x, text, font, size in one.runs:
                self.pages[-1].append(Text(LEFT + x, self.y, text, size, self.font(font)))

    def turn(self, head: str = "") -> None:
        """A new page with its number, and a running head but on a chapter's first."""
        self.pages.append([Text(205, 570, str(len(self.pages) + 1), 10, self.font("r"))])
        self.y = TOP
        if head:
            self.pages[-1].append(Text(LEFT, 40, head, 9, self.font("i")))

    def font(self, letter: str) -> str:
        return letter.upper() if self.serif and letter in "rbi" else letter

    def chapter(self, title: str, rows: Sequence[Row]) -> None:
        self.turn()
        if title:
            self.flow([row(0, title, "b", size=20), row(0, " ")])
        self.flow(rows)


def prose(paragraphs: int) -> list[Row]:
    """Running text."""
    rows = []
    for n in range(paragraphs):
        sentences = PROSE.split(". ")
        text = ". ".join(sentences[n % 4 :] + sentences[: n % 4])
        rows += [row(0, line) for line in wrap(f"In matter {n} of the book this holds. {text}", RIGHT - LEFT)]
    return rows


def write_glossary(
    path: Path, rows: Sequence[Row], *, title: str = "Glossary", serif: bool = False, after: str = "Further Reading"
) -> Path:
    """Three chapters, the glossary, and a chapter of prose after it."""
    book = Book(serif)
    for number, name in enumerate(("Soil", "Water", "Weather"), 1):
        book.chapter(f"{number} {name}", prose(12))
    book.chapter(title, rows)
    if after:
        book.chapter(after, prose(3))
    return write_pdf(path, book.pages, width=WIDTH, height=HEIGHT)


# --- The shapes: entries → rows --------------------------------------------------------------------------------------

Shape = Callable[[dict[str, str], bool], list[Row]]


def _paragraphs(text: str, room: float, *, first: float | None = None) -> Iterator[str]:
    for at, paragraph in enumerate(text.split("\n")):
        yield from wrap(paragraph, room, first=first if at == 0 else None)


def run_in(entries: dict[str, str], serif: bool, *, font: str = "b", hang: float = 15, joint: str = " ") -> list[Row]:
    """The term in another type before its definition, further lines set in by ``hang``; space between entries."""
    rows = []
    for term, text in entries.items():
        lead = width(term + joint, font.upper() if serif and font in "rbi" else font)
        first, *others = _paragraphs(text, RIGHT - LEFT - hang, first=RIGHT - LEFT - lead - 3)
        parts = ((0.0, f"{term}{joint}".rstrip(), font, 10.0), (lead + 1, first, "r", 10.0))
        rows += [Row(parts, 0 if hang else 6), *(row(hang, line) for line in others)]
    return rows


def own_line(
    entries: dict[str, str], serif: bool, *, font: str = "b", set_in: float = 20, above: float = 6
) -> list[Row]:
    """The term on a line of its own over its definition."""
    rows = []
    for term, text in entries.items():
        rows += [row(0, term, font, above=above), *(row(set_in, s) for s in _paragraphs(text, RIGHT - LEFT - set_in))]
    return rows


def two_columns(
    entries: dict[str, str], serif: bool, *, font: str = "r", above: float = 6, ruled: bool = False
) -> list[Row]:
    """Terms at the left, definitions beside them; a long term is broken."""
    rows = []
    for term, text in entries.items():
        heads, texts = wrap(term, 90, font=font), list(_paragraphs(text, RIGHT - LEFT - 100))
        for at in range(max(len(heads), len(texts))):
            runs = [(x, s[at], f, 10.0) for x, s, f in ((0.0, heads, font), (100.0, texts, "r")) if at < len(s)]
            rows.append(Row(tuple(runs), above if at == 0 else 0))
    return rows


def signed(entries: dict[str, str], serif: bool, *, sign: str = ": ", lead: str = "", hang: float = 12) -> list[Row]:
    """Term and definition parted by a sign; ``lead`` is a bullet, or "#" for numbers."""
    rows = []
    for number, (term, text) in enumerate(entries.items(), 1):
        mark = f"{number}. " if lead == "#" else lead
        first, *others = _paragraphs(f"{mark}{term}{sign}{text}", RIGHT - LEFT - hang, first=RIGHT - LEFT)
        rows += [row(0, first), *(row(hang, line) for line in others)]
    return rows


def capitals(entries: dict[str, str], serif: bool) -> list[Row]:
    """The term in capitals before its definition."""
    return run_in({term.upper(): text for term, text in entries.items()}, serif, font="r")


def headings(entries: dict[str, str], serif: bool) -> list[Row]:
    """The term as a heading over its definition."""
    rows = []
    for term, text in entries.items():
        rows += [row(0, term, "b", size=12, above=8), *(row(0, line) for line in _paragraphs(text, RIGHT - LEFT))]
    return rows


def numbered(entries: dict[str, str], serif: bool) -> list[Row]:
    """As standards have it: a number, the term under it, and the definition under that."""
    rows = []
    for number, (term, text) in enumerate(entries.items(), 1):
        rows += [row(0, f"3.1.{number}", "b", above=10), row(0, term, "b")]
        rows += [row(0, line) for line in _paragraphs(text, RIGHT - LEFT)]
    return rows
