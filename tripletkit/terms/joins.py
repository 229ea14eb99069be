"""Line ends undone: broken words made whole, accents that TeX sets apart put on their letters."""

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
        return "".join(self._joined([first, second]))

    def join_all(self, lines: Iterable[str]) -> str:
        """Any number of lines as one text, accents repaired, white space single."""
        return " ".join(repair_accents("".join(self._joined(lines))).split())

    def _joined(self, lines: Iterable[str]) -> list[str]:
        parts: list[str] = []
        for raw in lines:
            line = raw.strip()
            if not line:
                continue
            if parts:
                parts[-1] = self._end_before(parts[-1], line)
            parts.append(line)
        return parts

    def _end_before(self, first: str, second: str) -> str:
        """The line as it ends before the next: without its hyphen, with it, or with a space."""
        if not re.search(r"\w[-–]$", first):
            return f"{first} "
        before, after = _TAIL.search(first), _HEAD.match(second)
        if before is None or after is None:  # a dash between numbers, a hyphen after a number or sign, is its own
            return first
        return first if self._keeps_hyphen(before.group(1), after.group()) else first[:-1]

    def _keeps_hyphen(self, before: str, after: str) -> bool:
        if after[:1].isupper():
            return True
        closed, open_ = (before + after).lower(), f"{before}-{after}".lower()
        if closed in self._words:
            return False
        # Neither seen whole: two words of their own ("two-" + "level") keep it, halves ("cor-" + "relation") do not.
        return open_ in self._words or (
            before.lower() in self._words and after.lower() in self._words and len(before) > 2
        )


def repair_accents(text: str) -> str:
    """A combining mark that stands before its letter, or apart from it, joined to it: "H ̈older" → "Hölder"."""
    if not any("\u0300" <= c <= "\u036f" for c in text):
        return text
    text = _ACCENT.sub(lambda m: {"ı": "i", "ȷ": "j"}.get(m.group(2), m.group(2)) + m.group(1), text)
    return unicodedata.normalize("NFC", _CEDILLA.sub(r"\1\2", text))
