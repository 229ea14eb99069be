"""Gold labels: which passages are relevant to which term, by the index of the book or by mentions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.evaluation.metrics import Mask
from tripletkit.mining.relations import chapter_of, cited_pages, forms_of
from tripletkit.reviews import Decisions
from tripletkit.tagging.matcher import Form, Matcher

Chapter = tuple[str, str]  # (book, chapter)
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Term:
    """A kept term. ``forms`` are its name and every other way to write it."""

    term_id: str
    name: str
    forms: tuple[str, ...]
    definition: str | None
    chapter: Chapter  # of most of its relevant passages or, if it has none, of most of its mentions


@dataclass(frozen=True)
class Gold:
    """Terms, passages, and which passage is relevant to which term, by ``source``: index, mentions, or both (by book)."""

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    chapters: tuple[Chapter, ...]  # of each passage
    terms: tuple[Term, ...]  # those with a relevant passage
    mentioned_only: tuple[Term, ...]  # mentioned in the passages, none of which is relevant
    relevant: Mask  # terms x passages
    no_mention: Mask  # terms x passages: on a page that the index cites for the term, but where no passage mentions it
    ignored: (
        Mask  # terms x passages: positives by review, which the labels do not know: neither relevant nor irrelevant
    )
    source: str


def build_matcher(forms: Sequence[Sequence[str]]) -> Matcher:
    """Finds any form of any term; the ``term_id`` of a match is the position of the term in ``forms``."""
    return Matcher(Form(str(number), form, canonical=True) for number, names in enumerate(forms) for form in names)


def mentioned(forms: Sequence[Sequence[str]], texts: Sequence[str]) -> Mask:
    """bool, shape (terms, texts): whether the text has any form of the term, in any case, number and spelling."""
    matcher = build_matcher(forms)
    found = np.zeros((len(forms), len(texts)), dtype=bool)
    for j, text in enumerate(texts):
        found[[int(match.form.term_id) for match in matcher.matches(text)], j] = True
    return found


def build_gold(
    passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, reviews: Decisions | None = None
) -> Gold:
    """Gold labels for the passages given: by the page numbers of the index in books that have one, by mentions in others.

    On a cited page the passages that mention the term are relevant; where none does, every passage on the page. What ``reviews``
    call a positive beside these is ignored.
    """
    held = passages.sort("passage_id").to_dicts()
    kept = terms.filter("kept").sort("term_id").to_dicts()
    column = {row["passage_id"]: j for j, row in enumerate(held)}
    row_of = {row["term_id"]: i for i, row in enumerate(kept)}
    tagged = np.zeros((len(kept), len(held)), dtype=bool)
    for passage_id, term_id in mentions.select("passage_id", "term_id").iter_rows():
        if passage_id in column and term_id in row_of:
            tagged[row_of[term_id], column[passage_id]] = True
    indexed = {row["book_id"] for row in kept if cited_pages(row)}
    relevant, no_mention = _by_index(held, kept, tagged)
    for i, row in enumerate(kept):
        if row["book_id"] not in indexed:
            relevant[i] = tagged[i]
    ignored = np.zeros_like(tagged)
    for passage_id, term_id in reviews.known_positives if reviews else ():
        if passage_id in column and term_id in row_of:
            ignored[row_of[term_id], column[passage_id]] = True
    books = {row["book_id"] for row in held}
    source = "index" if books <= indexed else "mentions" if not books & indexed else "index and mentions"
    return make_gold(held, kept, relevant, tagged, no_mention=no_mention, ignored=ignored & ~relevant, source=source)


def make_gold(
    passages: Rows,
    terms: Rows,
    relevant: Mask,
    said: Mask,
    *,
    source: str,
    no_mention: Mask | None = None,
    ignored: Mask | None = None,
) -> Gold:
    """Gold labels from rows with passage_id, book_id, section and text, and rows with term_id, term, forms and definition.

    Masks have the shape (terms, passages); ``said``: which passage mentions which term.
    """
    answered = np.flatnonzero(relevant.any(axis=1))
    mentioned_only = np.setdiff1d(np.flatnonzero(said.any(axis=1)), answered)
    chapters = tuple(map(chapter_of, passages))
    return Gold(
        passage_ids=tuple(row["passage_id"] for row in passages),
        texts=tuple(row["text"] for row in passages),
        chapters=chapters,
        terms=_terms(terms, answered, relevant, chapters),
        mentioned_only=_terms(terms, mentioned_only, said, chapters),
        relevant=relevant[answered],
        no_mention=(np.zeros_like(relevant) if no_mention is None else no_mention)[answered],
        ignored=(np.zeros_like(relevant) if ignored is None else ignored)[answered],
        source=source,
    )


def anchor_passages(passages: pl.DataFrame, splits: pl.DataFrame, *, kinds: Sequence[str], split: str) -> pl.DataFrame:
    """The passages of a split whose kind could become anchors of triplets."""
    return passages.filter(pl.col("kind").is_in(kinds)).join(splits.filter(split=split), on="passage_id", how="semi")


def _by_index(passages: Rows, terms: Rows, tagged: Mask) -> tuple[Mask, Mask]:
    """Relevant and no_mention, terms x passages. A rejected mention ("set" as a verb) is not relevant, but still a mention."""
    by_page: dict[tuple[str, int], list[int]] = defaultdict(list)
    for j, row in enumerate(passages):
        for page in range(row["page_first"], row["page_last"] + 1):
            by_page[row["book_id"], page].append(j)
    found = mentioned([forms_of(row) for row in terms], [row["text"] for row in passages]) | tagged
    relevant, no_mention = np.zeros_like(tagged), np.zeros_like(tagged)
    for i, term in enumerate(terms):
        for page in cited_pages(term):
            on_page = by_page.get((term["book_id"], page), [])
            relevant[i, [j for j in on_page if tagged[i, j]] or on_page] = True
            no_mention[i, [] if found[i, on_page].any() else on_page] = True
    return relevant, no_mention


def _terms(rows: Rows, chosen: npt.NDArray[np.intp], passages: Mask, chapters: Sequence[Chapter]) -> tuple[Term, ...]:
    found = []
    for i in chosen.tolist():
        counts = Counter(chapters[int(j)] for j in np.flatnonzero(passages[i]))
        chapter = min(counts, key=lambda chapter: (-counts[chapter], chapter))
        row = rows[i]
        found.append(Term(str(row["term_id"]), row["term"], forms_of(row), row["definition"] or None, chapter))
    return tuple(found)
