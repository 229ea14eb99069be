"""Characters of one page → words with font and box.

Accents that are glyphs of their own are composed, raised and lowered numbers get Unicode's signs, marks of footnotes are
told apart, and words that are no part of the visible text are marked.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, groupby, islice, starmap
from typing import Any, NamedTuple

import pypdfium2.raw as raw

from tripletkit.language.layout_words import ONE_LETTER_WORDS
from tripletkit.pdf.glyph_names import END_MARKS, UNREAD_SIGN, font_names, sign_text
from tripletkit.pdf.glyphs import NOTHING, Glyphs, Run, grounds
from tripletkit.pdf.raised import NOTE_LETTERS, as_signs, compose, height, is_note

#: PDFium marks a hyphen at a line's end, which it undoes, with one of these.
HYPHEN_MARKS = "\x02\ufffe"
#: A word ends behind each of PDFium's hyphen marks: what follows stands on the next line.
_WORD = re.compile(rf"[^\s\x00\u200b{HYPHEN_MARKS}]+[{HYPHEN_MARKS}]?|[{HYPHEN_MARKS}]")
#: Text further away than this is on no page: a PDF's pages are at most 14,400 points wide and high.
FAR_PT = 500_000.0
#: Start, end, whether white space or a page's start stood before it, whether it is a note's mark, and its size and baseline.
_Part = tuple[int, int, bool, bool, Run]
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b-\u200f\u2060\u00ad]")
#: Accents as glyphs of their own, with what composes them.
_COMBINING = dict(
    zip(
        "`´^ˆ~˜¨¯ˇ˘˙˚¸˛˝",
        "\u0300\u0301\u0302\u0302\u0303\u0303\u0308\u0304\u030c\u0306\u0307\u030a\u0327\u0328\u030b",
        strict=True,
    )
)
#: Negates the sign that it is drawn through.
SLASH = "\u0338"
_ACCENT, _DOTLESS = re.compile(rf"[{''.join(_COMBINING)}\u0300-\u0338]"), {"ı": "i", "ȷ": "j"}
_MEANINGLESS = re.compile(r"[\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: A number behind a letter may be of another font, as TeX's primes are.
_INNER = re.compile(r"\d(?<=[^\W\d_]\d)")
#: Words that may hold other signs than their codes say: all but longer words of letters; and signs that pass for spaces.
_ODD = re.compile(r"(?<!\S)(?![A-Za-z]{4,}[.,;:?!\x02\ufffe]?(?!\S))\S+|[\x0b\x0c\x1c-\x1f]")
#: Characters that a word may have to be cleaned of.
_NOT_PLAIN = re.compile(r"[^\s!-~]")
#: A note at the page's foot whose mark is a letter, as far as the characters tell.
_LETTERED = re.compile(rf"(?:^|[\r\n])([{''.join(NOTE_LETTERS)}])[ \r\n]{{0,2}}(?=[A-Z“])")
#: Letters that may be raised or lowered behind a name of one letter, a number or a bracket.
_LETTERS_BEHIND = re.compile(r"(?:(?<![^\W_])[^\W_]|\d|[)\]}|’′])[^\W\d_]{1,3}(?![^\W\d_])")
#: Words of formulas are this long at most: "f(x₁,x₂,y)^T".
LONGEST_FORMULA = 12
#: The first code of a private area that no font uses for text.
_PRIVATE = 0x100000
#: Words without one of these hold no raised or lowered number and no footnote's mark.
_MAY_RISE = re.compile("[0-9*∗†‡§]+")
_MARK, _NOTE_TEXT = (
    re.compile(rf"\d{{1,3}}|[*∗†‡§]{{1,2}}|[{''.join(NOTE_LETTERS)}]"),
    re.compile(r"[^\W\d_]{2}|[^\W\d_A-Z]|[AI]\s|[A-Z][.\d(]|[“\"‘'(]"),
)


class Signs(NamedTuple):
    """How many characters of a page have no meaning."""

    lost: int  # in no word, or □
    unread: int = 0  # that stand as □
    unnamed: int = 0  # whose name the font's own file does not tell


NO_SIGNS = Signs(0)


@dataclass(slots=True)
class Word:
    """A run of characters without white space. Boxes are in points, ``top`` measured down from the page's top edge."""

    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    baseline: float  # measured like top
    size: float  # font size in points, as drawn
    style: str  # r, b (bold), i (italic), z (bold italic), m (monospaced)
    space: bool  # white space or a line break stood before it
    note: bool = False  # the raised mark of a footnote, not part of the word before it
    aside: bool = False  # turned, invisible or outside of the visible page, where most of the page is not


