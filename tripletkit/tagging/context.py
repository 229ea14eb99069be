"""Whether a match means its term where it stands: not in code, not used as a verb, not part of an idiom, case and signs right.

A verb is recognised by its neighbours, for one-word forms in small letters only, and only where no noun could stand: "we
run", "can set", "is split", "to sort the", "Merge the". A part-of-speech pipeline (nlp) decides the rest where one is used.
A second language brings its own rules files ``idioms`` and ``verb_neighbours``, and its own ``Context._is_verb``.
"""

from __future__ import annotations

import re
from collections import defaultdict

from tripletkit.language.term_words import BRACKETED_ENDINGS, INFINITIVE
from tripletkit.rules import Rules
from tripletkit.tagging.matcher import Match, signs_agree

# What stands right before or after a word inside code: a.b, a::b, a_b, x->b, \b, @b, $b, a[i], f(x), size=3, <b>, --b.
_CODE_BEFORE = re.compile(r"(?:[\w)\]]\.|::|->|[\\@#$_=<]|(?:^|\s)--|(?:^|\s|[\w)]\.\w+)/(?:[\w.-]*/)*)\Z")
_CODE_AFTER = re.compile(
    rf"\((?!(?:{BRACKETED_ENDINGS})\))"
    r"|\[[^\W\d]\w{0,2}(?:\s?[+*/–−-]\s?\w+)?\]|\.[a-z_]\w|::|->|_|=(?=\S)|>|\w|\.\w+\("
)
_RUN_TOGETHER = re.compile(r"\.[A-Z][a-z]+(?:[^\S\n][a-z]+)")  # two sentences without a space: "(Pe1).Equilibrium is"
_PLAIN_BEFORE, _PLAIN_AFTER = frozenset(" \n(‘“'\""), frozenset(" \n,;)!?’”'\"")
_WORD_BEFORE = re.compile(r"([^\W\d_]+(?:['’][^\W\d_]+)?)[^\S\n]+\Z")
_WORD_AFTER = re.compile(r"[^\S\n]+([^\W\d_]+)")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]['”’)]?\s+|\n)\Z")


class Context:
    """The idioms and verb neighbours of one set of rules."""

    def __init__(self, rules: Rules) -> None:
        patterns = [rule.text for rule in rules.files["idioms"]]
        self._idioms = re.compile(rf"(?<![\w-])(?:{'|'.join(patterns or ['(?!)'])})(?![\w-])", re.IGNORECASE)
        # Words that idioms spell out: other words need no search.
        self._words = frozenset(
            word.lower() for text in patterns for word in re.findall(r"(?<!\\)\b[^\W\d_]{2,}", text)
        )

        self._role: dict[str, set[str]] = defaultdict(set)
        for rule in rules.files["verb_neighbours"]:
            self._role[rule.label].add(rule.text)

    def objection(self, text: str, match: Match) -> str | None:
        """Why the match does not mean its term here, or None."""
        if not match.cased:
            return "not in the capitals of the acronym"
        surface = text[match.start : match.end]
        if not signs_agree(surface, match.form.text):
            return "signs differ from those of the term"
        if in_code(text, match.start, match.end):
            return "part of code"
        if self._in_idiom(text, match.start, match.end, surface):
            return "part of an idiom"
        return "used as a verb" if self._is_verb(text, match, surface) else None

    def _is_verb(self, text: str, match: Match, surface: str) -> bool:
        """Whether the neighbours of a one-word form in small letters leave it no other reading than a verb."""
        if not surface.isalpha() or len(surface) < 3 or " " in match.form.text:
            return False
        if surface.istitle():
            starts = _SENTENCE_START.search(text, max(0, match.start - 3), match.start) is not None
            return starts and not surface.endswith("s") and _after(text, match.end) in self._role["object"]
        if not surface.islower():
            return False
        before, place = _before(text, match.start)
        adverb = before in self._role["adverb"]
        if adverb:
            before, place = _before(text, place)
        if before == INFINITIVE:
            return _after(text, match.end).lower() in self._role["determiner"]
        if before in self._role["singular"]:
            return surface.endswith("s") and not match.form.text.endswith("s")
        if before in self._role["being"]:
            return surface in self._role["participle"]
        if before in self._role["modal"]:
            subject, _ = _before(text, place)
            return subject != "" and subject not in self._role["question"]
        return before in self._role["subject"] or (adverb and before in self._role["auxiliary"])

    def _in_idiom(self, text: str, start: int, end: int, surface: str) -> bool:
        first = surface.split()[0].lower()
        if not any(word in self._words for word in (first, first.rstrip("s"), f"{first}s")):
            return False
        # An idiom is short. The search starts at a space, so that none begins inside a word.
        left = text.rfind(" ", 0, max(0, start - 40)) + 1
        for found in self._idioms.finditer(text, left, min(len(text), end + 40)):
            if found.start() <= start and end <= found.end() and end - start < found.end() - found.start():
                return True
        return False


def in_code(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is part of an identifier, a call, an index, a path or an option."""
    if (start == 0 or text[start - 1] in _PLAIN_BEFORE) and (end == len(text) or text[end] in _PLAIN_AFTER):
        return False  # as nearly always
    if _CODE_BEFORE.search(text, max(0, start - 40), start) and not _RUN_TOGETHER.match(text, start - 1):
        return True
    return _CODE_AFTER.match(text, end) is not None


def _before(text: str, start: int) -> tuple[str, int]:
    """The word before ``start`` in small letters and where it begins; "" if a mark or a line break stands between."""
    match = _WORD_BEFORE.search(text, max(0, start - 24), start)
    return (match.group(1).lower(), match.start()) if match else ("", start)


def _after(text: str, end: int) -> str:
    """The word after ``end`` as it is written; "" if a mark or a line break stands between."""
    match = _WORD_AFTER.match(text, end)
    return match.group(1) if match else ""
