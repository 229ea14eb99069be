"""Tables → configurations: what ``load_dataset(folder, NAME)`` opens, each as a frame that has a column ``split``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tripletkit.errors import TableError
from tripletkit.schemas import BOOKS, DROPPED, MENTIONS, PAGES, PASSAGES, SPLITS, TERMS, TRIPLETS, Table, check_table

SPLIT_NAMES = ("train", "validation", "test")
NEEDED = (BOOKS, PAGES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, DROPPED)

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Configuration:
    """One configuration: its rows with their split, what a row and each column mean, and what was left out."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    frame: pl.DataFrame  # "split", then ``columns`` in their order
    notes: tuple[str, ...] = ()


#: Child table, its column, the table that this column refers to, and the column there.
REFERENCES = (
    ("passages", "book_id", "books", "book_id"),
    ("splits", "passage_id", "passages", "passage_id"),
    ("mentions", "passage_id", "passages", "passage_id"),
    ("mentions", "term_id", "terms", "term_id"),
    ("triplets", "passage_id", "splits", "passage_id"),
    ("triplets", "positive_id", "terms", "term_id"),
    ("triplets", "negative_id", "terms", "term_id"),
)


def check_tables(tables: Tables) -> dict[str, pl.DataFrame]:
    """The tables that publishing needs, sorted. Raises TableError where one is missing, or refers to rows that are not there."""
    missing = [table.name for table in NEEDED if table.name not in tables]
    if missing:
        raise TableError(f"publishing needs the table(s) {', '.join(missing)}", "`tripletkit run` makes them all.")
    checked = {table.name: check_table(tables[table.name], table) for table in NEEDED}
    for child, column, parent, key in REFERENCES:
        unknown = checked[child].join(checked[parent], left_on=column, right_on=key, how="anti")
        if unknown.height:
            raise TableError(
                f"{child}: {column} {unknown[column][0]!r} is not in {parent} ({unknown.height} such rows)",
                "The tables are of different runs; run `tripletkit run` again.",
            )
    _check_splits(checked)
    return checked


def _check_splits(tables: Tables) -> None:
    strange = sorted(set(tables["splits"]["split"]) - set(SPLIT_NAMES))
    if strange:
        raise TableError(f"splits: unknown split {strange[0]!r}", f"Known: {', '.join(SPLIT_NAMES)}.")
    moved = tables["triplets"].join(tables["splits"], on=["passage_id", "split"], how="anti")
    if moved.height:
        raise TableError(
            f"triplets: {moved['triplet_id'][0]!r} is not in its passage's split ({moved.height} such rows)",
            "Mine again: `tripletkit mine`.",
        )
    if not tables["triplets"].height:
        raise TableError(
            "triplets: the table is empty, so there is nothing to publish",
            "`tripletkit mine` makes it and says why it found none.",
        )


def open_configurations(tables: Tables) -> tuple[Configuration, ...]:
    """Every configuration with its text. The first is the default."""
    return (
        triplet(tables),
        n_tuple(tables),
        pairs(tables),
        labelled_pairs(tables),
        scored_list(tables),
        definitions(tables),
        corpus(tables),
        terms(tables),
        mentions(tables),
        full(tables),
    )


def triplet(tables: Tables) -> Configuration:
    """Nothing but the three texts, in the order that a triplet loss expects."""
    columns = _meanings(TRIPLETS, "anchor", "positive", "negative")
    return _configuration(
        "triplet", "one triplet; SentenceTransformerTrainer takes it as it is", columns, tables["triplets"]
    )


def n_tuple(tables: Tables) -> Configuration:
    """An anchor, its positive and its n nearest negatives in one row; n is chosen to keep the most negatives in all."""
    groups = (
        tables["triplets"]
        .sort("cos_an", "negative_id", descending=[True, False])
        .group_by("split", "passage_id", "positive_id", "masked", "round", "anchor", "positive", maintain_order=True)
        .agg(pl.col("negative"))
        .sort("passage_id", "positive_id", "masked", "round", "anchor")
    )
    sizes = groups["negative"].list.len()
    # Padding would invent negatives, so a row with too few is left out and counted.
    width = max(range(1, max(sizes, default=1) + 1), key=lambda n: (n * int((sizes >= n).sum()), n))
    whole = groups.filter(pl.col("negative").list.len() >= width)
    frame = whole.with_columns(pl.col("negative").list.get(n).alias(f"negative_{n + 1}") for n in range(width))
    nearest = {f"negative_{n + 1}": f"negative number {n + 1}, by nearness to the anchor" for n in range(width)}
    columns = {**_meanings(TRIPLETS, "anchor", "positive"), **nearest}
    short = groups.height - whole.height
    note = f"n-tuple: {short} of {groups.height} (anchor, positive) have fewer than {width} negatives and are left out."
    return _configuration(
        "n-tuple", f"anchor, positive and its {width} nearest negatives", columns, frame, (note,) if short else ()
    )


def pairs(tables: Tables) -> Configuration:
    """Distinct (anchor, positive), for losses that take their negatives from the batch."""
    frame = tables["triplets"].unique(["split", "anchor", "positive"], keep="first", maintain_order=True)
    return _configuration("pairs", "distinct anchor and positive", _meanings(TRIPLETS, "anchor", "positive"), frame)


