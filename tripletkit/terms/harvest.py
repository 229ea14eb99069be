"""The glossary stage's core: one book, or plain passages → terms from every source, one row a concept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tripletkit.rules import Rules
from tripletkit.terms.acronyms import find_pairs, unambiguous
from tripletkit.terms.aliases import accept_aliases
from tripletkit.terms.book_text import Book, Corpus, tables_to_book
from tripletkit.terms.concepts import (
    Row,
    TermCandidate,
    concept_ids,
    concepts_to_rows,
    dropped_row,
    form_key,
    merge,
    own_forms,
    term_row,
)
from tripletkit.terms.glossary_entries import Definition, parse_glossaries
from tripletkit.terms.index import IndexEntry, parse_index
from tripletkit.terms.subentries import index_candidates
from tripletkit.terms.text_terms import Scored, c_values, defined_terms, emphasised_terms
from tripletkit.user_rows import UserTerm

#: An acronym that no index or glossary knows becomes a term if the text uses it at least so often.
FEWEST_ACRONYM_USES = 3
_SOUGHT = {
    "bold": "bold: {} phrases defined where they are emphasised",
    "heading": "headings: {} terms in section titles",
    "automatic": "automatic: {} phrases by C-value",
}


@dataclass(frozen=True)
class Harvest:
    """Rows as schemas.TERMS and schemas.DROPPED have them, what was looked for, in sentences, and automatic terms' scores."""

    terms: list[Row]
    dropped: list[Row]
    sought: list[str]
    scores: tuple[Scored, ...] = ()


def harvest_book(
    book_id: str,
    lines: pl.DataFrame,
    pages: pl.DataFrame,
    rules: Rules,
    *,
    bold: bool = False,
    headings: Sequence[str] | None = None,
    automatic: int = 0,
) -> Harvest:
    """Every term of one book. Lines of index and glossary that gave none are rows of ``dropped``.

    ``bold`` adds emphasised phrases that the text defines, ``headings`` the terms of section titles, ``automatic`` so
    many phrases by C-value where the book has neither index nor glossary.
    """
    book = tables_to_book(book_id, lines, pages)
    text = book.running_text()
    corpus = Corpus(text.values())
    entries, index_left = parse_index(book, rules)
    definitions, glossary_left = parse_glossaries(book, rules)
    known = [*index_candidates(entries, book, corpus, rules), *_glossary_candidates(definitions, book)]
    body = (content for page, content in text.items() if book.roles[page] == "body")
    scores = c_values(text.values(), rules)[:automatic] if automatic and not known else []
    more = {
        "bold": emphasised_terms(book) if bold else None,
        "heading": headings,
        "automatic": [scored.term for scored in scores] if automatic else None,
    }
    terms, dropped, sought = _harvest(book_id, [*known, *_acronyms(body, known, corpus)], more, corpus, rules)
    left = [dropped_row(one.text, book_id, one.reason, f"page {one.page}") for one in (*index_left, *glossary_left)]
    return Harvest(terms, [*left, *dropped], [*_sought(book, entries, definitions), *sought], tuple(scores))


def harvest_passages(
    book_id: str | None,
    texts: Iterable[str],
    rules: Rules,
    *,
    headings: Sequence[str] | None = None,
    automatic: int = 0,
) -> Harvest:
    """Every term that plain texts give: phrases they define, acronyms they introduce, and what is asked for.

    ``headings`` adds the terms of section titles, ``automatic`` so many phrases by C-value.
    """
    held = list(texts)
    corpus = Corpus(held)
    known = [TermCandidate([name], "definition") for name in defined_terms(held, rules)]
    scores = c_values(held, rules)[:automatic] if automatic else []
    more = {"heading": headings, "automatic": [scored.term for scored in scores] if automatic else None}
    terms, dropped, sought = _harvest(book_id, [*known, *_acronyms(held, known, corpus)], more, corpus, rules)
    defined = f"definitions: {len(known)} phrases that a sentence defines"
    return Harvest(terms, dropped, [defined, *sought], tuple(scores))


