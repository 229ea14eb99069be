"""Counts for the dataset card, from the tables only, and estimates of false negatives by checks.

The checks share no code with the miner's guards, which know mentions and term ids: they search the passage's text by
regular expressions, and the index by its words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from tripletkit.language.form_search import mentions_any, singular
from tripletkit.near_duplicates import SHARED, Shingles, shares_within, shingles
from tripletkit.publishing.configs import SPLIT_NAMES, Tables

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COSINES = {
    "anchor and positive": pl.col("cos_ap"),
    "anchor and negative": pl.col("cos_an"),
    "positive and negative": pl.col("cos_pn"),
    "margin: anchor and positive − anchor and negative": pl.col("cos_ap") - pl.col("cos_an"),
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NegativeChecks:
    """Triplets whose negative may be a positive, by check."""

    triplets: int  # number checked
    mentioned: int  # the passage mentions the negative, in any of its forms
    cited: int  # the book's index cites the negative on a page of the passage
    related: int  # negative and positive share a form, or one refers to the other
    any_check: int  # at least one of these


@dataclass(frozen=True)
class CardStatistics:
    """Counts for a dataset card; rows per configuration are counted in dataset_folder."""

    books: tuple[Row, ...]  # as ``book_statistics`` gives them
    splits: tuple[Row, ...]  # what a split holds; lengths are "minimum / mean / maximum", ``cosines`` QUANTILES by name
    rules: tuple[tuple[str, int], ...]  # rule → triplets, the most frequent first
    encoders: tuple[str, ...]  # fingerprints of the encoders that mined
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


def dataset_title(books: pl.DataFrame) -> str:
    """The book's title, or how many textbooks there are."""
    return str(books["title"][0]) if books.height == 1 else f"{books.height} textbooks"


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
                "cosines": {
                    of: [cosine.quantile(q, "linear") or 0.0 for q in QUANTILES]
                    for of, cosine in triplets.select(**_COSINES).to_dict().items()
                },
            }


def _lengths(numbers: pl.Series) -> str:
    some = numbers.to_list() or [0]
    return f"{min(some)} / {sum(some) / len(some):.1f} / {max(some)}"


def leakage(tables: Tables) -> dict[str, int]:
    """Overlaps between the splits, counted.

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
    seen, found = list[Shingles](), 0
    for texts in plain.values():
        of_split = {str(number): shingles(text.split()) for number, text in enumerate(texts)}
        found += sum(share >= SHARED for share in shares_within(of_split, seen).values())
        seen += of_split.values()
    return found


def negative_checks(tables: Tables) -> NegativeChecks:
    """Check the negative of every triplet against its passage's text and pages and against the positive."""
    names = tables["terms"].select("term_id", "term", "forms").iter_rows()
    forms = {term_id: {term, *(forms or ())} for term_id, term, forms in names}
    keys = {term_id: set(map(singular, of_term)) for term_id, of_term in forms.items()}
    refers = dict(tables["terms"].select("term_id", "see_also").iter_rows())
    passages = {row["passage_id"]: row for row in tables["passages"].iter_rows(named=True)}
    cited = _cited_pages(tables, keys)
    mentioned = lru_cache(maxsize=None)(lambda passage, term: mentions_any(passages[passage]["text"], forms[term]))

    def check(passage_id: str, positive: str, negative: str) -> tuple[bool, bool, bool]:
        home = passages[passage_id]
        pages = range(home["page_first"], home["page_last"] + 1)
        return (
            mentioned(passage_id, negative),
            any(not cited[home["book_id"], key].isdisjoint(pages) for key in keys[negative]),
            bool(keys[negative] & keys[positive]) or negative in refers[positive] or positive in refers[negative],
        )

    found = [check(*ids) for ids in tables["triplets"].select("passage_id", "positive_id", "negative_id").iter_rows()]
    each_check = (sum(column) for column in zip(*((*one, any(one)) for one in found), strict=True))
    return NegativeChecks(len(found), *each_check)


def _cited_pages(tables: Tables, keys: Mapping[str, set[str]]) -> Mapping[tuple[str, str], set[int]]:
    """(book, form) → physical pages that the book's index cites for it. Terms that are not mined count too."""
    labels = tables["pages"].select("book_id", "label", "page")
    page_of = {(book, label): page for book, label, page in labels.iter_rows()}
    cited: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for term in tables["terms"].drop_nulls("book_id").iter_rows(named=True):
        book, pages = term["book_id"], set[int]()
        for locator in term["locators"] or ():
            if (first := locator["page"]) is not None:
                pages.update(range(first, max(first, page_of.get((book, locator["range_end"]), first)) + 1))
        for key in keys[term["term_id"]]:
            cited[book, key] |= pages
    return cited
