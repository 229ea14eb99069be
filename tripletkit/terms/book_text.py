"""One book's rows of ``lines`` and ``pages`` as the parsers want them, and what its running text says.

Nothing of the layout is worked out here: extraction has marked running heads and page numbers as furniture, told
headings from text, and given each page its role.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from tripletkit.language.normalise import is_acronym, normaliser
from tripletkit.language.term_words import PLURAL_ENDING
from tripletkit.pdf.lines import Line
from tripletkit.pdf.paragraphs import Vocabulary, book_vocabulary, join_lines
from tripletkit.terms.locators import Labels

_GEOMETRY = ("page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1")
_MARKS = "\u0300-\u0326\u0329-\u036f"  # drawn before their letter
_AFTER = "\u0327\u0328"  # cedilla and ogonek, drawn after it
_ACCENT = re.compile(rf" ?([{_MARKS}]) ?([^\W\d_])")
_CEDILLA = re.compile(rf"([^\W\d_]) ?([{_AFTER}]) ?")
# Words on both sides of a pause are no phrase. The stand-in is no word of any language.
_PAUSE = re.compile(r"[.,;:!?()\[\]“”—]+(?=\s|$)|(?<=\s)[(\[“—]+")
_STOP = " zqz "
_SENTENCE_ENDS = (".", "!", "?", ":")
_WORD_END = re.compile(rf"{PLURAL_ENDING}(?!\w)")


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
    for kind, *values in rows.select("kind", *_GEOMETRY).iter_rows():
        if kind != "furniture" and 0 < values[0] <= size:
            by_page[values[0] - 1].append(Line(*values))
            kinds[values[0] - 1].append(kind)
    vocabulary = book_vocabulary(_without_halves(line.text for page in by_page for line in page))
    return Book(book_id, by_page, kinds, roles, Labels(printed), vocabulary)


def _without_halves(lines: Iterable[str]) -> Iterator[str]:
    """The lines without the first word where the line before cuts it: "ately" is no word of the book."""
    cut = False
    for line in lines:
        yield line.partition(" ")[2] if cut else line
        cut = line.endswith(("-", "‐"))


def repair_accents(text: str) -> str:
    """A combining mark that stands before its letter, or apart from it, joined to it: "H ̈older" → "Hölder"."""
    if not any("\u0300" <= c <= "\u036f" for c in text):
        return text
    text = _ACCENT.sub(lambda m: {"ı": "i", "ȷ": "j"}.get(m.group(2), m.group(2)) + m.group(1), text)
    return unicodedata.normalize("NFC", _CEDILLA.sub(r"\1\2", text))


class Corpus:
    """What running text says: how often a phrase occurs, and which words it writes in lower case.

    ``texts`` are pages of a book, or passages; words are compared by the normaliser in force when it is made.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        held = list(texts)
        self._key = normaliser().term_key
        self._text = "\n".join(held)
        self.pages = len(held)
        self._pages = [f" {' '.join(self._key(_PAUSE.sub(_STOP, text)))} " for text in held]
        self._keys = "|".join(self._pages)
        self._lower = {word for text in held for word in re.findall(r"[^\W\d_]+", text) if word.islower()}
        self._counts: dict[str, int] = {}

    def count(self, phrase: str) -> int:
        """How often the phrase occurs, whatever its case, number and hyphens."""
        key = " ".join(self._key(phrase))
        if key not in self._counts:
            self._counts[key] = self._keys.count(f" {key} ") if key else 0
        return self._counts[key]

    def pages_with(self, forms: Iterable[str], occurrences: int) -> int:
        """Pages on which any of the forms occurs; a small number of ``occurrences`` is answer enough."""
        if occurrences <= self.pages / 2:
            return min(occurrences, self.pages)
        keys = [f" {key} " for form in forms if (key := " ".join(self._key(form)))]
        return sum(any(key in page for key in keys) for page in self._pages)

    def uncapitalised(self, phrase: str) -> str:
        """The phrase with a small first letter, if the text writes its first word so."""
        first = re.match(r"[^\W\d_]+", phrase)
        if first and first.group().istitle() and first.group().lower() in self._lower:
            return phrase[0].lower() + phrase[1:]
        return phrase

    def as_written(self, phrase: str) -> str:
        """The phrase in small letters, if the text mostly writes it so inside a sentence.

        One that never occurs gets a small first letter if its first word has one elsewhere.
        """
        small = phrase.lower()
        if small == phrase or is_acronym(phrase):
            return phrase
        lower, given = self._written(small), self._written(phrase)
        if not lower and not given and re.match(r"[^\W\d_]{3}", phrase) and phrase[1:] == small[1:]:
            return self.uncapitalised(phrase)
        return small if lower > given else phrase

    def _written(self, phrase: str) -> int:
        """How often the phrase occurs as it is, singular or plural, where it does not begin a sentence."""
        count, at = 0, self._text.find(f" {phrase}")
        while at >= 0:  # ten times as fast as one pattern over the whole text
            end = at + len(phrase) + 1
            counts = self._text[at - 1 : at] not in _SENTENCE_ENDS and _WORD_END.match(self._text, end) is not None
            count += counts
            at = self._text.find(f" {phrase}", end if counts else at + 1)
        return count
