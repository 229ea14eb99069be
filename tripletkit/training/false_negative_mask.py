"""The terms that a passage is known to be about, which no batch may use as its negatives."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tripletkit.mining.pool import Pool
from tripletkit.mining.relations import cited_pages

#: By default cited positives train alone if there are this many pairs: four epochs of them make 25 steps of 16 (for what this
#: brings, see docs/design-decisions.md).
ENOUGH_PAIRS = 100


def with_positives(triplets: pl.DataFrame, tables: dict[str, pl.DataFrame], wanted: str) -> pl.DataFrame:
    """The triplets that train. ``wanted`` is the setting `train.positives`: auto, cited or all."""
    if wanted == "all":
        return triplets
    cited = only_cited(triplets, tables)
    enough = cited.select("passage_id", "positive_id").n_unique() >= ENOUGH_PAIRS
    return cited if wanted == "cited" or enough else triplets


def only_cited(triplets: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Triplets whose positive the index cites on the pages of the anchor; all of a book without an index, or if none is left.

    A term mentioned in passing teaches less than one that the passage is about (docs/design-decisions.md). A user's own terms,
    which no index can cite, stay. ``tables`` needs passages and terms.
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


def known_terms(triplets: pl.DataFrame, pool: Pool) -> list[frozenset[str]]:
    """Per triplet, the names of the terms that no batch may use as negatives of its anchor: those that the guards of mining reject.

    These are the terms that the passage mentions or implies, those that the index cites near it, its mined positives, and
    the terms related to these. ``pool`` is the split that the triplets are from; for a passage or term outside it, only the mined
    positives are known.
    """
    passages = {passage_id: i for i, passage_id in enumerate(pool.passage_ids)}
    terms = {term_id: i for i, term_id in enumerate(pool.term_ids)}
    known: dict[str, set[str]] = defaultdict(set)
    for passage_id, term_id, name in triplets.select("passage_id", "positive_id", "positive").unique().iter_rows():
        if passage_id in passages and passage_id not in known:
            i = passages[passage_id]
            known[passage_id] |= {
                pool.names[t] for held in (pool.mentioned, pool.cited, pool.implied) for t in held[i].tolist()
            }
        known[passage_id].add(name)
        if term_id in terms:
            known[passage_id] |= {pool.names[t] for t in pool.related[terms[term_id]].tolist()}
    whole = {passage_id: frozenset(names) for passage_id, names in known.items()}
    return [whole[passage_id] for passage_id in triplets["passage_id"]]
