"""One book's rows of ``lines`` and ``pages`` as the parsers want them, its page labels, and what its running text says.

Nothing of the layout is worked out here: extraction has marked running heads and page numbers as furniture, told
headings from text, and given each page its role.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import polars as pl

from tripletkit.language.definitions import PLURAL
from tripletkit.language.normalise import is_acronym, normaliser
from tripletkit.language.term_words import (
    OTHER_PLACE,
    PAGE_AND,
    PAGE_NOTE,
    PAGE_PREFIX,
    PAGE_TAIL,
    PAGE_TO,
    PLURAL_ENDING,
    PLURAL_ENDINGS,
)
from tripletkit.pdf.lines import Line
from tripletkit.pdf.paragraphs import Vocabulary, book_vocabulary, join_lines
from tripletkit.terms.phrase_index import PhraseIndex

_GEOMETRY = ("page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1")
_MARKS = "\u0300-\u0326\u0329-\u036f"  # drawn before their letter
_AFTER = "\u0327\u0328"  # cedilla and ogonek, drawn after it
_COMBINING = re.compile("[\u0300-\u036f]")
_ACCENT = re.compile(rf" ?([{_MARKS}]) ?([^\W\d_])")
_CEDILLA = re.compile(rf"([^\W\d_]) ?([{_AFTER}]) ?")
# Words on both sides of a pause do not form a phrase. The placeholder is not a word of any language.
_PAUSE = re.compile(r"[.,;:!?()\[\]“”—]+(?=\s|$)|(?<=\s)[(\[“—]+")
_STOP = " zqz "
_STOP_KEY = (_STOP.strip(),)
_SENTENCE_ENDS = (".", "!", "?", ":")
_WORD = re.compile(r"[^\W\d_]+")
_WORD_END = re.compile(rf"{PLURAL_ENDING}(?!\w)")
# Page locators as an index prints them: "84n", "xii", "586–9", "12, 45–48 passim".
_NUMBER = r"(?:[A-Z]{1,2}[-.])?\d{1,4}(?:\.\d{1,3})*"
_ROMAN = r"(?:[ivxlc]{1,8}|[IVXLC]{2,8})"
_ONE = rf"{PAGE_PREFIX}(?:{_NUMBER}|{_ROMAN}){PAGE_NOTE}"
_RANGE = rf"(?:{_ONE}(?:\s?(?:[–—−-]+|{PAGE_TO})\s?{_ONE})?|{OTHER_PLACE})"
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
    """Printed pages from ``first`` to ``last``; ``last`` is "" for a single page. ``main``: set in bold among others."""

    first: str
    last: str = ""
    main: bool = False


def parse_locators(text: str, known: Labels) -> tuple[Span, ...]:
    """The spans in a list of locators; what cannot be one is left out."""
    spans = []
    for part in _SPLIT.split(text.strip(" .,;")):
        if found := _ENDS.match(part):
            # "A-12" is one page in some books, a range in none that has such a label.
            first, last = (part, "") if part in known.pages else (found["first"], found["last"] or "")
            if first.isdigit() and last.isdigit() and len(last) < len(first):  # 586–9 ends at 589
                last = first[: len(first) - len(last)] + last
            spans.append(Span(first, last))
    return tuple(spans)


def some_locators(text: str, known: Labels) -> tuple[Span, ...]:
    """The spans that may begin on a page of this book, if the text is a list of locators whose first one may."""
    spans = parse_locators(text, known) if LOCATOR_LIST.fullmatch(text) else ()
    return (
        tuple(span for span in spans if known.plausible(span.first))
        if spans and known.plausible(spans[0].first)
        else ()
    )


def plausible_locators(text: str, known: Labels) -> tuple[Span, ...]:
    """The spans, if the text is a list of locators and each of them may begin on a page of this book; else none."""
    spans = parse_locators(text, known) if LOCATOR_LIST.fullmatch(text) else ()
    return spans if all(known.plausible(span.first) for span in spans) else ()


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
        """One locator for each page that the spans cite: its printed label, physical page, the range's end, ``main``."""
        found: dict[tuple[str, int | None], dict[str, object]] = {}
        for span in spans:
            end = span.last or None
            for label in self._labels(span):
                for page in self.pages.get(label) or [None]:  # type: ignore[list-item]
                    locator = found.setdefault((label, page), {"label": label, "page": page, "range_end": end})
                    locator["main"] = bool(locator.get("main")) or span.main
        return list(found.values())

    def _labels(self, span: Span) -> list[str]:
        ends = (span.first, span.last or span.first)
        first, last = (e.lower() if e not in self.pages and e.lower() in self.pages else e for e in ends)
        if first == last:
            return [first]
        if first.isdigit() and last.isdigit() and 0 < int(last) - int(first) <= self.MOST_PAGES:
            return [str(n) for n in range(int(first), int(last) + 1)]
        if first in self.pages and last in self.pages:
            start, stop = self.pages[first][0], self.pages[last][-1]
            if 0 < stop - start <= self.MOST_PAGES:
                return [self._order[page - 1] for page in range(start, stop + 1) if self._order[page - 1]]
        return [first, last]


