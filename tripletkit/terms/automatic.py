"""Terms by statistics, for a book with neither index nor glossary: C-value over phrases that may be noun phrases.

After Frantzi, Ananiadou and Mima (2000): log2(words) times the phrase's count, less the mean count of the longer
phrases that hold it. Phrases of two to four words; one-word terms cannot be told from everyday words by counts. No
tagger: a phrase has no function word, and no ending of adverbs or verbs at its end. What comes out is worse than any
index, so it is asked for by number.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tripletkit.language.normalise import term_key
from tripletkit.rules import Rules

#: A phrase said less often has no statistics.
FEWEST_USES = 4
MOST_WORDS = 4
_PAUSE = re.compile(r"[^\w\s'’‐‑-]+|\d\S*|\n")
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[-‐‑'’](?=[^\W\d_]))+")
_NO_NOUN = re.compile(r"(?:ly|ed|ous|ive|ible|able|ical|ful|less|est)$")


@dataclass(frozen=True, slots=True)
class Scored:
    """A phrase as the book mostly writes it, and its C-value."""

    term: str
    score: float


def c_values(texts: Iterable[str], rules: Rules) -> list[Scored]:
    """Every candidate phrase, best first."""
    counts, wordings = _candidates(texts, rules)
    counts = {key: count for key, count in counts.items() if count >= FEWEST_USES}
    nested: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for key, count in counts.items():
        for size in range(2, len(key)):
            for start in range(len(key) - size + 1):
                nested[key[start : start + size]].append(count)
    found = []
    for key, count in counts.items():
        longer = nested.get(key, [])
        score = math.log2(len(key)) * (count - (sum(longer) / len(longer) if longer else 0.0))
        wording = min(wordings[key].items(), key=lambda item: (-item[1], item[0]))[0]
        found.append(Scored(wording, round(score, 2)))
    return sorted(found, key=lambda scored: (-scored.score, scored.term))


def begins_and_ends_as_term(words: Sequence[str], nouns: Container[str]) -> bool:
    """Whether no adverb begins the phrase, and no adverb, adjective or participle ends it, by their endings; ``nouns`` end so too."""
    first, last = words[0].lower(), words[-1].lower()
    return (first in nouns or not first.endswith("ly")) and (last in nouns or not _NO_NOUN.search(last))


def _candidates(
    texts: Iterable[str], rules: Rules
) -> tuple[Mapping[tuple[str, ...], int], Mapping[tuple[str, ...], Counter[str]]]:
    stops, nouns = rules.words("function_words") | rules.words("stop_terms"), rules.words("nouns")
    counts: Counter[tuple[str, ...]] = Counter()
    wordings: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text in texts:
        for clause in _PAUSE.split(text):
            words = clause.split()
            plain = [
                bool(_WORD.fullmatch(word)) and word.lower() not in stops and len(word) > 2 and not word.isupper()
                for word in words
            ]
            for start in range(len(words)):
                for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1):
                    if not plain[end - 1]:
                        break
                    if end == start + 1 or not begins_and_ends_as_term(words[start:end], nouns):
                        continue
                    phrase = " ".join(words[start:end])
                    key = term_key(phrase)
                    counts[key] += 1
                    wordings[key][phrase] += 1
    return counts, wordings
