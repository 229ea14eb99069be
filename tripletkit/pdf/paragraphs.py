"""Lines → paragraphs, joined across columns and pages.

A paragraph that a footnote, figure, table or page edge cuts in two is one paragraph: its second half is joined to the
first, and what stands between is a paragraph of its own. Words cut at a line's end are joined, or kept with their
hyphen, as the book itself writes them elsewhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from tripletkit.language.layout_words import (
    CHAIN_WORDS,
    CLOSED_PREFIXES,
    COMPOUND_ENDS,
    ENDING_LETTERS,
    NUMBER_ENDINGS,
    NUMBER_WORDS,
    SUSPENDED,
    WORD_ENDINGS,
    ends_sentence,
)
from tripletkit.language.word_frequencies import COMMON_FROM, frequency
from tripletkit.pdf.glyphs import Frame
from tripletkit.pdf.kinds import TextMetrics
from tripletkit.pdf.lines import Line
from tripletkit.rules import Rules

#: Kinds whose line breaks are kept.
LINEWISE = frozenset({"code", "table", "figure"})
#: Kinds of text that stand in a sentence's place, as after "include", and not beside the text as figures do.
INSET = frozenset({"code", "list"})
#: A paragraph's second half is looked for over at most this many pages.
MOST_PAGES_BETWEEN = 3
#: A second half is looked for in so many paragraphs before it: labels in a figure look like prose at first.
OPEN_HALVES = 6
#: Halves of a compound are words at least so frequent on the Zipf scale ("finite-differencing"); syllables are rarer.
WORD_FREQUENCY = 2.5
#: As much for a first half of three letters: "ill-", "sea-", "key-", but not "sup-".
SHORT_WORD_FREQUENCY = 4.5
#: A word that may as well be a compound written as one ("longterm", "nonwhite") is at least so frequent if it is a word.
FREQUENT_WORD = 3.0
#: Greater than the number of any page.
_NO_PAGE = 1 << 40

_TOKEN = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_TAIL = re.compile(r"([^\W\d_]+(?:[-‐][^\W\d_]+)*)[-‐]$")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_LOOSE = re.compile(r"([^\W\d_]+)- ([^\W\d_]+)")


@dataclass(frozen=True)
class Vocabulary:
    """How often the book writes each word within a line, lower case, compounds with hyphens; and words' beginnings."""

    words: Counter[str]
    stems: frozenset[str]
    prefixes: Counter[str]

    def keeps_hyphen(self, left: str, right: str) -> bool:
        """Whether ``left-right``, cut after its hyphen, is a compound and not one word.

        The book itself says so, else the frequencies of English words, else the shape of its halves.
        """
        first, second = left.lower(), right.lower()
        if (told := self._tells(first, second)) is not None:
            return told
        if right[0].isupper():
            return not left.isupper() or frequency(first + second) == 0
        last, head = first.rsplit("-", 1)[-1], second.split("-", 1)[0]
        told = self._tells(last, head)
        if told is None and not _stands_for_itself(last, head):
            told = self._forms_tell(last, head)
        if told is not None:
            return told
        if self._in_chain(first, second, last, head):
            return True
        return frequency(last + head) < self._least_frequency(last, head) and self._looks_compound(last, head)

    def is_one_word(self, left: str, right: str) -> bool:
        """Whether the book, or any English text, writes the two as one word."""
        told = self._tells(left.lower(), right.lower())
        return frequency(left + right) >= COMMON_FROM if told is None else not told

    def _tells(self, left: str, right: str) -> bool | None:
        """Whether the book writes ``left-right`` more often than ``leftright``, None if it writes neither."""
        joined, compound = self.words[left + right], self.words[f"{left}-{right}"]
        return compound > joined if joined or compound else None

    def _forms_tell(self, last: str, head: str) -> bool | None:
        """As ``_tells``, by other forms of the word: "co-operation" for "co-operate"."""
        if len(head) > ENDING_LETTERS and (last + head)[:-ENDING_LETTERS] in self.stems:
            return False
        return True if len(head) >= 2 * ENDING_LETTERS and f"{last}-{head}"[:-ENDING_LETTERS] in self.stems else None

    def _in_chain(self, first: str, second: str, last: str, head: str) -> bool:
        """Whether a compound of three words or more is cut: "state-of-/the-art", "leave-/one-out"."""
        if not (self._is_word(last) and self._is_word(head)):
            return first.count("-") > 1
        linked = ("-" in first and last in CHAIN_WORDS) or ("-" in second and head in CHAIN_WORDS)
        return linked or ("-" in first and frequency(last + head) < COMMON_FROM)

    def _is_word(self, text: str) -> bool:
        return self.words[text] > 0 or frequency(text) >= WORD_FREQUENCY

    def _least_frequency(self, last: str, head: str) -> float:
        """The frequency from which the two as one word are a word: on the web, many compounds are written as one."""
        usual = last in CLOSED_PREFIXES or (self.prefixes[last] < 2 and not _stands_for_itself(last, head))
        return COMMON_FROM if usual else FREQUENT_WORD

    def _looks_compound(self, last: str, head: str) -> bool:
        if _stands_for_itself(last, head):
            return True
        if len(head) < 3 or head in WORD_ENDINGS:
            return False
        # "self-", "non-", "well-": what the book often writes before a hyphen, and words that stand by themselves.
        in_book = self.words[head] >= (2 if len(head) < 5 else 1)
        if in_book and (self.prefixes[last] >= 2 or (self.words[last] >= 3 and len(last) >= 4)):
            return True
        if last in CLOSED_PREFIXES or len(last) < 3:
            return False
        least = WORD_FREQUENCY if len(last) > 3 else SHORT_WORD_FREQUENCY
        return frequency(last) >= least and frequency(head) >= WORD_FREQUENCY


