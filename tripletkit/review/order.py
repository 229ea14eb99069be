"""What is shown first: the triplets, rejections and proposals that are most worth a person's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tripletkit.review.folder import OutputFolder, Row
from tripletkit.review.why import mine_settings
from tripletkit.reviews import Review
from tripletkit.terms.concepts import propose_aliases

#: By these a triplet is known, whatever its round.
KEY = ("passage_id", "positive_id", "negative_id")
#: A negative this far, or less, below the highest cosine that it may have is near the bound.
NEAR = 0.1
#: Further triplets of one negative count less: the sixth counts half.
AGAIN = 5
State = Literal["open", "judged", "all"]


@dataclass(frozen=True)
class Filters:
    """Which triplets: of a book, rule, term, passage and split ("" for all), judged or not; ``blind``: a random sample in its order."""

    book: str = ""
    rule: str = ""
    term: str = ""
    passage: str = ""
    split: str = ""
    state: State = "open"
    blind: bool = False


def triplet_order(folder: OutputFolder, filters: Filters) -> pl.DataFrame:
    """The triplets that fit, judged or not, in the order of the queue: their KEY, how much they are worth, and why.

    Columns beside the KEY: ``near`` (to the bound), ``used`` (the negative, often), ``teacher`` (prefers the negative),
    ``far`` (the positive from the passage); each from 0 to 1.
    """
    of = (filters.book, filters.rule, filters.term, filters.passage, filters.split, filters.blind)
    files = [f"{name}.parquet" for name in ("triplets", "passages", "teacher")]
    return folder.remember(("order", of), files, lambda: _triplet_order(folder, filters))


def _triplet_order(folder: OutputFolder, filters: Filters) -> pl.DataFrame:
    rows = folder.scan("triplets").select("triplet_id", *KEY, "cos_ap", "cos_an", "rule", "split")
    rows = rows.with_columns(signs(folder)).filter(*_wanted(filters))
    if filters.book:
        own = folder.scan("passages").filter(book_id=filters.book).select("passage_id")
        rows = rows.join(own, on="passage_id", how="semi")
    rows = rows.join(_preferred(folder), on=KEY, how="left").with_columns(pl.col("teacher").fill_null(0.0))
    worth = pl.sum_horizontal("near", "used", "teacher", pl.col("far") / 2)
    # Ids are hashes, so their order is random, and the same for every reviewer.
    rows = rows.sort("triplet_id") if filters.blind else rows.sort(-worth, "triplet_id")
    return rows.unique(KEY, keep="first", maintain_order=True).select(*KEY, "near", "used", "teacher", "far").collect()


def signs(folder: OutputFolder) -> list[pl.Expr]:
    """What makes a triplet doubtful, from its own columns."""
    margin = mine_settings(folder).relative_margin
    below = pl.col("cos_ap") - margin * pl.col("cos_ap").abs() - pl.col("cos_an")
    times = pl.len().over("negative_id")
    nth = pl.col("cos_an").rank("ordinal", descending=True).over("negative_id") - 1
    return [
        (1 - below / NEAR).clip(0, 1).alias("near"),
        (times / times.max() * AGAIN / (AGAIN + nth)).alias("used"),
        (1 - pl.col("cos_ap").rank() / pl.len()).alias("far"),
    ]


def _wanted(filters: Filters) -> list[pl.Expr]:
    wanted = [pl.col(name) == value for name, value in (("rule", filters.rule), ("split", filters.split)) if value]
    if filters.passage:
        wanted.append(pl.col("passage_id") == filters.passage)
    if filters.term:
        wanted.append((pl.col("positive_id") == filters.term) | (pl.col("negative_id") == filters.term))
    return wanted


def _preferred(folder: OutputFolder) -> pl.LazyFrame:
    """The triplets of which the teacher ranks the negative above the positive."""
    none = pl.LazyFrame(schema={**dict.fromkeys(KEY, pl.String), "teacher": pl.Float64})
    if not folder.store.has("teacher") or not folder.store.has_current_columns("teacher"):
        return none
    rows = folder.scan("teacher").select(*KEY, "term_ids", "over_terms").drop_nulls("positive_id")
    scores = rows.explode("term_ids", "over_terms")
    of = {
        name: pl.col("over_terms").filter(pl.col("term_ids") == pl.col(f"{name}_id")).max()
        for name in ("positive", "negative")
    }
    found = scores.group_by(KEY).agg(**of).filter(pl.col("negative") > pl.col("positive"))
    return found.select(*KEY, teacher=pl.lit(1.0))


def judged(rows: Iterable[Review], who: str, *, blind: bool) -> pl.DataFrame:
    """The KEYs that this reviewer has judged; with ``blind`` only those of the measured sample."""
    keys = [row.thing[1:] for row in rows if row.about == "triplet" and row.who == who and row.blind >= blind]
    return pl.DataFrame(keys, schema=dict.fromkeys(KEY, pl.String), orient="row").unique()


@dataclass(frozen=True)
class Place:
    """A row of the queue, those before and after it in the same state, and how many there are."""

    row: dict[str, object] | None
    before: str | None
    after: str | None
    left: int
    total: int


def find_place(order: pl.DataFrame, done: pl.DataFrame, state: State, *, at: str = "", after: str = "") -> Place:
    """The row ``at`` a key; else the first in the state that stands ``after`` a key; else the first in the state."""
    numbered = order.with_row_index("n")
    how: dict[State, Literal["anti", "semi"]] = {"open": "anti", "judged": "semi"}
    kept = numbered if state == "all" else numbered.join(done, on=KEY, how=how[state], maintain_order="left")
    here = _number(numbered, at or after)
    if at and here is not None:
        held = numbered[here : here + 1]
    else:
        later = kept.filter(pl.col("n") > (-1 if here is None else here))
        held = (later if later.height else kept).head(1)
    if held.is_empty():
        return Place(None, None, None, 0, order.height)
    place = held["n"][0]
    before, next_ = numbered.filter(pl.col("n") < place).tail(1), kept.filter(pl.col("n") > place).head(1)
    return Place(held.row(0, named=True), _key(before), _key(next_), kept.height, order.height)


def _key(rows: pl.DataFrame) -> str | None:
    return key_of(rows.row(0, named=True)) if rows.height else None


def key_of(row: dict[str, object]) -> str:
    """A triplet's KEY in an address."""
    return ".".join(str(row[name]) for name in KEY)


