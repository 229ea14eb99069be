"""Passages → train, validation and test, by book or by chapter; near-duplicates stay in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

import polars as pl

from tripletkit.errors import TableError
from tripletkit.ids import rng_for
from tripletkit.near_duplicates import near_duplicate_groups
from tripletkit.schemas import SPLITS, make_table, section_titles
from tripletkit.stage import Input, Job, Row, Stage, StageResult

Unit = TypeVar("Unit", bound=Hashable)

#: Train, validation and test take a book or a chapter each.
FEWEST_UNITS = 3
#: From so many pages on, each of the three has some.
FEWEST_PAGES = 10


def run(job: Job) -> StageResult:
    """Every passage gets a split, but for copies across splits. Raises TableError if none is left to train or test on."""
    settings, seed = job.settings.split, job.settings.seed
    passages = job.table("passages")
    shares = {"validation": settings.validation, "test": settings.test}
    by, notes = _unit_kind(passages, settings.by)
    if by == "pages":
        units, sides = passages_to_pages(passages), pages_to_splits(passages, shares)
    else:
        units = passages_alone(passages) if by == "passages" else passage_units(passages, by)
        sides = units_to_splits(Counter(units.values()), shares, seed)
    split_of = {passage: sides[unit] for passage, unit in units.items()}
    dropped = _drop_copies(passages, split_of)
    splits = make_table(SPLITS, [{"passage_id": p, "split": s} for p, s in split_of.items()])
    sizes = Counter(splits["split"].to_list())
    for name in ("train", "test"):
        if not sizes[name] and shares.get(name, 1):
            problem = f"split: no passage is left for {name} ({len(set(units.values()))} units, by {settings.by})"
            raise TableError(problem, "Use --set split.by=chapter, other shares, or more books.")
    held = Counter(sides.values())
    told = ", ".join(f"{name} {sizes[name]:,} ({held[name]})" for name in ("train", "validation", "test"))
    whole = "chapters" if isinstance(next(iter(sides)), tuple) else "books"
    what = {"pages": "pages", "passages": "groups of them"}.get(by, whole)
    return StageResult({"splits": splits}, dropped, dict(sizes), f"passages (and {what}): {told}", notes)


def _unit_kind(passages: pl.DataFrame, by: str) -> tuple[str, tuple[str, ...]]:
    """What is kept whole, with a note where "auto" finds too few books and chapters: pages, else single passages."""
    if by != "auto" or len(set(passage_units(passages, by).values())) >= FEWEST_UNITS:
        return by, ()
    few = "split: too few books and chapters to split by"
    if passages.select("book_id", "page_last").n_unique() >= FEWEST_PAGES:
        return "pages", (f"{few}, so pages are split: the first of each book train, the last test",)
    return "passages", (
        f"{few}, and too few pages: passages are drawn one by one, copies together. Passages about one thing can be in "
        "training and in test, so scores are higher than on a new text; a column book, section or page prevents this",
    )


def passage_units(passages: pl.DataFrame, by: str) -> dict[str, Hashable]:
    """The unit that each passage is split with: its book's id, or (book, chapter).

    "auto" goes by book for three and more. Two books give too few units for validation and test: the larger one trains,
    the other is split by chapter.
    """
    sizes = Counter(passages["book_id"].to_list())
    if by == "auto" and len(sizes) == 1:
        by = "chapter"
    largest = max(sizes, key=lambda book: (sizes[book], book))
    units: dict[str, Hashable] = {}
    in_order = passages.sort("book_id", "page_first", "passage_id").select("passage_id", "book_id", "section")
    for passage, book, section in in_order.iter_rows():
        whole = by == "book" or (by == "auto" and (len(sizes) > 2 or book == largest))
        units[passage] = book if whole else (book, section_titles(section)[0])
    return units


def passages_alone(passages: pl.DataFrame) -> dict[str, Hashable]:
    """By passage: itself, or the first of those that repeat each other."""
    texts = dict(passages.select("passage_id", "text").sort("passage_id").iter_rows())
    units: dict[str, Hashable] = {passage: passage for passage in texts}
    return units | {copy: group[0] for group in near_duplicate_groups(texts) for copy in group}


def passages_to_pages(passages: pl.DataFrame) -> dict[str, Hashable]:
    """By passage: its book and last page. A passage that runs over a border belongs to the later split."""
    return {p: (book, page) for p, book, page in passages.select("passage_id", "book_id", "page_last").iter_rows()}


def pages_to_splits(passages: pl.DataFrame, shares: Mapping[str, float]) -> dict[Hashable, str]:
    """In each book's order, of the pages on which a passage ends: the first train, the next validate, the last test."""
    sides: dict[Hashable, str] = {}
    for book, held in sorted(passages.group_by("book_id").agg(pl.col("page_last").unique().sort()).iter_rows()):
        test = round(len(held) * (1 - shares["test"]))
        train = round(len(held) * (1 - shares["test"] - shares["validation"]))
        for i, page in enumerate(held):
            sides[book, page] = "train" if i < train else "validation" if i < test else "test"
    return sides


def units_to_splits(sizes: Mapping[Unit, int], shares: Mapping[str, float], seed: int) -> dict[Unit, str]:
    """Units in a seeded order fill test, then validation, up to their shares; the rest, one unit at least, is for training."""
    order = sorted(sizes, key=lambda unit: (rng_for(seed, "split", repr(unit)).random(), repr(unit)))
    total = sum(sizes.values())
    sides: dict[Unit, str] = {}
    for name in ("test", "validation"):
        left, held = [u for u in order if u not in sides], 0
        for unit in left[: max(len(left) - 1, 0)]:
            wanted = shares.get(name, 0.0) * total
            # Take a unit if that brings the share nearer; the first of each split is always taken.
            nearer = abs(held + sizes[unit] - wanted) < abs(held - wanted) if held else sizes[unit] <= 0.5 * total
            if wanted > 0 and nearer:
                sides[unit] = name
                held += sizes[unit]
    return {unit: sides.get(unit, "train") for unit in order}


def _drop_copies(passages: pl.DataFrame, split_of: dict[str, str]) -> list[Row]:
    """Of near-duplicates in several splits those in the training split stay: no test passage may be known from training."""
    texts = dict(passages.select("passage_id", "text").sort("passage_id").iter_rows())
    dropped: list[Row] = []
    for group in near_duplicate_groups(texts):
        sides = defaultdict(list)
        for passage in group:
            sides[split_of[passage]].append(passage)
        if len(sides) < 2:
            continue
        stay = sides.pop(next(side for side in ("train", "validation", "test") if side in sides))
        row = {"stage": "split", "related": stay[0], "reason": "near-duplicate of a passage in another split"}
        out = [passage for held in sides.values() for passage in held]
        dropped += [{**row, "item": passage, "detail": split_of.pop(passage)} for passage in out]
    return dropped


STAGE = Stage(
    "split",
    reads=("passages",),
    writes=("splits",),
    run=run,
    settings=("split", "seed"),
    inputs=frozenset({Input.WORD_RULES}),  # near-duplicates are compared by normalised words
    version=2,
)
