"""Passages → train, validation and test, by book or by chapter; what repeats each other stays in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from tripletkit.errors import TableError
from tripletkit.ids import rng_for
from tripletkit.near_duplicates import (
    SHARED,
    SHINGLE_WORDS,
    Repeat,
    Shingles,
    join_units,
    near_duplicate_groups,
    shares_within,
    text_shingles,
)
from tripletkit.schemas import SPLITS, make_table, section_titles
from tripletkit.stage import Input, Job, Row, Stage, StageResult

Unit = TypeVar("Unit", bound=Hashable)

#: In the order in which copies stay.
SPLIT_NAMES = ("train", "validation", "test")
#: Pairs of units that repeat each other, each with a note.
TOLD = 5
#: Train, validation and test need at least one book or chapter each.
FEWEST_UNITS = 3
#: Fewest pages from which each of the three splits gets some.
FEWEST_PAGES = 10


def run(job: Job) -> StageResult:
    """Every passage gets a split, but for copies across splits. Raises TableError if none is left to train or test on."""
    settings, seed = job.settings.split, job.settings.seed
    passages = job.table("passages")
    texts = text_shingles(dict(passages.select("passage_id", "text").iter_rows()))
    shares = {"validation": settings.validation, "test": settings.test}
    by, units, notes = _units(passages, texts, settings.by, book_names(job.table("books")))
    sides = (
        pages_to_splits(passages, shares) if by == "pages" else units_to_splits(Counter(units.values()), shares, seed)
    )
    split_of = {passage: sides[unit] for passage, unit in units.items()}
    dropped = [*_drop_copies(texts, split_of), *_drop_repeated(texts, split_of), *_drop_reviewed(job, split_of)]
    splits = make_table(SPLITS, [{"passage_id": p, "split": s} for p, s in split_of.items()])
    sizes = Counter(splits["split"].to_list())
    for name in ("train", "test"):
        if not sizes[name] and shares.get(name, 1):
            problem = f"split: no passage is left for {name} ({len(set(units.values()))} units, by {settings.by})"
            if dropped:
                why = Counter(str(row["reason"]) for row in dropped).most_common()
                problem += "; left out: " + ", ".join(f"{reason} {n:,}" for reason, n in why)
            hint = "Use more books, larger shares (split.validation, split.test), or another split.by: book, chapter or pages."
            raise TableError("; ".join((problem, *notes)), hint)
    held = Counter(sides.values())
    told = ", ".join(f"{name} {sizes[name]:,} ({held[name]})" for name in SPLIT_NAMES)
    whole = "chapters" if isinstance(next(iter(sides)), tuple) else "books"
    what = {"pages": "pages", "passages": "groups of them"}.get(by, whole)
    return StageResult({"splits": splits}, dropped, dict(sizes), f"passages (and {what}): {told}", notes)


def _units(
    passages: pl.DataFrame, texts: Mapping[str, Shingles], by: str, names: Mapping[Hashable, str]
) -> tuple[str, dict[str, Hashable], tuple[str, ...]]:
    """The kind of unit, each passage's unit, and notes on units that repeat each other and on what "auto" chose."""
    if by == "pages":
        return by, passages_to_pages(passages), ()
    books = dict(passages.select("passage_id", "book_id").iter_rows())
    works, repeats = (books, []) if by == "chapter" else join_units(books, texts)
    units = passage_units(passages, by, works)
    notes = [*_in_words(repeats, names)]
    if repeats and by == "auto":
        notes.append(_works_in_words(len(set(books.values())), len(set(works.values()))))
    if any(isinstance(unit, tuple) for unit in units.values()):
        units, repeats = join_units(units, texts)
        notes += _in_words(repeats, names)
    if by != "auto" or len(set(units.values())) >= FEWEST_UNITS:
        return by, units, tuple(notes)
    by, note = _without_chapters(passages)
    units = passages_to_pages(passages) if by == "pages" else passages_alone(texts)
    return by, units, (*notes, note)


def _without_chapters(passages: pl.DataFrame) -> tuple[str, str]:
    """The unit for "auto" where there are too few books and chapters, with a note: pages, else passages."""
    few = "split: too few books and chapters to split by"
    if passages.select("book_id", "page_last").n_unique() >= FEWEST_PAGES:
        return "pages", f"{few}, so pages are split: the first of each book train, the last test"
    return "passages", (
        f"{few}, and too few pages: passages are drawn one by one, copies together. Passages about one thing can be in "
        "training and in test, so scores are higher than on a new text; a column book, section or page prevents this"
    )


