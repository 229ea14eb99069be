"""Acronyms where they are introduced: "long form (LF)" and "LF (long form)", after Schwartz and Hearst (2003)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tripletkit.text.normalise import term_key

_BRACKETED = re.compile(r"\(([^()]{2,60})\)")
_SHORT = re.compile(r"[^\W\d_][\w./&+-]{0,8}[^\W_]s?")
_SMALL = frozenset("of the and for in on a an to with by or at from".split())


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
    """The pair that a term spells itself: "principal component analysis (PCA)" or "PCA (principal component analysis)"."""
    match = re.fullmatch(r"(.+?)\s*\(([^()]{1,80})\)", term)
    if match is None:
        return None
    outer, inner = match.group(1).strip(), match.group(2).strip()
    if is_short(inner) and expansion(inner, outer) == outer:
        return Pair(inner, outer)
    return Pair(outer, inner) if is_short(outer) and expansion(outer, inner) == inner else None


def _pair_at(before: str, inside: str) -> Pair | None:
    inside = re.split(r"[,;]", inside)[0].strip()
    if is_short(inside):
        words = re.split(r"(?<=[.;:!?,])\s", before)[-1].split()
        long = expansion(inside, " ".join(words[-(min(len(_letters(inside)) + 5, 2 * len(_letters(inside)) + 1)):]))
        return Pair(inside, long) if long else None
    last = before.split()[-1] if before.split() else ""
    if is_short(last) and expansion(last, inside) == inside and len(inside.split()) > 1:
        return Pair(last, inside)
    return None


def is_short(text: str) -> bool:
    """Whether the text may be an acronym: one word of two to ten signs, two of them capitals (or all of two or three letters)."""
    capitals = sum(c.isupper() for c in text)
    return bool(_SHORT.fullmatch(text)) and (capitals >= 2 or (len(text) <= 3 and text.isalpha() and text.islower() and text not in _SMALL))


def _letters(short: str) -> str:
    return re.sub(r"[^\w]", "", re.sub(r"(?<=[A-Z])s$", "", short)).lower()


def expansion(short: str, before: str) -> str:
    """The shortest end of ``before`` whose letters spell the acronym, its first letter at a word's start; "" if none does."""
    letters = _letters(short)
    at = len(before)
    low = before.lower()
    for position in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and not (low[at] == letters[position] and (position > 0 or at == 0 or not low[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return ""
    long = before[at:].strip()
    return long if _believable(short, long, letters) else ""


def _believable(short: str, long: str, letters: str) -> bool:
    words = [word for word in re.split(r"[\s/–—-]+", long) if word]
    telling = [word for word in words if word.lower() not in _SMALL]
    if len(words) < 2 and not short.islower() or len(long) <= len(short) or short in long.split():
        return False
    if len(words) < 2:  # "covariance (cov)" shortens a word, it is no acronym
        return False
    starts = sum(word[0].lower() in letters for word in telling)
    return len(words) <= min(len(letters) + 5, 2 * len(letters)) and starts >= 0.75 * len(telling) and len(telling) <= len(letters) + 1


def unambiguous(pairs: Counter[Pair]) -> list[tuple[Pair, int]]:
    """For each acronym its one long form with the count; acronyms of several rivals are left out. Sorted."""
    by_short: dict[str, Counter[tuple[str, ...]]] = {}
    wording: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
    for pair, count in pairs.items():
        short, key = re.sub(r"(?<=[A-Z])s$", "", pair.short), term_key(pair.long)
        by_short.setdefault(short, Counter())[key] += count
        wording.setdefault((short, key), Counter())[pair.long] += count
    kept = []
    for short in sorted(by_short):
        (key, count), *rest = sorted(by_short[short].items(), key=lambda item: (-item[1], item[0]))
        if count >= 4 * sum(other for _, other in rest):
            long = min(wording[short, key].items(), key=lambda item: (-item[1], item[0]))[0]
            kept.append((Pair(short, long), count))
    return kept
