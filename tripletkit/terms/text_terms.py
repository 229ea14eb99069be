"""Terms that running text and section titles give: defined phrases, titles, and phrases chosen by statistics.

All of these are less sure than an index or glossary. A book with either needs none of them; a book, or passages of the
user's own, without one can get its terms here.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from typing import NamedTuple

from tripletkit.language import term_words as english
from tripletkit.language.definitions import IS, LEAD_IN, OPENING, named_words
from tripletkit.language.normalise import term_key
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book, Corpus
from tripletkit.terms.forms import Key, commonest

#: A phrase of a title that occurs less often in prose names no term of the text.
FEWEST_IN_PROSE = 3
#: A phrase that occurs less often has no statistics.
FEWEST_USES = 4
MOST_WORDS = 4
#: Longer runs of emphasis are sentences.
MOST_EMPHASISED = 5
_WORD = re.compile(r"[^\W\d_](?:[\w’']|[-‐‑](?=\w))*")
_PLAIN_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[-‐‑'’](?=[^\W\d_]))+")
_EMPHASISED_WORD = re.compile(r"[^\W\d_][^\W\d_’'-]+|[^\W\d_]{2,}-[^\W\d_]+|[A-Z]")
_SMALL = english.SMALL_WORDS | english.SMALL_VERBS
_EDGE = "“”‘’\"'(),.;:!?"
_PAUSE = re.compile(r"[^\w\s'’‐‑-]+|\d\S*|\n")


def defined_terms(texts: Iterable[str], corpus: Corpus, rules: Rules) -> list[str]:
    """Phrases that a sentence of plain text defines ("X is called Y", "A Y is a …") and the corpus uses again, in order."""
    empty = _empty_words(rules)
    found: dict[Key, str] = {}
    for words in (words for text in texts for words in named_words(text)):
        name = " ".join(takewhile(lambda word: word.lower() not in empty, words)).rstrip("’'")
        if _is_phrase(name, rules):
            found.setdefault(term_key(name), name)
    return [name for name in found.values() if corpus.count(name) > 1]


def _empty_words(rules: Rules) -> frozenset[str]:
    """Words that stand in no term. A noun such as "table" is none by itself, but may end one."""
    return rules.words("function_words") - rules.words("nouns") - {english.OF}


class _Word(NamedTuple):
    text: str
    style: str


def emphasised_terms(book: Book) -> list[str]:
    """Bold or italic phrases that their sentence defines, in order of place; emphasis alone does not make a term."""
    found: list[str] = []
    for page in book.pages_of("body"):
        kinds = zip(book.pages[page], book.kinds[page], strict=True)
        lines = [line for line, kind in kinds if kind in ("prose", "list", "box", "footnote")]
        words = [_Word(*word) for line in lines for word in zip(line.text.split(), line.styles, strict=False)]
        found += _emphasised_phrases(_whole_words(words, book))
    return found


def _whole_words(words: Sequence[_Word], book: Book) -> list[_Word]:
    whole: list[_Word] = []
    for word in words:
        last = whole[-1] if whole else None
        if last is not None and last.text.endswith("-") and len(last.text) > 1 and last.style == word.style:
            whole[-1] = _Word(book.join([last.text, word.text]), last.style)
        else:
            whole.append(word)
    return whole


def _emphasised_phrases(words: Sequence[_Word]) -> Iterator[str]:
    at = 0
    for stressed, group in groupby(words, key=lambda word: word.style in "biz"):
        run = list(group)
        start, at = at, at + len(run)
        # A mark at the end of a word closes the phrase: "*sets*. *Subsets* are" holds two.
        if not stressed or len(run) > MOST_EMPHASISED or any(word.text[-1] in _EDGE for word in run[:-1]):
            continue
        phrase = " ".join(word.text for word in run).strip(_EDGE)
        before = " ".join(word.text for word in words[max(0, start - 8) : start])
        after = " ".join(["", *(word.text for word in words[at : at + 6])])
        if _may_be_term(phrase) and _is_defined(run, before, after):
            yield phrase


def _may_be_term(phrase: str) -> bool:
    words = phrase.split()
    if not words or len(phrase) < 3 or words[0].lower() in _SMALL or words[-1].lower() in _SMALL:
        return False
    plain = all(word.lower() in _SMALL or _EMPHASISED_WORD.fullmatch(word) for word in words)
    return plain and any(len(word) > 2 for word in words)


def _is_defined(run: Sequence[_Word], before: str, after: str) -> bool:
    opens = run[-1].text[-1] not in ".;:!?," and OPENING.search(f"{before} " if before else "")
    return any((LEAD_IN.search(f"{before} "), LEAD_IN.search(before), opens and IS.match(after)))


def heading_terms(titles: Iterable[str], texts: Iterable[str], rules: Rules) -> list[str]:
    """The terms in section titles, as the prose of ``texts`` mostly writes them, sorted.

    "4.2 Hash Tables and Linear Probing" names two. Kept are phrases that occur in prose often enough and are no clause;
    titles that every book has stand in rules/stop_headings.txt. See docs/design-decisions.md for how good they are.
    """
    corpus = Corpus(texts)
    found: dict[Key, str] = {}
    for phrase in sorted({part.lower() for title in titles for part in _title_phrases(title, rules)}):
        prose = "\n".join(corpus.texts_with(phrase.removesuffix("s")))
        small = "".join(c.lower() if len(c.lower()) == 1 else c for c in prose)  # as long as the prose, so offsets hold
        pattern = re.compile(rf"{re.escape(phrase.removesuffix('s'))}{english.PLURAL_ENDING}(?!\w)")
        # That it begins a word is checked afterwards: a pattern that begins with its text is ten times as fast.
        found_at = (m.span() for m in pattern.finditer(small))
        wordings = Counter(
            prose[start:end] for start, end in found_at if not small[max(0, start - 1) : start].isalnum()
        )
        thing = f"{english.BEFORE_THING}{re.escape(phrase)}"
        is_thing = not english.GERUND_FIRST.match(phrase) or re.search(thing, small)
        if wordings.total() >= FEWEST_IN_PROSE and is_thing:
            found.setdefault(term_key(phrase), commonest(wordings))
    return sorted(found.values())


def _title_phrases(title: str, rules: Rules) -> Iterator[str]:
    """The phrases of a title that may be terms; a single word must be all of it."""
    while (number := rules.starts("headings", title)) and number.end():
        title = title[number.end() :].strip(" .:–—-")
    if rules.label("titles", title) or rules.label("titles", title.lower()):
        return
    for part in (raw.strip(" .") for raw in english.TITLE_JOINT.split(title)):
        if (" " in part or part == title.strip(" .")) and _is_phrase(part, rules):
            yield part


def _is_phrase(part: str, rules: Rules) -> bool:
    """Whether the words can be a term: few, none of them a function word but "of" inside, and the last one a noun."""
    words = part.lower().split()
    empty, closing = _empty_words(rules), rules.words("stop_headings")
    if not 1 <= len(words) <= MOST_WORDS or part.lower() in rules.words("stop_terms"):
        return False
    filled = all(_WORD.fullmatch(word) and word not in empty for word in words)
    if not filled or english.OF in (words[0], words[-1]) or words[-1] in closing:
        return False
    return begins_and_ends_as_term(words, rules.words("nouns"))


def begins_and_ends_as_term(words: Sequence[str], nouns: Container[str]) -> bool:
    """Whether no adverb begins the phrase, and its last word ends like a noun or is one of ``nouns``."""
    first, last = words[0].lower(), words[-1].lower()
    return (first in nouns or not first.endswith(english.ADVERB_ENDING)) and (
        last in nouns or not english.NO_NOUN_END.search(last)
    )


class Scored(NamedTuple):
    """A phrase as the text mostly writes it, and its C-value."""

    term: str
    score: float


def c_values(texts: Iterable[str], rules: Rules) -> list[Scored]:
    """Phrases of two to four words that may be noun phrases, best first by C-value (Frantzi, Ananiadou and Mima 2000).

    C-value is log2(words) times the phrase's count, less the mean count of the longer phrases that hold it. One-word
    terms cannot be told from everyday words by counts. No part-of-speech tagger is used: a phrase holds no function
    word and does not end as adverbs and verbs do.
    """
    wordings = _candidate_phrases(texts, rules)
    counts = {key: held.total() for key, held in wordings.items() if held.total() >= FEWEST_USES}
    nested: dict[Key, list[int]] = defaultdict(list)
    for key, count in counts.items():
        for size in range(2, len(key)):
            for start in range(len(key) - size + 1):
                nested[key[start : start + size]].append(count)
    found = []
    for key, count in counts.items():
        longer = nested.get(key, [])
        score = math.log2(len(key)) * (count - (sum(longer) / len(longer) if longer else 0.0))
        found.append(Scored(commonest(wordings[key]), round(score, 2)))
    return sorted(found, key=lambda scored: (-scored.score, scored.term))


def _candidate_phrases(texts: Iterable[str], rules: Rules) -> dict[Key, Counter[str]]:
    """By key, how often each wording of the phrase occurs."""
    stops, nouns = rules.words("function_words") | rules.words("stop_terms"), rules.words("nouns")
    wordings: dict[Key, Counter[str]] = defaultdict(Counter)
    for clause in (clause for text in texts for clause in _PAUSE.split(text)):
        words = clause.split()
        plain = [
            bool(_PLAIN_WORD.fullmatch(word)) and word.lower() not in stops and len(word) > 2 and not word.isupper()
            for word in words
        ]
        for start in range(len(words)):
            for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1):
                if not plain[end - 1]:
                    break
                if end > start + 1 and begins_and_ends_as_term(words[start:end], nouns):
                    phrase = " ".join(words[start:end])
                    wordings[term_key(phrase)][phrase] += 1
    return wordings
