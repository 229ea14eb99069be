"""Tables → configurations: what ``load_dataset(folder, NAME)`` opens, as frames that have a ``split`` column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tripletkit.errors import TableError
from tripletkit.schemas import (
    BOOKS,
    DROPPED,
    MENTIONS,
    PAGES,
    PASSAGES,
    SPLITS,
    TERMS,
    TRIPLETS,
    Table,
    check_table,
)

SPLIT_NAMES = ("train", "validation", "test")
NEEDED = (BOOKS, PAGES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, DROPPED)
SPANS = "where the positive is said: character offsets into the passage's text"

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class View:
    """One configuration: its rows with their split, what each column means, and what had to stay out."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    frame: pl.DataFrame  # "split", then ``columns`` in their order
    notes: tuple[str, ...] = ()


def check_tables(tables: Tables) -> dict[str, pl.DataFrame]:
    """The tables that publishing needs, sorted. Raises TableError where one is missing, or names what another lacks."""
    missing = [table.name for table in NEEDED if table.name not in tables]
    if missing:
        raise TableError(f"publishing needs the table(s) {', '.join(missing)}", "`tripletkit run` makes them all.")
    checked = {table.name: check_table(tables[table.name], table) for table in NEEDED}
    for child, column, parent, key in REFERENCES:
        _check_reference(checked, child, column, parent, key)
    _check_splits(checked)
    return checked


REFERENCES = (
    ("passages", "book_id", "books", "book_id"),
    ("splits", "passage_id", "passages", "passage_id"),
    ("mentions", "passage_id", "passages", "passage_id"),
    ("mentions", "term_id", "terms", "term_id"),
    ("triplets", "passage_id", "splits", "passage_id"),
    ("triplets", "positive_id", "terms", "term_id"),
    ("triplets", "negative_id", "terms", "term_id"),
)


def _check_reference(tables: Tables, child: str, column: str, parent: str, key: str) -> None:
    unknown = tables[child].join(tables[parent], left_on=column, right_on=key, how="anti")
    if unknown.height:
        raise TableError(
            f"{child}: {column} {unknown[column][0]!r} is not in {parent} ({unknown.height} such rows)",
            "The tables are of different runs; run `tripletkit run` again.",
        )


def _check_splits(tables: Tables) -> None:
    strange = sorted(set(tables["splits"]["split"]) - set(SPLIT_NAMES))
    if strange:
        raise TableError(f"splits: unknown split {strange[0]!r}", f"Known: {', '.join(SPLIT_NAMES)}.")
    torn = tables["triplets"].join(tables["splits"], on=["passage_id", "split"], how="anti")
    if torn.height:
        raise TableError(
            f"triplets: {torn['triplet_id'][0]!r} is not in its passage's split ({torn.height} such rows)",
            "Mine again: `tripletkit mine`.",
        )
    if not tables["triplets"].height:
        raise TableError(
            "triplets: the table is empty, so there is nothing to publish",
            "`tripletkit mine` makes it and says what stood in the way.",
        )


def open_views(tables: Tables) -> tuple[View, ...]:
    """Every configuration with its text; the first is the default."""
    return (
        triplet_view(tables),
        n_tuple_view(tables),
        pairs_view(tables),
        labelled_pairs_view(tables),
        scored_list_view(tables),
        definitions_view(tables),
        corpus_view(tables),
        terms_view(tables),
        mentions_view(tables),
        full_view(tables),
    )


def triplet_view(tables: Tables) -> View:
    """Nothing but the three texts, in the order that a triplet loss expects."""
    return _view(
        "triplet",
        "one triplet a row: what SentenceTransformerTrainer takes as it is",
        _meanings(TRIPLETS, "anchor", "positive", "negative"),
        tables["triplets"],
    )


def n_tuple_view(tables: Tables) -> View:
    """All negatives of an anchor and its positive in one row, the nearest first; as many as keep the most negatives."""
    groups = (
        tables["triplets"]
        .sort("cos_an", "negative_id", descending=[True, False])
        .group_by("split", "passage_id", "positive_id", "masked", "round", "anchor", "positive", maintain_order=True)
        .agg(pl.col("negative"))
        .sort("passage_id", "positive_id", "masked", "round", "anchor")
    )
    sizes = groups["negative"].list.len()
    # Padding would invent negatives, so a row with too few stays out and is counted.
    width = max(range(1, _highest(sizes) + 1), key=lambda n: (n * int((sizes >= n).sum()), n))
    whole = groups.filter(pl.col("negative").list.len() >= width)
    frame = whole.with_columns(pl.col("negative").list.get(n).alias(f"negative_{n + 1}") for n in range(width))
    nearest = {f"negative_{n + 1}": f"negative {n + 1} by nearness to the anchor" for n in range(width)}
    columns = {**_meanings(TRIPLETS, "anchor", "positive"), **nearest}
    short = groups.height - whole.height
    notes = (
        (f"n-tuple: {short} of {groups.height} (anchor, positive) with fewer than {width} negatives are not in it.",)
        if short
        else ()
    )
    return _view("n-tuple", f"anchor, positive and its {width} nearest legal negatives", columns, frame, notes)


def _highest(sizes: pl.Series) -> int:
    return max(sizes.to_list(), default=1)


def pairs_view(tables: Tables) -> View:
    """Distinct (anchor, positive), for losses that take negatives from the batch."""
    frame = tables["triplets"].unique(["split", "anchor", "positive"], keep="first", maintain_order=True)
    return _view("pairs", "distinct anchor and positive", _meanings(TRIPLETS, "anchor", "positive"), frame)


