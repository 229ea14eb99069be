"""Which terms a passage is known to be about: none of them is a negative for it, wherever it comes from."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tripletkit.mining.pool import cited_pages

#: By default so many cited (passage, positive) train alone: with three negatives each they make 150 steps of 16. Fewer, gone over
#: again and again, teach less than all there are; see `only_cited` for what 1,270 of them taught.
ENOUGH_PAIRS = 800


def with_positives(triplets: pl.DataFrame, tables: dict[str, pl.DataFrame], wanted: str) -> pl.DataFrame:
    """The triplets that train where ``wanted``, the setting `train.positives`, is auto, cited or all."""
    if wanted == "all":
        return triplets
    cited = only_cited(triplets, tables)
    enough = cited.select("passage_id", "positive_id").n_unique() >= ENOUGH_PAIRS
    return cited if wanted == "cited" or enough else triplets


def only_cited(triplets: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Triplets whose positive the index cites on the anchor's pages; all of a book without a citing index, or if none is left.

    What a passage says in passing teaches less than what it is about: after 120 steps on five books the MAP of two unseen ones
    rose by 29 and 43 %, with all positives (100 steps) by 24 and 36 %. A user's own terms, which no index can cite, stay.
    ``tables`` holds passages and terms.
    """
    pages: dict[str, set[int]] = {}
    indexed: set[str] = set()
    own: set[str] = set()
    for term in tables["terms"].to_dicts():
        if term["book_id"] is None:
            own.add(term["term_id"])
        pages[term["term_id"]] = cited_pages(term)
        if pages[term["term_id"]]:
            indexed.add(term["book_id"])
    homes = {row["passage_id"]: row for row in tables["passages"].to_dicts()}
    kept = []
    for passage_id, positive_id in triplets.select("passage_id", "positive_id").iter_rows():
        home = homes[passage_id]
        held = range(home["page_first"], home["page_last"] + 1)
        kept.append(home["book_id"] not in indexed or positive_id in own or not pages[positive_id].isdisjoint(held))
    return triplets.filter(pl.Series(kept)) if any(kept) else triplets


def known_positives(
    triplets: pl.DataFrame, tables: dict[str, pl.DataFrame], *, page_margin: int
) -> list[frozenset[str]]:
    """Per triplet, the canonical forms of all terms that its passage says, that the index cites near it, or that are mined for it.

    ``tables`` holds passages, terms and mentions.
    """
    names = dict(tables["terms"].select("term_id", "term").iter_rows())
    known: dict[str, set[str]] = defaultdict(set)
    for passage_id, name in triplets.select("passage_id", "positive").unique().iter_rows():
        known[passage_id].add(name)
    for passage_id, term_id in tables["mentions"].select("passage_id", "term_id").unique().iter_rows():
        known[passage_id].add(names[term_id])
    cited: dict[tuple[str, int], set[str]] = defaultdict(set)
    for term in tables["terms"].to_dicts():
        for page in cited_pages(term):
            cited[term["book_id"], page].add(term["term"])
    columns = tables["passages"].select("passage_id", "book_id", "page_first", "page_last")
    for passage_id, book_id, first, last in columns.iter_rows():
        for page in range(first - page_margin, last + page_margin + 1):
            known[passage_id] |= cited.get((book_id, page), set())
    whole = {passage_id: frozenset(terms) for passage_id, terms in known.items()}
    return [whole[passage_id] for passage_id in triplets["passage_id"]]
