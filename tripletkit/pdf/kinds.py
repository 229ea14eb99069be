"""What each line of text is: prose, heading, code, caption, footnote, equation, table, figure, list or exercise.

Each kind has its own test, tried in turn. Then single lines between lines of another kind get that kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from tripletkit.pdf.lines import Line
from tripletkit.pdf.running_text import TextMetrics
from tripletkit.rules import Rules

_WORD = re.compile(r"[^\W\d_]{3,}")
_TWO_WORDS = re.compile(r"[^\W\d_]{3}[\W\d_].*?[^\W\d_]{3}")
_MATH = re.compile(r"[=<>≤≥≠≈≡∼∝+×÷±∓∑∏∫√∂∇∞∈∉⊂⊆∪∩∀∃¬∧∨→↔⇒⇔↦⊢⊨⟨⟩|{}^∘·∗−]|[\ue000-\uf8ff�]|\(\d+(\.\d+)*[a-z]?\)$")
_BULLET = re.compile(r"[•◦▪▸►‣●○■□◆◇✓✔➢➤∙⋆⊲⊳▷◁–—-]\s|[o\uf0b7\uf0a7]\s")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]\s|(?:\d{1,2}|[A-Z])[.)]\s", 0)
_NOTE = re.compile(r"\d{1,3}[.)]?\s+(?=[^\W\d_]{2}|[“\"‘'(])")
_CAPTION_TAIL = re.compile(r"\s*[:.–—|]|\s*$|\s+(?=[A-Z(])")


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
        if (before.page, before.column) != (
            line.page,
            line.column,
        ) or not 0 < line.baseline - before.baseline < 0.72 * metrics.leading:
            continue
        for j in (i - 1, i):
            if kinds[j] == "prose" and not _wide(lines[j]) and _indented(lines[j], metrics) and len(lines[j].text) < 60:
                kinds[j] = "equation"


def _indented(line: Line, metrics: TextMetrics) -> bool:
    return line.x0 > line.col_x0 + 0.8 * metrics.size


def _mark_footnotes(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics) -> None:
    """Smaller text at the foot of a column: a line with a footnote's mark and all below it, or the rest of a footnote."""
    open_size: float | None = None  # of a note that its page's end cut off
    for start, end in _columns(lines):
        low = end
        while low > start and lines[low - 1].size <= 0.93 * metrics.size:
            low -= 1
        marked = next((i for i in range(low, end) if _starts_footnote(lines[i], metrics)), None)
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
    if (
        first == marked
        or first == 0
        or (lines[first - 1].page, lines[first - 1].column) != (lines[first].page, lines[first].column)
    ):
        return marked
    return first if lines[first].baseline - lines[first - 1].baseline > 1.15 * metrics.leading else marked


def _starts_footnote(line: Line, metrics: TextMetrics) -> bool:
    return 0 in line.notes or (line.size <= 0.88 * metrics.size and _NOTE.match(line.text) is not None)


def _columns(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """(start, end) of the lines of each column of each page."""
    keys = [(line.page, line.column) for line in lines]
    return list(pairwise(i for i in range(len(keys) + 1) if i in (0, len(keys)) or keys[i - 1] != keys[i]))


def _mark_captions(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics, rules: Rules) -> None:
    for i, _line in enumerate(lines):
        if kinds[i] not in ("prose", "table", "figure") or not _is_caption(i, lines, metrics, rules):
            continue
        kinds[i] = "caption"
        j = i + 1
        while j < len(lines) and kinds[j] == "prose" and _same_block(lines[j - 1], lines[j]):
            kinds[j] = "caption"
            j += 1


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
    marked = (
        line.styles[:words] != line.styles[words : words * 2] and line.styles[0] in "bz"
    ) or line.size < 0.95 * metrics.size
    punctuated = tail.group().strip() in (":", "–", "—", "|") or match.end() == len(line.text)
    apart = i == 0 or not _same_block(lines[i - 1], line)
    return marked or (apart and (punctuated or tail.group().strip() == "."))


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
        if around == "prose" and _wide(before):
            lone_code = kinds[i] == "code" and _wide(line)
            lone_formula = kinds[i] == "equation" and _same_block(before, line) and line.x0 <= line.col_x0 + 2
            kinds[i] = "prose" if lone_code or lone_formula else kinds[i]
        elif kinds[i] == "prose" and not _wide(line):
            in_code = around == "code" and _same_block(before, line) and _same_block(line, lines[i + 1])
            in_table = around == "table" and len(line.text) < 60
            kinds[i] = around if in_code or in_table else kinds[i]


def _wide(line: Line) -> bool:
    return line.x1 >= line.col_x0 + 0.9 * (line.col_x1 - line.col_x0)


def _mark_lists(lines: Sequence[Line], kinds: list[str], metrics: TextMetrics) -> None:
    """Items that start with a bullet or an enumerator, and their further lines, which hang under the item's text."""
    item: Line | None = None
    for i, line in enumerate(lines):
        if kinds[i] in ("heading", "code", "table"):
            item = None
        if kinds[i] != "prose":
            continue
        if _BULLET.match(line.text) or (
            _ENUMERATOR.match(line.text) and (line.x0 > line.col_x0 + 0.4 * metrics.size or item is not None)
        ):
            item = line
            kinds[i] = "list"
        elif (
            item is not None
            and line.x0 > item.x0 + 3
            and line.x0 < item.x0 + 4 * metrics.size
            and abs(line.size - item.size) < 0.6
        ):
            kinds[i] = "list"
        else:
            item = None
