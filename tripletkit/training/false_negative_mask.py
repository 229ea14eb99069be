"""The terms that a passage is known to be about, which no batch may use as its negatives."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tripletkit.mining.pool import Pool

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
    terms, homes = tables["terms"], tables["passages"].select("passage_id", "book_id", "page_first", "page_last")
    page = pl.col("locators").list.eval(pl.element().struct.field("page"))
    pages = terms.select("book_id", positive_id="term_id", page=page).explode("page").drop_nulls("page")
    rows = triplets.select("passage_id", "positive_id").with_row_index("row").join(homes, on="passage_id")
    cited = rows.join(pages, on="positive_id").filter(pl.col("page").is_between("page_first", "page_last"))["row"]
    own = terms.filter(pl.col("book_id").is_null())["term_id"]
    kept = rows.filter(
        ~pl.col("book_id").is_in(pages["book_id"].unique().to_list())
        | pl.col("positive_id").is_in(own.to_list())
        | pl.col("row").is_in(cited.unique().to_list())
    )
    return triplets[kept["row"].sort()] if kept.height else triplets


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
        lists = [pool.related[terms[term_id]]] if term_id in terms else []
        if passage_id in passages and passage_id not in known:
            lists += [of_passages[passages[passage_id]] for of_passages in (pool.mentioned, pool.cited, pool.implied)]
        known[passage_id] |= {name, *(pool.names[t] for held in lists for t in held.tolist())}
    whole = {passage_id: frozenset(names) for passage_id, names in known.items()}
    return [whole[passage_id] for passage_id in triplets["passage_id"]]
