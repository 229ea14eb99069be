"""Everything that the cards count, from the tables and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tripletkit.publishing.configs import SPLIT_NAMES, Tables
from tripletkit.publishing.negative_checks import NegativeChecks, negative_checks

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Passages are near copies if they share half of their sequences of this many words.
SHINGLE_WORDS = 8


@dataclass(frozen=True)
class SplitStatistics:
    """What one split holds. Anchors, positives and negatives count distinct texts; lengths are "minimum / mean / maximum"."""

    split: str
    passages: int
    triplets: int
    masked: int
    anchors: int
    positives: int
    negatives: int
    anchor_tokens: str
    positive_chars: str
    negative_chars: str
    cosines: tuple[tuple[str, tuple[float, ...]], ...]  # of what → its QUANTILES


@dataclass(frozen=True)
class BookStatistics:
    """What came from one book."""

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
    copies: int  # passages that another split has too, but for case and white space
    near_copies: int  # held-out passages half of whose shingles are in an earlier split
    anchors: int  # anchors in more than one split
    foreign_negatives: int  # triplets whose negative no passage of their split mentions
    held_out_positives: int  # distinct positives of validation and test
    seen_positives: int  # of these, positives of training too


@dataclass(frozen=True)
class CardStatistics:
    """Everything that a dataset card counts."""

    books: tuple[BookStatistics, ...]
    splits: tuple[SplitStatistics, ...]
    rules: tuple[tuple[str, int], ...]  # rule → triplets, the most frequent first
    encoders: tuple[str, ...]  # fingerprints of those that mined
    rounds: int
    dropped: tuple[tuple[str, str, int], ...]  # stage, reason, rows
    leakage: Leakage
    negatives: NegativeChecks

    @property
    def triplets(self) -> int:
        """Triplets of all splits together."""
        return sum(split.triplets for split in self.splits)


def card_statistics(tables: Tables) -> CardStatistics:
    """Count ``tables`` as ``configs.check_tables`` returns them."""
    triplets = tables["triplets"]
    dropped = tables["dropped"].group_by("stage", "reason").len().sort("stage", "reason")
    rules = triplets.group_by("rule").len().sort("len", "rule", descending=[True, False])
    return CardStatistics(
        books=tuple(book_statistics(tables)),
        splits=tuple(_splits(tables)),
        rules=tuple(rules.iter_rows()),
        encoders=tuple(sorted(set(triplets["encoder"]))),
        rounds=triplets["round"].n_unique(),
        dropped=tuple(dropped.iter_rows()),
        leakage=leakage(tables),
        negatives=negative_checks(tables),
    )


def book_statistics(tables: Tables) -> Iterable[BookStatistics]:
    """What came from each book, in the order of ``books``."""
    passages = tables["passages"].join(tables["splits"], on="passage_id", how="left")
    triplets = tables["triplets"].join(tables["passages"].select("passage_id", "book_id"), on="passage_id")
    kept = tables["terms"].filter("kept")
    for book in tables["books"].iter_rows(named=True):
        mine = pl.col("book_id") == book["book_id"]
        own = passages.filter(mine)
        yield BookStatistics(
            book_id=book["book_id"],
            title=book["title"],
            license=book["license"] or "",
            pages=book["pages"],
            passages=own.height,
            kept_terms=kept.filter(mine).height,
            triplets=triplets.filter(mine).height,
            splits=tuple(name for name in SPLIT_NAMES if name in set(own["split"])),
        )


def _splits(tables: Tables) -> Iterable[SplitStatistics]:
    passages = tables["passages"].join(tables["splits"], on="passage_id")
    tokens = dict(passages.select("passage_id", "n_tokens").iter_rows())
    for name in SPLIT_NAMES:
        triplets, home = tables["triplets"].filter(split=name), passages.filter(split=name)
        if triplets.height or home.height:
            yield SplitStatistics(
                split=name,
                passages=home.height,
                triplets=triplets.height,
                masked=int(triplets["masked"].sum()),
                anchors=triplets["anchor"].n_unique(),
                positives=triplets["positive"].n_unique(),
                negatives=triplets["negative"].n_unique(),
                anchor_tokens=lengths([tokens[passage_id] for passage_id in triplets["passage_id"]]),
                positive_chars=lengths([len(text) for text in triplets["positive"]]),
                negative_chars=lengths([len(text) for text in triplets["negative"]]),
                cosines=tuple(_cosines(triplets)),
            )


def lengths(numbers: list[int]) -> str:
    """Minimum / mean / maximum; zeros if there are none."""
    some = numbers or [0]
    return f"{min(some)} / {sum(some) / len(some):.1f} / {max(some)}"


def _cosines(triplets: pl.DataFrame) -> Iterable[tuple[str, tuple[float, ...]]]:
    columns = {
        "anchor and positive": pl.col("cos_ap"),
        "anchor and negative": pl.col("cos_an"),
        "positive and negative": pl.col("cos_pn"),
        "margin: anchor and positive − anchor and negative": pl.col("cos_ap") - pl.col("cos_an"),
    }
    for name, column in columns.items():
        values = triplets.select(x=column)["x"]
        yield name, tuple(values.quantile(q, "linear") or 0.0 for q in QUANTILES)


def leakage(tables: Tables) -> Leakage:
    """What the splits share. Near copies are counted in validation against train, and in test against both."""
    passages = tables["passages"].join(tables["splits"], on="passage_id", maintain_order="left")
    by_split = {name: passages.filter(split=name)["text"].to_list() for name in SPLIT_NAMES}
    plain = {name: [" ".join(text.casefold().split()) for text in texts] for name, texts in by_split.items()}
    homes = Counter(text for texts in plain.values() for text in set(texts))
    positives = {name: {term.casefold() for term in _distinct(tables, name, "positive")} for name in SPLIT_NAMES}
    anchors = Counter(anchor for name in SPLIT_NAMES for anchor in _distinct(tables, name, "anchor"))
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
    mentioned = (
        tables["mentions"].join(tables["splits"], on="passage_id").select("split", negative_id="term_id").unique()
    )
    return tables["triplets"].join(mentioned, on=["negative_id", "split"], how="anti").height


def _distinct(tables: Tables, split: str, name: str) -> set[str]:
    return set(tables["triplets"].filter(split=split)[name])


def _near_copies(plain: dict[str, list[str]]) -> int:
    seen: set[int] = set()
    found = 0
    for name in SPLIT_NAMES:
        of_split = [shingles(text) for text in plain[name]]
        found += sum(2 * len(one & seen) >= len(one) > 0 for one in of_split)
        seen.update(*of_split)
    return found


def shingles(text: str) -> set[int]:
    """Hashes of every sequence of SHINGLE_WORDS words. As text, those of half a million passages would not fit in memory."""
    words = text.split()
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(len(words) - SHINGLE_WORDS + 1)}
