"""Finds the kept terms in the passages; a match that means something else where it stands is rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from typing import TypeAlias

import polars as pl

from tripletkit.by_book import BookPassages, BookResults, Json, books_with_terms, lost_book, lost_in_words
from tripletkit.errors import ConfigError
from tripletkit.language.normalise import normalised_by
from tripletkit.pdf.workers import WorkerFunction
from tripletkit.rules import Rules
from tripletkit.schemas import MENTIONS, check_table, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.tagging.part_of_speech import Pipeline, VerbFinder, find_pipeline
from tripletkit.tagging.tag_texts import mention_rows, tag_passages

#: Why a mention is rejected that a person judged.
BY_REVIEW = "not meant there, by review"
#: By term and reason: the matches that were rejected.
Rejected: TypeAlias = Counter[tuple[str, str]]
TagBook: TypeAlias = Callable[[BookPassages], Json]
TAG: WorkerFunction[tuple[Pipeline | None, Rules], TagBook] = WorkerFunction("tripletkit.stages.tag:tagger")


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user. Rejected matches are counted by term."""
    settings = job.settings.tag
    terms = job.table("terms").filter("kept")
    passages = job.table("passages").filter(pl.col("kind").is_in(settings.kinds))
    pipeline = find_pipeline(settings.nlp)
    found, rejected = list[pl.DataFrame](), Rejected()
    books, task_of = books_with_terms(passages, terms)
    results = BookResults(job, "mentions")
    failed = results.make("tagging", TAG, (pipeline, job.rules), books, task_of)
    for own in (results.read(book) for book in books if book not in failed):
        found.append(make_table(MENTIONS, own["mentions"]))
        rejected.update({(term, reason): count for term, reason, count in own["rejected"]})
    path = dict(job.table("books").select("book_id", "path").iter_rows())
    lost = [lost_book("tag", book, path[book], failure) for book, failure in sorted(failed.items())]
    mentions, not_meant = _meant(pl.concat([make_table(MENTIONS, []), *found]), job.reviews.not_meant)
    rejected.update(not_meant)
    mentions = check_table(mentions, MENTIONS)
    mentioned, with_term = mentions["term_id"].n_unique(), mentions["passage_id"].n_unique()
    counts = {
        "passages": passages.height,
        "with_term": with_term,
        "mentions": mentions.height,
        "terms_mentioned": mentioned,
        "rejected": rejected.total(),
    }
    summary = (
        f"{mentions.height:,} mentions of {mentioned:,} of {terms.height:,} terms in {with_term:,} of "
        f"{passages.height:,} passages, {rejected.total():,} matches rejected; verbs found {_by(pipeline)}"
    )
    dropped = [*lost, *_dropped(terms, mentions, rejected)]
    return StageResult({"mentions": mentions}, dropped, counts, summary, tuple(map(lost_in_words, lost)))


def tagger(setup: tuple[Pipeline | None, Rules]) -> TagBook:
    """The function that finds a book's terms in its passages: its mentions by column, and its rejected matches.

    Raises ConfigError where another pipeline is installed.
    """
    pipeline, rules = setup
    if pipeline is not None and find_pipeline(pipeline.name) != pipeline:
        raise ConfigError(
            f"tag.nlp = {pipeline.name!r}: a node of the cluster has {find_pipeline(pipeline.name)}, this machine {pipeline}",
            "Install the same version on every node, or set tag.nlp to none.",
        )
    verbs = VerbFinder(pipeline) if pipeline else None

    def tag(task: BookPassages) -> Json:
        rows, rejected = list[Row](), Rejected()
        with normalised_by(rules):
            for passage_id, text, tagged in tag_passages(task.passages, task.terms, rules, verbs):
                rows += mention_rows(passage_id, text, tagged)
                rejected.update((rejection.match.form.term_id, rejection.reason) for rejection in tagged.rejected)
        columns = make_table(MENTIONS, rows).to_dict(as_series=False)
        return {"mentions": columns, "rejected": [(*of, count) for of, count in rejected.items()]}

    return tag


def _meant(mentions: pl.DataFrame, not_meant: Container[tuple[str, str]]) -> tuple[pl.DataFrame, Rejected]:
    """The mentions without those that a person judged to mean something else, and how many these are by term."""
    meant = pl.Series(
        [pair not in not_meant for pair in mentions.select("passage_id", "term_id").iter_rows()], dtype=pl.Boolean
    )
    return mentions.filter(meant), Rejected((term, BY_REVIEW) for term in mentions.filter(~meant)["term_id"])


def _by(pipeline: Pipeline | None) -> str:
    return f"by rules and {pipeline.name}" if pipeline else "by rules alone"


def _dropped(terms: pl.DataFrame, mentions: pl.DataFrame, rejected: Rejected) -> list[Row]:
    """The terms that no passage mentions, and by term how many matches were rejected, by reason."""
    name = dict(terms.select("term_id", "term").iter_rows())
    mentioned, matched = set(mentions["term_id"]), {term_id for term_id, _ in rejected}
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
