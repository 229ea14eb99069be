"""The books' own indexes and glossaries, and the user's file → terms."""

from __future__ import annotations

import polars as pl

from tripletkit.errors import SourceError
from tripletkit.schemas import TERMS, make_table
from tripletkit.stage import Job, Row, Stage, StageResult
from tripletkit.terms.harvest import Harvest, harvest, merge_user_terms
from tripletkit.terms.user import read_user_terms


def run(job: Job) -> StageResult:
    """Harvest each book by itself, then join the user's terms. No term at all is an error that says what was sought."""
    lines, pages, books = job.table("lines"), job.table("pages"), job.table("books")
    found = Harvest([], [], [])
    with job.progress.bar("harvesting", books.height, "books") as advance:
        for book in books.to_dicts():
            of_book = pl.col("book_id") == book["book_id"]
            own = harvest(str(book["book_id"]), lines.filter(of_book), pages.filter(of_book), job.rules)
            found = Harvest(found.terms + own.terms, found.dropped + own.dropped, found.sought + [f"{book['title']}: {line}" for line in own.sought])
            advance(1)
    user_file = job.settings.glossary.terms
    if user_file is not None:
        found = merge_user_terms(found, read_user_terms(user_file), books["book_id"].to_list())
    if not found.terms:
        raise SourceError("no glossary was found: " + "; ".join(found.sought),
                          "Pass your own terms: --terms FILE (CSV with a column 'term', JSONL, or TXT with one term a line).")
    return _result(make_table(TERMS, found.terms), found.dropped)


def _result(terms: pl.DataFrame, dropped: list[Row]) -> StageResult:
    kept = terms["kept"].sum()
    dropped = dropped + [{"stage": "glossary", "item": row["term_id"], "related": row["term"], "reason": row["reason"], "detail": None}
                         for row in terms.filter(~pl.col("kept")).to_dicts()]
    sources = terms.explode("sources")["sources"].value_counts(sort=True, name="n")
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(sources.iter_rows()))
    defined = terms["definition"].is_not_null().sum()
    summary = f"{terms.height:,} terms ({told}; {defined:,} with a definition), {kept:,} kept"
    return StageResult({"terms": terms}, dropped, {"terms": terms.height, "kept": int(kept), "definitions": int(defined)}, summary, ())


STAGE = Stage(
    "glossary", reads=("books", "pages", "lines"), writes=("terms",), run=run, settings=("glossary",), uses=frozenset({"rules", "user_terms"}),
    help="harvest the index, the glossary and your own terms",
)