def clean(text: str) -> str:
    """NFKC (ligatures become letters; raised signs stay), control and zero-width characters gone, white space made one space."""
    if not text.isascii():
        text = compose(text)
    return " ".join(_CONTROL.sub("", text).split())


@lru_cache(maxsize=1 << 14)
def word_text(text: str) -> str:
    """A word as read, cleaned; PDFium's hyphen marks and a soft hyphen at its end, where a line ends, are hyphens."""
    if text.isascii() and text.isprintable():
        return text
    for mark in HYPHEN_MARKS:
        text = text.replace(mark, "-")
    return clean(text[:-1] + "-" if text.endswith("\u00ad") else text)


def page_words(
    text: raw.FPDF_TEXTPAGE,
    page: raw.FPDF_PAGE,
    visible: tuple[float, float, float, float],
    top: float,
    names: Mapping[str, Mapping[int, str]],
) -> tuple[list[Word], Signs]:
    """Words in file order, measured from the left edge and ``top``; and what became of characters without a meaning.

    ``visible`` holds the left, bottom, right and top edge of what is seen, in the PDF's own coordinates. ``names``: of
    glyphs, by font and code, beside those of the fonts' files.
    """
    glyphs, left = Glyphs(text), visible[0]
    read = string = glyphs.string()
    signs, longer = Signs(len(_MEANINGLESS.findall(read))), dict[int, str]()
    starts, ends = _spans(read)
    runs = glyphs.runs(starts)
    glyphs.meet([match.start() for match in _INNER.finditer(read)])
    if glyphs.unmapped or signs.lost:
        string, signs, longer = _with_names(read, glyphs, names)
    string = _with_accents(string, glyphs)
    if string != read:
        before, (starts, ends) = starts, _spans(string)
        runs = runs if starts == before else glyphs.runs(starts)
    if not starts:
        return [], signs
    string, (starts, ends, spaces, notes, runs) = _parts(string, starts, ends, runs, glyphs, longer)
    texts = _texts(string, starts, ends, longer)
    x0, x1, low, high = _boxes(glyphs, starts, [end - 1 for end in ends])
    baselines, sizes, styles, hows = zip(*runs, strict=True)
    if min(sizes) <= 0:
        sizes = tuple(s if s > 0 else max(b - a, 1.0) for s, a, b in zip(sizes, low, high, strict=True))
    sides = ([x - left for x in x0], [x - left for x in x1]) if left else (x0, x1)
    heights = ([top - y for y in of] for of in (high, low, baselines))
    words = list(map(Word, texts, *sides, *heights, sizes, styles, spaces, notes))
    edges = min(x0), min(low), max(x1), max(high)
    if edges[0] < visible[0] or edges[1] < visible[1] or edges[2] > visible[2] or edges[3] > visible[3]:
        seen = map(partial(_is_seen, visible), x0, x1, low, high)
        hows = tuple(how or ("" if inside else "outside") for how, inside in zip(hows, seen, strict=True))
    if any(hows):
        _set_aside(words, hows, page, left, top)
    if not all(map(_within_bounds, (edges, set(sizes), set(baselines)))) or not math.isfinite(
        sum(map(sum, (x0, x1, low, high)))
    ):
        words = list(filter(is_on_a_page, words))
    return words if all(texts) else [word for word in words if word.text], signs


def _texts(string: str, starts: Sequence[int], ends: Sequence[int], longer: dict[int, str]) -> list[str]:
    """The text of each word, cleaned."""
    texts = [string[start:end] for start, end in zip(starts, ends, strict=True)]
    for i in {max(bisect_right(starts, match.start()) - 1, 0) for match in _NOT_PLAIN.finditer(string)}:
        texts[i] = word_text(texts[i])
    return [text.translate(longer) for text in texts] if longer else texts


