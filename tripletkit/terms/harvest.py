"""The glossary stage's core: one book's lines and pages → its terms, from every source, one row a concept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tripletkit.rules import Rules
from tripletkit.terms.acronyms import Pair, find_pairs, unambiguous
from tripletkit.terms.aliases import accept_aliases
from tripletkit.terms.automatic import Scored, c_values
from tripletkit.terms.book import Book, tables_to_book
from tripletkit.terms.emphasis import defined_phrases
from tripletkit.terms.filters import CODE, Facts, objection
from tripletkit.terms.glossary_entries import Definition, parse_glossaries
from tripletkit.terms.index import Entry, Leftover, parse_index
from tripletkit.terms.merge import (
    Candidate,
    Concept,
    concept_ids,
    find_target,
    form_key,
    merge,
    own_forms,
    second_definitions,
)
from tripletkit.terms.phrases import Corpus, category_of, subentry_forms
from tripletkit.terms.user import UserTerm

#: An acronym that no index or glossary knows becomes a term if the text says it at least so often.
FEWEST_ACRONYM_USES = 3
_DEFINES = re.compile(r"(?:definitions?|meaning|concept|introduction|overview)(?: of| to)?|defined|introduced", re.I)


@dataclass(frozen=True)
class Harvest:
    """Rows as schemas.TERMS and schemas.DROPPED have them, what was looked for, in sentences, and automatic terms' scores."""

    terms: list[dict[str, object]]
    dropped: list[dict[str, object]]
    sought: list[str]
    scores: tuple[Scored, ...] = ()


