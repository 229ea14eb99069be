"""Terms in passages, by a normaliser that knows plurals, case and hyphens."""

from __future__ import annotations

import polars as pl

from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Job, Row, Stage, StageResult
from tripletkit.tagging.matcher import Form, Matcher


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user."""
    terms = job.table("terms").filter("kept")
    passages = job.table("passages").filter(pl.col("kind").is_in(job.settings.tag.kinds)).sort("book_id", "passage_id")
    rows: list[Row] = []
    with job.progress.bar("tagging", passages.height, "passages") as advance:
        for (book_id,), of_book in passages.group_by("book_id", maintain_order=True):
            own = terms.filter((pl.col("book_id") == book_id) | pl.col("book_id").is_null())
            matcher = matcher_of(own)
            for passage_id, text in of_book.select("passage_id", "text").iter_rows():
                rows += mentions_in(passage_id, text, matcher)
                advance(1)
    mentions = make_table(MENTIONS, rows)
    said = set(mentions["term_id"].unique())
    dropped: list[Row] = [
        {"stage": "tag", "item": term_id, "related": term, "reason": "never said", "detail": "no form of it stands in a tagged passage"}
        for term_id, term in terms.select("term_id", "term").iter_rows() if term_id not in said
    ]
    with_term = mentions["passage_id"].n_unique()
    counts = {"passages": passages.height, "with_term": with_term, "mentions": mentions.height, "terms_said": len(said)}
    summary = f"{mentions.height:,} mentions of {len(said):,} of {terms.height:,} terms in {with_term:,} of {passages.height:,} passages"
    return StageResult({"mentions": mentions}, dropped, counts, summary)


def matcher_of(terms: pl.DataFrame) -> Matcher:
    """A matcher for every form of every term in a terms table."""
    return Matcher(
        Form(term_id, form, canonical=form == term)
        for term_id, term, forms in terms.select("term_id", "term", "forms").iter_rows()
        for form in dict.fromkeys([term, *forms])
    )


def mentions_in(passage_id: str, text: str, matcher: Matcher) -> list[Row]:
    """One row per term and place; of several forms that fit a place, the closest counts."""
    best: dict[tuple[int, int, str], str] = {}
    order = ("exact", "form", "lemma")
    for match in matcher.matches(text):
        if not match.cased:
            continue
        place = (match.start, match.end, match.form.term_id)
        if place not in best or order.index(match.how) < order.index(best[place]):
            best[place] = match.how
    return [{"passage_id": passage_id, "term_id": term_id, "start": start, "end": end, "surface": text[start:end], "how": how}
            for (start, end, term_id), how in best.items()]


STAGE = Stage("tag", reads=("passages", "terms"), writes=("mentions",), run=run, settings=("tag",), help="find the terms in the passages")