def _with_names(read: str, glyphs: Glyphs, names: Mapping[str, Mapping[int, str]]) -> tuple[str, Signs, dict[int, str]]:
    """The page's characters, those without Unicode as their glyphs' names say; what stands for more than one; counts."""
    asked = list(chain.from_iterable(starmap(range, map(re.Match.span, _ODD.finditer(read)))))
    chars, longer = list(read), dict[int, str]()
    unread = unnamed = 0
    for index, font, program in glyphs.without_unicode(asked):
        sign, beside = read[index], read[max(index - 1, 0) : index] + read[index + 1 : index + 2]
        name = names.get(font, {}).get(ord(sign)) or font_names(program).get(ord(sign))
        text = sign_text(sign, name, in_word=any(map(str.isalpha, beside)))
        unnamed += name is None and not sign.isprintable()
        unread += text is None
        text = text or UNREAD_SIGN
        if len(text) > 1:
            text = _placed(text, longer)
        # A proof's end is no text.
        chars[index] = NOTHING if text in END_MARKS and name and _is_last(read, index) else text
    string = "".join(chars).replace("↦→", f"↦{NOTHING}")  # TeX sets its arrow in two parts
    return string, Signs(len(_MEANINGLESS.findall(string)) + unread, unread, unnamed), longer


def _is_last(string: str, index: int) -> bool:
    """Whether the character stands alone at a line's end."""
    after = string[index + 1 : index + 2]
    return not string[max(index - 1, 0) : index].strip() and (not after or after in "\r\n")


def is_on_a_page(word: Word) -> bool:
    """Whether a page can hold a word that stands there, in letters of that size."""
    return _within_bounds((word.x0, word.x1, word.top, word.bottom, word.baseline, word.size))


def _within_bounds(values: Collection[float]) -> bool:
    # Where one of them is no number, the sum is none; min and max would not show it.
    return min(values) > -FAR_PT and max(values) < FAR_PT and math.isfinite(sum(values))


def _boxes(glyphs: Glyphs, firsts: Sequence[int], lasts: Sequence[int]) -> tuple[Sequence[float], ...]:
    """Left, right, bottom and top of words: those of their first and their last character."""
    x0, right, low, high = glyphs.boxes(firsts)
    _, x1, bottom, above = glyphs.boxes(lasts)
    # Comparisons, as min and max are calls.
    return (
        x0,
        [a if a > b else b for a, b in zip(x1, right, strict=True)],
        [a if a < b else b for a, b in zip(low, bottom, strict=True)],
        [a if a > b else b for a, b in zip(high, above, strict=True)],
    )


def _is_seen(visible: tuple[float, float, float, float], x0: float, x1: float, low: float, high: float) -> bool:
    """Whether more than a point of a word is inside of the visible page."""
    left, bottom, right, top = visible
    return x1 >= left + 1 and x0 <= right - 1 and high >= bottom + 1 and low <= top - 1


def _set_aside(words: Sequence[Word], hows: Sequence[str], page: raw.FPDF_PAGE, left: float, top: float) -> None:
    """Mark words that are turned, invisible, outside of the visible page, or white on nothing, unless most of it is so."""
    reasons: dict[str, list[Word]] = defaultdict(list)
    for word, how in zip(words, hows, strict=True):
        reasons[how].append(word)
    letters = sum(len(word.text) for word in words)
    for how in reasons.keys() - {""}:
        held = reasons[how]
        if sum(len(word.text) for word in held) <= 0.5 * letters:
            behind = grounds(page, left, top) if how == "white" else []
            for word in held:
                x, y = (word.x0 + word.x1) / 2, (word.top + word.bottom) / 2
                word.aside |= not any(g.x0 <= x <= g.x1 and g.top <= y <= g.bottom for g in behind)


