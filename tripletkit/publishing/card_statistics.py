"""Everything that the cards count, from the tables and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tripletkit.publishing.configs import SPLIT_NAMES, Tables
from tripletkit.publishing.negative_checks import NegativeChecks, negative_checks

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Passages are near copies if they share half of their sequences of this many words.
SHINGLE_WORDS = 8
_COSINES = {
    "anchor and positive": pl.col("cos_ap"),
    "anchor and negative": pl.col("cos_an"),
    "positive and negative": pl.col("cos_pn"),
    "margin: anchor and positive − anchor and negative": pl.col("cos_ap") - pl.col("cos_an"),
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class CardStatistics:
    """Everything that a dataset card counts."""

    books: tuple[Row, ...]  # as ``book_statistics`` gives them
    splits: tuple[Row, ...]  # what a split holds; lengths are "minimum / mean / maximum", ``cosines`` QUANTILES by name
    rules: tuple[tuple[str, int], ...]  # rule → triplets, the most frequent first
    encoders: tuple[str, ...]  # fingerprints of those that mined
    rounds: int
    dropped: tuple[tuple[str, str, int], ...]  # stage, reason, rows
    leakage: Mapping[str, int]
    negatives: NegativeChecks

    @property
    def triplets(self) -> int:
        """Triplets of all splits together."""
        return sum(split["triplets"] for split in self.splits)


def card_statistics(tables: Tables) -> CardStatistics:
    """Count ``tables`` as ``configs.check_tables`` returns them."""
    triplets = tables["triplets"]
    dropped = tables["dropped"].group_by("stage", "reason").len().sort("stage", "reason")
    rules = triplets.group_by("rule").len().sort("len", "rule", descending=[True, False])
    return CardStatistics(
        books=book_statistics(tables),
        splits=tuple(_splits(tables)),
        rules=tuple(rules.iter_rows()),
        encoders=tuple(sorted(set(triplets["encoder"]))),
        rounds=triplets["round"].n_unique(),
        dropped=tuple(dropped.iter_rows()),
        leakage=leakage(tables),
        negatives=negative_checks(tables),
    )


def book_statistics(tables: Tables) -> tuple[Row, ...]:
    """The rows of ``books`` with what came from each: ``passages``, ``splits``, ``kept_terms`` and ``triplets``."""
    passages = tables["passages"].join(tables["splits"], on="passage_id", how="left")
    triplets = tables["triplets"].join(passages.select("passage_id", "book_id"), on="passage_id")
    counts = (
        passages.group_by("book_id").agg(passages=pl.len(), splits=pl.col("split").drop_nulls().unique()),
        tables["terms"].filter("kept").group_by("book_id").len("kept_terms"),
        triplets.group_by("book_id").len("triplets"),
    )
    books = tables["books"]
    for one in counts:
        books = books.join(one, on="book_id", how="left", maintain_order="left")
    rows = books.with_columns(pl.col("passages", "kept_terms", "triplets").fill_null(0)).iter_rows(named=True)
    return tuple({**row, "splits": [name for name in SPLIT_NAMES if name in (row["splits"] or ())]} for row in rows)


def _splits(tables: Tables) -> Iterator[Row]:
    passages = tables["passages"].join(tables["splits"], on="passage_id")
    for name in SPLIT_NAMES:
        triplets, home = tables["triplets"].filter(split=name), passages.filter(split=name)
        if triplets.height or home.height:
            yield {
                "split": name,
                "passages": home.height,
                "triplets": triplets.height,
                "masked": triplets["masked"].sum(),
                **{f"{side}s": triplets[side].n_unique() for side in ("anchor", "positive", "negative")},
                "anchor_tokens": _lengths(triplets.join(home, on="passage_id")["n_tokens"]),
                "positive_chars": _lengths(triplets["positive"].str.len_chars()),
                "negative_chars": _lengths(triplets["negative"].str.len_chars()),
                "cosines": {of: _quantiles(triplets.select(x=cosine)["x"]) for of, cosine in _COSINES.items()},
            }


def _lengths(numbers: pl.Series) -> str:
    some = numbers.to_list() or [0]
    return f"{min(some)} / {sum(some) / len(some):.1f} / {max(some)}"


def _quantiles(cosines: pl.Series) -> list[float]:
    return [cosines.quantile(q, "linear") or 0.0 for q in QUANTILES]


def leakage(tables: Tables) -> dict[str, int]:
    """What the splits share, counted.

    ``books`` and ``anchors`` in more than one split; ``copies``: passages that another split has too, but for case and
    white space; ``foreign_negatives``: triplets whose negative no passage of their split mentions; ``seen_positives``:
    of the distinct ``held_out_positives`` (validation and test) those that are positives of training too.
    """
    passages = tables["passages"].join(tables["splits"], on="passage_id", maintain_order="left")
    plain = (" ".join(text.casefold().split()) for text in passages["text"])
    passages, triplets = passages.with_columns(plain=pl.Series(plain, dtype=pl.String)), tables["triplets"]
    mentioned = tables["mentions"].join(tables["splits"], on="passage_id").select("split", negative_id="term_id")
    positives = {name: {one.casefold() for one in triplets.filter(split=name)["positive"]} for name in SPLIT_NAMES}
    held_out = positives["validation"] | positives["test"]
    splits = pl.col("split").n_unique()
    return {
        "books": passages.group_by("book_id").agg(splits).filter(pl.col("split") > 1).height,
        "copies": passages.filter(splits.over("plain") > 1).height,
        "near_copies": _near_copies({name: passages.filter(split=name)["plain"] for name in SPLIT_NAMES}),
        "anchors": triplets.group_by("anchor").agg(splits).filter(pl.col("split") > 1).height,
        "foreign_negatives": triplets.join(mentioned, on=["negative_id", "split"], how="anti").height,
        "held_out_positives": len(held_out),
        "seen_positives": len(held_out & positives["train"]),
    }


def _near_copies(plain: Mapping[str, pl.Series]) -> int:
    """Held-out passages that share half of their shingles with an earlier split, test with both others."""
    seen: set[int] = set()
    found = 0
    for texts in plain.values():
        of_split = [shingles(text) for text in texts]
        found += sum(2 * len(one & seen) >= len(one) > 0 for one in of_split)
        seen.update(*of_split)
    return found


def shingles(text: str) -> set[int]:
    """Hashes of every sequence of SHINGLE_WORDS words; the words themselves would not fit in memory."""
    words = text.split()
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(len(words) - SHINGLE_WORDS + 1)}
