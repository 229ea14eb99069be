"""Training rows, the number of steps, and batches of one book each. Imports torch and sentence-transformers.

No batch uses a known positive of a passage as its negative.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, ClassVar

import polars as pl
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

from tripletkit.encoding.properties import Task
from tripletkit.ids import rng_for
from tripletkit.mining.pool import Pool
from tripletkit.settings import TrainSettings
from tripletkit.training.losses import KnownTerms, make_loss

#: By default validation runs this often per training, but at least this many steps apart: a run costs as much as some steps.
VALIDATION_RUNS, VALIDATION_STEPS = 4, 25
#: By default a small book is passed over again until this many steps are taken, but at most this often.
ENOUGH_STEPS, MAX_EPOCHS = 150, 4
#: By default cited positives train alone if there are this many pairs: four epochs of them make 25 steps of 16 (for what this
#: brings, see docs/design-decisions.md).
ENOUGH_PAIRS = 100

TextTriplet = tuple[str, str, str]


def with_positives(triplets: pl.DataFrame, tables: Mapping[str, pl.DataFrame], wanted: str) -> pl.DataFrame:
    """The triplets that train. ``wanted`` is the setting `train.positives`: auto, cited or all."""
    if wanted == "all":
        return triplets
    cited = only_cited(triplets, tables)
    enough = cited.select("passage_id", "positive_id").n_unique() >= ENOUGH_PAIRS
    return cited if wanted == "cited" or enough else triplets


def only_cited(triplets: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Triplets whose positive the index cites on the anchor's pages; all of a book that has no index or would keep none.

    A term mentioned in passing teaches less than one that the passage is about (docs/design-decisions.md). A user's own terms,
    which no index can cite, stay. ``tables`` needs passages and terms.
    """
    terms, homes = tables["terms"], tables["passages"].select("passage_id", "book_id", "page_first", "page_last")
    page = pl.col("locators").list.eval(pl.element().struct.field("page"))
    pages = terms.select("book_id", positive_id="term_id", page=page).explode("page").drop_nulls("page")
    rows = triplets.select("passage_id", "positive_id").with_row_index("row").join(homes, on="passage_id")
    cited = rows.join(pages, on="positive_id").filter(pl.col("page").is_between("page_first", "page_last"))["row"]
    own = terms.filter(pl.col("book_id").is_null())["term_id"]
    kept = rows.filter(
        ~pl.col("book_id").is_in(pages["book_id"].unique().to_list())
        | pl.col("positive_id").is_in(own.to_list())
        | pl.col("row").is_in(cited.unique().to_list())
    )
    return triplets[kept["row"].sort()] if kept.height else triplets


def known_terms(triplets: pl.DataFrame, pool: Pool) -> list[frozenset[str]]:
    """Per triplet, the names of the terms that no batch may use as negatives of its anchor: those that the guards of mining reject.

    These are the terms that the passage mentions or implies, those that the index cites near it, those that a reviewer
    called its positives, its mined positives, and the terms related to these. ``pool`` is the split that the triplets are
    from; for a passage or term outside it, only the mined positives are known.
    """
    passages = {passage_id: i for i, passage_id in enumerate(pool.passage_ids)}
    terms = {term_id: i for i, term_id in enumerate(pool.term_ids)}
    known: dict[str, set[str]] = defaultdict(set)
    for passage_id, term_id, name in triplets.select("passage_id", "positive_id", "positive").unique().iter_rows():
        lists = [pool.related[terms[term_id]]] if term_id in terms else []
        if passage_id in passages and passage_id not in known:
            at = passages[passage_id]
            lists += [pool.mentioned[at], pool.cited[at], pool.implied[at]]
            lists += [pool.known[at]] if at in pool.known else []
        known[passage_id] |= {name, *(pool.names[t] for held in lists for t in held.tolist())}
    whole = {passage_id: frozenset(names) for passage_id, names in known.items()}
    return [whole[passage_id] for passage_id in triplets["passage_id"]]