def _stands_for_itself(last: str, head: str) -> bool:
    """Whether a half is no syllable: "x-rays", "two-thirds", "user-defined"."""
    return len(last) == 1 or (last in NUMBER_WORDS and head not in NUMBER_ENDINGS) or head in COMPOUND_ENDS


def book_vocabulary(texts: Iterable[str]) -> Vocabulary:
    """The vocabulary of the lines ``texts``, in order, without words that a line's end cuts: neither half is a word."""
    words: Counter[str] = Counter()
    # Each different text between spaces is looked at once.
    whole = (_whole_words(above, text) for above, text in pairwise(chain([""], texts)))
    for text, times in Counter(chain.from_iterable(map(str.split, whole))).items():
        for token in _TOKEN.findall(text):
            words[token.lower().replace("‐", "-")] += times
    stems = frozenset(word[:end] for word in words for end in range(max(3, len(word) - ENDING_LETTERS), len(word) + 1))
    prefixes: Counter[str] = Counter()
    for word, times in words.items():
        if "-" in word:
            prefixes[word.split("-", 1)[0]] += times
    return Vocabulary(words, stems, prefixes)


def _whole_words(above: str, text: str) -> str:
    """``text`` without the second half of a word that ``above`` cuts, and without the first half of one that it cuts."""
    text = text.partition(" ")[2] if above.endswith(("-", "‐")) else text
    return text[: tail.start()] if (tail := _cut_word(text)) else text


def _cut_word(text: str) -> re.Match[str] | None:
    """The word with a hyphen behind it that ends a text. Looked for in what follows the last space: that is quick."""
    return _TAIL.search(text, max(text.rfind(" ") + 1, len(text) - 80)) if text.endswith(("-", "‐")) else None


def join_lines(before: str, after: str, vocabulary: Vocabulary) -> str:
    """``before`` and ``after`` as running text, the hyphen between them undone where it only marks the line's end."""
    tail = _cut_word(before)
    if tail is None:
        # "1990-" + "1995", "x-" + "axis": no syllable is cut here.
        cut = before.endswith(("-", "‐")) and re.match(r"\w", before[-2:]) and after[:1].isalnum()
        return f"{before}{'' if cut else ' '}{after}" if before and after else before or after
    head = _TOKEN.match(after)
    if head is None or (SUSPENDED.match(after) and not vocabulary.is_one_word(tail.group(1), head.group())):
        # "x-" + "and y-axes": the hyphen stands for what follows.
        return f"{before} {after}" if head or not after[:1].isalnum() else before + after
    return before + after if vocabulary.keeps_hyphen(tail.group(1), head.group()) else before[:-1] + after


