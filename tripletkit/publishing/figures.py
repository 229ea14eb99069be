"""The figures of a card, computed from the tables and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tripletkit.publishing.checks import NegativeChecks, negative_checks
from tripletkit.publishing.configs import SPLIT_NAMES, Tables

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RUN_WORDS = 8  # passages are near copies if half of their runs of so many words are the same


@dataclass(frozen=True)
class Spread:
    """Least, mean and greatest of some lengths."""

    least: int
    mean: float
    most: int


@dataclass(frozen=True)
class SplitFigures:
    """What one split holds."""

    split: str
    passages: int
    triplets: int
    masked: int
    anchors: int
    positives: int
    negatives: int
    anchor_tokens: Spread
    positive_chars: Spread
    negative_chars: Spread
    cosines: tuple[tuple[str, tuple[float, ...]], ...]  # name → QUANTILES


@dataclass(frozen=True)
class BookFigures:
    """What one book gave."""

    book_id: str
    title: str
    license: str
    pages: int
    passages: int
    kept_terms: int
    triplets: int
    splits: tuple[str, ...]


@dataclass(frozen=True)
class Leakage:
    """What the splits share, counted."""

    books: int  # books with passages in more than one split
    copies: int  # passages whose text, case and white space forgiven, another split has too
    near_copies: int  # held-out passages that say at least half of their word runs after an earlier split
    anchors: int  # anchors in more than one split
    foreign_negatives: int  # triplets whose negative is said in no passage of their split
    held_out_positives: int  # distinct positives of validation and test
    seen_positives: int  # of these, positives of training too


@dataclass(frozen=True)
class Figures:
    """Everything a card counts."""

    books: tuple[BookFigures, ...]
    splits: tuple[SplitFigures, ...]
    rules: tuple[tuple[str, int], ...]
    encoders: tuple[str, ...]
    rounds: int
    dropped: tuple[tuple[str, str, int], ...]  # stage, reason, rows
    leakage: Leakage
    negatives: NegativeChecks


def figures(tables: Tables) -> Figures:
    """Count ``tables`` as ``check_tables`` leaves them."""
    triplets = tables["triplets"]
    dropped = tables["dropped"].group_by("stage", "reason").len().sort("stage", "reason")
    rules = triplets.group_by("rule").len().sort("len", "rule", descending=[True, False])
    return Figures(
        books=tuple(book_figures(tables)),
        splits=tuple(_splits(tables)),
        rules=tuple((rule, n) for rule, n in rules.iter_rows()),
        encoders=tuple(sorted(set(triplets["encoder"]))),
        rounds=triplets["round"].n_unique(),
        dropped=tuple((stage, reason, n) for stage, reason, n in dropped.iter_rows()),
        leakage=leakage(tables),
        negatives=negative_checks(tables),
    )


def book_figures(tables: Tables) -> Iterable[BookFigures]:
    """What each book gave, in the order of ``books``."""
    passages = tables["passages"].join(tables["splits"], on="passage_id", how="left")
    triplets = tables["triplets"].join(tables["passages"].select("passage_id", "book_id"), on="passage_id")
    kept = tables["terms"].filter("kept")
    for book in tables["books"].iter_rows(named=True):
        mine = pl.col("book_id") == book["book_id"]
        own = passages.filter(mine)
        yield BookFigures(
            book["book_id"],
            book["title"],
            book["license"] or "",
            book["pages"],
            own.height,
            kept.filter(mine).height,
            triplets.filter(mine).height,
            tuple(name for name in SPLIT_NAMES if name in set(own["split"])),
        )


def _splits(tables: Tables) -> Iterable[SplitFigures]:
    passages = tables["passages"].join(tables["splits"], on="passage_id")
    tokens = dict(passages.select("passage_id", "n_tokens").iter_rows())
    for name in SPLIT_NAMES:
        triplets, home = tables["triplets"].filter(pl.col("split") == name), passages.filter(pl.col("split") == name)
        if triplets.height or home.height:
            anchor, positive, negative = (triplets[column] for column in ("anchor", "positive", "negative"))
            yield SplitFigures(
                name,
                home.height,
                triplets.height,
                int(triplets["masked"].sum()),
                anchor.n_unique(),
                positive.n_unique(),
                negative.n_unique(),
                spread([tokens[passage_id] for passage_id in triplets["passage_id"]]),
                spread([len(text) for text in positive]),
                spread([len(text) for text in negative]),
                tuple(_cosines(triplets)),
            )


def spread(lengths: list[int]) -> Spread:
    """Least, mean and greatest; zeros if there are none."""
    return Spread(min(lengths), sum(lengths) / len(lengths), max(lengths)) if lengths else Spread(0, 0.0, 0)


def _cosines(triplets: pl.DataFrame) -> Iterable[tuple[str, tuple[float, ...]]]:
    columns = {
        "anchor and positive": pl.col("cos_ap"),
        "anchor and negative": pl.col("cos_an"),
        "positive and negative": pl.col("cos_pn"),
        "gap, cos_ap − cos_an": pl.col("cos_ap") - pl.col("cos_an"),
    }
    for name, column in columns.items():
        values = triplets.select(column.alias("x"))["x"]
        yield name, tuple(values.quantile(q, "linear") or 0.0 for q in QUANTILES)


def leakage(tables: Tables) -> Leakage:
    """What the splits share; near copies are looked for from train to validation to test."""
    passages = tables["passages"].join(tables["splits"], on="passage_id", maintain_order="left")
    by_split = {name: passages.filter(pl.col("split") == name)["text"].to_list() for name in SPLIT_NAMES}
    plain = {name: [" ".join(text.casefold().split()) for text in texts] for name, texts in by_split.items()}
    homes = Counter(text for texts in plain.values() for text in set(texts))
    positives = {name: {term.casefold() for term in _column(tables, name, "positive")} for name in SPLIT_NAMES}
    anchors = Counter(anchor for name in SPLIT_NAMES for anchor in _column(tables, name, "anchor"))
    held_out = positives["validation"] | positives["test"]
    return Leakage(
        books=passages.group_by("book_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height,
        copies=sum(homes[text] > 1 for texts in plain.values() for text in texts),
        near_copies=_near_copies(plain),
        anchors=sum(n > 1 for n in anchors.values()),
        foreign_negatives=_foreign_negatives(tables),
        held_out_positives=len(held_out),
        seen_positives=len(held_out & positives["train"]),
    )


def _foreign_negatives(tables: Tables) -> int:
    said = (
        tables["mentions"]
        .join(tables["splits"], on="passage_id")
        .select(pl.col("term_id").alias("negative_id"), "split")
        .unique()
    )
    return tables["triplets"].join(said, on=["negative_id", "split"], how="anti").height


def _column(tables: Tables, split: str, name: str) -> set[str]:
    return set(tables["triplets"].filter(pl.col("split") == split)[name])


def _near_copies(plain: dict[str, list[str]]) -> int:
    seen: set[int] = set()
    found = 0
    for name in SPLIT_NAMES:
        runs = [word_runs(text) for text in plain[name]]
        found += sum(2 * len(run & seen) >= len(run) > 0 for run in runs)
        seen.update(*runs)
    return found


def word_runs(text: str) -> set[int]:
    """Every run of RUN_WORDS words, by hash: half a million passages' runs would not fit in memory as text."""
    words = text.split()
    return {hash(tuple(words[i : i + RUN_WORDS])) for i in range(len(words) - RUN_WORDS + 1)}
