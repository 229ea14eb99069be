"""Which held-out passages are about which term, and by whose word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tripletkit.evaluation.baselines import said
from tripletkit.evaluation.metrics import Mask
from tripletkit.mining.relations import cited_pages

Chapter = tuple[str, str]  # book, chapter


@dataclass(frozen=True)
class Term:
    """A kept term. ``forms`` holds its name and every other way to write it."""

    term_id: str
    name: str
    forms: tuple[str, ...]
    definition: str | None
    home: Chapter  # where most of its answers are or, if it has none, where it is said most


@dataclass(frozen=True)
class Gold:
    """Terms, passages, and which is about which. ``source`` says by whose word: index, mentions, or both (by book)."""

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    chapters: tuple[Chapter, ...]  # of each passage
    terms: tuple[Term, ...]  # those with an answer
    others: tuple[Term, ...]  # said in the passages, without an answer
    relevant: Mask  # terms x passages
    unsaid: Mask  # terms x passages: on a page that the index cites for the term and no passage of which says it
    source: str

    @property
    def term_ids(self) -> tuple[str, ...]:
        """Of the terms with an answer, in the order of the rows."""
        return tuple(term.term_id for term in self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms with an answer, in the order of the rows."""
        return tuple(term.name for term in self.terms)


def build_gold(passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame) -> Gold:
    """Gold for the passages given. By the index's locators in books that have them, by mentions in others.

    On a cited page those passages count that say the term; where none says it, every passage that touches the page.
    """
    held = passages.sort("passage_id").to_dicts()
    kept = terms.filter("kept").sort("term_id").to_dicts()
    column = {row["passage_id"]: j for j, row in enumerate(held)}
    row_of = {row["term_id"]: i for i, row in enumerate(kept)}
    mentioned = np.zeros((len(kept), len(held)), dtype=bool)
    for passage_id, term_id in mentions.select("passage_id", "term_id").iter_rows():
        if passage_id in column and term_id in row_of:
            mentioned[row_of[term_id], column[passage_id]] = True
    indexed = {row["book_id"] for row in kept if cited_pages(row)}
    relevant, unsaid = _by_index(held, kept, mentioned)
    for i, row in enumerate(kept):
        if row["book_id"] not in indexed:
            relevant[i] = mentioned[i]
    answered = np.flatnonzero(relevant.any(axis=1))
    others = np.setdiff1d(np.flatnonzero(mentioned.any(axis=1)), answered)
    chapters = tuple((row["book_id"], _chapter(row["section"])) for row in held)
    found = {int(i): _term(kept[i], _home(chapters, relevant[i])) for i in answered}
    found |= {int(i): _term(kept[i], _home(chapters, mentioned[i])) for i in others}
    books = {row["book_id"] for row in held}
    return Gold(
        tuple(column),
        tuple(row["text"] for row in held),
        chapters,
        tuple(found[int(i)] for i in answered),
        tuple(found[int(i)] for i in others),
        relevant[answered],
        unsaid[answered],
        "index" if books <= indexed else "mentions" if not books & indexed else "index and mentions",
    )


def _by_index(
    passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]], mentioned: Mask
) -> tuple[Mask, Mask]:
    """Relevant and unsaid, terms x passages. A refused mention ("set" as a verb) is no answer, but not unsaid either."""
    by_page: dict[tuple[str, int], list[int]] = defaultdict(list)
    for j, row in enumerate(passages):
        for page in range(int(str(row["page_first"])), int(str(row["page_last"])) + 1):
            by_page[str(row["book_id"]), page].append(j)
    string = said([_forms(row) for row in terms], [str(row["text"]) for row in passages]) | mentioned
    relevant, unsaid = np.zeros_like(mentioned), np.zeros_like(mentioned)
    for i, term in enumerate(terms):
        for page in cited_pages(term):
            on_page = by_page.get((str(term["book_id"]), page), [])
            relevant[i, [j for j in on_page if mentioned[i, j]] or on_page] = True
            unsaid[i, [] if string[i, on_page].any() else on_page] = True
    return relevant, unsaid


def _term(row: Mapping[str, object], home: Chapter) -> Term:
    definition = str(row["definition"]) if row["definition"] else None
    return Term(str(row["term_id"]), str(row["term"]), _forms(row), definition, home)


def _forms(row: Mapping[str, object]) -> tuple[str, ...]:
    forms = row["forms"]
    return tuple(dict.fromkeys((str(row["term"]), *(map(str, forms) if isinstance(forms, list) else ()))))


def _home(chapters: Sequence[Chapter], passages: Mask) -> Chapter:
    counts = Counter(chapters[int(j)] for j in np.flatnonzero(passages))
    return min(counts, key=lambda chapter: (-counts[chapter], chapter))


def _chapter(section: object) -> str:
    """First step of a heading path."""
    return str(section or "").split(" › ")[0]
