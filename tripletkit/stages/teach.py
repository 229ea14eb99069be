"""Passages and terms → lists with a teacher's scores, from which the encoder learns: for each passage the order of its terms,
for each term the order of its passages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tripletkit.errors import TableError
from tripletkit.evaluation.gold import anchor_passages
from tripletkit.language.lexical import bm25
from tripletkit.mining.pool import mention_spans
from tripletkit.mining.relations import Values
from tripletkit.schemas import TEACHER, check_table, make_table
from tripletkit.settings import TrainSettings
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.teaching.draw import Triplets, books_of_lists, draw_list, list_count
from tripletkit.teaching.labels import Page, label_scores, pages_of
from tripletkit.teaching.place import resolve_teacher
from tripletkit.teaching.scores import BookScores, Scores, add_up
from tripletkit.teaching.structure import structure_scores
from tripletkit.teaching.teachers import Teacher, check_teacher, load_teacher, usable_weights

#: A list compares terms and passages, so a book needs some of both.
FEWEST = 2
#: A book of more passages is scored and drawn from in parts of this many: its scores, passages x terms, are held in memory.
MOST = 2000


def run(job: Job) -> StageResult:
    """Draw the lists of every training step and score them. Raises TableError if no book has two passages and two terms."""
    settings = job.settings.train
    if not settings.has_teacher:
        return StageResult(
            {"teacher": make_table(TEACHER, [])}, summary="none (train.teacher = none): triplets alone train"
        )
    books, dropped = _books(job)
    if not books:
        raise TableError(
            f"teach: no book has {FEWEST} passages and {FEWEST} terms that they mention",
            "Give more books or terms, or set train.teacher = none.",
        )
    sizes = {book_id: len(book.passages) for book_id, book in books.items()}
    count = list_count(sum(sizes.values()), settings.list_passages)
    teacher, triplets = _teacher(job), _triplets(job)
    tables, weights = list[pl.DataFrame](), dict[str, float]()
    for book_id, numbers in books_of_lists(sizes, count, job.settings.seed).items():
        book = books[book_id]
        scores, weights = _score(book, teacher, settings.teacher_weights)
        size = {"passages": settings.list_passages, "terms": settings.list_terms}
        drawn = [draw_list(scores, number, triplets, seed=job.settings.seed, **size) for number in numbers]
        rows = teacher.reorder([row for rows in drawn for row in rows], book.names, book.texts)
        tables.append(make_table(TEACHER, rows))  # a row of Python numbers takes eight times the memory
    return _result(
        check_table(pl.concat(tables), TEACHER), sizes, dropped, _in_words(teacher, weights, settings), settings
    )


def _teacher(job: Job) -> Teacher:
    """The teacher, loaded and tried once before the work, if it is not the base encoder."""
    settings, place = job.settings, resolve_teacher(job.settings.train.teacher)
    if place is not None:
        check_teacher(place)
    cache = job.cache / "embeddings"
    base, precision = job.encoder(job.locate()), settings.precision
    return load_teacher(place, base, job.encoder, cache=cache, progress=job.progress, precision=precision)


@dataclass(frozen=True)
class _Book:
    """Rows of the passages that teach, in reading order, and of the terms that they mention."""

    passages: Sequence[Values]
    terms: Sequence[Values]
    mentions: pl.DataFrame
    lines: pl.DataFrame
    trains: Sequence[bool]  # per passage
    held_out: set[Page]

    @property
    def texts(self) -> dict[str, str]:
        """By passage_id."""
        return {row["passage_id"]: row["text"] for row in self.passages}

    @property
    def names(self) -> dict[str, str]:
        """By term_id."""
        return {row["term_id"]: row["term"] for row in self.terms}


def _books(job: Job) -> tuple[dict[str, _Book], list[Row]]:
    """The books, or parts of MOST passages, that can teach, and the reason for each other one."""
    names = ("train",) if job.settings.train.text == "train" else ("train", "validation", "test")
    every, splits, kinds = job.table("passages"), job.table("splits"), job.settings.mine.kinds
    passages = pl.concat([anchor_passages(every, splits, kinds=kinds, split=name) for name in names])
    split_of, held_out = dict(splits.iter_rows()), _held_out(job)
    terms, mentions, lines = job.table("terms").filter("kept"), job.table("mentions"), job.table("lines")
    books, dropped = dict[str, _Book](), list[Row]()
    for book_id in passages["book_id"].unique().sort().to_list():
        of_book = passages.filter(book_id=book_id).sort("page_first", "passage_id")
        available = terms.filter((pl.col("book_id") == book_id) | pl.col("book_id").is_null())
        book_lines = lines.filter(book_id=book_id)
        for number, own in enumerate(of_book.iter_slices(MOST)):
            said = mentions.join(own.select("passage_id"), on="passage_id", how="semi")
            its = available.join(said.select("term_id").unique(), on="term_id", how="semi")
            if own.height < FEWEST or its.height < FEWEST:
                detail = f"{own.height} passages, {its.height} terms{' in its last part' if number else ''}"
                dropped.append({"stage": "teach", "item": book_id, "reason": "too small to teach", "detail": detail})
                continue
            trains = [split_of.get(passage_id) == "train" for passage_id in own["passage_id"]]
            name = f"{book_id} {number}" if number else book_id
            books[name] = _Book(own.to_dicts(), its.to_dicts(), said, book_lines, trains, held_out)
    return books, dropped


def _score(book: _Book, teacher: Teacher, weights: Mapping[str, float]) -> tuple[BookScores, dict[str, float]]:
    """All parts of the teacher's score, and how much each counts. A part that it does not have is 0; others count in its place."""
    texts, names = list(book.texts.values()), list(book.names.values())
    spans = mention_spans(book.passages, book.terms, book.mentions)
    of_teacher = teacher.parts(names, texts)
    usable, none = usable_weights(weights, of_teacher), np.zeros((len(texts), len(names)), dtype=np.float32)
    parts: dict[str, Scores] = {"cosine": none, "maxsim": none} | of_teacher
    parts |= {
        "bm25": bm25(names, texts).T,
        "structure": structure_scores(book.passages, book.terms, spans, book.lines),
        "label": label_scores(book.passages, book.terms, spans, trains=book.trains, held_out=book.held_out),
    }
    scores = BookScores(
        passage_ids=list(book.texts),
        term_ids=list(book.names),
        parts=parts,
        over_terms=add_up(parts, usable, axis=1),
        over_passages=add_up(parts, usable, axis=0),
    )
    return scores, usable


