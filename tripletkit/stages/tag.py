"""Finds the kept terms in the passages; a match that means something else where it stands is rejected."""

from __future__ import annotations

from collections import Counter

import polars as pl

from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.tagging.part_of_speech import VerbFinder, verb_finder
from tripletkit.tagging.tag_texts import mention_rows, tag_passages


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user. Rejected matches are counted by term."""
    settings = job.settings.tag
    terms = job.table("terms").filter("kept")
    passages = job.table("passages").filter(pl.col("kind").is_in(settings.kinds))
    verbs = verb_finder(settings.nlp)
    rows: list[Row] = []
    rejected: Counter[tuple[str, str]] = Counter()
    with job.progress.bar("tagging", passages.height, "passages") as advance:
        for passage_id, text, tagged in tag_passages(passages, terms, job.rules, verbs):
            for row in mention_rows(passage_id, text, tagged):
                if (passage_id, row["term_id"]) in job.reviews.not_meant:
                    rejected[str(row["term_id"]), "not meant there, by review"] += 1
                else:
                    rows.append(row)
            rejected.update((rejection.match.form.term_id, rejection.reason) for rejection in tagged.rejected)
            advance(1)
    mentions = make_table(MENTIONS, rows)
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
        f"{passages.height:,} passages, {rejected.total():,} matches rejected; verbs found {_by(verbs)}"
    )
    return StageResult({"mentions": mentions}, _dropped(terms, mentions, rejected), counts, summary)


def _by(verbs: VerbFinder | None) -> str:
    return f"by rules and {verbs.pipeline.name}" if verbs else "by rules alone"


def _dropped(terms: pl.DataFrame, mentions: pl.DataFrame, rejected: Counter[tuple[str, str]]) -> list[Row]:
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
    writes=("mentions",),
    run=run,
    settings=("tag",),
    inputs=frozenset({Input.RULES, Input.PIPELINE, Input.REVIEWED_MENTIONS}),
    version=6,
)
