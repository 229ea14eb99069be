"""How a glossary tells its terms from their definitions: each way of printing it is one small function.

A shape takes a row apart into (term, beginning of the definition), or gives None for a row that begins no entry. Where
entries begin is found out from the rows themselves: further left than other rows, further right, at a bullet or a number,
or after the end of a sentence. ``read_entries`` tries every shape and takes the one of which fewest rows stand where an
entry begins and are none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from tripletkit.language import layout_words as english
from tripletkit.pdf.lines import Line

#: A section is a glossary only from this many entries on.
FEWEST_ENTRIES = 3
FEWEST_OF_USUAL = 2
#: Rows that stand where an entry begins and are none, at most: this share of them.
MOST_STRAY = 0.5
#: Rows of an entry's look begin entries at the leftmost place where this share of them begins.
SHARE_AT_EDGE = 0.25
#: A longer term is a sentence.
MOST_WORDS, MOST_LETTERS = 9, 90
#: Definitions that are longer on average, in rows, are sections of text.
MOST_ROWS = 20
#: Rows of this many text sizes are headings.
BIG = 1.12
#: Baselines that are further apart (in text sizes) are not those of neighbouring lines.
NEAR = 1.35
_BULLET = re.compile(r"[•◦▪▸►‣●○■□◆◇➢∙⁃\uf0b7\uf0a7*–—-]\s+(?=\S)")
_NUMBER = re.compile(r"(?:\(?\d{1,3}[.)]|\[\d{1,3}\]|\d{1,2}(?:\.\d{1,3})+\.?)(?:\s+|$)")
_SIGN = re.compile(r"(?P<term>[^:–—]{2,80}?)\s*(?::|\s[–—-]{1,2}(?=\s)|—)(?:\s+(?P<rest>\S.*))?$")
_CODE = re.compile(r"[\\{}=<>|;]|\(\)")
#: What a definition has at least; a list of pages has not.
_WORD = re.compile(r"[^\W\d_]{3}")
_SENTENCE_END = (".", "!", "?", ")", "”", ";")

Parts = tuple[str, str] | None
Split = Callable[[Line], Parts]


@dataclass
class Draft:
    """An entry as its printed lines; ``page`` is where it begins."""

    term: list[str]
    lines: list[str]
    page: int = 0


@dataclass(frozen=True)
class Reading:
    """A glossary's entries in order, the rows before and after them, and the share of rows that speak for the shape."""

    shape: str
    drafts: list[Draft]
    before: list[Line]
    after: list[Line]
    fit: float


@dataclass(frozen=True)
class Rows:
    """A section's rows in reading order. ``marked`` are those that a bullet or number opens, which is cut off."""

    all: Sequence[Line]
    text: list[Line] = field(default_factory=list)
    marked: frozenset[int] = frozenset()


def read_entries(lines: Sequence[Line], usual: str = "") -> Reading | None:
    """The entries of a glossary, by the shape that fits best; None if no shape does.

    ``lines`` are rows in reading order whose x0 is measured from the left edge of their column. ``usual`` is the shape of
    the book's other glossaries, of which fewer entries are enough.
    """
    rows = [row for row in lines if len(row.text) > 1]
    fewest = FEWEST_OF_USUAL if usual else FEWEST_ENTRIES
    readings = (shape(held) for held in _ways_to_begin(rows) for shape in SHAPES)
    found = [one for one in readings if one and usual in ("", one.shape) and _is_plausible(one, rows, fewest)]
    # Of two that fit alike, the earlier shape. What it leaves speaks against it.
    left = {id(one): (len(one.before) + len(one.after)) / len(rows) for one in found}
    return max(found, key=lambda one: round(one.fit * (1 - left[id(one)]), 1), default=None)


def is_glossary(lines: Iterable[Line]) -> bool:
    """Whether lines of pages, in reading order, are set like a glossary."""
    return read_entries([replace(line, x0=line.x0 - line.col_x0) for line in lines]) is not None


# --- The shapes --------------------------------------------------------------------------------------------------------


def bold(rows: Rows) -> Reading | None:
    """Terms in bold type, on a line of their own or before the definition."""
    return _read("bold terms", rows, _by_type("bz"))