def _number(order: pl.DataFrame, key: str) -> int | None:
    parts = key.split(".")
    if len(parts) != len(KEY):
        return None
    found = order.filter(*(pl.col(name) == part for name, part in zip(KEY, parts, strict=True)))
    return int(found["n"][0]) if found.height else None


#: Numbers that the mine stage notes of a rejected candidate.
_NUMBERS = r"^positive .* (-?\d\.\d+), rejected .* (-?\d\.\d+)$"


def rejections(folder: OutputFolder, stage: str = "", reason: str = "", passage: str = "") -> pl.LazyFrame:
    """Rows of `dropped`, with ``of_positive`` and ``of_term``, cosines with the passage, where a candidate was rejected.

    Those that look good come first: hard, but no nearer to the passage than the positive.
    """
    wanted = [
        pl.col(name) == value for name, value in (("stage", stage), ("reason", reason), ("item", passage)) if value
    ]
    numbers = {
        name: pl.col("detail").str.extract(_NUMBERS, at).cast(pl.Float64)
        for at, name in ((1, "of_positive"), (2, "of_term"))
    }
    rows = folder.scan("dropped").filter(*wanted).with_columns(**numbers)
    below = pl.col("of_positive") - pl.col("of_term")
    order = [below < 0, below.abs(), pl.col("stage"), pl.col("reason"), pl.col("item")]
    return rows.sort(order, nulls_last=True)


def proposals(folder: OutputFolder) -> Sequence[tuple[Row, Row, float]]:
    """Pairs of kept terms of one book and the user that may be one, the likeliest first: a term, its other name, similarity."""
    return folder.remember("proposals", ["terms.parquet"], lambda: _proposals(folder))


def _proposals(folder: OutputFolder) -> Sequence[tuple[Row, Row, float]]:
    kept = [row for row in folder.terms.values() if row["kept"]]
    found: dict[tuple[str, str], tuple[Row, Row, float]] = {}
    for book_id in dict.fromkeys(row["book_id"] for row in kept):
        named = {row["term"]: row for row in kept if row["book_id"] in (book_id, None)}
        for alias in propose_aliases(named):
            one, other = named[alias.form], named[alias.canonical]
            found.setdefault((one["term_id"], other["term_id"]), (one, other, alias.score))
    return sorted(found.values(), key=lambda pair: -pair[2])
