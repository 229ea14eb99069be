"""Which terms a passage is known to be about: none of them is a negative for it, wherever it comes from."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tripletkit.mining.pool import Pool
from tripletkit.mining.relations import cited_pages

#: By default so many cited (passage, positive) train alone: gone over four times they make 25 steps of 16. The first two thirds of
#: ods-java have 188 (by the book's definitions, too), of econ-micro-openstax 781; trained on these, their last thirds' MAP rose by 61
#: and 31 %, trained on 597 and 1,823 with what is merely said by 25 and 13 %, and nDCG@10 by 7 and 9 % beside 9 and 7 %.
ENOUGH_PAIRS = 100


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


def known_terms(triplets: pl.DataFrame, pool: Pool) -> list[frozenset[str]]:
    """Per triplet, the terms that no batch may take as negatives of its anchor: what the miner's guards refuse there, by name.

    These are what its passage says or hints at, in any book's words, what the index cites near it, what is mined for it, and
    whatever these positives are related to. ``pool`` is the split that the triplets are from; of a passage or term that it does
    not hold, only what is mined is known.
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