def _harvest(
    book_id: str | None,
    sure: Sequence[TermCandidate],
    more: Mapping[str, Sequence[str] | None],
    corpus: Corpus,
    rules: Rules,
) -> tuple[list[Row], list[Row], list[str]]:
    """Rows of ``terms`` and of ``dropped``, and what was looked for beside index, glossary and definitions.

    ``sure`` holds known terms and acronyms, ``more`` by source the names that were asked for (None: they were not).
    """
    plain = [TermCandidate([name], source) for source, names in more.items() for name in names or ()]
    terms, dropped = concepts_to_rows(accept_aliases([*sure, *plain], rules), book_id, corpus, rules)
    acronyms = sum(candidate.source == "acronym" for candidate in sure)
    asked = [_SOUGHT[source].format(len(names)) for source, names in more.items() if names is not None]
    return terms, dropped, [f"acronyms: {acronyms} introduced in the text", *asked]


def merge_user_terms(found: Harvest, given: Sequence[UserTerm], book_ids: Sequence[str]) -> Harvest:
    """The harvest with a user's terms: known ones join their row in every book, others get a row without a book."""
    rows = [dict(row) for row in found.terms]
    by_key: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        for form in texts_in(row["forms"]):
            by_key.setdefault(form_key(form), []).append(row)
    alone: list[TermCandidate] = []
    for term in given:
        forms = [*own_forms(term.term), *term.forms]
        known = {id(row): row for form in forms for row in by_key.get(form_key(form), [])}
        for row in known.values():
            row["forms"] = list(dict.fromkeys([*texts_in(row["forms"]), *forms]))
            row["sources"] = sorted({*texts_in(row["sources"]), "user"})
            row["definition"] = term.definition or row["definition"]
            row["kept"], row["reason"] = True, None
        if not known:
            alone.append(TermCandidate(forms, "user", term.definition))
    concepts, _, _ = merge(alone, lambda form: 1)
    rows += [term_row(*held, None) for held in zip(concepts, concept_ids(concepts, None), strict=True)]
    joined = len(given) - len(alone)
    sought = [*found.sought, f"user's file: {len(given)} terms, {joined} of them known to {len(book_ids)} book(s)"]
    return Harvest(sorted(rows, key=lambda row: str(row["term_id"])), found.dropped, sought, found.scores)


def texts_in(cell: object) -> list[str]:
    """The texts in a cell of a list column."""
    return [str(item) for item in cell] if isinstance(cell, list | tuple) else []


def _glossary_candidates(definitions: Sequence[Definition], book: Book) -> list[TermCandidate]:
    """One candidate a definition; one that is only "see X" is a form of X."""
    return [
        TermCandidate(
            [*own_forms(d.term), *d.forms],
            "glossary",
            None if d.see else d.text,
            book.labels.expand(d.locators),
            refers=(d.see,) if d.see else (),
        )
        for d in definitions
    ]


def _acronyms(texts: Iterable[str], candidates: Sequence[TermCandidate], corpus: Corpus) -> list[TermCandidate]:
    """Acronyms of known terms, and new terms that the text both introduces and goes on to use.

    A pair whose two halves are known as two terms joins them, as the book introduces one for the other.
    """
    known = {form_key(form) for candidate in candidates for form in candidate.forms}
    return [
        TermCandidate([pair.long, pair.short], "acronym")
        for pair, _ in unambiguous(find_pairs(texts))
        if {form_key(pair.long), form_key(pair.short)} & known or corpus.count(pair.short) >= FEWEST_ACRONYM_USES
    ]


def _sought(book: Book, entries: Sequence[IndexEntry], definitions: Sequence[Definition]) -> list[str]:
    """Where index and glossary were looked for, and what was found: for the summary, and for a book that has nothing."""
    pages = [page + 1 for page in book.pages_of("index")]
    kinds = sorted({entry.kind for entry in entries})
    where = f"pages {pages[0]}–{pages[-1]}" if pages else "no page"
    return [
        f"index: {len(entries)} entries on {where}" + (f" ({', '.join(kinds)})" if len(kinds) > 1 else "")
        if entries
        else "index: none found (no page titled so, and none whose lines end in page numbers in alphabetical order)",
        f"glossary: {len(definitions)} definitions"
        if definitions
        else "glossary: none found (no heading such as Glossary or Key Terms with entries under it)",
    ]