def harvest(
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

    ``bold`` adds emphasised phrases that the text defines, ``headings`` terms of section titles, ``automatic`` so many
    phrases by statistics where the book has neither index nor glossary.
    """
    book = tables_to_book(book_id, lines, pages)
    text = running_text(book)
    corpus = Corpus(text.values())
    entries, index_left = parse_index(book, rules)
    definitions, glossary_left = parse_glossaries(book, rules)
    pairs = unambiguous(find_pairs(said for page, said in text.items() if book.roles[page] == "body"))
    candidates = [*index_candidates(entries, book, corpus, rules), *glossary_candidates(definitions, book)]
    acronyms = acronym_candidates(pairs, candidates, corpus)
    stressed = defined_phrases(book) if bold else []
    scores = c_values(text.values(), rules)[:automatic] if automatic and not candidates else []
    more = [Candidate(own_forms(phrase.text), "bold") for phrase in stressed]
    more += [Candidate([title], "heading") for title in headings or ()]
    more += [Candidate([scored.term], "automatic") for scored in scores]
    found = candidates_to_rows(accept_aliases([*candidates, *acronyms, *more], rules), book_id, corpus, rules)
    left = [_dropped(leftover, book_id) for leftover in (*index_left, *glossary_left)]
    sought = _sought(book, entries, definitions, acronyms)
    sought += [f"bold: {len(stressed)} phrases defined where they are emphasised"] if bold else []
    sought += [f"headings: {len(headings)} terms in section titles"] if headings is not None else []
    sought += [f"automatic: {len(scores)} phrases"] if automatic else []
    return Harvest(found.terms, [*left, *found.dropped], sought, tuple(scores))


def merge_user_terms(found: Harvest, given: Sequence[UserTerm], book_ids: Sequence[str]) -> Harvest:
    """The harvest with a user's terms: known ones join their row in every book, others get a row without one."""
    rows = [dict(row) for row in found.terms]
    by_key: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for row in rows:
        for form in _texts(row["forms"]):
            by_key.setdefault(form_key(form), []).append(row)
    alone: list[Candidate] = []
    for term in given:
        forms = [*own_forms(term.term), *term.forms]
        known = {id(row): row for form in forms for row in by_key.get(form_key(form), [])}
        for row in known.values():
            row["forms"] = list(dict.fromkeys([*_texts(row["forms"]), *forms]))
            row["sources"] = sorted({*_texts(row["sources"]), "user"})
            row["definition"] = term.definition or row["definition"]
            row["kept"], row["reason"] = True, None
        if not known:
            alone.append(Candidate(forms, "user", term.definition))
    concepts, _, _ = merge(alone, lambda form: 1)
    rows += [
        _row(concept, term_id, None, None, [], None)
        for concept, term_id in zip(concepts, concept_ids(concepts, None), strict=True)
    ]
    sought = [
        *found.sought,
        f"user's file: {len(given)} terms, {len(given) - len(alone)} of them known to {len(book_ids)} book(s)",
    ]
    return Harvest(sorted(rows, key=lambda row: str(row["term_id"])), found.dropped, sought, found.scores)


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def running_text(book: Book) -> dict[int, str]:
    """The text of each page of body and front matter, by page index; line ends undone."""
    return {
        page: book.joiner.join_all(line.text for line in book.pages[page])
        for page, role in enumerate(book.roles)
        if role in ("body", "front")
    }


def index_candidates(entries: Sequence[Entry], book: Book, corpus: Corpus, rules: Rules) -> list[Candidate]:
    """One candidate an entry. A head that cites no page has the source index_head: it is there for its subentries."""
    candidates: list[Candidate] = []
    place: dict[tuple[str, tuple[str, ...]], int] = {}
    categories = _categories(entries, corpus, rules)
    for entry in entries:
        parent = place.get((entry.kind, entry.parents)) if entry.parents else None
        above = candidates[parent] if parent is not None else None
        forms = (
            own_forms(entry.term)
            if not entry.parents
            else _sub_forms(entry, above, corpus, categories.get(entry.parents, ""))
        )
        cited = bool(entry.locators or entry.see)
        refers = entry.see
        if above is not None and _DEFINES.fullmatch(entry.term) and not refers:
            refers = (above.forms[0],)  # where a term is defined or introduced is about the term itself
        candidate = Candidate(
            forms,
            "index" if cited else "index_head",
            None,
            book.labels.expand(entry.locators),
            parent,
            refers,
            entry.see_also,
            entry.kind,
            entry.mono,
        )
        place.setdefault((entry.kind, (*entry.parents, entry.term)), len(candidates))
        candidates.append(candidate)
    return candidates


def _categories(entries: Sequence[Entry], corpus: Corpus, rules: Rules) -> dict[tuple[str, ...], str]:
    """Heads, with those above them, that only gather their subentries."""
    subs: dict[tuple[str, ...], list[str]] = {}
    for entry in entries:
        if entry.parents:
            subs.setdefault(entry.parents, []).append(entry.term)
    found = {parents: category_of(parents[-1], terms, corpus) for parents, terms in subs.items()}
    general = rules.words("stop_terms")
    return {parents: "all" if kind and parents[-1].lower() in general else kind for parents, kind in found.items()}


def _sub_forms(entry: Entry, above: Candidate | None, corpus: Corpus, category: str) -> list[str]:
    """A subentry with its head as that is said, and as printed ("standard normal" below "normal distribution")."""
    head = above.forms[0] if above is not None else entry.parents[-1]
    forms = subentry_forms(entry.term, head, corpus, category=category)
    if head != entry.parents[-1] and not category:
        near = subentry_forms(entry.term, entry.parents[-1], corpus)
        short = len(entry.parents) > 1 and corpus.count(near[0]) >= corpus.count(forms[0])
        forms = [*near, *forms] if short else [*forms, *near]
    return list(dict.fromkeys(form for name in forms for form in own_forms(name)))


def glossary_candidates(definitions: Sequence[Definition], book: Book) -> list[Candidate]:
    """One candidate a definition; one that only says "see X" is a form of X."""
    return [
        Candidate(
            [*own_forms(d.term), *d.forms],
            "glossary",
            None if d.see else d.text,
            book.labels.expand(d.locators),
            refers=(d.see,) if d.see else (),
        )
        for d in definitions
    ]


def acronym_candidates(
    pairs: Sequence[tuple[Pair, int]], candidates: Sequence[Candidate], corpus: Corpus
) -> list[Candidate]:
    """Acronyms of known terms, and new terms that the text both introduces and goes on to use.

    A pair whose two halves are known as two terms joins them, as the book says that they are one.
    """
    known = {form_key(form) for candidate in candidates for form in candidate.forms}
    found = []
    for pair, _ in pairs:
        if (
            form_key(pair.long) in known
            or form_key(pair.short) in known
            or corpus.count(pair.short) >= FEWEST_ACRONYM_USES
        ):
            found.append(Candidate([pair.long, pair.short], "acronym"))
    return found


def candidates_to_rows(candidates: list[Candidate], book_id: str | None, corpus: Corpus, rules: Rules) -> Harvest:
    """Candidates merged and judged, as rows sorted by id."""
    concepts, owner, dangling = merge(candidates, corpus.count)
    for concept in concepts:
        small = corpus.as_written(concept.term)
        concept.forms = [small, *(form for form in concept.forms if form not in (concept.term, small))]
        concept.term = small
    ids = concept_ids(concepts, book_id)
    keys = {
        (candidate.kind, form_key(form)): at
        for at, candidate in reversed(list(enumerate(candidates)))
        for form in candidate.forms
    }
    rows, dropped = [], [_reference(book_id, source, target, reason) for source, target, reason in dangling]
    for number, (concept, term_id) in enumerate(zip(concepts, ids, strict=True)):
        parent = _parent(concept, candidates, owner, number)
        also = []
        for name, kind in ((name, candidates[at].kind) for at in concept.members for name in candidates[at].see_also):
            target = find_target(name, kind, keys)
            if target is None:
                dropped.append(_reference(book_id, concept.term, name, "see-also to no entry"))
            elif owner[target] != number:
                also.append(ids[owner[target]])
        above = ids[parent] if parent is not None else None
        reason = _judge(concept, corpus, rules)
        if reason == CODE and concept.mono:  # so that the source "index" means concepts
            concept.sources = sorted({"index_code" if source == "index" else source for source in concept.sources})
        rows.append(_row(concept, term_id, book_id, above, sorted(set(also)), reason))
    dropped += [
        {"stage": "glossary", "item": term, "related": book_id, "reason": "second definition", "detail": text}
        for term, text in second_definitions(concepts, candidates)
    ]
    return Harvest(sorted(rows, key=lambda row: str(row["term_id"])), dropped, [])


def _parent(concept: Concept, candidates: Sequence[Candidate], owner: Sequence[int], number: int) -> int | None:
    """The concept above this one in the index; none if the index has this one as a main entry too."""
    entries = [candidates[at] for at in concept.members if candidates[at].source in ("index", "index_head")]
    if any(entry.parent is None for entry in entries):
        return None
    return next((owner[e.parent] for e in entries if e.parent is not None and owner[e.parent] != number), None)


def _judge(concept: Concept, corpus: Corpus, rules: Rules) -> str | None:
    said = sum(corpus.count(form) for form in concept.forms)
    facts = Facts(
        concept.forms,
        frozenset(concept.sources),
        concept.kind,
        concept.mono,
        bool(concept.locators),
        said,
        corpus.pages_with(concept.forms, said),
        corpus.pages,
    )
    return objection(concept.term, facts, rules)


def _row(
    concept: Concept, term_id: str, book_id: str | None, parent: str | None, also: list[str], reason: str | None
) -> dict[str, object]:
    return {
        "term_id": term_id,
        "book_id": book_id,
        "term": concept.term,
        "forms": concept.forms,
        "sources": concept.sources,
        "definition": concept.definition,
        "parent_id": parent,
        "see_also": also,
        "locators": concept.locators,
        "kept": reason is None,
        "reason": reason,
    }


def _dropped(left: Leftover, book_id: str) -> dict[str, object]:
    return {
        "stage": "glossary",
        "item": left.text,
        "related": book_id,
        "reason": left.reason,
        "detail": f"page {left.page}",
    }


def _reference(book_id: str | None, source: str, target: str, reason: str) -> dict[str, object]:
    return {"stage": "glossary", "item": source, "related": book_id, "reason": reason, "detail": target}


def _sought(
    book: Book, entries: Sequence[Entry], definitions: Sequence[Definition], acronyms: Sequence[Candidate]
) -> list[str]:
    """What was looked for and what was found: for the summary, and for a book that has nothing."""
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
        f"acronyms: {len(acronyms)} introduced in the text",
    ]
