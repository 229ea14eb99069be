"""The glossary stage's core: one book, or plain passages → terms from every source, one row a concept.

``harvest_terms`` does so for a PDF, or for anybody's own texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tripletkit.errors import ConfigError
from tripletkit.ids import file_sha256, stable_id
from tripletkit.language.normalise import normalised_by
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import LINES, PAGES, PASSAGES, TERMS, make_table, section_titles
from tripletkit.terms import concepts
from tripletkit.terms.book_text import Book, Corpus, tables_to_book
from tripletkit.terms.concepts import Row, TermCandidate, dropped_row, texts_in
from tripletkit.terms.forms import Key, find_pairs, form_key, own_forms, unambiguous
from tripletkit.terms.glossary_entries import Definition, parse_glossaries
from tripletkit.terms.index import IndexEntry, parse_index
from tripletkit.terms.subentries import index_candidates
from tripletkit.terms.text_terms import Scored, c_values, defined_terms, emphasised_terms, heading_terms
from tripletkit.user_rows import Given, PassageRow, UserTerm, read_rows, with_ids

#: An acronym that no index or glossary knows becomes a term if the text uses it at least so often.
FEWEST_ACRONYM_USES = 3
_SOUGHT = {
    "bold": "bold: {} phrases defined where they are emphasised",
    "heading": "headings: {} terms in section titles",
    "automatic": "automatic: {} phrases by C-value",
}


@dataclass(frozen=True)
class Harvest:
    """Rows as schemas.TERMS and schemas.DROPPED have them, what was looked for, in sentences, and automatic terms' scores.

    ``shapes`` says how the glossaries are printed.
    """

    terms: list[Row]
    dropped: list[Row]
    sought: list[str]
    scores: tuple[Scored, ...] = ()
    shapes: tuple[str, ...] = ()


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
    terms, dropped, sought = _harvest(book_id, known, body, more, corpus=corpus, rules=rules)
    left = [dropped_row(one.text, book_id, one.reason, f"page {one.page}") for one in (*index_left, *glossary_left)]
    shapes = tuple(dict.fromkeys(definition.shape for definition in definitions))
    return Harvest(terms, [*left, *dropped], [*_sought(book, entries, definitions), *sought], tuple(scores), shapes)


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
    known = [TermCandidate([name], "definition") for name in defined_terms(held, corpus, rules)]
    scores = c_values(held, rules)[:automatic] if automatic else []
    more = {"heading": headings, "automatic": [scored.term for scored in scores] if automatic else None}
    terms, dropped, sought = _harvest(book_id, known, held, more, corpus=corpus, rules=rules)
    defined = f"definitions: {len(known)} phrases that a sentence defines"
    return Harvest(terms, dropped, [defined, *sought], tuple(scores))


def _harvest(
    book_id: str | None,
    known: Sequence[TermCandidate],
    texts: Iterable[str],
    more: Mapping[str, Sequence[str] | None],
    *,
    corpus: Corpus,
    rules: Rules,
) -> tuple[list[Row], list[Row], list[str]]:
    """Rows of ``terms`` and of ``dropped``, and what was looked for beside index, glossary and definitions.

    Joined to ``known`` are the acronyms of these terms, those that ``texts`` introduce and go on to use, and ``more``,
    by source the names that were asked for (None: they were not). Two known terms are joined too, if one is introduced
    as the acronym of the other.
    """
    keys = {form_key(form) for candidate in known for form in candidate.forms}
    acronyms = [
        TermCandidate([pair.long, pair.short], "acronym")
        for pair, _ in unambiguous(find_pairs(texts))
        if {form_key(pair.long), form_key(pair.short)} & keys or corpus.count(pair.short) >= FEWEST_ACRONYM_USES
    ]
    plain = [TermCandidate([name], source) for source, names in more.items() for name in names or ()]
    candidates = concepts.accept_aliases([*known, *acronyms, *plain], rules)
    terms, dropped = concepts.concepts_to_rows(candidates, book_id, corpus, rules)
    asked = [_SOUGHT[source].format(len(names)) for source, names in more.items() if names is not None]
    return terms, dropped, [f"acronyms: {len(acronyms)} introduced in the text", *asked]


def merge_user_terms(found: Harvest, given: Sequence[UserTerm], book_ids: Sequence[str]) -> Harvest:
    """The harvest with a user's terms: known ones join their row in every book, others get a row without a book.

    A row of ``dropped`` names the line of each term that joins another, and each definition that gives way.
    """
    rows = [dict(row) for row in found.terms]
    by_key: dict[Key, list[Row]] = {}
    for row in rows:
        for form in texts_in(row["forms"]):
            by_key.setdefault(form_key(form), []).append(row)
    alone: list[UserTerm] = []
    dropped: list[Row] = []
    for term in given:
        forms = _forms_of(term)
        known = {id(row): row for form in forms for row in by_key.get(form_key(form), [])}
        for row in known.values():
            lost = row["definition"] if term.definition else None
            dropped += _joined(term, str(row["term"]), lost=lost, kept=term.definition)
            row["forms"] = list(dict.fromkeys([*texts_in(row["forms"]), *forms]))
            row["sources"] = sorted({*texts_in(row["sources"]), "user"})
            row["definition"] = term.definition or row["definition"]
            row["kept"], row["reason"] = True, None
        if not known:
            alone.append(term)
    new, repeated = _own_rows(alone)
    joined = len(given) - len(alone)
    sought = [*found.sought, f"user's file: {len(given)} terms, {joined} of them known to {len(book_ids)} book(s)"]
    terms = sorted([*rows, *new], key=lambda row: str(row["term_id"]))
    return replace(found, terms=terms, dropped=[*found.dropped, *dropped, *repeated], sought=sought)


def _forms_of(term: UserTerm) -> list[str]:
    """What a user's term is called, as it is given first."""
    return list(dict.fromkeys([term.term, *own_forms(term.term), *term.forms]))


