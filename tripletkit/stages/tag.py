"""Finds the kept terms in the passages; a match that means something else where it stands is rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from tripletkit.by_book import (
    BookPassages,
    BookResults,
    Json,
    books_with_terms,
    lost_book,
    lost_in_words,
    read_rows,
    rows_or_part,
)
from tripletkit.errors import ConfigError
from tripletkit.language.normalise import normalised_by
from tripletkit.pdf.workers import WorkerFunction
from tripletkit.rules import Rules
from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.store import Part, Store
from tripletkit.tagging.part_of_speech import Pipeline, VerbFinder, find_pipeline
from tripletkit.tagging.tag_texts import mention_rows, tag_passages

#: Why a mention is rejected that a person judged.
BY_REVIEW = "not meant there, by review"
#: By term and reason: the matches that were rejected.
Rejected: TypeAlias = Counter[tuple[str, str]]


@dataclass(frozen=True)
class TagSetup:
    """What the tagging of every book needs. ``not_meant``: by passage and term, mentions that a person rejected."""

    pipeline: Pipeline | None
    rules: Rules
    kinds: tuple[str, ...]
    not_meant: frozenset[tuple[str, str]]
    store: Store


TagBook: TypeAlias = Callable[[BookPassages], Json]
TAG: WorkerFunction[TagSetup, TagBook] = WorkerFunction("tripletkit.stages.tag:tagger")


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user. Rejected matches are counted by term."""
    settings, terms = job.settings.tag, job.table("terms").filter("kept")
    pipeline = find_pipeline(settings.nlp)
    books, task_of = books_with_terms(job, terms)
    setup = TagSetup(pipeline, job.rules, settings.kinds, frozenset(job.reviews.not_meant), job.store)
    results = BookResults(job, "mentions")
    failed = results.make("tagging", TAG, setup, books, task_of)
    found, parts, rejected, mentioned = list[pl.DataFrame](), list[Part](), Rejected(), set[str]()
    counts = dict.fromkeys(("passages", "with_term", "mentions"), 0)
    for own in (results.read(book) for book in books if book not in failed):
        if "part" in own:
            parts.append(Part(*own["part"]))
        else:
            found.append(make_table(MENTIONS, own["rows"]))
        rejected.update({(term, reason): count for term, reason, count in own["rejected"]})
        mentioned.update(own["terms"])
        counts = {name: count + own[name] for name, count in counts.items()}
    path = dict(job.table("books").select("book_id", "path").iter_rows())
    lost = [lost_book("tag", book, path[book], failure) for book, failure in sorted(failed.items())]
    mentions = pl.concat([make_table(MENTIONS, []), *found])
    summary = (
        f"{counts['mentions']:,} mentions of {len(mentioned):,} of {terms.height:,} terms in {counts['with_term']:,} of "
        f"{counts['passages']:,} passages, {rejected.total():,} matches rejected; verbs found {_by(pipeline)}"
    )
    counts |= {"terms_mentioned": len(mentioned), "rejected": rejected.total()}
    dropped = [*lost, *_dropped(terms, mentioned, rejected)]
    notes = tuple(map(lost_in_words, lost))
    return StageResult({"mentions": mentions}, dropped, counts, summary, notes, parts=tuple(parts))


def tagger(setup: TagSetup) -> TagBook:
    """The function that finds a book's terms in its passages: its mentions, what they mention, and its rejected matches.

    Raises ConfigError where another pipeline is installed.
    """
    pipeline = setup.pipeline
    if pipeline is not None and find_pipeline(pipeline.name) != pipeline:
        raise ConfigError(
            f"tag.nlp = {pipeline.name!r}: a node of the cluster has {find_pipeline(pipeline.name)}, this machine {pipeline}",
            "Install the same version on every node, or set tag.nlp to none.",
        )
    verbs = VerbFinder(pipeline) if pipeline else None

    def tag(task: BookPassages) -> Json:
        rows, rejected = list[Row](), Rejected()
        passages = read_rows(task.passages).filter(pl.col("kind").is_in(setup.kinds))
        with normalised_by(setup.rules):
            for passage_id, text, tagged in tag_passages(passages, task.terms, setup.rules, verbs):
                for row in mention_rows(passage_id, text, tagged):
                    if (passage_id, row["term_id"]) in setup.not_meant:
                        rejected[str(row["term_id"]), BY_REVIEW] += 1
                    else:
                        rows.append(row)
                rejected.update((rejection.match.form.term_id, rejection.reason) for rejection in tagged.rejected)
        told = {
            "passages": passages.height,
            "mentions": len(rows),
            "terms": sorted({str(row["term_id"]) for row in rows}),
        }
        told |= {"with_term": len({row["passage_id"] for row in rows})}
        told |= {"rejected": [(*of, count) for of, count in rejected.items()]}
        return told | rows_or_part(setup.store, MENTIONS, rows, task.book_id)

    return tag


def _by(pipeline: Pipeline | None) -> str:
    return f"by rules and {pipeline.name}" if pipeline else "by rules alone"


def _dropped(terms: pl.DataFrame, mentioned: Container[str], rejected: Rejected) -> list[Row]:
    """The terms that no passage mentions, and by term how many matches were rejected, by reason."""
    name = dict(terms.select("term_id", "term").iter_rows())
    matched = {term_id for term_id, _ in rejected}
    absent, unfit = "none of its forms occurs in a tagged passage", "each match of its forms was rejected"
    out = [
        (term_id, "not mentioned in any passage", unfit if term_id in matched else absent)
        for term_id in name
        if term_id not in mentioned
    ]
    out += [(term_id, reason, f"{n} matches rejected") for (term_id, reason), n in sorted(rejected.items())]
    return [
        {"stage": "tag", "item": term_id, "related": name[term_id], "reason": reason, "detail": detail}
        for term_id, reason, detail in out
    ]


STAGE = Stage(
    "tag",
    reads=("passages", "terms"),
    also_reads=("books",),  # their paths, for a book that cannot be tagged
    writes=("mentions",),
    run=run,
    settings=("tag",),
    inputs=frozenset({Input.RULES, Input.PIPELINE, Input.REVIEWED_MENTIONS}),
    version=6,
)
