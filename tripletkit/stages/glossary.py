"""The books' own indexes and glossaries, and the user's file → terms; and what the user may decide → proposals.txt.

OUTPUT/proposals.txt holds nothing that is in force: pairs of terms that may be one, which the user accepts in
``aliases.extra.txt`` of the --rules folder (see terms.concepts), and the scores of automatic terms.
"""

from __future__ import annotations

import polars as pl

from tripletkit.errors import SourceError
from tripletkit.rules import Rules
from tripletkit.schemas import TERMS, make_table, section_titles
from tripletkit.settings import GlossarySettings
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import write_atomically
from tripletkit.tagging.mentions import surfaces_of, with_surfaces
from tripletkit.tagging.tag_texts import tag_passages
from tripletkit.terms.concepts import Row, dropped_row, propose_aliases, texts_in, unknown_aliases
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
    passages, books, settings = job.table("passages"), job.table("books"), job.settings.glossary
    found = Harvest([], [], [])
    proposals, notes, more_terms = [_HEADER], list[str](), MORE_TERMS
    with job.progress.bar("harvesting", books.height, "books") as advance:
        for book_id, title in books.sort("book_id").select("book_id", "title").iter_rows():
            own, more_terms = _harvest(job, book_id, settings)
            sought = [*found.sought, *(f"{title}: {line}" for line in own.sought)]
            shapes = tuple(dict.fromkeys(found.shapes + own.shapes))
            found = Harvest(found.terms + own.terms, found.dropped + own.dropped, sought, shapes=shapes)
            proposals.append(_proposals(title, own))
            sources = {source for row in own.terms for source in texts_in(row["sources"])}
            if not (settings.terms or sources - {"acronym", "definition"}):
                notes.append(f"{title}: without an index or glossary, {len(own.terms)} terms. For more: {more_terms}")
            advance(1)
    if settings.terms is not None:
        found = merge_user_terms(found, read_user_terms(settings.terms), books["book_id"].to_list())
    if not found.terms:
        raise SourceError("no terms were found: " + "; ".join(found.sought), f"Give {more_terms}.")
    write_atomically(job.folder / PROPOSALS, "\n".join(proposals).encode())
    dropped = found.dropped + unknown_aliases(found.terms, job.rules)
    held, joined = with_decisions(found.terms, job.reviews)
    terms = _with_surfaces(make_table(TERMS, held), passages, job.rules)
    return _result(terms, dropped + joined, tuple(notes), found.shapes)


def _harvest(job: Job, book_id: str, settings: GlossarySettings) -> tuple[Harvest, str]:
    """One book's terms, and what the user can do for more. Passages that were read without a PDF have no lines."""
    lines, pages, passages = (job.table(name).filter(book_id=book_id) for name in ("lines", "pages", "passages"))
    headings, automatic = None, settings.automatic
    if settings.headings:
        titles = {title for path in passages["section"].drop_nulls().unique() for title in section_titles(path)}
        headings = heading_terms(titles, passages.filter(pl.col("kind").is_in(PROSE))["text"], job.rules)
    if lines.is_empty():
        found = harvest_passages(book_id, passages["text"], job.rules, headings=headings, automatic=automatic)
        return found, MORE_TERMS
    found = harvest_book(book_id, lines, pages, job.rules, bold=settings.bold, headings=headings, automatic=automatic)
    return found, MORE_TERMS_OF_BOOK


def _with_surfaces(terms: pl.DataFrame, passages: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Every surface that a kept term has in a passage of any kind becomes a form of it."""
    tagged = tag_passages(passages, terms.filter("kept"), rules)
    surfaces = surfaces_of((text, found.mentions) for _, text, found in tagged)
    rows = [{**row, "forms": with_surfaces(row["forms"], surfaces.get(row["term_id"], ()))} for row in terms.to_dicts()]
    return make_table(TERMS, rows)


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