def labelled_pairs_view(tables: Tables) -> View:
    """Every positive (1) and every negative (0) of an anchor in a row of its own."""
    frame = _texts(tables).with_columns(label=(pl.col("side") == "positive").cast(pl.Int32))
    columns = {**_meanings(TRIPLETS, "anchor"), "text": "a term", "label": "1: the anchor says it; 0: it does not"}
    return _view("labelled-pairs", "an anchor, a term, and whether it belongs", columns, frame)


def scored_list_view(tables: Tables) -> View:
    """All terms of an anchor in one row, the best first."""
    frame = _texts(tables).group_by("split", "anchor", maintain_order=True).agg(texts="text", scores="score")
    columns = {
        **_meanings(TRIPLETS, "anchor"),
        "texts": "its positives and negatives, the nearest first",
        "scores": "their cosines with it, by the encoder that mined",
    }
    return _view("scored-list", "an anchor and its terms with their scores", columns, frame)


def _texts(tables: Tables) -> pl.DataFrame:
    """split, anchor, text, side, score: each positive and negative of an anchor once, the nearest first."""
    sides = (
        tables["triplets"].select("split", "anchor", text=side, side=pl.lit(side), score=cosine)
        for side, cosine in (("positive", "cos_ap"), ("negative", "cos_an"))
    )
    order = ["anchor", "score", "text"]
    return (
        pl.concat(sides)
        .unique(["split", "anchor", "text", "side"], keep="first", maintain_order=True)
        .sort("split", *order, descending=[False, False, True, False])
    )


def definitions_view(tables: Tables) -> View:
    """The kept terms that are defined."""
    defined = tables["terms"].filter(pl.col("kept") & pl.col("definition").is_not_null())
    frame = defined.join(term_splits(tables), on="term_id", how="left", maintain_order="left")
    return _view("definitions", "definition and the term it defines", _meanings(TERMS, "definition", "term"), frame)


def corpus_view(tables: Tables) -> View:
    """The passages; one without a split was never checked against the others, so it stays out and is counted."""
    frame = tables["passages"].join(tables["splits"], on="passage_id", how="left", maintain_order="left")
    out = frame["split"].null_count()
    notes = (f"corpus: {out} of {frame.height} passages belong to no split and are not in it.",) if out else ()
    return _view("corpus", "the passages", _meanings(PASSAGES), frame.drop_nulls("split"), notes)


def terms_view(tables: Tables) -> View:
    """The whole glossary, terms that were not kept included."""
    frame = tables["terms"].join(term_splits(tables), on="term_id", how="left", maintain_order="left")
    return _view("terms", "the glossary, in the earliest split that says the term", _meanings(TERMS), frame)


def mentions_view(tables: Tables) -> View:
    """Where terms are said in the passages of ``corpus``."""
    frame = tables["mentions"].join(tables["splits"], on="passage_id", how="inner", maintain_order="left")
    return _view("mentions", "where the terms are said in the passages", _meanings(MENTIONS), frame)


def full_view(tables: Tables) -> View:
    """Everything known of a triplet: ids, place, spans, scores, rule and text."""
    spans = (
        tables["mentions"]
        .group_by("passage_id", "term_id", maintain_order=True)
        .agg(pl.struct("start", "end").alias("spans"))
        .rename({"term_id": "positive_id"})
    )
    place = ("book_id", "section", "page_first", "page_last", "label_first", "label_last", "kind")
    frame = (
        tables["triplets"]
        .join(tables["passages"].select("passage_id", *place), on="passage_id", how="left", maintain_order="left")
        .join(spans, on=["passage_id", "positive_id"], how="left", maintain_order="left")
    )
    rest = [
        name
        for name in TRIPLETS.columns
        if name not in ("triplet_id", "passage_id", "positive_id", "negative_id", "split")
    ]
    columns = {
        **_meanings(TRIPLETS, "triplet_id", "passage_id", "positive_id", "negative_id"),
        **_meanings(PASSAGES, *place),
        "spans": SPANS,
        **_meanings(TRIPLETS, *rest),
    }
    return _view("full", "triplets with ids, pages, spans, scores and rules", columns, frame)


def term_splits(tables: Tables) -> pl.DataFrame:
    """term_id → split: the earliest of train, validation and test that says the term.

    So what a test asks for by its definition no training passage has said. A term that is said nowhere goes with its
    book's earliest split.
    """
    order = pl.col("split").replace_strict(dict(zip(SPLIT_NAMES, range(3), strict=True)), return_dtype=pl.Int32)
    said = tables["mentions"].join(tables["splits"], on="passage_id").group_by("term_id").agg(order.min().alias("said"))
    homes = (
        tables["passages"].join(tables["splits"], on="passage_id").group_by("book_id").agg(order.min().alias("home"))
    )
    ranks = (
        tables["terms"]
        .select("term_id", "book_id")
        .join(said, on="term_id", how="left")
        .join(homes, on="book_id", how="left")
    )
    rank = pl.coalesce("said", "home", pl.lit(0, dtype=pl.Int32)).replace_strict(
        dict(enumerate(SPLIT_NAMES)), return_dtype=pl.String
    )
    return ranks.select("term_id", rank.alias("split"))


def _meanings(table: Table, *names: str) -> dict[str, str]:
    return {name: table.columns[name].meaning for name in names or table.columns}


def _view(
    name: str, meaning: str, columns: Mapping[str, str], frame: pl.DataFrame, notes: tuple[str, ...] = ()
) -> View:
    return View(name, meaning, columns, frame.select("split", *columns), notes)
