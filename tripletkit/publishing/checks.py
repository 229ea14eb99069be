"""How many published negatives are positives after all: plain checks that share nothing with the miner's guards, and a hand review.

The miner knows mentions and term ids; the checks read the passage's own text by regular expressions and the index by its words.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from tripletkit.errors import SourceError
from tripletkit.ids import rng_for
from tripletkit.publishing.configs import Tables

REVIEW = "review.jsonl"
VERDICTS = ("good", "false negative", "trivial")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_Z = 1.959964  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class NegativeChecks:
    """Triplets whose negative each check objects to."""

    triplets: int
    said: int  # the passage says the negative, in any of its forms
    cited: int  # the book's index cites the negative on a page of the passage
    joined: int  # negative and positive share a form, or one refers to the other
    objected: int  # any of these


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


def negative_checks(tables: Tables) -> NegativeChecks:
    """Check every triplet against its passage's text, pages and index."""
    words = {row["term_id"]: _words(row) for row in tables["terms"].iter_rows(named=True)}
    refers = dict(tables["terms"].select("term_id", "see_also").iter_rows())
    passages = {row["passage_id"]: row for row in tables["passages"].iter_rows(named=True)}
    cited = _cited_pages(tables)
    said = lru_cache(maxsize=None)(lambda passage, term: _says(passages[passage]["text"], words[term]))
    counts: Counter[str] = Counter()
    for passage_id, positive, negative in (
        tables["triplets"].select("passage_id", "positive_id", "negative_id").iter_rows()
    ):
        home = passages[passage_id]
        pages = range(home["page_first"], home["page_last"] + 1)
        keys = _keys(words[negative])
        found = {
            "said": said(passage_id, negative),
            "cited": any(not cited[home["book_id"], key].isdisjoint(pages) for key in keys),
            "joined": bool(keys & _keys(words[positive]))
            or negative in refers[positive]
            or positive in refers[negative],
        }
        counts.update(name for name, objects in found.items() if objects)
        counts["objected"] += any(found.values())
    return NegativeChecks(
        tables["triplets"].height, counts["said"], counts["cited"], counts["joined"], counts["objected"]
    )


def _words(term: Mapping[str, object]) -> tuple[str, ...]:
    forms = term["forms"]
    return tuple(dict.fromkeys([str(term["term"]), *(forms if isinstance(forms, list) else [])]))


def _keys(forms: Iterable[str]) -> set[str]:
    return {_singular(form) for form in forms}


def _says(text: str, forms: Iterable[str]) -> bool:
    exact, plain = _plain(text), _plain(text).casefold()
    # "IT" is not "it": an acronym is looked for as it is written.
    return any(pattern(form).search(exact if _is_acronym(form) else plain) is not None for form in forms)


@lru_cache(maxsize=1 << 16)
def pattern(form: str) -> re.Pattern[str]:
    """What finds ``form`` as whole words, in the singular or a plain plural, words parted by white space or hyphens."""
    plain = _plain(form) if _is_acronym(form) else _singular(form)
    words = [re.escape(word) for word in re.split(r"[\s-]+", plain) if word]
    if not words:
        return re.compile(r"(?!)")
    if words[-1].endswith("y") and not _is_acronym(form):
        words[-1] = words[-1][:-1] + "(?:y|ie)"
    return re.compile(r"(?<!\w)" + r"[\s-]+".join(words) + r"(?:e?s)?(?!\w)")


@lru_cache(maxsize=1 << 16)
def _singular(form: str) -> str:
    plain = _plain(form).casefold()
    if len(plain) < 4 or re.search(r"(ss|us|is)$", plain):
        return plain
    return plain[:-3] + "y" if plain.endswith("ies") else plain.removesuffix("s")


def _is_acronym(form: str) -> bool:
    return len(form) <= 6 and form.isupper()


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_DASHES).replace("’", "'")
    return " ".join(text.split())


def _cited_pages(tables: Tables) -> Mapping[tuple[str, str], set[int]]:
    """(book, form) → physical pages that the book's index cites for it; terms that are not mined count too."""
    page_of = {
        (book, label): page for book, label, page in tables["pages"].select("book_id", "label", "page").iter_rows()
    }
    cited: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for term in tables["terms"].filter(pl.col("book_id").is_not_null()).iter_rows(named=True):
        book = term["book_id"]
        pages = {page for one in term["locators"] or () for page in _range(one, book, page_of)}
        for key in _keys(_words(term)):
            cited[book, key] |= pages
    return cited


def _range(locator: Mapping[str, object], book: str, page_of: Mapping[tuple[str, str], int]) -> range:
    first = locator["page"]
    if not isinstance(first, int):
        return range(0)
    last = page_of.get((book, str(locator["range_end"])), first)
    return range(first, max(first, last) + 1)


def wilson(hits: int, sample: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927). ``sample`` over 0."""
    share, spread = hits / sample, _Z**2 / sample
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / sample + spread / (4 * sample))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def read_review(path: Path, triplet_ids: Collection[str]) -> Review | None:
    """The verdicts in ``path`` on ``triplet_ids``; None if there is none. Of two on one triplet the later counts.

    Raises SourceError that names the line.
    """
    if not path.is_file():
        return None
    verdicts = {triplet: verdict for triplet, verdict in _verdicts(path) if triplet in triplet_ids}
    counts = Counter(verdicts.values())
    return Review(*(counts[verdict] for verdict in VERDICTS)) if verdicts else None


def _verdicts(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            triplet, verdict = str(row["triplet_id"]), str(row["verdict"])
        except (ValueError, TypeError, KeyError):
            raise SourceError(
                f"{path}, line {number}: no JSON object with triplet_id and verdict",
                "`tripletkit publish --review-sample 100` prints such lines; fill in their verdicts.",
            ) from None
        if verdict and verdict not in VERDICTS:
            raise SourceError(f"{path}, line {number}: unknown verdict {verdict!r}", f"Known: {', '.join(VERDICTS)}.")
        if verdict:
            yield triplet, verdict


def review_sample(triplets: pl.DataFrame, number: int, seed: int) -> Iterator[str]:
    """Lines for ``read_review`` with an empty verdict each: the triplets to read, drawn by the seed."""
    ids = sorted(triplets["triplet_id"])
    drawn = rng_for(seed, "review").sample(ids, min(number, len(ids)))
    shown = {row["triplet_id"]: row for row in triplets.filter(pl.col("triplet_id").is_in(drawn)).iter_rows(named=True)}
    for triplet in drawn:
        told = {name: shown[triplet][name] for name in ("triplet_id", "anchor", "positive", "negative")}
        yield json.dumps({**told, "verdict": ""}, ensure_ascii=False)
