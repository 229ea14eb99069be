"""Merged concepts → rows of the table ``terms``: which are kept for tagging and mining, and why the others are not.

The patterns and words that leave a term out are the user's to change: rules/term_filters.txt and rules/stop_terms.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tripletkit.language.normalise import term_key
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Corpus
from tripletkit.terms.merge import (
    Concept,
    TermCandidate,
    concept_ids,
    find_target,
    form_key,
    merge,
    second_definitions,
)

Row = dict[str, object]
#: The reason that rules/term_filters.txt gives for identifiers too: such index entries get the source index_code.
CODE = "name from program code"
#: A term on more than this share of the pages is everywhere, and so about none of them.
EVERYWHERE = 0.5
#: So many pages are too few to tell what is everywhere.
FEW_PAGES = 40


@dataclass(frozen=True)
class Facts:
    """What is known of a term beside its text."""

    forms: Sequence[str]
    sources: frozenset[str]
    kind: str = "subject"  # of the index that names it
    mono: bool = False  # set in a monospaced font there
    cited: bool = False  # by the index, on some page
    occurrences: int = 1  # of any form in the running text
    pages_with: int = 1  # pages of running text on which it occurs
    pages: int = 1  # pages of running text in the book


def concepts_to_rows(
    candidates: Sequence[TermCandidate], book_id: str | None, corpus: Corpus, rules: Rules
) -> tuple[list[Row], list[Row]]:
    """Candidates merged and judged: rows of ``terms`` sorted by id, and rows of ``dropped`` for what found no place."""
    concepts, owner, dangling = merge(candidates, corpus.count)
    for concept in concepts:
        small = corpus.as_written(concept.term)
        concept.forms = [small, *(form for form in concept.forms if form not in (concept.term, small))]
        concept.term = small
    ids = concept_ids(concepts, book_id)
    see_also, unknown = _see_also(concepts, candidates, owner)
    dropped = [dropped_row(item, book_id, reason, detail) for item, detail, reason in (*dangling, *unknown)]
    rows = []
    for number, concept in enumerate(concepts):
        reason = _judge(concept, corpus, rules)
        if reason == CODE and concept.mono:  # so that the source "index" means concepts
            concept.sources = sorted({"index_code" if source == "index" else source for source in concept.sources})
        parent = _parent(concept, candidates, owner, number)
        rows.append(
            term_row(
                concept,
                ids[number],
                book_id,
                parent_id=ids[parent] if parent is not None else None,
                see_also=sorted({ids[other] for other in see_also[number]}),
                reason=reason,
            )
        )
    dropped += [
        dropped_row(term, book_id, "another definition was kept", text)
        for term, text in second_definitions(concepts, candidates)
    ]
    return sorted(rows, key=lambda row: str(row["term_id"])), dropped


def _see_also(
    concepts: Sequence[Concept], candidates: Sequence[TermCandidate], owner: Sequence[int]
) -> tuple[list[list[int]], list[tuple[str, str, str]]]:
    """By concept, the concepts that it refers to; and references to no entry: term, target, reason."""
    keys = {
        (candidate.kind, form_key(form)): at
        for at, candidate in reversed(list(enumerate(candidates)))
        for form in candidate.forms
    }
    found: list[list[int]] = [[] for _ in concepts]
    unknown = []
    for number, concept in enumerate(concepts):
        for member in (candidates[at] for at in concept.members):
            for name in member.see_also:
                target = find_target(name, member.kind, keys)
                if target is None:
                    unknown.append((concept.term, name, "see also names no entry"))
                elif owner[target] != number:
                    found[number].append(owner[target])
    return found, unknown


def _parent(concept: Concept, candidates: Sequence[TermCandidate], owner: Sequence[int], number: int) -> int | None:
    """The concept above this one in the index; none if the index has this one as a main entry too."""
    entries = [candidates[at] for at in concept.members if candidates[at].source in ("index", "index_head")]
    if any(entry.parent is None for entry in entries):
        return None
    return next((owner[e.parent] for e in entries if e.parent is not None and owner[e.parent] != number), None)


def term_row(
    concept: Concept,
    term_id: str,
    book_id: str | None,
    *,
    parent_id: str | None = None,
    see_also: Sequence[str] = (),
    reason: str | None = None,
) -> Row:
    """A row of ``terms``; it is kept if there is no reason against it."""
    return {
        "term_id": term_id,
        "book_id": book_id,
        "term": concept.term,
        "forms": concept.forms,
        "sources": concept.sources,
        "definition": concept.definition,
        "parent_id": parent_id,
        "see_also": list(see_also),
        "locators": concept.locators,
        "kept": reason is None,
        "reason": reason,
    }


def dropped_row(item: str, related: str | None, reason: str, detail: str | None) -> Row:
    """A row of ``dropped`` for the glossary stage."""
    return {"stage": "glossary", "item": item, "related": related, "reason": reason, "detail": detail}


def _judge(concept: Concept, corpus: Corpus, rules: Rules) -> str | None:
    occurrences = sum(corpus.count(form) for form in concept.forms)
    facts = Facts(
        forms=concept.forms,
        sources=frozenset(concept.sources),
        kind=concept.kind,
        mono=concept.mono,
        cited=bool(concept.locators),
        occurrences=occurrences,
        pages_with=corpus.pages_with(concept.forms, occurrences),
        pages=corpus.pages,
    )
    return objection(concept.term, facts, rules)


def objection(term: str, facts: Facts, rules: Rules) -> str | None:
    """Why the term is not kept, or None. A user's own terms are always kept."""
    if "user" in facts.sources:
        return None
    return next((reason for check in _CHECKS if (reason := check(term, facts, rules))), None)


def _by_kind(term: str, facts: Facts, rules: Rules) -> str | None:
    """Indexes of names and symbols hold no concepts."""
    return {"names": "person name", "symbols": "symbol"}.get(facts.kind)


def _by_pattern(term: str, facts: Facts, rules: Rules) -> str | None:
    return rules.label("term_filters", term)


def _by_font(term: str, facts: Facts, rules: Rules) -> str | None:
    return CODE if facts.mono and "glossary" not in facts.sources else None


def _by_word(term: str, facts: Facts, rules: Rules) -> str | None:
    """Words that every book indexes; one that this book defines is its own."""
    return "too general" if term.lower() in rules.words("stop_terms") and "glossary" not in facts.sources else None


def _by_letters(term: str, facts: Facts, rules: Rules) -> str | None:
    """Formulas read as text: hardly any word in them has two letters."""
    return "symbol" if all(len(word) == 1 for word in term_key(term)) else None


def _by_frequency(term: str, facts: Facts, rules: Rules) -> str | None:
    if "glossary" in facts.sources:
        return None
    if facts.occurrences == 0 and not facts.cited:
        return "not found in the text"
    everywhere = facts.pages >= FEW_PAGES and facts.pages_with > EVERYWHERE * facts.pages
    return "on more than half of the pages" if everywhere else None


_CHECKS: tuple[Callable[[str, Facts, Rules], str | None], ...] = (
    _by_kind,
    _by_pattern,
    _by_font,
    _by_word,
    _by_letters,
    _by_frequency,
)
