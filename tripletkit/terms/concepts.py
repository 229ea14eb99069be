"""One concept, one term: candidates that share a form become one row of ``terms``, with every form, source and page.

Joined are equal keys (case, plural, hyphen and spelling aside), a term and the acronym it spells out, and what a
see-reference or a glossary calls the same. Nothing is joined by likeness. The patterns and words by which a term is not
kept are the user's to change: rules/term_filters.txt and rules/stop_terms.txt.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tripletkit.ids import stable_id
from tripletkit.language import term_words as english
from tripletkit.language.normalise import is_acronym, telling_signs, term_key
from tripletkit.near_duplicates import DisjointSets
from tripletkit.rules import Rules
from tripletkit.terms.acronyms import own_pair
from tripletkit.terms.book_text import Corpus

Row = dict[str, object]
Key = tuple[str, ...]
_TRAILING = re.compile(r"(?P<term>\S.*?\S)\s*\([^()]*\)$")
#: Which source's wording names a concept, best first.
RANK = ("user", "glossary", "index", "index_head", "acronym", "bold", "definition", "heading", "automatic")
#: The reason that rules/term_filters.txt gives for identifiers too: such index entries get the source index_code.
CODE = "name from program code"
#: A term on more than this share of the pages is everywhere, and so about none of them.
EVERYWHERE = 0.5
#: So many pages are too few to tell what is everywhere.
FEW_PAGES = 40


@dataclass
class TermCandidate:
    """A term as one source gives it. ``refers`` names terms that mean the same, ``see_also`` terms near by."""

    forms: list[str]  # the first is the one to show
    source: str
    definition: str | None = None
    locators: list[dict[str, object]] = field(default_factory=list)
    parent: int | None = None  # position of the candidate above it
    refers: tuple[str, ...] = ()
    see_also: tuple[str, ...] = ()
    kind: str = "subject"
    mono: bool = False


@dataclass
class Concept:
    """Candidates that are one: the values of a row of the terms table, references still as positions."""

    members: list[int]
    term: str
    forms: list[str]
    sources: list[str]
    definition: str | None
    locators: list[dict[str, object]]
    kind: str
    mono: bool


def form_key(form: str) -> Key:
    """What two forms must share to be one: words, signs that carry meaning ("B*-tree"), an acronym's capitals."""
    words, signs = term_key(form), telling_signs(form)
    acronym = ("=",) if is_acronym(form) else ()
    plain = unicodedata.normalize("NFKC", form)
    return (*words, *((f"sign {signs}",) if signs else ()), *acronym) if words or signs else (f"text {plain}",)


def own_forms(term: str) -> list[str]:
    """The forms that a printed term spells out, the one to show first: "support vector machine (SVM)" has three."""
    pair = own_pair(term)
    if pair is not None:
        return [pair.long, pair.short, term]
    if other := english.OR_OTHER_NAME.fullmatch(term):
        return [other["term"], other["other"], term]
    inverted = _uninverted(term)
    return [term, inverted] if inverted else [term]


def _uninverted(term: str) -> str | None:
    """A term in its natural order: "closure, of a set" is "closure of a set", "Abel, Niels" is "Niels Abel"; else None."""
    head, comma, rest = term.partition(", ")
    if not comma or "," in rest or "(" in term or not head or not rest:
        return None
    if english.PREPOSITION_AT_START.match(rest):
        return f"{head} {rest}"
    words = len(rest.split())
    if rest[0].isupper() == head[0].isupper():
        return f"{rest} {head}" if words <= 3 or english.PREPOSITION_AT_END.search(rest) else None
    turns = rest[0].islower() and head[1:].islower() and words == 1
    return f"{rest} {head[0].lower()}{head[1:]}" if turns else None


def merge(
    candidates: Sequence[TermCandidate], occurrences: Callable[[str], int]
) -> tuple[list[Concept], list[int], list[tuple[str, str, str]]]:
    """Concepts, the concept of each candidate, and references that name nothing (from, to, reason).

    ``occurrences`` counts a phrase in the running text: it settles which of several wordings to show.
    """
    groups = DisjointSets(len(candidates))
    by_key: dict[tuple[str, Key], int] = {}
    for at, candidate in enumerate(candidates):
        for form in candidate.forms:
            groups.join(by_key.setdefault((candidate.kind, form_key(form)), at), at)
    dangling = _join_references(candidates, groups, by_key)
    _strip_qualifiers(candidates, groups, by_key)
    concepts = [_concept([candidates[at] for at in held], held, occurrences) for held in groups.sets()]
    owner = {at: number for number, concept in enumerate(concepts) for at in concept.members}
    return concepts, [owner[at] for at in range(len(candidates))], dangling


def _join_references(
    candidates: Sequence[TermCandidate], groups: DisjointSets, by_key: dict[tuple[str, Key], int]
) -> list[tuple[str, str, str]]:
    """Join each candidate with the reference "see X" to X. An X of its own name nowhere becomes the candidate's shown form."""
    dangling = []
    for at, candidate in enumerate(candidates):
        if len(candidate.refers) > 1:  # several targets: near each of them, the same as none
            candidate.see_also = (*candidate.see_also, *candidate.refers)
            continue
        for name in candidate.refers:
            target = find_target(name, candidate.kind, by_key)
            if target is not None:
                groups.join(target, at)
            elif english.MANY_TARGETS.search(name):
                dangling.append((candidate.forms[0], name, "see names no single entry"))
            else:
                candidate.forms[:0] = own_forms(name)
                by_key.setdefault((candidate.kind, form_key(name)), at)
    return dangling


