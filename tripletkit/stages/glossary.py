"""The books' own indexes and glossaries, and the user's file → terms."""

from __future__ import annotations

import polars as pl

from tripletkit.errors import SourceError
from tripletkit.schemas import TERMS, make_table
from tripletkit.stage import Job, Row, Stage, StageResult
from tripletkit.terms.harvest import harvest, merge_user_terms


def run(job: Job) -> StageResult:
    """Harvest each book by itself, then join the user's terms. No term at all is an error that says what was sought."""
    lines, pages = job.table("lines"), job.table("pages")
    terms: list[Row] = []
    dropped: list[Row] = []
    sought: list[str] = []
    books = job.table("books")
    with job.progress.bar("harvesting", books.height, "books") as advance:
        for book in books.to_dicts():
            of_book = pl.col("book_id") == book["book_id"]
            found = harvest(str(book["book_id"]), lines.filter(of_book), pages.filter(of_book), job.rules)
            terms += found.terms
            dropped += found.dropped
            sought += [f"{book['title']}: {line}" for line in found.sought]
            advance(1)
    user_file = job.settings.glossary.terms
    if user_file is not None:
        terms, more = merge_user_terms(terms, user_file, job.rules)
        dropped += more
    if not terms:
        raise SourceError("no glossary was found: " + "; ".join(sought),
                          "Pass your own terms: --terms FILE (CSV with a column 'term', JSONL, or TXT with one term a line).")
    return _result(make_table(TERMS, terms), dropped, tuple(sought))


def _result(terms: pl.DataFrame, dropped: list[Row], sought: tuple[str, ...]) -> StageResult:
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
