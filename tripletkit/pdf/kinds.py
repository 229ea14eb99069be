"""Typical measures of running text, and the kind of each line: prose, heading, code, caption, footnote and so on.

The measures are font size, line distance and column edges. Each kind has a test of its own, tried in turn. Then single
lines between lines of another kind get that kind.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from tripletkit.pdf.lines import Line
from tripletkit.rules import Rules

#: A column shows its own edges if it has this many lines of running text.
ENOUGH_LINES = 10

#: Page number's parity, columns on the page, column.
_Place = tuple[int, int, int]

_WORD = re.compile(r"[^\W\d_]{3,}")
_TWO_WORDS = re.compile(r"[^\W\d_]{3}[\W\d_].*?[^\W\d_]{3}")
_MATH = re.compile(r"[=<>≤≥≠≈≡∼∝+×÷±∓∑∏∫√∂∇∞∈∉⊂⊆∪∩∀∃¬∧∨→↔⇒⇔↦⊢⊨⟨⟩|{}^∘·∗−]|[\ue000-\uf8ff�]|\(\d+(\.\d+)*[a-z]?\)$")
_BULLET = re.compile(r"[•◦▪▸►‣●○■□◆◇✓✔➢➤∙⋆⊲⊳▷◁–—-]\s|[o\uf0b7\uf0a7]\s")
#: These are signs and words of running text too.
_SOFT_BULLET = re.compile(r"[o–—-]\s")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]\s|(?:\d{1,2}|[A-Z])[.)]\s", 0)
_NOTE = re.compile(r"\d{1,3}[.)]?\s+(?=[^\W\d_]{2}|[“\"‘'(])|\d{1,2}(?=[A-Z][a-z])")
_CAPTION_TAIL = re.compile(r"\s*[:.–—|]|\s*$|\s+(?=[A-Z(])")


@dataclass(frozen=True, slots=True)
class TextMetrics:
    """The text's font size and the distance between its baselines, in points."""

    size: float
    leading: float


def text_size(pages: Iterable[Iterable[Line]]) -> float:
    """The font size that most letters have, in steps of half a point; 10.0 for a book without text."""
    letters: dict[float, int] = defaultdict(int)
    for line in chain.from_iterable(pages):
        letters[max(round(line.size * 2) / 2, 0.5)] += len(line.text)
    return max(letters, key=lambda size: (letters[size], size), default=10.0)


def text_metrics(lines: Sequence[Line], size: float) -> TextMetrics:
    """The usual distance between lines of this size; 1.2 times the size where none follow each other."""
    gaps = [
        b.baseline - a.baseline
        for a, b in pairwise(lines)
        if a.page == b.page and a.column == b.column and abs(a.size - size) <= 0.5 and abs(b.size - size) <= 0.5
    ]
    near = [round(gap * 2) / 2 for gap in gaps if 0.8 * size < gap < 2.2 * size]
    return TextMetrics(size, Counter(near).most_common(1)[0][0] if near else 1.2 * size)


def with_column_edges(lines: Sequence[Line], size: float) -> list[Line]:
    """The same lines, their ``col_x0`` and ``col_x1`` set to where the column's running text starts and ends.

    A column with too little text to show its edges has those of other pages. ``lines`` hold no furniture.
    """
    columns: dict[tuple[int, int], list[Line]] = defaultdict(list)
    for line in lines:
        columns[line.page, line.column].append(line)
    most = {page: column + 1 for page, column in sorted(columns)}
    places = {key: (key[0] % 2, most[key[0]], key[1]) for key in columns}
    own = {key: _own_edges(held, size) for key, held in columns.items()}
    usual = _usual_edges(own, places)
    edges = {key: found or usual.get(places[key]) for key, found in own.items()}
    # Text that stands wholly outside of the usual edges, as on a page of another layout, keeps its own.
    return [
        line.between(*found)
        if (found := edges[line.page, line.column]) and line.column >= 0 and line.x1 >= found[0] and line.x0 <= found[1]
        else line
        for line in lines
    ]