def mend(text: str, vocabulary: Vocabulary) -> str:
    """``text`` with "double- blind" made one word where the book writes it so; "over- or under-estimate" stays."""
    if "- " not in text:
        return text

    def mended(match: re.Match[str]) -> str:
        whole, hyphened = "".join(match.groups()), "-".join(match.groups())
        one, compound = vocabulary.words[whole.lower()], vocabulary.words[hyphened.lower()]
        return match.group() if not one and not compound else hyphened if compound > one else whole

    return _LOOSE.sub(mended, text)


class Place(NamedTuple):
    """Where a line of a paragraph stands: the offset of its text, its physical page and its box, None in no PDF."""

    offset: int
    page: int
    box: Frame | None = None

    @classmethod
    def of(cls, line: Line, offset: int) -> Place:
        """The place of ``line``, whose text starts at ``offset``."""
        return cls(offset, line.page, Frame(line.x0, line.top, line.x1, line.bottom))


@dataclass
class Paragraph:
    """Text of one kind. ``places`` are those of its lines, in order; ``lines`` the lines' indexes in the body."""

    kind: str
    path: tuple[str, ...]
    text: str
    places: list[Place]
    lines: list[int] = field(default_factory=list)

    def places_of(self, start: int, end: int) -> Sequence[Place]:
        """The places of the lines that hold the characters from ``start`` to before ``end``."""
        if len(self.places) == 1:
            return self.places
        # Tuples are compared, without a call of Python: this is done for every sentence.
        first, after = (bisect_right(self.places, Place(offset, _NO_PAGE)) for offset in (start, end - 1))
        return self.places[max(first - 1, 0) : after]


def lines_to_paragraphs(
    lines: Sequence[Line],
    kinds: Sequence[str],
    paths: Sequence[tuple[str, ...]],
    *,
    metrics: TextMetrics,
    vocabulary: Vocabulary,
    rules: Rules,
) -> list[Paragraph]:
    """Paragraphs in the order of their first lines. Headings are left out; every other line is in exactly one."""
    abbreviations = rules.words("abbreviations")
    done: list[Paragraph] = []
    halves: deque[Paragraph] = deque(maxlen=OPEN_HALVES)
    last: Paragraph | None = None
    for i, line in enumerate(lines):
        if kinds[i] == "heading":
            halves.clear()
            last = None
            continue
        continued = _continued(i, lines, kinds, last, halves, metrics=metrics, abbreviations=abbreviations)
        # "Exercise 1.3" goes on with nothing, however the text above ends.
        if continued is not None and line.text[:1].isupper() and rules.starts("exercises", line.text):
            continued = None
        if continued is not None and continued is last and kinds[i] == "prose":
            continued = None if _opens_item(i, lines, last.text, abbreviations, rules) else last
        if continued is None or continued.path != paths[i]:
            continued = Paragraph(kinds[i], paths[i], "", [])
            done.append(continued)
            if continued.kind == "prose":
                halves.append(continued)
        _append(continued, i, line, vocabulary)
        last = continued
    return done


def _continued(
    i: int,
    lines: Sequence[Line],
    kinds: Sequence[str],
    last: Paragraph | None,
    halves: Sequence[Paragraph],
    *,
    metrics: TextMetrics,
    abbreviations: AbstractSet[str],
) -> Paragraph | None:
    """The paragraph that line ``i`` continues, None if it starts one; ``halves`` are the last paragraphs of prose."""
    kind, line = kinds[i], lines[i]
    if kind == "prose":
        adjoins = last is not None and last.kind == "prose" and last.lines[-1] == i - 1
        if last is None or not adjoins or starts_paragraph(lines[i - 1], line, last.text, metrics, abbreviations):
            return _unfinished(i, last, halves, lines, kinds, abbreviations)
        return None if last.text[-1:] not in ",;" and _is_headword(i, lines, metrics) else last
    if kind == "equation" and last is not None and last.kind == "prose" and not ends_sentence(last.text, abbreviations):
        return last
    return last if last is not None and last.kind == kind and _goes_on(lines[i - 1], line, kind) else None