def find_target(name: str, kind: str, by_key: dict[tuple[str, Key], int]) -> int | None:
    """The candidate that a reference names: "interface", "tree, binary", "tree: binary", "degrees of freedom (df)"."""
    parts = re.split(r"\s*[,:!]\s+", name, maxsplit=1)
    wordings = [name, *own_forms(name)]
    if len(parts) == 2:
        wordings += [f"{parts[1]} {parts[0]}", f"{parts[0]} {parts[1]}", f"{parts[1]} {english.OF} {parts[0]}"]
    return next((by_key[key] for wording in wordings if (key := (kind, form_key(wording))) in by_key), None)


def _strip_qualifiers(
    candidates: Sequence[TermCandidate], groups: DisjointSets, by_key: dict[tuple[str, Key], int]
) -> None:
    """Qualifiers left off: "momentum (optimization)" becomes "momentum", unless another term has that name."""
    claims: Counter[tuple[str, Key]] = Counter()
    bare: list[tuple[int, str]] = []
    for at, candidate in enumerate(candidates):
        if match := _TRAILING.fullmatch(candidate.forms[0]):
            bare.append((at, match["term"]))
            claims[candidate.kind, form_key(match["term"])] += 1
    for at, term in bare:
        key = candidates[at].kind, form_key(term)
        rival = by_key.get(key)
        if claims[key] == 1 and (rival is None or candidates[rival].source == "acronym"):
            candidates[at].forms.insert(0, term)
            groups.join(at, by_key.setdefault(key, at))


def _concept(held: Sequence[TermCandidate], members: list[int], occurrences: Callable[[str], int]) -> Concept:
    lead = min(held, key=lambda c: (bool(c.refers), is_acronym(c.forms[0]), RANK.index(c.source), c.parent is not None))
    term = _shown(lead, held, occurrences)
    forms = list(dict.fromkeys([term, *sorted({form for c in held for form in c.forms})]))
    definitions = [
        c.definition for c in sorted(held, key=lambda c: (bool(c.refers), c.source != "user")) if c.definition
    ]
    locators: dict[tuple[object, object], dict[str, object]] = {}
    cited = [c for c in held if c.source == "index" and c.locators] or list(held)
    for locator in (locator for c in cited for locator in c.locators):
        locators.setdefault((locator["label"], locator["page"]), locator)
    return Concept(
        members=members,
        term=term,
        forms=forms,
        sources=sorted({c.source for c in held}),
        definition=definitions[0] if definitions else None,
        locators=list(locators.values()),
        kind=lead.kind,
        mono=all(c.mono for c in held),
    )


def _shown(lead: TermCandidate, held: Sequence[TermCandidate], occurrences: Callable[[str], int]) -> str:
    """The lead's own wording; of its spellings (case, number), the small and singular one."""
    key = form_key(lead.forms[0])
    same = {c.forms[0] for c in held if form_key(c.forms[0]) == key}
    return (
        min(same, key=lambda form: (form != form.lower(), len(form), form))
        if occurrences(lead.forms[0])
        else lead.forms[0]
    )


def concept_ids(concepts: Sequence[Concept], book_id: str | None) -> list[str]:
    """One id per concept from the book and its shown form; kind and forms tell apart what is shown alike."""
    plain = Counter(concept.term for concept in concepts)
    return [
        stable_id(
            "term",
            book_id or "",
            concept.term,
            *([concept.kind, *sorted(concept.forms)] if plain[concept.term] > 1 else []),
        )
        for concept in concepts
    ]


# --- Concepts → rows --------------------------------------------------------------------------------


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
        reason = objection(concept, corpus, rules)
        if reason == CODE and concept.mono:  # so that the source "index" means concepts
            concept.sources = sorted({"index_code" if source == "index" else source for source in concept.sources})
        parent = _parent(concept, candidates, owner, number)
        rows.append(
            term_row(concept, ids[number], book_id)
            | {
                "parent_id": ids[parent] if parent is not None else None,
                "see_also": sorted({ids[other] for other in see_also[number]}),
                "kept": reason is None,
                "reason": reason,
            }
        )
        dropped += [
            dropped_row(concept.term, book_id, "another definition was kept", definition)
            for definition in dict.fromkeys(candidates[at].definition for at in concept.members)
            if definition not in (None, concept.definition)
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


def term_row(concept: Concept, term_id: str, book_id: str | None) -> Row:
    """A row of ``terms`` that is kept and refers to no other."""
    return {
        "term_id": term_id,
        "book_id": book_id,
        "term": concept.term,
        "forms": concept.forms,
        "sources": concept.sources,
        "definition": concept.definition,
        "parent_id": None,
        "see_also": [],
        "locators": concept.locators,
        "kept": True,
        "reason": None,
    }


def dropped_row(item: str, related: str | None, reason: str, detail: str | None) -> Row:
    """A row of ``dropped`` for the glossary stage."""
    return {"stage": "glossary", "item": item, "related": related, "reason": reason, "detail": detail}


def objection(concept: Concept, corpus: Corpus, rules: Rules) -> str | None:
    """Why the term is not kept, or None. What a glossary defines is the book's own, however general or frequent."""
    by_index = {"names": "person name", "symbols": "symbol"}.get(concept.kind)
    if reason := by_index or rules.label("term_filters", concept.term):
        return reason
    defined = "glossary" in concept.sources
    if concept.mono and not defined:
        return CODE
    if concept.term.lower() in rules.words("stop_terms") and not defined:
        return "too general"
    if all(len(word) == 1 for word in term_key(concept.term)):  # a formula read as text
        return "symbol"
    occurrences = sum(map(corpus.count, concept.forms))
    if not (occurrences or concept.locators or defined):
        return "not found in the text"
    everywhere = corpus.pages_with(concept.forms, occurrences) > EVERYWHERE * corpus.pages
    return "on more than half of the pages" if corpus.pages >= FEW_PAGES and everywhere and not defined else None