def book_names(books: pl.DataFrame) -> dict[Hashable, str]:
    """By book_id: the title; with the file's name where several books have one title."""
    titles = Counter(books["title"].to_list())
    rows = books.select("book_id", "title", "path").iter_rows()
    return {book: f"{title} ({Path(path).name})" if titles[title] > 1 else title for book, title, path in rows}


def _in_words(repeats: Sequence[Repeat[Hashable]], names: Mapping[Hashable, str]) -> Iterator[str]:
    """A note for each pair of units that are dealt out as one; many pairs are counted."""

    def name(unit: Hashable) -> str:
        return f"{names[unit[0]]} › {unit[1]}" if isinstance(unit, tuple) else names[unit]

    for repeat in repeats[:TOLD]:
        share = f"{repeat.share:.0%} of the {SHINGLE_WORDS}-word sequences of the first are in the second"
        yield f"split: {name(repeat.shorter)} and {name(repeat.longer)} repeat each other ({share}): split as one"
    if len(repeats) > TOLD:
        yield f"split: {len(repeats) - TOLD} more split as one for the same reason"


def _works_in_words(books: int, works: int) -> str:
    by = {1: "it is split by chapter", 2: "the larger trains, the other is split by chapter"}.get(
        works, "split by book"
    )
    return f"split: books that repeat each other count as one, {books} books as {works}: {by}"


def passage_units(passages: pl.DataFrame, by: str, works: Mapping[str, str]) -> dict[str, Hashable]:
    """The unit that each passage is split with: its work, or (book, chapter).

    ``works`` holds, by passage, its book, or the first of the books that repeat each other. "auto" goes by work for three
    and more. Two works give too few units for validation and test: the larger one trains, the other is split by chapter.
    """
    sizes = Counter(works.values())
    if by == "auto" and len(sizes) == 1:
        by = "chapter"
    largest = max(sizes, key=lambda work: (sizes[work], work))
    units: dict[str, Hashable] = {}
    in_order = passages.sort("book_id", "page_first", "passage_id").select("passage_id", "book_id", "section")
    for passage, book, section in in_order.iter_rows():
        whole = by == "book" or (by == "auto" and (len(sizes) > 2 or works[passage] == largest))
        units[passage] = works[passage] if whole else (book, section_titles(section)[0])
    return units


def passages_alone(texts: Mapping[str, Shingles]) -> dict[str, Hashable]:
    """By passage: itself, or the first of those that repeat each other."""
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


def _drop_copies(texts: Mapping[str, Shingles], split_of: dict[str, str]) -> Iterator[Row]:
    """Of near-duplicates in several splits those in the training split stay: no test passage may be known from training."""
    for group in near_duplicate_groups(texts):
        sides = defaultdict(list)
        for passage in group:
            sides[split_of[passage]].append(passage)
        if len(sides) < 2:
            continue
        stay = sides.pop(next(side for side in SPLIT_NAMES if side in sides))
        row = {"stage": "split", "related": stay[0], "reason": "near-duplicate of a passage in another split"}
        for passage in (passage for held in sides.values() for passage in held):
            yield {**row, "item": passage, "detail": split_of.pop(passage)}


def _drop_repeated(texts: Mapping[str, Shingles], split_of: dict[str, str]) -> Iterator[Row]:
    """Held-out passages of which half stands in an earlier split as a whole, wherever its passages begin and end."""
    for number, side in enumerate(SPLIT_NAMES):
        held = {passage: texts[passage] for passage, split in split_of.items() if split == side}
        earlier = (texts[passage] for passage, split in split_of.items() if split in SPLIT_NAMES[:number])
        for passage, share in shares_within(held, earlier).items() if number else ():
            if share >= SHARED:
                detail = f"{split_of.pop(passage)}, {share:.0%} of its {SHINGLE_WORDS}-word sequences"
                row = {"stage": "split", "related": None, "item": passage, "detail": detail}
                yield {**row, "reason": "text that stands in passages of another split"}


def _drop_reviewed(job: Job, split_of: dict[str, str]) -> Iterator[Row]:
    """Passages that a person called no prose: without a split they are no anchors. The others keep their split."""
    for passage in sorted(job.reviews.not_prose & split_of.keys()):
        row = {"stage": "split", "related": None, "item": passage, "detail": split_of.pop(passage)}
        yield {**row, "reason": "not prose, by review"}


STAGE = Stage(
    "split",
    reads=("passages",),
    also_reads=("books",),  # their titles, in notes
    writes=("splits",),
    run=run,
    settings=("split", "seed"),
    inputs=frozenset({Input.WORD_RULES, Input.REVIEWED_PASSAGES}),  # near-duplicates are compared by normalised words
    version=4,
)
