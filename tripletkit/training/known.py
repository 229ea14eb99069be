"""Which terms a passage is known to be about: none of them is a negative for it, wherever it comes from."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tripletkit.mining.pool import cited_pages


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