@dataclass(frozen=True)
class Book:
    """A book to harvest. ``pages[i]`` holds the lines of physical page i + 1 without furniture, ``kinds[i]`` their kinds."""

    book_id: str
    pages: list[list[Line]]
    kinds: list[list[str]]
    roles: list[str]
    labels: Labels
    vocabulary: Vocabulary

    def pages_of(self, role: str) -> list[int]:
        """Page indexes from 0 that have the role."""
        return [page for page, own in enumerate(self.roles) if own == role]

    def join(self, lines: Iterable[str]) -> str:
        """Lines as one text: words cut at a line's end made whole, accents on their letters, white space single."""
        text = ""
        for line in lines:
            text = join_lines(text, line.strip(), self.vocabulary)
        return " ".join(repair_accents(text).split())

    def running_text(self) -> dict[int, str]:
        """The text of each page of body and front matter, by page index."""
        return {
            page: self.join(line.text for line in self.pages[page])
            for page, role in enumerate(self.roles)
            if role in ("body", "front")
        }


def tables_to_book(book_id: str, lines: pl.DataFrame, pages: pl.DataFrame) -> Book:
    """The rows of one book in ``lines`` and ``pages``; both may hold other books too."""
    own = pages.filter(pl.col("book_id") == book_id).sort("page")
    size = max(own["page"].to_list(), default=0)
    by_page: list[list[Line]] = [[] for _ in range(size)]
    kinds: list[list[str]] = [[] for _ in range(size)]
    printed, roles = [""] * size, ["body"] * size
    for page, label, role in own.select("page", "label", "role").iter_rows():
        printed[page - 1], roles[page - 1] = label, role
    rows = lines.filter(pl.col("book_id") == book_id).sort("page", "line")
    for kind, gap_word, *values in rows.select("kind", "gap_word", *_GEOMETRY).iter_rows():
        if kind not in ("furniture", "margin") and 0 < values[0] <= size:
            by_page[values[0] - 1].append(Line(*values))
            by_page[values[0] - 1][-1].gap_word = gap_word
            kinds[values[0] - 1].append(kind)
    texts = [line.text for page in by_page for line in page]
    return Book(book_id, by_page, kinds, roles, Labels(printed), book_vocabulary(texts))


def repair_accents(text: str) -> str:
    """A combining mark that stands before its letter, or apart from it, joined to it: "H ̈older" → "Hölder"."""
    if not _COMBINING.search(text):
        return text
    text = _ACCENT.sub(lambda m: {"ı": "i", "ȷ": "j"}.get(m.group(2), m.group(2)) + m.group(1), text)
    return unicodedata.normalize("NFC", _CEDILLA.sub(r"\1\2", text))


class Corpus:
    """Counts phrases in running ``texts`` (pages or passages) and finds which words are written in lower case."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts)
        self._key = normaliser().term_key
        self.pages = len(self._texts)
        self._index = PhraseIndex(map(self._words, self._texts))
        self._lower = {word for text in self._texts for word in _WORD.findall(text) if word.islower()}

    def _words(self, text: str) -> tuple[str, ...]:
        return self._key(_PAUSE.sub(_STOP, text))

    def count(self, phrase: str) -> int:
        """How often the phrase occurs, ignoring case, number and hyphens."""
        return len(self._index.places(self._key(phrase)))

    def pages_with(self, forms: Iterable[str], occurrences: int) -> int:
        """Pages on which any of the forms occurs; a small number of ``occurrences`` is answer enough."""
        if occurrences <= self.pages / 2:
            return min(occurrences, self.pages)
        return len(self._texts_with(map(self._key, forms)))

    def texts_with(self, phrase: str) -> list[str]:
        """The texts that hold the phrase in the singular or the plural, in order; a few that do not may be among them."""
        # Its plurals are words of their own where the normaliser keeps them apart: "economic", "economics".
        spellings = (self._words(f"{phrase}{ending}") for ending in ("", *PLURAL_ENDINGS))
        keys = {words[:-1] if words[-1:] == _STOP_KEY else words for words in spellings}
        return [self._texts[at] for at in self._texts_with(keys)]

    def _texts_with(self, keys: Iterable[Sequence[str]]) -> list[int]:
        return self._index.texts_of(np.concatenate([self._index.places(key) for key in keys]))

    def uncapitalised(self, phrase: str) -> str:
        """The phrase with a small first letter, if the text writes its first word so."""
        first = re.match(r"[^\W\d_]+", phrase)
        if first and first.group().istitle() and first.group().lower() in self._lower:
            return phrase[0].lower() + phrase[1:]
        return phrase

    def as_written(self, phrase: str) -> str:
        """The phrase in the case in which the text mostly writes it inside sentences; if absent, ``uncapitalised``.

        "Poisson Process" may be "Poisson process": only words that the text knows in lower case are tried in it.
        """
        small = phrase.lower()
        if small == phrase or is_acronym(phrase):
            return phrase
        wordings = dict.fromkeys((phrase, small, _WORD.sub(self._small_word, phrase)))
        best, count = max(((one, self._written(one)) for one in wordings), key=itemgetter(1))
        if not count and re.match(r"[^\W\d_]{3}", phrase) and phrase[1:] == small[1:]:
            return self.uncapitalised(phrase)
        return best

    def _small_word(self, word: re.Match[str]) -> str:
        small = word.group().lower()
        known = small in self._lower or PLURAL.sub("", small) in self._lower
        return small if known and word.group().istitle() else word.group()

    def _written(self, phrase: str) -> int:
        """How often the phrase occurs as it is, singular or plural, where it does not begin a sentence."""
        stem = PLURAL.sub("", phrase)
        return sum(_count_written(text, stem) for text in self.texts_with(stem))


def _count_written(text: str, phrase: str) -> int:
    count, at = 0, text.find(f" {phrase}")
    while at >= 0:  # ten times as fast as one pattern over the text
        end = at + len(phrase) + 1
        counts = text[at - 1 : at] not in _SENTENCE_ENDS and _WORD_END.match(text, end) is not None
        count += counts
        at = text.find(f" {phrase}", end if counts else at + 1)
    return count