def _joined(term: UserTerm, name: str, *, lost: object, kept: object) -> list[Row]:
    """Rows of ``dropped`` for a user's term that joins the term ``name``, and for the definition that gives way."""
    rows = [] if name == term.term else [dropped_row(term.term, name, "given term joined to another", term.place)]
    if lost and lost != kept:
        rows.append(dropped_row(name, term.place, "another definition was kept", str(lost)))
    return rows


def _own_rows(given: Sequence[UserTerm]) -> tuple[list[Row], list[Row]]:
    """Rows of ``terms`` for a user's terms that no book has, and of ``dropped`` for those that are given again."""
    candidates = [TermCandidate(_forms_of(term), "user", term.definition) for term in given]
    merged, _, _ = concepts.merge(candidates, lambda form: 1)
    dropped: list[Row] = []
    for concept in merged:
        first, *others = (given[at] for at in sorted(concept.members))
        concept.term = first.term  # as the user writes it
        concept.forms = list(dict.fromkeys([first.term, *concept.forms]))
        concept.definition = next((term.definition for term in (first, *others) if term.definition), None)
        for term in others:
            dropped += _joined(term, first.term, lost=term.definition, kept=concept.definition)
    ids = concepts.concept_ids(merged, None)
    return [concepts.term_row(*held, None) for held in zip(merged, ids, strict=True)], dropped


def _glossary_candidates(definitions: Sequence[Definition], book: Book) -> list[TermCandidate]:
    """One candidate a definition; one that is only "see X" is a form of X."""
    candidates = []
    for d in definitions:
        text, refers = (None, (d.see,)) if d.see else (d.text, ())
        forms, locators = [*own_forms(d.term), *d.forms], book.labels.expand(d.locators)
        candidates.append(TermCandidate(forms, "glossary", text, locators, refers=refers))
    return candidates