def _held_out(job: Job) -> set[Page]:
    """The pages that validation and test passages are on."""
    out = job.table("splits").filter(pl.col("split") != "train")
    return pages_of(job.table("passages").join(out, on="passage_id", how="semi").to_dicts())


def _triplets(job: Job) -> Triplets:
    """Those of training passages, but for passages on a page that a held-out passage is also on, whose citations chose them."""
    held_out, found = _held_out(job), defaultdict[str, list[tuple[str, str]]](list)
    passages = job.table("passages").select("passage_id", "book_id", "page_first", "page_last").to_dicts()
    alone = [row["passage_id"] for row in passages if not pages_of([row]) & held_out]
    rows = job.table("triplets").filter(
        (pl.col("split") == "train") & ~pl.col("masked") & pl.col("passage_id").is_in(alone)
    )
    for passage_id, positive, negative in rows.select("passage_id", "positive_id", "negative_id").iter_rows():
        found[passage_id].append((positive, negative))
    return found


def _in_words(teacher: Teacher, weights: Mapping[str, float], settings: TrainSettings) -> str:
    """The teacher, and the weights of the parts that count, which are not those of the settings where it lacks a part."""
    parts = ", ".join(f"{name} {weight:g}" for name, weight in weights.items() if weight)
    return f"{settings.teacher!r} ({f'{teacher.kind}; ' if teacher.kind else ''}{parts})"


def _result(
    table: pl.DataFrame, sizes: Mapping[str, int], dropped: list[Row], teacher: str, settings: TrainSettings
) -> StageResult:
    lists, passages = table["list"].n_unique(), table["passage_id"].n_unique()
    texts = "your whole corpus, labels of the training split only" if settings.text == "own" else "the training split"
    summary = (
        f"{lists:,} lists of up to {settings.list_passages} passages and {settings.list_terms} terms by teacher "
        f"{teacher}, with {passages:,} of the {sum(sizes.values()):,} passages of {texts}"
    )
    triplets = table["positive_id"].count()
    counts = {"lists": lists, "passages": passages, "rows": table.height, "triplets": triplets}
    return StageResult({"teacher": table}, dropped, counts, f"{summary}; {triplets:,} rows have a triplet")


STAGE = Stage(
    "teach",
    reads=("passages", "terms", "mentions", "splits", "triplets", "lines"),
    writes=("teacher",),
    run=run,
    settings=(
        "train.teacher",
        "train.text",
        "train.teacher_weights",
        "train.list_passages",
        "train.list_terms",
        "mine.kinds",
        "seed",
        "precision",
    ),
    inputs=frozenset({Input.ENCODER, Input.TEACHER, Input.WORD_RULES}),
)
