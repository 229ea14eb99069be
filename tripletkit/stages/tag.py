"""Finds the kept terms in the passages; a match that means something else where it stands is rejected."""

from __future__ import annotations

from collections import Counter

import polars as pl

from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.tagging.mentions import load_parser
from tripletkit.tagging.tag_texts import mention_rows, tag_passages


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user. Rejected matches are counted by term."""
    settings = job.settings.tag
    terms = job.table("terms").filter("kept")
    passages = job.table("passages").filter(pl.col("kind").is_in(settings.kinds))
    parser = load_parser(settings.nlp) if settings.nlp else None
    rows: list[Row] = []
    rejected: Counter[tuple[str, str]] = Counter()
    with job.progress.bar("tagging", passages.height, "passages") as advance:
        for passage_id, text, tagged in tag_passages(passages, terms, job.rules, parser):
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
        f"{passages.height:,} passages, {rejected.total():,} matches rejected"
    )
    return StageResult({"mentions": mentions}, _dropped(terms, mentions, rejected), counts, summary)


def _dropped(terms: pl.DataFrame, mentions: pl.DataFrame, rejected: Counter[tuple[str, str]]) -> list[Row]:
    """The terms that no passage mentions, and by term how many matches were rejected, by reason."""
    name = dict(terms.select("term_id", "term").iter_rows())
    mentioned = set(mentions["term_id"])
    unseen = ("not mentioned in any passage", "none of its forms occurs in a tagged passage")
    out = [(term_id, *unseen) for term_id in name if term_id not in mentioned]
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
    inputs=frozenset({Input.RULES, Input.REVIEWED_MENTIONS}),
    version=4,
)
