"""The books' own indexes and glossaries, and the user's file → terms; and what the user may decide → proposals.txt.

OUTPUT/proposals.txt holds nothing that is in force: pairs of terms that may be one, which the user accepts in
``aliases.extra.txt`` of the --rules folder (see terms.concepts), and the scores of automatic terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from tripletkit.by_book import (
    BookPassages,
    BookResults,
    Json,
    Rows,
    books_with_terms,
    lost_book,
    lost_in_words,
    read_rows,
    rows_by_book,
)
from tripletkit.errors import SourceError
from tripletkit.language.normalise import normalised_by
from tripletkit.pdf.workers import Failure, WorkerFunction
from tripletkit.rules import Rules
from tripletkit.schemas import TERMS, TEXTS, check_table, make_table, section_titles
from tripletkit.settings import GlossarySettings
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import write_atomically
from tripletkit.tagging.mentions import join_surfaces, surfaces_of, with_surfaces
from tripletkit.tagging.tag_texts import tag_passages
from tripletkit.terms.concepts import Row, dropped_row, propose_aliases, unknown_aliases
from tripletkit.terms.decided import with_decisions
from tripletkit.terms.harvest import Harvest, harvest_book, harvest_passages, merge_user_terms
from tripletkit.terms.text_terms import heading_terms
from tripletkit.user_rows import read_user_terms

PROPOSALS = "proposals.txt"
#: Kinds of passage in which the words of a section's title are looked for.
PROSE = ("prose", "list", "summary", "box")
#: What a user can do about passages, and about a book, that give too few terms.
MORE_TERMS = (
    "your own terms (--terms FILE: CSV with a column 'term', JSONL, or TXT with one term a line); or terms from section "
    "titles and text (--set glossary.headings=true, glossary.automatic=300)"
)
MORE_TERMS_OF_BOOK = (
    f"{MORE_TERMS}, or with glossary.bold=true from emphasised definitions; or the heading over this book's index or "
    "glossary, in titles.extra.txt of a --rules folder"
)
_HEADER = """\
# What the glossary stage proposes; nothing here is in force.
# alias? form: canonical  (similarity, 0 to 100)   to join the two, copy "form: canonical" into aliases.extra.txt of your --rules folder
# automatic: term  (C-value)                       already a term; remove it by a line in stop_terms.extra.txt
"""


def run(job: Job) -> StageResult:
    """Harvest each book separately, then merge the user's terms. Raises SourceError if there is no term at all."""
    books, settings = job.table("books"), job.settings.glossary
    found, lost, shapes = Harvest([], [], []), list[Row](), dict[str, None]()
    proposals, notes, more_terms = [_HEADER], list[str](), MORE_TERMS
    harvested, failed = _harvest_all(job, books)
    for book_id, title, path in books.sort("book_id").select("book_id", "title", "path").iter_rows():
        if book_id in failed:
            lost.append(lost_book("glossary", book_id, path, failed[book_id]))
            continue
        own = harvested.read(book_id)
        more_terms = own["more_terms"]
        found.sought.extend(f"{title}: {line}" for line in own["sought"])
        found.terms.extend(own["terms"])
        found.dropped.extend(own["dropped"])
        shapes |= dict.fromkeys(own["shapes"])
        proposals.append(own["proposals"])
        sources = {source for row in own["terms"] for source in row["sources"]}
        if not (settings.terms or sources - {"acronym", "definition"}):
            notes.append(f"{title}: without an index or glossary, {len(own['terms'])} terms. For more: {more_terms}")
    if settings.terms is not None:
        found = merge_user_terms(found, read_user_terms(settings.terms), books["book_id"].to_list())
    if not found.terms:
        raise SourceError("no terms were found: " + "; ".join(found.sought), f"Give {more_terms}.")
    write_atomically(job.folder / PROPOSALS, "\n".join(proposals).encode())
    dropped = found.dropped + unknown_aliases(found.terms, job.rules)
    held, joined = with_decisions(found.terms, job.reviews)
    decided = make_table(TERMS, held)
    del found, held  # as rows they take far more memory than in the table
    terms, more_lost = _with_surfaces(decided, job)
    dropped += [*joined, *(lost := [*lost, *more_lost])]
    return _result(terms, dropped, (*map(lost_in_words, lost), *notes), tuple(shapes))


@dataclass(frozen=True)
class HarvestTask:
    """A book's rows of three tables."""

    book_id: str
    title: str
    lines: Rows
    pages: Rows
    passages: Rows


Harvester: TypeAlias = Callable[[HarvestTask], Json]
HARVEST: WorkerFunction[tuple[GlossarySettings, Rules], Harvester] = WorkerFunction(
    "tripletkit.stages.glossary:harvester"
)
FIND_SURFACES: WorkerFunction[Rules, Callable[[BookPassages], Json]] = WorkerFunction(
    "tripletkit.stages.glossary:surface_finder"
)