def _with_accents(string: str, glyphs: Glyphs) -> str:
    """The page's characters with each accent that is a glyph of its own composed with the letter that it stands over."""
    if _ACCENT.search(string) is None:
        return string
    chars = list(string)
    for match in _ACCENT.finditer(string):
        at = match.start()
        # Alone between spaces, it was set before or after its line.
        alone = match[0] > "~" and not string[max(at - 1, 0) : at + 2].replace(match[0], "").strip()
        reach = 150 if alone else 2
        beside = [i for i in range(max(at - reach, 0), min(at + reach + 1, len(string))) if i != at]
        (x0, x1, low, high), *others = zip(*glyphs.boxes([at, *beside]), strict=True)
        boxes = dict(zip(beside, others, strict=True))
        mark = _COMBINING.get(match[0], match[0])
        for letter in sorted(beside, key=lambda i: (abs(i - at) > 2, i < at, abs(i - at))):
            left, right, bottom, top = boxes[letter]
            y = (low + high) / 2 if mark == SLASH else low
            fits = left < (x0 + x1) / 2 < right and 2 * bottom - top < y < 2 * top - bottom
            if fits and (chars[letter].isalpha() or mark == SLASH):
                _compose_at(chars, at, letter, mark, boxes)
                break
    return "".join(chars)


def _compose_at(
    chars: list[str], at: int, letter: int, mark: str, boxes: Mapping[int, tuple[float, float, float, float]]
) -> None:
    """Put the letter with its accent into their two places; mend the spaces that PDFium invents or loses beside them."""
    left, right, bottom, top = boxes[letter]
    whole = unicodedata.normalize("NFC", _DOTLESS.get(chars[letter], chars[letter]) + mark)
    if abs(letter - at) > 2:
        chars[letter], chars[at] = whole[0], NOTHING
        return
    places = sorted((at, letter))
    parts = list(whole) if len(whole) == 2 else [NOTHING, whole] if letter > at else [whole, NOTHING]
    if letter > at and len(whole) == 1:
        before = boxes.get(at - 1, (0.0, left, 0.0, 0.0))[1]
        # The word starts at its letter: an accent may have another baseline.
        parts[0] = " " if at == 0 or chars[at - 1].isspace() or left - before > 0.4 * (top - bottom) else NOTHING
    chars[places[0]], chars[places[1]] = parts
    if places[1] - places[0] == 2:
        chars[places[0] + 1] = parts[0] if parts[0].isspace() else NOTHING
    after = boxes.get(at + 2, (right + top, 0.0, 0.0, 0.0))[0]
    if letter < at and chars[at + 1 : at + 2] == [" "] and 0 <= after - right < 0.2 * (top - bottom):
        chars[at + 1] = NOTHING


def _spans(string: str) -> tuple[list[int], list[int]]:
    """Where words start and end."""
    spans = list(map(re.Match.span, _WORD.finditer(string)))
    starts, ends = zip(*spans, strict=True) if spans else ((), ())
    return list(starts), list(ends)


def _parts(
    string: str,
    starts: Sequence[int],
    ends: Sequence[int],
    runs: Sequence[Run],
    glyphs: Glyphs,
    longer: dict[int, str],
) -> tuple[str, list[list[Any]]]:
    """The page's characters with raised and lowered signs in Unicode, and columns of its words, marks of notes apart.

    Signs that stand for a longer text are added to ``longer``.
    """
    cut = {0, *ends}  # where a word follows at once, a hyphen mark ends the one before it
    spaces = [start not in cut for start in starts]
    # Columns of the page, as words are many: those of _Part.
    columns: list[list[Any]] = [list(starts), list(ends), spaces, [False] * len(starts), list(runs)]
    signs: list[tuple[int, int, str]] = []
    mixed = [
        (i, list(_raised_parts(string, (starts[i], ends[i]), spaces[i], held, signs)))
        for i, held in _mixed(string, starts, ends, glyphs)
    ]
    for i, parts in reversed(mixed):
        for column, values in zip(columns, zip(*parts, strict=True), strict=True):
            column[i : i + 1] = values
    for place, length, text in reversed(signs):
        shown = text if len(text) == length else _placed(text, longer) + NOTHING * (length - 1)
        string = string[:place] + shown + string[place + length :]
    return string, columns


def _placed(text: str, longer: dict[int, str]) -> str:
    """A sign of its own that stands for a longer text in one place, until words are cut."""
    longer[_PRIVATE + len(longer)] = text
    return chr(_PRIVATE + len(longer) - 1)


