"""Relations: the terms that a passage mentions, implies or has cited on its pages, and terms related to each other.

Each function gives one ascending array of term numbers per passage (or per term): a table of passages x terms would take
10 GB for 200,000 passages and 50,000 terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tripletkit.language.definitions import (
    STEM_LETTERS_OF_MANY,
    are_names_of_one_thing,
    singular_and_plural,
    stem,
    stems_of_many,
    words_of,
)
from tripletkit.language.normalise import term_key, tokens
from tripletkit.language.spellings import spellings
from tripletkit.tagging.matcher import Form, Matcher

#: Numbers of terms, ascending.
Numbers = npt.NDArray[np.int32]
#: A row of a table, by column.
Values = Mapping[str, Any]
#: Start, end and term number of a mention.
Span = tuple[int, int, int]


def numbers(values: Iterable[int]) -> Numbers:
    """Distinct numbers, ascending."""
    return np.array(sorted(set(values)), dtype=np.int32)


def mentioned_in(texts: Sequence[str], terms: Sequence[Values]) -> tuple[Numbers, ...]:
    """Per text, the terms with any form in it, in any case, number and spelling: a guard should over-reject.

    Written apart or together is one ("data set", "dataset"), which the tagger cannot say: "a cyclic" is not "acyclic".
    """
    forms = [(i, form) for i, term in enumerate(terms) for form in forms_of(term)]
    matcher = Matcher(Form(str(i), way, canonical=True) for i, form in forms for way in singular_and_plural(form))
    together: dict[str, set[int]] = defaultdict(set)
    for i, form in forms:
        for spelling in (spelling for spelling in spellings(form) if not spelling.literal):
            together["".join(spelling.key)].add(i)

    def mentioned(text: str) -> Iterator[int]:
        yield from (int(match.form.term_id) for match in matcher.matches(text))
        keys = [token.key for token in tokens(text)]
        for first, second in pairwise(keys):
            yield from together.get(first + second, ())
        yield from (i for key in keys for i in together.get(key, ()))

    return tuple(numbers(mentioned(text)) for text in texts)


def implied_in(passages: Sequence[Values], terms: Sequence[Values]) -> tuple[Numbers, ...]:
    """Per passage, the terms that it is about without mentioning them.

    These are terms in its headings, one-word terms that share a stem with one of its words ("independent" where it says
    "independence"), and longer terms each of whose words shares a stem with one of its words.
    """
    by_longest_stem: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for i, term in enumerate(terms):
        name = term["term"].casefold()
        words, one = words_of(name), stem(name)
        if stems := (one,) if one else stems_of_many(words) if len(words) > 1 else ():
            by_longest_stem[max(stems, key=len)].append((i, stems))
    headings = dict.fromkeys(passage.get("section") or "" for passage in passages)
    in_headings = dict(zip(headings, mentioned_in(list(headings), terms), strict=True))

    def implied(passage: Values) -> Iterator[int]:
        yield from in_headings[passage.get("section") or ""].tolist()
        words = set(words_of(passage["text"]))
        starts = words | {word[:end] for word in words for end in range(STEM_LETTERS_OF_MANY, len(word))}
        for longest in starts & by_longest_stem.keys():
            yield from (term for term, stems in by_longest_stem[longest] if starts.issuperset(stems))

    return tuple(numbers(implied(passage)) for passage in passages)


def cited_in(passages: Sequence[Values], terms: Sequence[Values], page_margin: int) -> tuple[Numbers, ...]:
    """Per passage, the terms that the index cites on its pages, or within ``page_margin`` pages of them."""
    citing: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        for page in cited_pages(term):
            citing[term["book_id"], page].append(i)

    def cited(passage: Values) -> Iterator[int]:
        for page in range(passage["page_first"] - page_margin, passage["page_last"] + page_margin + 1):
            yield from citing.get((passage["book_id"], page), ())

    return tuple(numbers(cited(passage)) for passage in passages)


def cited_pages(term: Values) -> set[int]:
    """Physical pages that the index cites for a row of the terms table."""
    return {locator["page"] for locator in term["locators"] if locator["page"] is not None}


def chapter_of(passage: Values) -> tuple[str, str]:
    """The passage's book and chapter, which is the first step of its heading path."""
    return str(passage["book_id"]), (passage.get("section") or "").split(" › ")[0]


def in_chapter(passages: Sequence[Values], mentioned: Sequence[Numbers]) -> tuple[Numbers, ...]:
    """Per passage, the terms mentioned in its chapter."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for passage, terms in zip(passages, mentioned, strict=True):
        found[chapter_of(passage)].update(terms.tolist())
    shared = {chapter: numbers(terms) for chapter, terms in found.items()}  # one array for all passages of a chapter
    return tuple(shared[chapter_of(passage)] for passage in passages)


def related_terms(terms: Sequence[Values], same_thing: Iterable[tuple[int, int]]) -> tuple[Numbers, ...]:
    """Per term: itself, its parent and children, its see-also terms, terms with a form in common, and ``same_thing``."""
    number = {term["term_id"]: i for i, term in enumerate(terms)}
    related = [{i} for i in range(len(terms))]
    by_key: dict[tuple[str, ...], list[int]] = defaultdict(list)
    pairs = [*same_thing]
    for i, term in enumerate(terms):
        pairs += [(i, number[other]) for other in (term["parent_id"], *term["see_also"]) if other in number]
        for key in {spelling.key for form in forms_of(term) for spelling in spellings(form)}:
            by_key[key].append(i)
    for first, second in pairs:
        related[first].add(second)
        related[second].add(first)
    for same in by_key.values():  # one concept, perhaps in two books
        for i in same:
            related[i].update(same)
    return tuple(map(numbers, related))


def same_thing_pairs(texts: Sequence[str], spans: Mapping[int, Sequence[Span]]) -> set[tuple[int, int]]:
    """Two terms that some text says are one thing: "X, also called Y", "X (Y)". They are so in every other text, too."""
    return {
        (one, other)
        for number, mentions in spans.items()
        for (_, end, one), (start, after, other) in pairwise(outermost(mentions))
        if one != other and are_names_of_one_thing(texts[number], end, start, after)
    }


def outermost(spans: Sequence[Span]) -> list[Span]:
    """Without those inside a longer one, as "tree" in "binary tree"."""
    return [
        (start, end, term)
        for start, end, term in spans
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in spans)
    ]


def same_head_terms(terms: Sequence[Values]) -> tuple[Numbers, ...]:
    """Per term, those with its head word ("random variable", "dummy variable") or under its parent in the index."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        key = term_key(term["term"])
        if len(key) > 1:
            groups["head", key[-1]].append(i)
        if term["parent_id"] is not None:
            groups["parent", term["parent_id"]].append(i)
    groups_of: list[list[Numbers]] = [[] for _ in terms]
    for group in groups.values():
        shared = numbers(group)
        for i in group:
            groups_of[i].append(shared)
    # Most terms are in one group: its members share one array.
    return tuple(held[0] if len(held) == 1 else numbers(i for group in held for i in group) for held in groups_of)


def forms_of(term: Values) -> tuple[str, ...]:
    """The canonical form and all others of a row of the terms table."""
    return tuple(dict.fromkeys((term["term"], *(term["forms"] or ()))))
