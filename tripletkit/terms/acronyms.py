"""Acronyms where they are introduced: "long form (LF)" and "LF (long form)", after Schwartz and Hearst (2003)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tripletkit.language.normalise import acronym_singular, term_key
from tripletkit.language.term_words import SMALL_WORDS

_BRACKETED = re.compile(r"\(([^()]{2,60})\)")
_SHORT = re.compile(r"[^\W\d_][\w./&+-]{0,8}[^\W_]s?")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s$")


@dataclass(frozen=True, slots=True)
class Pair:
    """An acronym and what it stands for."""

    short: str
    long: str


def find_pairs(texts: Iterable[str]) -> Counter[Pair]:
    """Every pair introduced in the texts, with how often it is."""
    found: Counter[Pair] = Counter()
    for text in texts:
        for match in _BRACKETED.finditer(text):
            pair = _pair_at(text[: match.start()].rstrip(), match.group(1).strip())
            if pair is not None:
                found[pair] += 1
    return found


def own_pair(term: str) -> Pair | None:
    """The pair that a term spells itself: "support vector machine (SVM)" or "SVM (support vector machine)"."""
    match = re.fullmatch(r"(.+?)\s*\(([^()]{1,80})\)", term)
    if match is None:
        return None
    outer, inner = match.group(1).strip(), match.group(2).strip()
    if is_short(inner) and expansion(inner, outer) == outer:
        return Pair(inner, outer)
    return Pair(outer, inner) if is_short(outer) and expansion(outer, inner) == inner else None


def _pair_at(before: str, inside: str) -> Pair | None:
    inside, before = re.split(r"[,;]", inside)[0].strip(), _POSSESSIVE.sub("", before)
    if is_short(inside):
        clause = re.split(r"(?<=[.;:!?,()])\s", before)[-1]
        long = expansion(inside, clause)
        return Pair(inside, long) if long else None
    last = before.split()[-1] if before.split() else ""
    if is_short(last) and len(inside.split()) > 1 and expansion(last, inside) == inside:
        return Pair(last, inside)
    return None


def is_short(text: str) -> bool:
    """Whether the text may be an acronym: one word of two to ten signs, two of them capitals, or two or three small."""
    capitals = sum(c.isupper() for c in text)
    return bool(_SHORT.fullmatch(text)) and (
        capitals >= 2 or (len(text) <= 3 and text.isalpha() and text.islower() and text not in SMALL_WORDS)
    )


def _letters(short: str) -> str:
    return re.sub(r"[\W_]", "", acronym_singular(short)).lower()


def expansion(short: str, before: str) -> str:
    """The end of ``before`` that the acronym stands for; "" if none does.

    Words whose initials spell it are best; else its letters may stand inside words, if every longer word gives one.
    """
    letters = _letters(short)
    starts = [match.start() for match in re.finditer(r"(?<![\w’'])[^\W_]", before)][-(len(letters) + 5) :]
    for start in reversed(starts):
        long = before[start:].strip()
        if _initials(long) == letters or _initials(long, small=True) == letters:
            return long if _believable(short, long) else ""
    return "" if short.islower() else _by_letters(short, letters, before)


def _words(long: str) -> list[str]:
    return [word for word in re.split(r"[\s/–—-]+", long) if word]


def _initials(long: str, *, small: bool = False) -> str:
    return "".join(word[0].lower() for word in _words(long) if small or word.lower() not in SMALL_WORDS)


def _by_letters(short: str, letters: str, before: str) -> str:
    at = len(before)
    low = before.lower()
    for position in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and not (low[at] == letters[position] and (position > 0 or at == 0 or not low[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return ""
    long = before[at:].strip()
    telling = [word for word in _words(long) if word.lower() not in SMALL_WORDS]
    spelled = all(word[0].lower() in letters for word in telling)
    return long if spelled and len(telling) <= len(letters) and _believable(short, long) else ""


def _believable(short: str, long: str) -> bool:
    """Several plain words, none of them the acronym or a number, not many more than it has letters."""
    words = _words(long)
    return (
        1 < len(words) <= min(len(short) + 5, 2 * len(short))
        and short not in words
        and len(long) > len(short)
        and not re.search(r"[()=<>\[\]{}|]|(?<!\w)\d+(?!\w)|\w- ", long)
        and words[0].lower() not in SMALL_WORDS
    )


def unambiguous(pairs: Counter[Pair]) -> list[tuple[Pair, int]]:
    """For each acronym its one long form with the count; acronyms of several rivals are left out. Sorted."""
    by_short: dict[str, Counter[tuple[str, ...]]] = {}
    wording: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
    for pair, count in pairs.items():
        short, key = acronym_singular(pair.short), term_key(pair.long)
        by_short.setdefault(short, Counter())[key] += count
        wording.setdefault((short, key), Counter())[pair.long] += count
    kept = []
    for short in sorted(by_short):
        (key, count), *rest = sorted(by_short[short].items(), key=lambda item: (-item[1], item[0]))
        if count >= 4 * sum(other for _, other in rest):
            long = min(wording[short, key].items(), key=lambda item: (-item[1], item[0]))[0]
            kept.append((Pair(short, long), count))
    return kept