def _mixed(string: str, starts: Sequence[int], ends: Sequence[int], glyphs: Glyphs) -> Iterator[tuple[int, list[Run]]]:
    """Words with a number or a name in which sizes or baselines differ: their indexes, and the run of each character."""
    found = [match.span() for match in _MAY_RISE.finditer(string)]
    found += [*_short_mixed(string, starts, ends, glyphs), *_lettered(string, starts, ends)]
    owners = [bisect_right(starts, first) - 1 for first, _ in found]
    # Most words are one text object: asked at the ends of the word and of its numbers.
    edges = [(starts[i], first, end - 1, ends[i] - 1) for i, (first, end) in zip(owners, found, strict=True)]
    objects = zip(*map(glyphs.objects, zip(*edges, strict=True)), strict=True)
    mixed = sorted({i for i, (a, b, c, d) in zip(owners, objects, strict=True) if not a == b == c == d})
    runs = iter(glyphs.runs([place for i in mixed for place in range(starts[i], ends[i])]))
    for i in mixed:
        held = list(islice(runs, ends[i] - starts[i]))
        if len(set(held)) > 1:
            yield i, held


def _short_mixed(string: str, starts: Sequence[int], ends: Sequence[int], glyphs: Glyphs) -> list[tuple[int, int]]:
    """Places of short words that start and end in different text objects, as "xi" does, on pages with names of a letter."""
    names = {string[start] for start, end in zip(starts, ends, strict=True) if end - start == 1}
    if not any(map(str.isalpha, names - ONE_LETTER_WORDS - {"a"})):
        return []
    short = [place for place in zip(starts, ends, strict=True) if 1 < place[1] - place[0] <= LONGEST_FORMULA]
    firsts, lasts = (glyphs.objects(places) for places in ([a for a, _ in short], [b - 1 for _, b in short]))
    mixed = (place for place, first, last in zip(short, firsts, lasts, strict=True) if first != last)
    return [place for place in mixed if _LETTERS_BEHIND.search(string, *place)]


def _lettered(string: str, starts: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int]]:
    """Places of words that may hold a note's mark that is a letter: on pages where such a letter starts a line's note."""
    if not (letters := set(_LETTERED.findall(string))):
        return []
    return [
        (start, end)
        for start, end in zip(starts, ends, strict=True)
        if end - start > 2
        and (string[start] in letters or string[start:end].rstrip(f".,;:!?”){HYPHEN_MARKS}")[-1:] in letters)
    ]


def _raised_parts(
    string: str, span: tuple[int, int], space: bool, runs: Sequence[Run], signs: list[tuple[int, int, str]]
) -> Iterator[_Part]:
    """The parts of a word, as in ``environments).9`` and ``9Some``. Other raised or lowered groups go to ``signs``."""
    start, end = span
    base, size, *_ = max(runs, key=lambda run: run[1])
    levels = {run: height(run[1], run[0] - base, size) for run in set(runs)}
    heights = [levels[run] for run in runs]
    main = start + heights.index(0)
    first = place = start
    stem = ""  # what the groups belong to
    for level, group in groupby(heights):
        after = place + len(list(group))
        text, before = string[place:after], string[start:place]
        opens = level > 0 and not before and after < end and _opens_note(string, start, after)
        if opens or (level > 0 and is_note(text, before)):
            if place > first:
                yield first, place, space, False, runs[min(max(first, main), place - 1) - start]
            yield place, after, space and place == start, True, runs[place - start]
            first, space = after, False
        elif level > 0 and string[after : after + 1] in ("/", "⁄") and 0 not in heights[after + 1 - start :]:
            if before:  # "1 1/2" is not 11/2
                yield first, place, space, False, runs[min(max(first, main), place - 1) - start]
                first, space = place, True
            break
        elif level > 0 or (level and before):
            signs.append((place, len(text), as_signs(text, stem, up=level > 0)))
        stem = text if level == 0 else stem
        place = after
    if first < end:
        yield first, end, space, False, runs[max(first, main) - start]


def _opens_note(string: str, start: int, end: int) -> bool:
    """Whether a line's first word starts with a footnote's mark; an isotope's number stands before a symbol."""
    at_start = start == 0 or string[start - 1] in f"\r\n{HYPHEN_MARKS}"
    if string[start:end] in NOTE_LETTERS and not (string[end].isupper() or string[end] == "“"):
        return False
    return at_start and _MARK.fullmatch(string, start, end) is not None and _NOTE_TEXT.match(string, end) is not None
