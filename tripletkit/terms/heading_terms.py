"""Terms from section titles, for a book with neither index nor glossary: "4.2 Hash Tables and Linear Probing" names two.

A title says what is taught under it, and mostly in words that the text goes on to use. Kept are the phrases in it that
prose says often enough and that are no clause; what every book has sections of stands in rules/stop_headings.txt.
Counted in seven books, 0.39 to 0.72 of them are terms of the book's own index or glossary; of as many phrases by C-value
(automatic) 0.21 to 0.65 are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from tripletkit.language.normalise import term_key
from tripletkit.rules import Rules
from tripletkit.terms.automatic import begins_and_ends_as_term

#: A phrase said less often names no term of the text.
FEWEST_USES = 3
MOST_WORDS = 4
_JOINT = re.compile(
    r"\s*(?:[:;,/&–—?!()“”]|\s-\s"
    r"|\b(?:and|or|vs\.?|versus|with|without|for|in|on|to|from|by|as|using|via|the|a|an)\b)\s*",
    re.I,
)
_WORD = re.compile(r"[^\W\d_](?:[\w’']|[-‐‑](?=\w))*")
_GERUND = re.compile(r"\S+ing\b")
#: A phrase that begins with a gerund is a thing, not a deed, where one of these stands before it.
_BEFORE_THING = r"\b(?:an?|the|this|these|its|their|each|every|our|such)\s+"


def heading_terms(titles: Iterable[str], texts: Iterable[str], rules: Rules) -> list[str]:
    """The terms in section titles, as the prose of ``texts`` mostly writes them, sorted."""
    prose = "\n".join(texts)
    small = "".join(c.lower() if len(c.lower()) == 1 else c for c in prose)  # as long as the prose, so offsets hold
    found: dict[tuple[str, ...], str] = {}
    for phrase in sorted({part.lower() for title in titles for part in _parts(title, rules)}):
        said = re.compile(rf"{re.escape(phrase.removesuffix('s'))}(?:e?s)?(?!\w)")
        wordings = Counter(prose[match.start() : match.end()] for match in _whole_words(said, small))
        if wordings.total() < FEWEST_USES or (_GERUND.match(phrase) and not _is_thing(phrase, small)):
            continue
        found.setdefault(term_key(phrase), min(wordings, key=lambda wording: (-wordings[wording], wording)))
    return sorted(found.values())


def _whole_words(said: re.Pattern[str], prose: str) -> Iterator[re.Match[str]]:
    """Matches that begin a word. Asked afterwards: a pattern that begins with its text is searched ten times as fast."""
    return (match for match in said.finditer(prose) if not prose[max(0, match.start() - 1) : match.start()].isalnum())


def _parts(title: str, rules: Rules) -> Iterator[str]:
    """The phrases of a title that may be terms; a single word must be all of it."""
    while (number := rules.starts("headings", title)) and number.end():
        title = title[number.end() :].strip(" .:–—-")
    if rules.label("titles", title) or rules.label("titles", title.lower()):
        return
    for part in (raw.strip(" .") for raw in _JOINT.split(title)):
        if (" " in part or part == title.strip(" .")) and _is_phrase(part, rules):
            yield part


def _is_phrase(part: str, rules: Rules) -> bool:
    words = part.lower().split()
    empty, closing = rules.words("function_words"), rules.words("stop_headings")
    if not 1 <= len(words) <= MOST_WORDS or part.lower() in rules.words("stop_terms"):
        return False
    if not all(_WORD.fullmatch(word) and (word == "of" or word not in empty) for word in words):
        return False
    if "of" in (words[0], words[-1]) or words[-1] in closing:
        return False
    return begins_and_ends_as_term(words, rules.words("nouns"))


def _is_thing(phrase: str, prose: str) -> bool:
    return re.search(f"{_BEFORE_THING}{re.escape(phrase)}", prose) is not None
