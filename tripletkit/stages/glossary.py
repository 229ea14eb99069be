"""The books' own indexes and glossaries, and the user's file → terms; and what the user may decide → proposals.txt.

OUTPUT/proposals.txt holds nothing that is in force: pairs of terms that may be one, which the user accepts in
``aliases.extra.txt`` of the --rules folder (see terms.aliases), and the scores of automatic terms.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from tripletkit.errors import SourceError
from tripletkit.rules import Rules
from tripletkit.schemas import TERMS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.stages.tag import tag_passages
from tripletkit.store import write_atomically
from tripletkit.tagging.surfaces import surfaces_of, with_surfaces
from tripletkit.terms.aliases import propose_aliases, unknown_aliases
from tripletkit.terms.harvest import Harvest, harvest, merge_user_terms
from tripletkit.terms.heading_terms import heading_terms
from tripletkit.terms.user import read_user_terms

PROPOSALS = "proposals.txt"
#: Kinds of passage in which the words of a section's title are looked for.
PROSE = ("prose", "list", "summary", "box")
#: What a user can do for a book with neither index nor glossary.
WAYS_ON = (
    "your own terms (--terms FILE: CSV with a column 'term', JSONL, or TXT with one term a line); the heading over this "
    "book's index or glossary, in titles.extra.txt of a --rules folder; or terms from its "
    "section titles and its text (--set glossary.headings=true, glossary.bold=true or glossary.automatic=300)"
)
_HEADER = """\
# What the glossary stage proposes; nothing here is in force.
# alias? form: canonical  (likeness)   to join the two, copy "form: canonical" into aliases.extra.txt of your --rules folder
# automatic: term  (C-value)           taken as a term already; drop one by a line in stop_terms.extra.txt
"""


def run(job: Job) -> StageResult:
    """Harvest each book by itself, then join the user's terms. No term at all is an error that says what was sought."""
    lines, pages, books, passages = (job.table(name) for name in ("lines", "pages", "books", "passages"))
    settings = job.settings.glossary
    found = Harvest([], [], [])
    proposals, notes = [_HEADER], list[str]()
    with job.progress.bar("harvesting", books.height, "books") as advance:
        for book in books.sort("book_id").to_dicts():
            of_book = pl.col("book_id") == book["book_id"]
            own = harvest(
                str(book["book_id"]),
                lines.filter(of_book),
                pages.filter(of_book),
                job.rules,
                bold=settings.bold,
                headings=_headings(passages.filter(of_book), job.rules) if settings.headings else None,
                automatic=settings.automatic,
            )
            found = Harvest(
                found.terms + own.terms,
                found.dropped + own.dropped,
                found.sought + [f"{book['title']}: {line}" for line in own.sought],
            )
            proposals.append(_proposals(str(book["title"]), own))
            if not (settings.terms or _sources(own) - {"acronym"}):
                notes.append(
                    f"{book['title']}: neither index nor glossary, {len(own.terms)} terms. Three ways on: {WAYS_ON}"
                )
            advance(1)
    if settings.terms is not None:
        found = merge_user_terms(found, read_user_terms(settings.terms), books["book_id"].to_list())
    if not found.terms:
        raise SourceError("no glossary was found: " + "; ".join(found.sought), f"Three ways on: {WAYS_ON}.")
    write_atomically(job.folder / PROPOSALS, "\n".join(proposals).encode())
    dropped = found.dropped + unknown_aliases(found.terms, job.rules)
    terms = _with_surfaces(make_table(TERMS, found.terms), passages, job.rules)
    return _result(terms, dropped, tuple(notes))


def _headings(passages: pl.DataFrame, rules: Rules) -> list[str]:
    titles = {title for path in passages["section"].drop_nulls().unique() for title in path.split(" › ")}
    return heading_terms(titles, passages.filter(pl.col("kind").is_in(PROSE))["text"], rules)


def _with_surfaces(terms: pl.DataFrame, passages: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Every surface that a kept term has in a passage of any kind becomes a form of it."""
    tagged = tag_passages(passages, terms.filter("kept"), rules)
    surfaces = surfaces_of((text, found.mentions) for _, text, found in tagged)
    rows = [{**row, "forms": with_surfaces(row["forms"], surfaces.get(row["term_id"], ()))} for row in terms.to_dicts()]
    return make_table(TERMS, rows)


def _sources(found: Harvest) -> set[str]:
    return {str(source) for row in found.terms if isinstance(row["sources"], list) for source in row["sources"]}


def _proposals(title: str, found: Harvest) -> str:
    """One book's part of the file. Only terms that are kept can be one."""
    kept = [str(row["term"]) for row in found.terms if row["kept"]]
    lines: Iterable[str] = [
        f"# alias? {alias.form}: {alias.canonical}  ({alias.score:.0f})" for alias in propose_aliases(kept)
    ]
    scores = [f"# automatic: {scored.term}  ({scored.score:.1f})" for scored in found.scores]
    return "\n".join([f"# {' '.join(title.split())}", *lines, *scores, ""])


def _result(terms: pl.DataFrame, dropped: list[Row], notes: tuple[str, ...]) -> StageResult:
    kept = terms["kept"].sum()
    dropped = dropped + [
        {"stage": "glossary", "item": row["term_id"], "related": row["term"], "reason": row["reason"], "detail": None}
        for row in terms.filter(~pl.col("kept")).to_dicts()
    ]
    sources = terms.explode("sources")["sources"].value_counts(sort=True, name="n")
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(sources.iter_rows()))
    defined = terms["definition"].is_not_null().sum()
    summary = f"{terms.height:,} terms ({told}; {defined:,} with a definition), {kept:,} kept"
    return StageResult(
        {"terms": terms},
        dropped,
        {"terms": terms.height, "kept": int(kept), "definitions": int(defined)},
        summary,
        notes,
    )


STAGE = Stage(
    "glossary",
    reads=("books", "pages", "lines", "passages"),
    writes=("terms",),
    run=run,
    settings=("glossary",),
    inputs=frozenset({Input.RULES, Input.USER_TERMS}),
    files_out=(PROPOSALS,),
    version=3,
)
