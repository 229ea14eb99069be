"""The forms of a term: what a printed term spells out, which forms are one, and the acronyms that a text introduces.

Acronyms are found as "long form (LF)" and "LF (long form)", after Schwartz and Hearst (2003).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from tripletkit.language import term_words as english
from tripletkit.language.normalise import acronym_singular, is_acronym, telling_signs, term_key
from tripletkit.language.spellings import one_text, spelled_umlauts

Key = tuple[str, ...]
#: No long form is longer, in characters.
REACH = 400
_BRACKETED = re.compile(r"\(([^()]{2,60})\)")
_SHORT = re.compile(r"[^\W\d_][\w./&+-]{0,8}[^\W_]s?")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s$")


class Pair(NamedTuple):
    """An acronym and what it stands for."""

    short: str
    long: str


def form_key(form: str) -> Key:
    """The key of a form: its words, signs that carry meaning ("B*-tree") and an acronym's capitals.

    "Type I" and "type 1" have one key, as have "U.S." and "US", "naïve" and "naive", "α-helix" and "alpha helix".
    """
    form = one_text(form)
    words, signs = term_key(form), telling_signs(form)
    acronym = ("=",) if is_acronym(form) else ()
    plain = unicodedata.normalize("NFKC", form)
    return (*words, *((f"sign {signs}",) if signs else ()), *acronym) if words or signs else (f"text {plain}",)


def form_keys(form: str) -> list[Key]:
    """The keys of a form, the first by which it is known; a second with umlauts spelled out ("Schroedinger")."""
    return list(dict.fromkeys((form_key(form), form_key(spelled_umlauts(form)))))


def own_forms(term: str) -> list[str]:
    """The forms that a printed term spells out, the one to show first: "support vector machine (SVM)" has three."""
    pair = own_pair(term)
    if pair is not None:
        return [pair.long, pair.short, term]
    if other := english.OR_OTHER_NAME.fullmatch(term):
        return [other["term"], other["other"], term]
    inverted = _uninverted(term)
    return [term, inverted] if inverted else [term]


def _uninverted(term: str) -> str | None:
    """A term in its natural order: "closure, of a set" is "closure of a set", "Abel, Niels" is "Niels Abel"; else None."""
    head, comma, rest = term.partition(", ")
    if not comma or "," in rest or "(" in term or not head or not rest:
        return None
    if english.PREPOSITION_AT_START.match(rest):
        return f"{head} {rest}"
    words = len(rest.split())
    if rest[0].isupper() == head[0].isupper():
        return f"{rest} {head}" if words <= 3 or english.PREPOSITION_AT_END.search(rest) else None
    turns = rest[0].islower() and head[1:].islower() and words == 1
    return f"{rest} {head[0].lower()}{head[1:]}" if turns else None


def own_pair(term: str) -> Pair | None:
    """The pair that a term spells itself: "support vector machine (SVM)" or "SVM (support vector machine)"."""
    match = re.fullmatch(r"(.+?)\s*\(([^()]{1,80})\)", term)
    if match is None:
        return None
    outer, inner = match.group(1).strip(), match.group(2).strip()
    if is_short(inner) and expansion(inner, outer) == outer:
        return Pair(inner, outer)
    return Pair(outer, inner) if is_short(outer) and expansion(outer, inner) == inner else None


def find_pairs(texts: Iterable[str]) -> Counter[Pair]:
    """Every pair introduced in the texts, with how often it is."""
    found = ((text, match.start(), match.group(1)) for text in texts for match in _BRACKETED.finditer(text))
    near = ((text[max(0, start - REACH) : start].rstrip(), inside) for text, start, inside in found)
    return Counter(pair for before, inside in near if (pair := _pair_at(before, inside)) is not None)


def _pair_at(before: str, inside: str) -> Pair | None:
    inside, before = re.split(r"[,;]", inside.strip())[0].strip(), _POSSESSIVE.sub("", before)
    if is_short(inside):
        clause = re.split(r"(?<=[.;:!?,()])\s", before)[-1]
        long = expansion(inside, clause)
        return Pair(inside, long) if long else None
    last = (before.split() or [""])[-1]
    expands = is_short(last) and len(inside.split()) > 1 and expansion(last, inside) == inside
    return Pair(last, inside) if expands else None


def is_short(text: str) -> bool:
    """Whether the text may be an acronym: one word of two to ten signs, two of them capitals, or two or three small."""
    small = len(text) <= 3 and text.isalpha() and text.islower() and text not in english.SMALL_WORDS
    return bool(_SHORT.fullmatch(text)) and (small or sum(c.isupper() for c in text) >= 2)


def expansion(short: str, before: str) -> str:
    """The end of ``before`` that the acronym stands for; "" if none does.

    Words whose initials spell it are best; else its letters may stand inside words, if every longer word gives one.
    """
    letters = re.sub(r"[\W_]", "", acronym_singular(short)).lower()
    starts = [match.start() for match in re.finditer(r"(?<![\w’'])[^\W_]", before)][-(len(letters) + 5) :]
    for start in reversed(starts):
        long = before[start:].strip()
        if _initials(long) == letters or _initials(long, small=True) == letters:
            return long if _believable(short, long) else ""
    return "" if short.islower() else _by_letters(short, letters, before)


def _words(long: str) -> list[str]:
    return [word for word in re.split(r"[\s/–—-]+", long) if word]


def _initials(long: str, *, small: bool = False) -> str:
    return "".join(word[0].lower() for word in _words(long) if small or word.lower() not in english.SMALL_WORDS)


def _by_letters(short: str, letters: str, before: str) -> str:
    low, at = before.lower(), len(before)
    for letter in reversed(letters[1:]):
        at = low.rfind(letter, 0, at)
        if at < 0:
            return ""
    starts = [match.start() for match in re.finditer(rf"(?<![^\W_]){letters[0]}", low[:at])]  # the first begins a word
    long = before[starts[-1] :].strip() if starts else ""
    telling = [word for word in _words(long) if word.lower() not in english.SMALL_WORDS]
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
        and words[0].lower() not in english.SMALL_WORDS
    )


def unambiguous(pairs: Counter[Pair]) -> list[tuple[Pair, int]]:
    """For each acronym its one long form with the count; acronyms of several rivals are left out. Sorted."""
    wordings: dict[str, dict[Key, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for pair, count in pairs.items():
        wordings[acronym_singular(pair.short)][term_key(pair.long)][pair.long] += count
    kept = []
    for short in sorted(wordings):
        (_, best), *rest = sorted(wordings[short].items(), key=lambda item: (-item[1].total(), item[0]))
        if best.total() >= 4 * sum(other.total() for _, other in rest):
            kept.append((Pair(short, commonest(best)), best.total()))
    return kept


def commonest(wordings: Counter[str]) -> str:
    """The wording that occurs most often; of several, the first in the alphabet."""
    return min(wordings, key=lambda wording: (-wordings[wording], wording))