def _harvest_all(job: Job, books: pl.DataFrame) -> tuple[BookResults, dict[str, Failure]]:
    """What each book gives, and why others give nothing."""
    tables = [rows_by_book(job, name) for name in ("lines", "pages", "passages")]
    titles = dict(books.select("book_id", "title").iter_rows())
    setup, results = (job.settings.glossary, job.rules), BookResults(job, "terms")
    return results, results.make(
        "harvesting",
        HARVEST,
        setup,
        list(titles),
        lambda book: HarvestTask(book, titles[book], *(rows(book) for rows in tables)),
    )


def harvester(setup: tuple[GlossarySettings, Rules]) -> Harvester:
    """The function that harvests a book: its terms, what the user can do for more, and its part of the file of proposals."""
    settings, rules = setup

    def harvest(task: HarvestTask) -> Json:
        with normalised_by(rules):
            found, more_terms = _harvest(task, settings, rules)
            told = {name: getattr(found, name) for name in ("terms", "dropped", "sought", "shapes")}
            return {**told, "more_terms": more_terms, "proposals": _proposals(task.title, found)}

    return harvest


def _harvest(task: HarvestTask, settings: GlossarySettings, rules: Rules) -> tuple[Harvest, str]:
    """One book's terms, and what the user can do for more. Passages that were read without a PDF have no lines."""
    book_id, lines, passages = task.book_id, read_rows(task.lines), read_rows(task.passages)
    headings, automatic = None, settings.automatic
    if settings.headings:
        titles = {title for path in passages["section"].drop_nulls().unique() for title in section_titles(path)}
        headings = heading_terms(titles, passages.filter(pl.col("kind").is_in(PROSE))["text"], rules)
    if lines.is_empty():
        found = harvest_passages(book_id, passages["text"], rules, headings=headings, automatic=automatic)
        return found, MORE_TERMS
    found = harvest_book(
        book_id, lines, read_rows(task.pages), rules, bold=settings.bold, headings=headings, automatic=automatic
    )
    return found, MORE_TERMS_OF_BOOK


def _with_surfaces(terms: pl.DataFrame, job: Job) -> tuple[pl.DataFrame, list[Row]]:
    """Every surface that a kept term has in a passage of any kind becomes a form of it. Also: rows of books that failed."""
    books, task_of = books_with_terms(job, terms.filter("kept"))
    results = BookResults(job, "forms")
    failed = results.make("finding forms", FIND_SURFACES, job.rules, books, task_of)
    surfaces = join_surfaces(results.read(book) for book in books if book not in failed)
    held = terms.select("term_id", "forms").iter_rows()
    forms = [with_surfaces(known, surfaces.get(term_id, ())) for term_id, known in held]
    path = dict(job.table("books").select("book_id", "path").iter_rows())
    lost = [lost_book("glossary", book, path[book], failure) for book, failure in sorted(failed.items())]
    return check_table(terms.with_columns(pl.Series("forms", forms, TEXTS)), TERMS), lost


def surface_finder(rules: Rules) -> Callable[[BookPassages], Json]:
    """The function that finds the surfaces of a book's terms, by term."""

    def find(task: BookPassages) -> Json:
        with normalised_by(rules):
            tagged = tag_passages(read_rows(task.passages), task.terms, rules)
            return surfaces_of((text, found.mentions) for _, text, found in tagged)

    return find


def _proposals(title: str, found: Harvest) -> str:
    """One book's part of the file. Only terms that are kept can be one."""
    aliases = propose_aliases(str(row["term"]) for row in found.terms if row["kept"])
    lines = [f"# alias? {alias.form}: {alias.canonical}  ({alias.score:.0f})" for alias in aliases]
    scores = [f"# automatic: {scored.term}  ({scored.score:.1f})" for scored in found.scores]
    return "\n".join([f"# {' '.join(title.split())}", *lines, *scores, ""])


def _result(terms: pl.DataFrame, dropped: list[Row], notes: tuple[str, ...], shapes: tuple[str, ...]) -> StageResult:
    left_out = terms.filter(~pl.col("kept")).select("term_id", "term", "reason")
    dropped = dropped + [dropped_row(term_id, term, reason, None) for term_id, term, reason in left_out.iter_rows()]
    sources = terms.explode("sources")["sources"].value_counts(sort=True, name="n")
    by_source = ", ".join(f"{name} {count:,}" for name, count in sorted(sources.iter_rows()))
    kept, definitions = int(terms["kept"].sum()), terms["definition"].count()
    summary = f"{terms.height:,} terms ({by_source}; {definitions:,} with a definition), {kept:,} kept"
    summary += f"; glossaries read by: {', '.join(shapes)}" if shapes else ""
    counts = {"terms": terms.height, "kept": kept, "definitions": definitions}
    return StageResult({"terms": terms}, dropped, counts, summary, notes)


STAGE = Stage(
    "glossary",
    reads=("books", "pages", "lines", "passages"),
    writes=("terms",),
    run=run,
    settings=("glossary",),
    inputs=frozenset({Input.RULES, Input.USER_TERMS, Input.REVIEWED_TERMS}),
    files_out=(PROPOSALS,),
    version=10,
)