def _unfinished(
    i: int,
    last: Paragraph | None,
    halves: Sequence[Paragraph],
    lines: Sequence[Line],
    kinds: Sequence[str],
    abbreviations: AbstractSet[str],
) -> Paragraph | None:
    """The paragraph before line ``i`` that it goes on with; no finished one in such letters stands between the two."""
    line = lines[i]
    for half in reversed(halves):
        end = lines[half.lines[-1]]
        # What a list or code between the two stands for ends the sentence.
        ends = line.text[:1].isupper() and (end.page, end.column) == (line.page, line.column)
        ends = ends and not INSET.isdisjoint(kinds[half.lines[-1] + 1 : i])
        if half is not last and not ends and _resumes(half, end, line, abbreviations):
            return half
        alike = _same_frame(end, line) and abs(end.size - line.size) <= 0.15 * end.size
        if alike and ends_sentence(half.text, abbreviations):
            return None
    return None


def _is_headword(i: int, lines: Sequence[Line], metrics: TextMetrics) -> bool:
    """Whether a line in small letters stands alone behind a gap, above the sentence that explains it."""
    if i + 1 == len(lines) or not lines[i].text[:1].islower():
        return False
    before, line, after = lines[i - 1 : i + 2]
    if not (before.page, before.column) == (line.page, line.column) == (after.page, after.column):
        return False
    apart = line.baseline - before.baseline > 1.45 * metrics.leading and after.baseline > line.baseline
    alone = _short(before) and _short(line) and _HEADWORD.fullmatch(line.text) is not None
    return apart and alone and after.text[:1].isupper()


def starts_paragraph(
    before: Line, line: Line, text: str, metrics: TextMetrics, abbreviations: AbstractSet[str]
) -> bool:
    """Whether ``line``, after ``before`` and ``text`` so far, opens a paragraph: indent, gap or short line above."""
    if not _same_frame(before, line):
        return True
    ended = ends_sentence(text, abbreviations) or text.endswith(":")
    if abs(before.size - line.size) > 0.2 * metrics.size:
        return True
    if text.endswith(("-", "‐")) or (not ended and line.text[:1].islower()):
        return False
    if (before.page, before.column) != (line.page, line.column):
        indented = 0.6 * metrics.size < line.x0 - line.col_x0 < 4 * metrics.size
        return ended and (indented or _short(before) or abs(before.size - line.size) > 0.6)
    gap = line.baseline - before.baseline
    most = 1.45 * metrics.leading * max(line.size / metrics.size, 1.0)
    if gap > most or gap < -2 or abs(before.size - line.size) > 0.12 * metrics.size:
        return True
    return ended and (line.x0 > before.x0 + 0.6 * line.size or _short(before))


def _opens_item(i: int, lines: Sequence[Line], text: str, abbreviations: AbstractSet[str], rules: Rules) -> bool:
    """Whether line ``i``, directly below ``text``, opens an item or an explanation: above is a headword or an item."""
    if _is_outdented(i, lines) and ends_sentence(text, abbreviations):
        return True
    if not lines[i].text[:1].isupper() or text.endswith(("-", "‐")) or not _is_broken(i, lines):
        return False
    return rules.starts("exercises", text) is None  # an exercise's title belongs to what follows


def _is_broken(i: int, lines: Sequence[Line]) -> bool:
    """Whether the short line above line ``i`` ends there on purpose: it is a headword, a name or an item."""
    before, line = lines[i - 1], lines[i]
    if not _short(before) or _LETTERS.search(before.text) is None:
        return False
    if (before.page, before.column) != (line.page, line.column):
        return False
    # Behind a comma, as at the end of a formula, the sentence goes on.
    moved = abs(before.x0 - line.x0) > 1.5 * line.size and before.text[-1] != ","
    if moved or set(before.styles).isdisjoint(line.styles):
        return True
    # The first word would have stood on the line above: lines nearby are as long. A formula is not cut.
    first = line.text.partition(" ")[0]
    end = before.x1 + (len(first) + 1) * (line.x1 - line.x0) / len(line.text) + 2 * line.size
    near = lines[max(i - 4, 0) : i + 4] if _LETTERS.match(first) else ()
    return any(one.x1 > end and one.page == line.page and abs(one.x0 - before.x0) <= 3 for one in near)


