"""Finds the kept terms in the passages; a match that means something else where it stands is rejected."""

from __future__ import annotations

from collections import Counter

import polars as pl

from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.tagging.nlp import load_parser
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
            rows += mention_rows(passage_id, text, tagged)
            rejected.update((rejection.match.form.term_id, rejection.reason) for rejection in tagged.rejected)
            advance(1)
    return _result(terms, passages.height, make_table(MENTIONS, rows), rejected)


def _result(
    terms: pl.DataFrame, passages: int, mentions: pl.DataFrame, rejected: Counter[tuple[str, str]]
) -> StageResult:
    mentioned = set(mentions["term_id"].unique())
    name = dict(terms.select("term_id", "term").iter_rows())
    dropped = [
        _dropped(term_id, term, "not mentioned in any passage", "none of its forms occurs in a tagged passage")
        for term_id, term in name.items()
        if term_id not in mentioned
    ]
    dropped += [
        _dropped(term_id, name[term_id], reason, f"{count} matches rejected")
        for (term_id, reason), count in sorted(rejected.items())
    ]
    counts = {
        "passages": passages,
        "with_term": mentions["passage_id"].n_unique(),
        "mentions": mentions.height,
        "terms_mentioned": len(mentioned),
        "rejected": rejected.total(),
    }
    summary = (
        f"{mentions.height:,} mentions of {len(mentioned):,} of {terms.height:,} terms in {counts['with_term']:,} of "
        f"{passages:,} passages, {rejected.total():,} matches rejected"
    )
    return StageResult({"mentions": mentions}, dropped, counts, summary)


def _dropped(term_id: str, term: str, reason: str, detail: str) -> Row:
    return {"stage": "tag", "item": term_id, "related": term, "reason": reason, "detail": detail}


STAGE = Stage(
    "tag",
    reads=("passages", "terms"),
    writes=("mentions",),
    run=run,
    settings=("tag",),
    inputs=frozenset({Input.RULES}),
    version=4,
)