def _sought(book: Book, entries: Sequence[IndexEntry], definitions: Sequence[Definition]) -> list[str]:
    """Where an index and glossary were searched, and what was found, for summaries and errors."""
    pages = [page + 1 for page in book.pages_of("index")]
    kinds = sorted({entry.kind for entry in entries})
    where = f"pages {pages[0]}–{pages[-1]}" if pages else "no page"
    return [
        f"index: {len(entries)} entries on {where}" + (f" ({', '.join(kinds)})" if len(kinds) > 1 else "")
        if entries
        else "index: none found (no page titled so, and none whose lines end in page numbers in alphabetical order)",
        f"glossary: {len(definitions)} definitions ({', '.join(sorted({d.shape for d in definitions}))})"
        if definitions
        else "glossary: none found (no heading such as Glossary or Key Terms with entries under it)",
    ]


def harvest_terms(
    source: Path | str | Given,
    *,
    automatic: int = 0,
    headings: bool = False,
    bold: bool = False,
    rules: Rules | Path | str | None = None,
) -> pl.DataFrame:
    """The terms that a textbook or a list of texts holds, one row a concept.

    ``source`` is the path of a PDF, or texts, or rows (dictionaries or a frame) with ``text`` and perhaps ``section``
    (titles of headings, joined by " › "). A PDF gives the entries of its index and glossary and the acronyms that it
    introduces. Texts give the phrases that a sentence defines and the text uses again ("X is called Y", "A Y is a …"),
    and the acronyms that they introduce.

    ``automatic`` adds so many phrases by C-value; to a PDF only if it has neither index nor glossary. ``headings`` adds
    terms of section titles that the text uses. ``bold`` adds, of a PDF, emphasised phrases where they are defined.
    ``rules`` is a folder of your own rules, as for ``--rules``.

    Returns a frame with the columns of ``schemas.TERMS``, sorted by ``term_id``: among others ``term``, ``forms``
    (list), ``sources`` (list), ``definition``, ``locators`` (pages that an index cites), ``kept``, and ``reason`` where
    it is not kept. It may be empty. ``tag_terms`` takes it as it is, and leaves out what is not kept.

    Raises SourceError for a PDF that cannot be read, a bad row or an id that occurs twice, ConfigError for a negative
    ``automatic`` or ``bold`` with texts, and RulesError for faulty rules.
    """
    is_pdf = isinstance(source, Path | str)
    if automatic < 0:
        raise ConfigError(f"automatic = {automatic}: must be 0 or more", "It is the number of phrases to add.")
    if bold and not is_pdf:
        raise ConfigError("bold = True: texts hold no bold type", "Leave it out, or give the path of a PDF.")
    in_force = rules if isinstance(rules, Rules) else load_rules(Path(rules) if rules is not None else None)
    with normalised_by(in_force):
        if is_pdf:
            found = _of_pdf(Path(source), in_force, bold=bold, headings=headings, automatic=automatic)
        else:
            rows = with_ids(read_rows(source, PassageRow, "texts"), "passage_id", pl.col("place"))
            titles = _titles(rows, in_force) if headings else None
            found = harvest_passages(None, rows["text"], in_force, headings=titles, automatic=automatic)
    return make_table(TERMS, found.terms)


def _of_pdf(path: Path, rules: Rules, *, bold: bool, headings: bool, automatic: int) -> Harvest:
    # Loaded here: a PDF library is not needed for texts.
    from tripletkit.pdf.book_tables import extract_book
    from tripletkit.pdf.workers import PassageLimits

    if not path.is_file():
        raise ConfigError(f"{path}: no such file", "Give the path of a PDF, or a list of texts.")
    book_id = stable_id("book", file_sha256(path))

    def count_words(texts: Sequence[str]) -> list[int]:  # in place of tokens: terms do not depend on where passages end
        return [len(text.split()) for text in texts]

    held = extract_book(path, book_id=book_id, limits=PassageLimits(512), count_tokens=count_words, rules=rules)
    titles = _titles(make_table(PASSAGES, held.passages), rules) if headings else None
    lines, pages = make_table(LINES, held.lines), make_table(PAGES, held.pages)
    return harvest_book(book_id, lines, pages, rules, bold=bold, headings=titles, automatic=automatic)


def _titles(rows: pl.DataFrame, rules: Rules) -> list[str]:
    titles = {title for section in rows["section"] for title in section_titles(section)} - {""}
    return heading_terms(titles, rows["text"], rules)