def _is_outdented(i: int, lines: Sequence[Line]) -> bool:
    """Whether line ``i`` starts left of the two above it, which start at one place."""
    return (
        i > 1
        and lines[i - 1].x0 - lines[i].x0 > 1.5 * lines[i].size
        and abs(lines[i - 2].x0 - lines[i - 1].x0) <= 2
        and (lines[i - 2].page, lines[i - 1].column) == (lines[i].page, lines[i].column)
    )


def _same_frame(before: Line, line: Line) -> bool:
    """Whether both lines stand in one frame or in none; a frame may continue on the next page."""
    return before.frame == line.frame if before.page == line.page else bool(before.frame) == bool(line.frame)


def _short(line: Line) -> bool:
    return line.x1 < line.col_x0 + 0.85 * (line.col_x1 - line.col_x0)


def _wide(line: Line) -> bool:
    return not line.gaps and line.x0 <= line.col_x0 + 2 and line.x1 >= line.col_x1 - 0.05 * (line.col_x1 - line.col_x0)


def _resumes(half: Paragraph, end: Line, line: Line, abbreviations: AbstractSet[str]) -> bool:
    """Whether prose after an interruption is the second half of an unfinished paragraph."""
    if line.page - end.page > MOST_PAGES_BETWEEN or abs(end.size - line.size) > 0.15 * end.size:
        return False
    if not _same_frame(end, line):
        return False
    if half.text.endswith(("-", "‐")):
        return line.text[:1].isalpha()
    unfinished = line.text[:1].islower() or (not half.text.endswith(":") and not _short(end))
    return unfinished and not ends_sentence(half.text, abbreviations)


def _goes_on(before: Line, line: Line, kind: str) -> bool:
    if before.page != line.page or before.column != line.column:
        return kind in ("code", "footnote")
    gap = line.baseline - before.baseline
    return -2 <= gap < (2.6 if kind in LINEWISE else 1.6) * max(before.size, line.size)


def _append(paragraph: Paragraph, i: int, line: Line, vocabulary: Vocabulary) -> None:
    text, before = mend(without_notes(line), vocabulary), paragraph.text
    if text or not before:
        linewise = paragraph.kind in LINEWISE and before
        paragraph.text = f"{before}\n{text}" if linewise else join_lines(before, text, vocabulary)
        paragraph.places.append(Place.of(line, len(paragraph.text) - len(text)))
    paragraph.lines.append(i)


def margin_notes(
    margin: Sequence[Line], lines: Sequence[Line], paths: Sequence[tuple[str, ...]], vocabulary: Vocabulary
) -> list[Paragraph]:
    """Notes in the margin, each with the section of the text beside its first line; numbers of lines are none.

    ``lines`` are the text, with their ``paths``.
    """
    sections: dict[int, list[tuple[float, tuple[str, ...]]]] = defaultdict(list)
    for line, path in zip(lines, paths, strict=True):
        sections[line.page].append((line.baseline, path))
    notes: list[Paragraph] = []
    before: Line | None = None
    for i, line in enumerate(margin):
        if not any(map(str.isalpha, line.text)):
            continue
        near = before is not None and before.page == line.page and abs(before.x0 - line.x0) < 4 * line.size
        if before is None or not near or not 0 < line.baseline - before.baseline < 1.6 * line.size:
            beside = min(sections[line.page], key=lambda at: abs(at[0] - line.baseline), default=(0.0, ()))
            notes.append(Paragraph("margin", beside[1], "", []))
        _append(notes[-1], i, line, vocabulary)
        before = line
    return notes


def without_notes(line: Line) -> str:
    """The line's text without the marks of footnotes."""
    if not line.notes:
        return line.text
    return " ".join(word for i, word in enumerate(line.text.split()) if i not in line.notes)


