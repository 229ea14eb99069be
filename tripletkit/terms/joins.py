"""Line ends undone: words broken at a hyphen made whole, accents that TeX sets as glyphs of their own put on their letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_TAIL = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)-$")
_HEAD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MARKS = "\u0300-\u0326\u0329-\u036f"  # drawn before their letter
_AFTER = "\u0327\u0328"  # cedilla and ogonek, drawn after it
_ACCENT = re.compile(rf" ?([{_MARKS}]) ?([^\W\d_])")
_CEDILLA = re.compile(rf"([^\W\d_]) ?([{_AFTER}]) ?")


class Joiner:
    """Puts lines together. Whether a hyphen at a line's end belongs to its word is told by the book's other lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._words: set[str] = set()
        for text in lines:
            words = _WORD.findall(text.lower())
            # The first and the last word of a line may be halves.
            self._words.update(words[1:-1] if text.rstrip().endswith("-") else words[1:])

    def join(self, first: str, second: str) -> str:
        """``first`` and ``second``, two lines in a row, as one text."""
        first, second = first.rstrip(), second.lstrip()
        if not first or not second:
            return first + second
        before, after = _TAIL.search(first), _HEAD.match(second)
        if before is None or after is None:
            # A dash between numbers is a range, a hyphen after a number or sign is its own.
            return first + second if re.search(r"\w[-–]$", first) else f"{first} {second}"
        return (first if self._keeps_hyphen(before.group(1), after.group()) else first[:-1]) + second

    def join_all(self, lines: Iterable[str]) -> str:
        """Any number of lines as one text, accents repaired, white space single."""
        whole = ""
        for line in lines:
            whole = self.join(whole, line)
        return " ".join(repair_accents(whole).split())

    def _keeps_hyphen(self, before: str, after: str) -> bool:
        if after[:1].isupper():
            return True
        closed, open_ = (before + after).lower(), f"{before}-{after}".lower()
        if closed in self._words:
            return False
        # Neither seen whole: two words of their own ("two-" + "level") keep it, halves ("cor-" + "relation") do not.
        return open_ in self._words or (before.lower() in self._words and after.lower() in self._words and len(before) > 2)


def repair_accents(text: str) -> str:
    """A combining mark that stands before its letter, or apart from it, joined to it: "H ̈older" → "Hölder"."""
    if not any("\u0300" <= c <= "\u036f" for c in text):
        return text
    text = _ACCENT.sub(lambda m: {"ı": "i", "ȷ": "j"}.get(m.group(2), m.group(2)) + m.group(1), text)
    return unicodedata.normalize("NFC", _CEDILLA.sub(r"\1\2", text))