def italic(rows: Rows) -> Reading | None:
    """Terms in italics."""
    return _read("terms in italics", rows, _by_type("iz"))


def monospaced(rows: Rows) -> Reading | None:
    """Terms in monospaced type."""
    return _read("monospaced terms", rows, _by_type("m"))


def columns(rows: Rows) -> Reading | None:
    """Terms in a narrow column at the left, definitions beside them."""
    tabbed = [row for row in rows.text if row.gap_word]
    if len(tabbed) < FEWEST_ENTRIES:
        return None
    left = median(row.x0 for row in tabbed) + 2 * median(row.size for row in tabbed)

    def split(row: Line) -> Parts:
        words = row.text.split()
        if 0 < row.gap_word < len(words):
            return " ".join(words[: row.gap_word]), " ".join(words[row.gap_word :])
        # A term wider than its column has its definition on the next line.
        return (row.text, "") if row.x0 < left and len(words) <= MOST_WORDS else None

    return _read("two columns", rows, split)


def sign(rows: Rows) -> Reading | None:
    """Terms before a colon or a dash."""

    def split(row: Line) -> Parts:
        match = _SIGN.match(row.text)
        return (match["term"], match["rest"] or "") if match and _may_be_term(match["term"]) else None

    return _read("terms before a colon or dash", rows, split)


def part_of_speech(rows: Rows) -> Reading | None:
    """Terms before their part of speech: "abacus, n. a device"."""

    def split(row: Line) -> Parts:
        match = english.TERM_AND_PART_OF_SPEECH.match(row.text)
        return (match["term"], match["rest"]) if match and _may_be_term(match["term"]) else None

    return _read("terms before their part of speech", rows, split)


def capitals(rows: Rows) -> Reading | None:
    """Terms in capitals or small capitals."""

    def split(row: Line) -> Parts:
        words = row.text.split()
        small = (at for at, word in enumerate(words) if word.upper() != word)
        count = next(small, len(words))
        count -= 1 < count < len(words) and words[count - 1] in english.ONE_LETTER_WORDS  # "LOAM A soil of"
        letters = sum(map(str.isalpha, "".join(words[:count])))
        return (" ".join(words[:count]), " ".join(words[count:])) if letters >= 2 else None

    return _read("terms in capitals", rows, split)


def own_lines(rows: Rows) -> Reading | None:
    """Terms on lines of their own, over definitions that are set in."""
    edge = min((row.x0 for row in rows.text), default=0.0)
    size = median([row.size for row in rows.text] or [0.0])
    set_in = [row.x0 for row in rows.text if row.x0 - edge > size / 2]
    if len(set_in) < FEWEST_ENTRIES:
        return None
    between = (median(set_in) + edge) / 2
    reading = _read("terms over their definitions", rows, lambda row: (row.text, "") if row.x0 < between else None)
    # Nearly each of them must have a definition of its own.
    return reading if reading and sum(any(d.lines) for d in reading.drafts) >= 0.9 * len(reading.drafts) else None


def headings(rows: Rows) -> Reading | None:
    """Terms as headings, bigger than the text under them, in the order of the alphabet."""
    size = median([row.size for row in rows.all] or [0.0])
    titles = Counter(row.text for row in rows.all)

    # "See also" under each of them is no term.
    marked = [at for at, row in enumerate(rows.all) if _is_big(row, size) and titles[row.text] < FEWEST_ENTRIES]
    big = {id(rows.all[at]) for at in marked}

    def split(row: Line) -> Parts:
        return (_NUMBER.sub("", row.text), "") if id(row) in big else None

    reading = _read("terms as headings", Rows(rows.all, list(rows.all), frozenset(marked)), split)
    return reading if reading and _are_in_order([" ".join(draft.term) for draft in reading.drafts]) else None


#: The first of those that fit alike is taken.
SHAPES = (bold, italic, monospaced, columns, sign, part_of_speech, capitals, own_lines, headings)


def _by_type(stress: str) -> Split:
    # A letter in italics among the words of the stressed type is one of them.
    initial = re.compile(rf"(?:[im]?[{stress}])*")

    def split(row: Line) -> Parts:
        words = row.text.split()
        found = initial.match(row.styles)
        count = found.end() if found else 0
        return (" ".join(words[:count]), " ".join(words[count:])) if count else None

    return split