def labelled_pairs(tables: Tables) -> Configuration:
    """Every positive (1) and every negative (0) of an anchor in a row of its own."""
    frame = _terms_of_anchors(tables).with_columns(label=(pl.col("side") == "positive").cast(pl.Int32))
    columns = {**_meanings(TRIPLETS, "anchor"), "text": "a term", "label": "1: a positive of the anchor; 0: a negative"}
    return _configuration("labelled-pairs", "an anchor, a term, and whether it is a positive", columns, frame)


def scored_list(tables: Tables) -> Configuration:
    """All terms of an anchor in one row, the highest score first."""
    frame = _terms_of_anchors(tables).group_by("split", "anchor", maintain_order=True).agg(texts="text", scores="score")
    columns = {
        **_meanings(TRIPLETS, "anchor"),
        "texts": "its positives and negatives, the nearest first",
        "scores": "cosine of the anchor and each text, by the encoder that mined",
    }
    return _configuration("scored-list", "an anchor and its terms with their scores", columns, frame)


def _terms_of_anchors(tables: Tables) -> pl.DataFrame:
    """split, anchor, text, side, score: each positive and negative of an anchor once, the nearest first."""
    sides = (
        tables["triplets"].select("split", "anchor", text=side, side=pl.lit(side), score=cosine)
        for side, cosine in (("positive", "cos_ap"), ("negative", "cos_an"))
    )
    return (
        pl.concat(sides)
        .unique(["split", "anchor", "text", "side"], keep="first", maintain_order=True)
        .sort("split", "anchor", "score", "text", descending=[False, False, True, False])
    )


def definitions(tables: Tables) -> Configuration:
    """The kept terms that have a definition."""
    defined = tables["terms"].filter(pl.col("kept") & pl.col("definition").is_not_null())
    frame = defined.join(term_splits(tables), on="term_id", how="left", maintain_order="left")
    return _configuration(
        "definitions", "a definition and the term it defines", _meanings(TERMS, "definition", "term"), frame
    )


def corpus(tables: Tables) -> Configuration:
    """The passages. One without a split was never compared with those of other splits, so it is left out and counted."""
    frame = tables["passages"].join(tables["splits"], on="passage_id", how="left", maintain_order="left")
    out = frame["split"].null_count()
    note = f"corpus: {out} of {frame.height} passages belong to no split and are left out."
    return _configuration("corpus", "a passage", _meanings(PASSAGES), frame.drop_nulls("split"), (note,) if out else ())


def terms(tables: Tables) -> Configuration:
    """The whole glossary, terms that were not kept included."""
    frame = tables["terms"].join(term_splits(tables), on="term_id", how="left", maintain_order="left")
    return _configuration(
        "terms", "a term of the glossary, in the earliest split that mentions it", _meanings(TERMS), frame
    )


def mentions(tables: Tables) -> Configuration:
    """Where the passages of ``corpus`` mention terms."""
    frame = tables["mentions"].join(tables["splits"], on="passage_id", how="inner", maintain_order="left")
    return _configuration("mentions", "a place where a passage mentions a term", _meanings(MENTIONS), frame)


def full(tables: Tables) -> Configuration:
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
    ids = ("triplet_id", "passage_id", "positive_id", "negative_id")
    columns = {
        **_meanings(TRIPLETS, *ids),
        **_meanings(PASSAGES, *place),
        "spans": "where the passage mentions the positive: character offsets into the passage's text",
        **_meanings(TRIPLETS, *(name for name in TRIPLETS.columns if name not in (*ids, "split"))),
    }
    return _configuration("full", "a triplet with ids, pages, spans, scores and rules", columns, frame)


def term_splits(tables: Tables) -> pl.DataFrame:
    """term_id → split: the earliest of train, validation and test that mentions the term.

    So no training passage mentions a term whose definition is in the test split. A term that no passage mentions goes
    to the earliest split of its book.
    """
    order = pl.col("split").replace_strict(dict(zip(SPLIT_NAMES, range(3), strict=True)), return_dtype=pl.Int32)
    earliest = {
        key: tables[table].join(tables["splits"], on="passage_id").group_by(key).agg(order.min().alias(table))
        for table, key in (("mentions", "term_id"), ("passages", "book_id"))
    }
    ranks = tables["terms"].select("term_id", "book_id")
    for key, ranked in earliest.items():
        ranks = ranks.join(ranked, on=key, how="left")
    rank = pl.coalesce("mentions", "passages", pl.lit(0, dtype=pl.Int32))
    return ranks.select("term_id", split=rank.replace_strict(dict(enumerate(SPLIT_NAMES)), return_dtype=pl.String))


def _meanings(table: Table, *names: str) -> dict[str, str]:
    return {name: table.columns[name].meaning for name in names or table.columns}


def _configuration(
    name: str, meaning: str, columns: Mapping[str, str], frame: pl.DataFrame, notes: tuple[str, ...] = ()
) -> Configuration:
    return Configuration(name, meaning, columns, frame.select("split", *columns), notes)