@dataclass(frozen=True)
class Example:
    """A row of the training data. ``known``: terms that must not be negatives of the anchor, besides its positive."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    known: frozenset[str] = frozenset()
    book: str = ""


def examples(
    triplets: Sequence[TextTriplet],
    known: Sequence[frozenset[str]] | None,
    books: Sequence[str] | None,
    settings: TrainSettings,
) -> list[Example]:
    """A row per triplet or, with in-batch negatives, per (anchor, positive); short rows repeat their negatives."""
    details = [(known[i] if known else frozenset[str](), books[i] if books else "") for i in range(len(triplets))]
    if not settings.uses_batch:
        return [Example(a, p, (n,), *more) for (a, p, n), more in zip(triplets, details, strict=True)]
    negatives: dict[tuple[str, str], list[str]] = defaultdict(list)
    of_pair: dict[tuple[str, str], tuple[frozenset[str], str]] = {}
    for (anchor, positive, negative), (terms, book) in zip(triplets, details, strict=True):
        negatives[anchor, positive].append(negative)
        before, _ = of_pair.setdefault((anchor, positive), (terms, book))
        if before is not terms:  # the pairs of a passage share one set, unless its text occurs twice
            of_pair[anchor, positive] = before | terms, book
    width = max(map(len, negatives.values()))
    return [Example(*pair, tuple(islice(cycle(own), width)), *of_pair[pair]) for pair, own in negatives.items()]


@dataclass(frozen=True)
class TripletData:
    """What a training on triplets alone consists of: rows in random order."""

    unit: ClassVar[str] = "row"

    rows: Sequence[Example]
    settings: TrainSettings
    texts: Sequence[str]  # of all triplets, in their own order

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def batch_size(self) -> int:
        """Rows per process."""
        return self.settings.batch_size

    @property
    def tasks(self) -> dict[str, Task]:
        """What each column is encoded as."""
        return {name: "document" if name == "anchor" else "query" for name in self.columns() if name != "label"}

    def columns(self) -> dict[str, Sequence[Any]]:
        """Texts; with in-batch negatives also row numbers, by which the loss looks up known positives."""
        columns: dict[str, Sequence[Any]] = {
            of: [getattr(row, of) for row in self.rows] for of in ("anchor", "positive")
        }
        negatives = zip(*(row.negatives for row in self.rows), strict=True)
        columns |= {f"negative_{i}": column for i, column in enumerate(negatives, start=1)}
        return columns | ({"label": range(len(self))} if self.settings.uses_batch else {})

    def counts(self) -> dict[str, int]:
        """What trains, for the manifest."""
        return {"triplets": len(self.texts) // 3}

    def describe(self) -> str:
        """What trains, in words."""
        return f"{len(self.texts) // 3:,} triplets"

    def key(self) -> Iterator[str]:
        """Texts that are equal for equal triplets."""
        return iter(self.texts)

    def steps(self, processes: int) -> int:
        """Optimiser steps."""
        return planned_steps(len(self), self.settings, processes)

    def loss(self, model: Any) -> Any:  # noqa: ANN401 - untyped library
        """The loss that the settings ask for."""
        rows = self.rows
        known = KnownTerms([row.positive for row in rows], [row.negatives for row in rows], [row.known for row in rows])
        return make_loss(model, self.settings, known)

    def sampler(self, dataset: Any, **options: Any) -> DefaultBatchSampler | None:  # noqa: ANN401
        """Batches of one book where negatives come from the batch; None for those of the library."""
        if not self.settings.uses_batch:
            return None
        return BookBatches(dataset, [row.book for row in self.rows], [row.anchor for row in self.rows], **options)

    def collator(self, usual: SentenceTransformerDataCollator) -> SentenceTransformerDataCollator:
        """The library's."""
        return usual


def triplet_data(
    triplets: Sequence[TextTriplet],
    settings: TrainSettings,
    *,
    seed: int,
    known: Sequence[frozenset[str]] | None = None,
    books: Sequence[str] | None = None,
) -> TripletData:
    """Training on (anchor, positive, negative) texts.

    ``known``: per triplet, terms that must not be negatives of its anchor. ``books``: per triplet, its book.
    Both matter only with negatives from the batch.
    """
    rows = examples(triplets, known, books, settings)
    rng_for(seed, "train").shuffle(rows)
    return TripletData(rows, settings, [text for row in triplets for text in row])


def planned_steps(rows: int, settings: TrainSettings, processes: int = 1) -> int:
    """Optimiser steps for this many rows."""
    epoch = math.ceil(rows / (settings.batch_size * settings.gradient_accumulation_steps * processes))
    steps = math.ceil(epoch * settings.epochs) if settings.epochs else max(epoch, min(ENOUGH_STEPS, MAX_EPOCHS * epoch))
    return capped(steps, settings)


def capped(steps: int, settings: TrainSettings) -> int:
    """At least one step, and at most ``settings.max_steps``."""
    return max(1, min(steps, settings.max_steps or steps))


def validation_steps(steps: int, settings: TrainSettings) -> int:
    """Steps between validation runs; the last step always has one."""
    return settings.eval_steps or max(VALIDATION_STEPS, math.ceil(steps / VALIDATION_RUNS))


class BookBatches(DefaultBatchSampler):  # type: ignore[misc]
    """Shuffled full batches of one book each, with different anchors as far as possible; the rest of the books is mixed."""

    def __init__(self, dataset: Any, books: Sequence[str], anchors: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(dataset, **kwargs)
        self.books, self.anchors = books, anchors

    def __iter__(self) -> Iterator[list[int]]:
        """As many batches as the default sampler has, different ones in each epoch."""
        self.generator.manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.books), generator=self.generator).tolist()
        full, last = batches_of(order, self.books, self.anchors, self.batch_size)
        for i in torch.randperm(len(full), generator=self.generator).tolist():
            yield full[i]
        if last and not self.drop_last:
            yield last


def batches_of(
    order: Sequence[int], books: Sequence[str], anchors: Sequence[str], size: int
) -> tuple[list[list[int]], list[int]]:
    """The full batches of ``order``, and the rows left over. Each anchor's n-th rows come before its (n+1)-th."""
    seen = Counter[str]()
    by_book: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in order:
        by_book[books[row]].append((seen[anchors[row]], row))
        seen[anchors[row]] += 1
    full, left = list[list[int]](), list[int]()
    for entries in by_book.values():
        rows = [row for _, row in sorted(entries, key=lambda entry: entry[0])]
        whole = len(rows) // size * size
        full += [rows[i : i + size] for i in range(0, whole, size)]
        left += rows[whole:]
    whole = len(left) // size * size
    return full + [left[i : i + size] for i in range(0, whole, size)], left[whole:]