# --- From rows to entries ----------------------------------------------------------------------------------------------


def _read(shape: str, rows: Rows, split: Split) -> Reading | None:
    parts = [split(row) for row in rows.text]
    first = _where_entries_begin(rows, parts)
    begun = next((at for at, (part, is_first) in enumerate(zip(parts, first, strict=True)) if part and is_first), None)
    if begun is None:
        return None
    apart = _are_apart(rows.text, parts, first)
    end = _last_row(begun, [part is not None for part in parts], first)
    drafts: list[Draft] = []
    stray = 0
    for at in range(begun, end):
        row, part, above = rows.text[at], parts[at], rows.text[at - 1] if at > begun else None
        draft = drafts[-1] if drafts else None
        if draft and above and part and _goes_on(draft, part, above, row, apart=apart) and at not in rows.marked:
            draft.term.append(part[0])
            draft.lines.append(part[1])
        elif part and first[at]:
            drafts.append(Draft([part[0]], [part[1]], row.page))
        elif draft:
            draft.lines.append(row.text)
            stray += first[at]
    fit = len(drafts) / (len(drafts) + stray)
    return Reading(shape, drafts, rows.text[:begun], rows.text[end:], fit)


def _last_row(begun: int, starts: Sequence[bool], first: Sequence[bool]) -> int:
    """Where the glossary ends, if other text goes on under its title: from there on, no entries stand where they would."""
    score, best, last = 0, 0, begun
    for at in range(begun, len(first)):
        score += (2 if starts[at] else -1) if first[at] else 0
        if score >= best and starts[at] and first[at]:
            best, last = score, at
    after = (at for at in range(last + 1, len(first)) if first[at] and not starts[at])
    # A few rows within the last definition are no other text.
    rest = sum(first[at] and not starts[at] for at in range(last + 1, len(first)))
    return next(after, len(first)) if rest > 4 else len(first)


def _goes_on(draft: Draft, part: tuple[str, str], above: Line, row: Line, *, apart: bool) -> bool:
    """Whether the row goes on with a term that has no definition yet, or with both cells of a table's row."""
    near = row.column != above.column or 0 < row.baseline - above.baseline <= NEAR * row.size
    if not any(draft.lines):
        return near and not row.text[:1].isupper() if not row.styles.strip("rm") else near
    if not (near and row.gap_word and above.gap_word):
        return False
    return apart or (part[0][:1] in "(," and part[1][:1].islower())


def _are_apart(rows: Sequence[Line], parts: Sequence[Parts], first: Sequence[bool]) -> bool:
    """Whether more space stands above most entries than between lines of text."""
    entries = [at for at in range(1, len(rows)) if parts[at] and first[at]]
    same = [at for at in entries if (rows[at].page, rows[at].column) == (rows[at - 1].page, rows[at - 1].column)]
    wide = sum(rows[at].baseline - rows[at - 1].baseline > NEAR * rows[at].size for at in same)
    return wide > 0.7 * len(same)


def _where_entries_begin(rows: Rows, parts: Sequence[Parts]) -> list[bool]:
    """For each row whether it stands where entries begin."""
    if rows.marked:
        return [at in rows.marked for at in range(len(rows.text))]
    size = median([row.size for row in rows.text] or [0.0])
    starts = sorted(row.x0 for row, part in zip(rows.text, parts, strict=True) if part)
    others = [row.x0 for row, part in zip(rows.text, parts, strict=True) if not part]
    if not starts or not others:
        return [part is not None for part in parts]
    # Left and right pages may differ by a few points; entries within entries stand further right.
    groups = ((x0, sum(x0 <= other <= x0 + size / 2 for other in starts)) for x0 in starts)
    at, away = next((x0 for x0, count in groups if count >= SHARE_AT_EDGE * len(starts)), starts[0]), median(others)
    if away - at > size / 2:
        return [row.x0 < (at + away) / 2 for row in rows.text]
    if at - away > size / 2:
        return [abs(row.x0 - at) <= size / 2 for row in rows.text]
    begins = [True, *(_begins(row, above) for above, row in pairwise(rows.text))]
    # What follows a term on a line of its own is its definition.
    follows = [False, *(part is None and above is not None and not above[1] for above, part in pairwise(parts))]
    return [first and not second for first, second in zip(begins, follows, strict=True)]


