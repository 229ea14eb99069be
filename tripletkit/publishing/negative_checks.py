"""How many published negatives are false: checks that share no code with the miner's guards, and a review by hand.

The miner knows mentions and term ids. The checks search the passage's text by regular expressions, and the index by its words.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ValidationError

from tripletkit.errors import SourceError
from tripletkit.ids import rng_for
from tripletkit.language.form_search import mentions_any, singular
from tripletkit.publishing.configs import Tables

REVIEW = "review.jsonl"
_Z = 1.959964  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class NegativeChecks:
    """Triplets whose negative may be a positive, by check."""

    triplets: int  # all that were checked
    mentioned: int  # the passage mentions the negative, in any of its forms
    cited: int  # the book's index cites the negative on a page of the passage
    related: int  # negative and positive share a form, or one refers to the other
    any_check: int  # at least one of these


@dataclass(frozen=True)
class Review:
    """Triplets that somebody has read, by verdict."""

    good: int
    false_negative: int
    trivial: int

    @property
    def triplets(self) -> int:
        """All that were read."""
        return self.good + self.false_negative + self.trivial

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share of false negatives."""
        return wilson(self.false_negative, self.triplets)


def negative_checks(tables: Tables) -> NegativeChecks:
    """Check the negative of every triplet against its passage's text and pages and against the positive."""
    forms = {row["term_id"]: _forms(row) for row in tables["terms"].iter_rows(named=True)}
    keys = {term_id: set(map(singular, of_term)) for term_id, of_term in forms.items()}
    refers = dict(tables["terms"].select("term_id", "see_also").iter_rows())
    passages = {row["passage_id"]: row for row in tables["passages"].iter_rows(named=True)}
    cited = _cited_pages(tables)
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


def _forms(term: Mapping[str, Any]) -> set[str]:
    return {term["term"], *(term["forms"] or ())}


def _cited_pages(tables: Tables) -> Mapping[tuple[str, str], set[int]]:
    """(book, form) → physical pages that the book's index cites for it. Terms that are not mined count too."""
    labels = tables["pages"].select("book_id", "label", "page")
    page_of = {(book, label): page for book, label, page in labels.iter_rows()}
    cited: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for term in tables["terms"].drop_nulls("book_id").iter_rows(named=True):
        book, pages = term["book_id"], set[int]()
        for locator in term["locators"] or ():
            if (first := locator["page"]) is not None:
                pages.update(range(first, max(first, page_of.get((book, locator["range_end"]), first)) + 1))
        for key in map(singular, _forms(term)):
            cited[book, key] |= pages
    return cited


def wilson(hits: int, sample: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, "Probable inference", JASA 22). ``sample`` is over 0."""
    share, spread = hits / sample, _Z**2 / sample
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / sample + spread / (4 * sample))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


class _Verdict(BaseModel):
    triplet_id: str
    verdict: Literal["", "good", "false negative", "trivial"]


def read_review(path: Path, triplet_ids: Collection[str]) -> Review | None:
    """The verdicts in ``path`` on ``triplet_ids``; None if there is none. Of two on one triplet the later counts.

    Raises SourceError that names the line.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    verdicts = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = _Verdict.model_validate_json(line) if line.strip() else None
        except ValidationError as error:
            wrong = error.errors()[0]
            raise SourceError(
                f"{path}, line {number}: {' '.join(map(str, wrong['loc']))}: {wrong['msg']}: {line[:80]!r}",
                "`tripletkit publish --review-sample 100` prints such lines; fill in their verdicts.",
            ) from None
        if row and row.verdict and row.triplet_id in triplet_ids:
            verdicts[row.triplet_id] = row.verdict
    counts = Counter(verdicts.values())
    return Review(counts["good"], counts["false negative"], counts["trivial"]) if verdicts else None


def review_sample(triplets: pl.DataFrame, number: int, seed: int) -> Iterator[str]:
    """JSON lines for ``read_review``, each with an empty verdict: triplets to read, drawn at random by the seed."""
    ids = sorted(triplets["triplet_id"])
    drawn = rng_for(seed, "review").sample(ids, min(number, len(ids)))
    shown = triplets.select("triplet_id", "anchor", "positive", "negative").filter(pl.col("triplet_id").is_in(drawn))
    rows = {row["triplet_id"]: row for row in shown.iter_rows(named=True)}
    for triplet in drawn:
        yield json.dumps({**rows[triplet], "verdict": ""}, ensure_ascii=False)