def settle_paragraphs(
    paragraphs: Sequence[Paragraph],
    lines: Sequence[Line],
    roles: Mapping[tuple[str, ...], str | None],
    *,
    metrics: TextMetrics,
    rules: Rules,
) -> None:
    """Correct kinds now that whole paragraphs are known; ``roles`` holds what headings say of each section.

    Prose that does not read as prose is text of a figure, table or formula; the prose of a section of exercises or of a
    summary is that.
    """
    abbreviations = rules.words("abbreviations")
    # Where most of the text stands in frames, they are decoration.
    boxes = sum(len(line.text) for line in lines if line.frame) <= 0.5 * sum(len(line.text) for line in lines)
    prose = [p.kind == "prose" and _reads_as_prose(p, lines, metrics, abbreviations) for p in paragraphs]
    headwords = set(_headwords(paragraphs, prose, lines))
    for n, p in enumerate(paragraphs):
        if p.kind == "prose" and not prose[n] and n not in headwords:
            p.kind = "equation" if _FORMULA.search(p.text) else "figure"
            p.kind = "table" if any(lines[i].gaps for i in p.lines) else p.kind
        role = roles[p.path] if p.kind in ("prose", "list", "equation") else None
        if role == "bibliography":
            # Literature is a note to the text; a section of that name may also be running text about it.
            p.kind = "footnote" if _YEAR.search(p.text) else p.kind
        elif role is not None and (p.kind != "equation" or role == "exercise"):
            p.kind = role
        elif p.kind == "prose" and rules.starts("exercises", p.text):
            p.kind = "exercise"
        elif p.kind == "prose" and boxes and all(lines[i].frame for i in p.lines):
            p.kind = "box"


def _headwords(paragraphs: Sequence[Paragraph], prose: Sequence[bool], lines: Sequence[Line]) -> Iterator[int]:
    """The places of paragraphs that are a word or a few above their explanation, in running text."""
    for n, (p, after) in enumerate(pairwise(paragraphs)):
        if p.kind != "prose" or prose[n] or not prose[n + 1] or not _heads(p, after, lines):
            continue
        before = paragraphs[n - 1] if n and paragraphs[n - 1].lines[-1] == p.lines[0] - 1 else None
        if before is None or (prose[n - 1] and before.text[-1] not in ",;"):
            yield n


def _heads(p: Paragraph, after: Paragraph, lines: Sequence[Line]) -> bool:
    """Whether a paragraph is a word or a few, in letters of the same size, directly above the next."""
    line, below = lines[p.lines[-1]], lines[after.lines[0]]
    if len(p.lines) > 1 or after.lines[0] != p.lines[0] + 1 or _HEADWORD.fullmatch(p.text) is None:
        return False
    same = (line.page, line.column) == (below.page, below.column) and abs(line.size - below.size) < 0.5
    return same and -2 <= below.x0 - line.x0 <= 4 * line.size and 0 < below.baseline - line.baseline < 2.5 * line.size


_HEADWORD = re.compile(r"[^\W\d_][\w'’ /-]*(?: \([\w ]+\))?:?")
_YEAR, _FORMULA = re.compile(r"\b(1[5-9]|20)\d\d\b"), re.compile(r"[=<>≤≥∈∀∃¬∧∨→↔⊢⊨∑∫√]")
_WORDLIKE = re.compile(r"[(\[“‘\"']*[^\W\d_]{2,}(?:[-–’'‐][^\W\d_]+)*[)\]”’\"'.,;:!?]*")


@lru_cache(maxsize=1 << 16)
def _wordlike(token: str) -> bool:
    return _WORDLIKE.fullmatch(token) is not None


def _reads_as_prose(p: Paragraph, lines: Sequence[Line], metrics: TextMetrics, abbreviations: AbstractSet[str]) -> bool:
    """Whether most of a paragraph is words, in small letters, that end like a sentence or fill a line."""
    tokens = p.text.split()
    words = list(filter(_wordlike, tokens))
    small = sum(map(str.islower, words))
    if len(words) == len(tokens) and p.text.endswith(":") and p.text[0].isupper():  # "For example:"
        return True
    usual = abs(lines[p.lines[0]].size - metrics.size) <= 0.06 * metrics.size
    if usual and small >= 5 and len(words) >= 0.8 * len(tokens):
        return True
    # Lines from edge to edge are prose, whatever formulas stand in them or, displayed, below them.
    if small >= 8 and len(words) >= 0.3 * len(tokens) and sum(_wide(lines[i]) for i in p.lines) >= 2:
        return True
    if len(words) < 0.45 * len(tokens) or small < 2:
        return False
    if len(words) >= 3 and (ends_sentence(p.text, abbreviations) or p.text.endswith(":")):
        return True
    return len(words) >= max(8, 0.6 * len(tokens)) and any(not _short(lines[i]) for i in p.lines)