def _begins(row: Line, above: Line) -> bool:
    """Without a hanging indent: an entry begins after the end of a sentence, a short line or a gap."""
    if (row.page, row.column) != (above.page, above.column):
        return True
    ended = above.text.rstrip().endswith(_SENTENCE_END) or above.x1 < 0.8 * max(row.x1, 1.0)
    return ended or row.baseline - above.baseline > 1.56 * row.size


def _ways_to_begin(lines: Sequence[Line]) -> Iterator[Rows]:
    """The rows without headings: as they are, and without the bullets or numbers that may open entries."""
    size = median([row.size for row in lines] or [0.0])
    text = [row for row in lines if not _is_big(row, size)]
    for sign_of in (_BULLET, _NUMBER):
        found = [at for at, row in enumerate(text) if sign_of.match(row.text)]
        if len(found) < FEWEST_OF_USUAL:
            continue
        edge = Counter(round(text[at].x0) for at in found).most_common(1)[0][0] + size / 2
        found = [at for at in found if text[at].x0 <= edge]
        counted = sign_of is _NUMBER and _count_up([text[at].text for at in found])
        if counted or len(found) > 0.5 * sum(row.x0 <= edge for row in text[found[0] :]):
            yield _cut(lines, text, found, sign_of)
    yield Rows(lines, text)


def _count_up(texts: Sequence[str]) -> bool:
    """Whether numbers of two parts or more, such as 3.1.1, count up."""
    numbers = [tuple(map(int, re.findall(r"\d+", text.split()[0]))) for text in texts]
    return all(len(number) > 1 for number in numbers) and numbers == sorted(set(numbers))


def _cut(lines: Sequence[Line], text: Sequence[Line], found: Sequence[int], marker: re.Pattern[str]) -> Rows:
    rows: list[Line] = []
    marked: set[int] = set()
    opened = False
    at_marker = set(found)
    for at, row in enumerate(text):
        match = marker.match(row.text) if at in at_marker else None
        rest = row.text[match.end() :] if match else row.text
        if not rest:  # a number on a line of its own
            opened = True
            continue
        words = len(row.text[: match.end()].split()) if match else 0
        if match or opened:
            marked.add(len(rows))
            row = replace(row, text=rest, styles=row.styles[words:], gap_word=max(row.gap_word - words, 0))
        rows.append(row)
        opened = False
    return Rows(lines, rows, frozenset(marked))


def _is_big(row: Line, size: float) -> bool:
    return row.size > BIG * size


# --- Whether entries are a glossary's ----------------------------------------------------------------------------------


def _is_plausible(reading: Reading, rows: Sequence[Line], fewest: int) -> bool:
    terms = [" ".join(draft.term) for draft in reading.drafts]
    defined = sum(bool(_WORD.search(" ".join(draft.lines))) for draft in reading.drafts)
    enough = defined >= fewest and defined >= 0.6 * len(terms)
    least = 0.3 * len(rows) < len(rows) - len(reading.before) - len(reading.after)
    short = sum(len(draft.lines) for draft in reading.drafts) <= MOST_ROWS * len(reading.drafts)
    if not (enough and least and short) or reading.fit < 1 - MOST_STRAY or len(reading.before) > 0.5 * len(rows):
        return False
    numbered = sum(bool(english.STATEMENT_NUMBER.match(term)) for term in terms)
    good = sum(map(_may_be_term, terms))
    return good >= 0.8 * len(terms) and numbered <= 0.3 * len(terms) and len(set(terms)) >= 0.6 * len(terms)


def _may_be_term(term: str) -> bool:
    """Whether a text may be a term: not long, and no sentence."""
    bare = term.strip(" :.–—-")
    is_long = len(bare.split()) > MOST_WORDS or len(bare) > MOST_LETTERS
    return any(map(str.isalpha, bare)) and not (is_long or bare.endswith((",", ";")) or _CODE.search(bare))


def _are_in_order(terms: Sequence[str]) -> bool:
    keys = [re.sub(r"[^\w]", "", term.casefold()) for term in terms]
    return len(keys) >= FEWEST_ENTRIES and sum(a <= b for a, b in pairwise(keys)) >= 0.9 * (len(keys) - 1)