def _own_edges(lines: Sequence[Line], size: float) -> tuple[float, float] | None:
    text = [line for line in lines if abs(line.size - size) <= 0.12 * size and len(line.text) > 20]
    if len(text) < ENOUGH_LINES:
        return None
    lefts = Counter(round(line.x0 / 2) for line in text)
    # The left-most edge that several lines share: most lines of an exercise page hang further in.
    shared = [x for x, times in lefts.items() if times >= max(2, len(text) // 8)]
    if not shared:  # centred, or round a picture
        return None
    left = 2.0 * min(shared)
    rights = sorted(line.x1 for line in text)
    return left, rights[-1 - len(rights) // 20]


def _usual_edges(
    own: dict[tuple[int, int], tuple[float, float] | None], places: dict[tuple[int, int], _Place]
) -> dict[_Place, tuple[float, float]]:
    found: dict[_Place, Counter[tuple[float, float]]] = defaultdict(Counter)
    for key, edges in own.items():
        if edges is not None:
            found[places[key]][edges[0], round(edges[1])] += 1
    return {place: min(counts, key=lambda e: (-counts[e], e)) for place, counts in found.items()}


def open_lone_frames(lines: Sequence[Line]) -> None:
    """A rectangle round one line, which goes on with the line above or below, is a highlight and no box."""
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        alone = line.frame and (before.frame, before.page) != (line.frame, line.page)
        if alone and (after.frame, after.page) != (line.frame, line.page):
            low = after.text[:1].islower() and _same_block(line, after) and _wide(line)
            line.frame = 0 if low else line.frame


def line_kinds(lines: Sequence[Line], headings: set[int], metrics: TextMetrics, rules: Rules) -> list[str]:
    """One kind a line; ``headings`` are the indexes of heading lines."""
    kinds = ["heading" if i in headings else _own_kind(line, metrics) for i, line in enumerate(lines)]
    _mark_stacks(lines, kinds, metrics)
    _mark_footnotes(lines, kinds, metrics)
    _mark_captions(lines, kinds, metrics, rules)
    _settle_neighbours(lines, kinds)
    _mark_lists(lines, kinds, metrics)
    return kinds


def _own_kind(line: Line, metrics: TextMetrics) -> str:
    """What the line is by itself: code, equation, table, figure or prose."""
    mono = line.styles.count("m")
    if mono >= 0.6 * len(line.styles) and (line.styles[0] == "m" or mono >= 0.8 * len(line.styles)):
        return "code"
    tokens = line.text.count(" ") + 1
    if line.gaps >= 1 and (line.gaps >= 2 or tokens <= 8) and _MATH.search(line.text) is None:
        return "table"
    if line.size < 0.82 * metrics.size and line.x1 - line.x0 < 0.6 * (line.col_x1 - line.col_x0) and tokens < 12:
        return "figure"
    indented = _indented(line, metrics)
    if not indented and _TWO_WORDS.search(line.text):
        return "prose"
    words = _WORD.findall(line.text)
    wordy = sum(map(len, words)) / max(len(line.text.replace(" ", "")), 1)
    if wordy < 0.5 and len(words) <= 6 and (indented or len(words) <= 1) and not _BULLET.match(line.text):
        if _MATH.search(line.text):
            return "equation"
        if tokens <= 2 and wordy == 0:
            return "equation" if indented else "prose"
        if len(words) == 0:
            return "table" if tokens >= 3 else "equation"
    return "prose"


def _mark_stacks(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics) -> None:
    """Lines closer together than lines of text ever are: fractions, sums and matrices of a displayed formula."""
    for i in range(1, len(lines)):
        before, line = lines[i - 1], lines[i]
        near = 0 < line.baseline - before.baseline < 0.72 * metrics.leading
        if near and (before.page, before.column) == (line.page, line.column):
            for j, one in ((i - 1, before), (i, line)):
                if kinds[j] == "prose" and not _wide(one) and _indented(one, metrics) and len(one.text) < 60:
                    kinds[j] = "equation"


def _indented(line: Line, metrics: TextMetrics) -> bool:
    return line.x0 > line.col_x0 + 0.8 * metrics.size


def _mark_footnotes(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics) -> None:
    """Smaller text at the foot of a column: a line with a footnote's mark and all below it, or the rest of a footnote."""
    open_size: float | None = None  # of a note that its page's end cut off
    keys = [(line.page, line.column) for line in lines]
    columns = pairwise(i for i in range(len(keys) + 1) if i in (0, len(keys)) or keys[i - 1] != keys[i])
    for start, end in columns:
        low = end
        while low > start and lines[low - 1].size <= 0.93 * metrics.size:
            low -= 1
        marked = next((i for i in range(low, end) if _starts_footnote(i, lines, metrics)), None)
        first = _note_start(lines, low, end if marked is None else marked, end, metrics)
        if marked is None and (open_size is None or first == start or abs(lines[end - 1].size - open_size) > 0.5):
            first = end
        for i in range(first, end):
            kinds[i] = "footnote" if kinds[i] != "heading" else kinds[i]
        open_size = lines[end - 1].size if first < end and lines[end - 1].text[-1] not in '.)”"' else None


def _note_start(lines: Sequence[Line], low: int, marked: int, end: int, metrics: TextMetrics) -> int:
    """Where the notes start: at the gap above the lines that stand before the first mark, else at the mark."""
    size = lines[min(marked, end - 1)].size
    first = marked
    while (
        first > low
        and abs(lines[first - 1].size - size) <= 0.5
        and (first == end or 0 < lines[first].baseline - lines[first - 1].baseline <= 1.1 * metrics.leading)
    ):
        first -= 1
    if first == marked or first == 0:
        return marked
    above, line = lines[first - 1], lines[first]
    same = (above.page, above.column) == (line.page, line.column)
    return first if same and line.baseline - above.baseline > 1.15 * metrics.leading else marked


def _starts_footnote(i: int, lines: Sequence[Line], metrics: TextMetrics) -> bool:
    line = lines[i]
    if line.text.isdigit() and i + 1 < len(lines):  # a mark so far from its note that it is a line of its own
        note = lines[i + 1]
        beside = line.x1 < note.x0 < line.x1 + 2 * note.size and line.size < 0.9 * note.size <= 0.88 * metrics.size
        return beside and 0 <= note.baseline - line.baseline < 0.7 * note.size
    return 0 in line.notes or (line.size <= 0.88 * metrics.size and _NOTE.match(line.text) is not None)


def _mark_captions(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics, rules: Rules) -> None:
    for i, kind in enumerate(kinds):
        after_one = kind == "prose" and i > 0 and kinds[i - 1] == "caption" and _goes_on(lines[i - 1], lines[i])
        if after_one or (kind in ("prose", "table", "figure") and _is_caption(i, lines, metrics, rules)):
            kinds[i] = "caption"


def _goes_on(before: Line, line: Line) -> bool:
    cut = before.text.endswith(("-", "‐")) and line.text[:1].islower()
    return _same_block(before, replace(line, size=before.size) if cut else line)


def _is_caption(i: int, lines: Sequence[Line], metrics: TextMetrics, rules: Rules) -> bool:
    line = lines[i]
    # Most lines start in small letters: cheap to ask first.
    match = rules.starts("captions", line.text) if line.text[0].isupper() else None
    if match is None:
        return False
    tail = _CAPTION_TAIL.match(line.text, match.end())
    if tail is None:
        return False
    words = len(line.text[: match.end()].split())
    other_style = line.styles[:words] != line.styles[words : words * 2] and line.styles[0] in "bz"
    punctuated = tail.group().strip() in (":", "–", "—", "|", ".") or match.end() == len(line.text)
    apart = i == 0 or not _same_block(lines[i - 1], line)
    return other_style or line.size < 0.95 * metrics.size or (apart and punctuated)


def _same_block(before: Line, line: Line) -> bool:
    """Whether ``line`` follows in the same block of text: same column and size, no more than the usual distance."""
    if (before.page, before.column) != (line.page, line.column) or abs(before.size - line.size) > 0.6:
        return False
    return 0 < line.baseline - before.baseline < 1.55 * max(line.size, before.size)


def _settle_neighbours(lines: Sequence[Line], kinds: list[str]) -> None:
    """Single lines between two of another kind, in one block, are of that kind."""
    for i in range(1, len(lines) - 1):
        before, line = lines[i - 1], lines[i]
        around = kinds[i - 1] if kinds[i - 1] == kinds[i + 1] else ""
        if kinds[i - 1 : i + 1] == ["prose", "code"] and kinds[i + 1] != "code" and _is_last(before, line):
            kinds[i] = "prose"
        if around == "prose" and _wide(before):
            lone_code = kinds[i] == "code" and _wide(line)
            lone_formula = kinds[i] == "equation" and _same_block(before, line) and line.x0 <= line.col_x0 + 2
            kinds[i] = "prose" if lone_code or lone_formula else kinds[i]
        elif kinds[i] == "prose" and not _wide(line):
            in_code = around == "code" and _same_block(before, line) and _same_block(line, lines[i + 1])
            in_table = around == "table" and len(line.text) < 60
            kinds[i] = around if in_code or in_table else kinds[i]


def _is_last(before: Line, line: Line) -> bool:
    """Whether a line of code is a name that ends the paragraph above: "... are simple calls to / accumulate."."""
    near = 0 < line.baseline - before.baseline < 1.45 * before.size and line.column == before.column
    return near and _wide(before) and abs(line.x0 - before.x0) <= 2


def _wide(line: Line) -> bool:
    return line.x1 >= line.col_x0 + 0.9 * (line.col_x1 - line.col_x0)


def _starts_item(i: int, lines: Sequence[Line]) -> bool:
    """Whether a line starts with a bullet. A dash or an "o" is none where the line above runs on into it."""
    line, before = lines[i], lines[i - 1]
    if _SOFT_BULLET.match(line.text) is None or i == 0 or not _same_block(before, line):
        return _BULLET.match(line.text) is not None
    runs_on = abs(before.x0 - line.x0) <= 2 and before.text[-1] not in ".:;!?"
    return not runs_on or before.text[:2] == line.text[:2]


def _mark_lists(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics) -> None:
    """Items that start with a bullet or an enumerator, and their further lines, which hang under the item's text."""
    item: Line | None = None
    for i, line in enumerate(lines):
        if kinds[i] in ("heading", "code", "table"):
            item = None
        if kinds[i] != "prose":
            continue
        indented = line.x0 > line.col_x0 + 0.4 * metrics.size
        if _starts_item(i, lines) or ((indented or item is not None) and _ENUMERATOR.match(line.text)):
            item = line
        elif item is not None and not (
            item.x0 + 3 < line.x0 < item.x0 + 4 * metrics.size and abs(line.size - item.size) < 0.6
        ):
            item = None
        if item is not None:
            kinds[i] = "list"
