"""One concept, one term: candidates that share a form become one row of ``terms``, with every form, source and page.

Joined are equal keys (case, plural, hyphen and spelling aside), a term and the acronym it spells out, and what a
see-reference or a glossary calls the same. Nothing is joined by similarity; similar spelling only proposes a line
``# alias? form: canonical (score)`` of OUTPUT/proposals.txt. Copied without its mark and score into
``aliases.extra.txt`` of the folder given by --rules, ``form: canonical`` makes one term of the two, under the second
name; where only one of them is a term, it gets the other as a form.

The patterns and words by which a term is not kept are the user's to change: rules/term_filters.txt and
rules/stop_terms.txt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rapidfuzz import fuzz, process

from tripletkit.ids import stable_id
from tripletkit.language import term_words as english
from tripletkit.language.normalise import is_acronym, term_key, tokens
from tripletkit.language.spellings import spellings
from tripletkit.near_duplicates import DisjointSets
from tripletkit.rules import Rules, default_folder
from tripletkit.terms.book_text import Corpus
from tripletkit.terms.forms import Key, form_key, form_keys, own_forms

Row = dict[str, object]
#: The first candidate of each kind and key.
Places = dict[tuple[str, Key], int]
_TRAILING = re.compile(r"(?P<term>\S.*?\S)\s*\([^()]*\)$")
#: Which source's wording names a concept, best first.
RANK = ("user", "glossary", "index", "index_head", "acronym", "bold", "definition", "heading", "automatic")
#: The reason that rules/term_filters.txt gives for identifiers too: such index entries get the source index_code.
CODE = "name from program code"
#: A term on more than this share of the pages is too general to be kept.
EVERYWHERE = 0.5
#: In books with fewer pages EVERYWHERE is not applied.
FEW_PAGES = 40
#: Lowest similarity ratio of a proposed alias; below it, most pairs are two concepts.
LIKE = 90.0


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


def merge(
    candidates: Sequence[TermCandidate], occurrences: Callable[[str], int]
) -> tuple[list[Concept], list[int], list[tuple[str, str, str]]]:
    """Concepts, the concept of each candidate, and references that name nothing (from, to, reason).

    ``occurrences`` counts a phrase in the running text: it settles which of several wordings to show.
    """
    groups = DisjointSets(len(candidates))
    by_key: Places = {}
    for at, candidate in enumerate(candidates):
        for key in (key for form in candidate.forms for key in form_keys(form)):
            groups.join(by_key.setdefault((candidate.kind, key), at), at)
    dangling = _join_references(candidates, groups, by_key)
    _strip_qualifiers(candidates, groups, by_key)
    concepts = [_concept([candidates[at] for at in held], held, occurrences) for held in groups.sets()]
    owner = {at: number for number, concept in enumerate(concepts) for at in concept.members}
    return concepts, [owner[at] for at in range(len(candidates))], dangling


def _join_references(
    candidates: Sequence[TermCandidate], groups: DisjointSets, by_key: Places
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
                candidate.forms.append(name)
            elif english.MANY_TARGETS.search(name):
                dangling.append((candidate.forms[0], name, "see names no single entry"))
            else:
                candidate.forms[:0] = own_forms(name)
                by_key.setdefault((candidate.kind, form_key(name)), at)
    return dangling


def find_target(name: str, kind: str, by_key: Places) -> int | None:
    """The candidate that a reference names ("tree, binary", "tree: binary"), else by acronym or in other indexes."""
    parts = re.split(r"\s*[,:!]\s+", name, maxsplit=1)
    wordings = [name, *own_forms(name)]
    if len(parts) == 2:
        wordings += [f"{parts[1]} {parts[0]}", f"{parts[0]} {parts[1]}", f"{parts[1]} {english.OF} {parts[0]}"]
    keys = [(kind, form_key(wording)) for wording in wordings]
    keys += [(kind, (*form_key(name), "=")), *((other, form_key(name)) for other in ("subject", "names", "symbols"))]
    return next((by_key[key] for key in keys if key in by_key), None)


def _strip_qualifiers(candidates: Sequence[TermCandidate], groups: DisjointSets, by_key: Places) -> None:
    """Qualifiers left off: "momentum (optimization)" becomes "momentum", unless another term has that name."""
    matches = ((at, _TRAILING.fullmatch(candidate.forms[0])) for at, candidate in enumerate(candidates))
    bare = [(at, match["term"]) for at, match in matches if match]
    claims = Counter((candidates[at].kind, form_key(term)) for at, term in bare)
    for at, term in bare:
        key = candidates[at].kind, form_key(term)
        rival = by_key.get(key)
        if claims[key] == 1 and (rival is None or candidates[rival].source == "acronym"):
            candidates[at].forms.insert(0, term)
            groups.join(at, by_key.setdefault(key, at))


def _concept(held: Sequence[TermCandidate], members: list[int], occurrences: Callable[[str], int]) -> Concept:
    lead = min(held, key=lambda c: (bool(c.refers), is_acronym(c.forms[0]), RANK.index(c.source), c.parent is not None))
    term = lead.forms[0]
    if occurrences(term):  # of its spellings (case, number), the small and singular one is shown
        same = {c.forms[0] for c in held if form_key(c.forms[0]) == form_key(term)}
        term = min(same, key=lambda form: (form != form.lower(), len(form), form))
    by_trust = sorted(held, key=lambda c: (bool(c.refers), c.source != "user"))
    locators: dict[tuple[object, object], dict[str, object]] = {}
    cited = [c for c in held if c.source == "index" and c.locators] or held
    for locator in (locator for c in cited for locator in c.locators):
        locators.setdefault((locator["label"], locator["page"]), locator)
    return Concept(
        members=members,
        term=term,
        forms=list(dict.fromkeys([term, *sorted({form for c in held for form in c.forms})])),
        sources=sorted({c.source for c in held}),
        definition=next((c.definition for c in by_trust if c.definition), None),
        locators=list(locators.values()),
        kind=lead.kind,
        mono=all(c.mono for c in held),
    )


def concept_ids(concepts: Sequence[Concept], book_id: str | None) -> list[str]:
    """One id per concept from the book and its shown form; kind and forms tell apart what is shown alike."""
    shown = Counter(concept.term for concept in concepts)
    telling = ([c.kind, *sorted(c.forms)] if shown[c.term] > 1 else [] for c in concepts)
    return [stable_id("term", book_id or "", c.term, *more) for c, more in zip(concepts, telling, strict=True)]


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
        links = {
            "parent_id": ids[parent] if parent is not None else None,
            "see_also": sorted({ids[other] for other in see_also[number]}),
        }
        rows.append(term_row(concept, ids[number], book_id, reason) | links)
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
    above = [owner[entry.parent] for entry in entries if entry.parent is not None]
    return next((other for other in above if other != number), None) if len(above) == len(entries) else None


def term_row(concept: Concept, term_id: str, book_id: str | None, reason: str | None = None) -> Row:
    """A row of ``terms`` that refers to no other, with the reason why it is not kept."""
    row: Row = {name: getattr(concept, name) for name in ("term", "forms", "sources", "definition", "locators")}
    row |= {"term_id": term_id, "book_id": book_id, "parent_id": None, "see_also": []}
    return row | {"kept": reason is None, "reason": reason}


def texts_in(cell: object) -> list[str]:
    """The texts in a cell of a list column."""
    return [str(item) for item in cell] if isinstance(cell, list | tuple) else []


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
    if all(token.end - token.start == 1 for token in tokens(concept.term)):  # a formula read as text
        return "symbol"
    occurrences = sum(map(corpus.count, concept.forms))
    if not (occurrences or concept.locators or defined or _other_spellings(concept, corpus)):
        return "not found in the text"
    everywhere = corpus.pages_with(concept.forms, occurrences) > EVERYWHERE * corpus.pages
    return "on more than half of the pages" if corpus.pages >= FEW_PAGES and everywhere and not defined else None


def _other_spellings(concept: Concept, corpus: Corpus) -> bool:
    """Whether the text has a form in another spelling: "type 1 error" for "Type I error"."""
    return any(corpus.count(spelling.text) for form in concept.forms for spelling in spellings(form))


class Alias(NamedTuple):
    """A term that may be a form of another, with the similarity of their words from 0 to 100."""

    form: str
    canonical: str
    score: float


def propose_aliases(names: Iterable[str]) -> list[Alias]:
    """Pairs of one book's terms, the likeliest first. The shorter name is taken for canonical.

    They differ by spelling ("data set", "dataset"), by a general last word ("sigmoid activation function", "sigmoid
    activation") or hardly at all (rapidfuzz's ratio over normalised words); not by a number, a letter or a negation.
    """
    by_key = {" ".join(key): name for name in sorted(names, reverse=True) if (key := term_key(name))}
    keys = sorted(by_key)
    scores = process.cdist(keys, keys, scorer=fuzz.ratio, score_cutoff=LIKE, workers=1)
    alike = ((keys[i], keys[j], float(scores[i, j])) for i, j in np.argwhere(np.triu(scores >= LIKE, 1)))
    pairs = [pair for pair in alike if not _differ_in_kind(pair[0].split(), pair[1].split())]
    for one in keys:
        shorter, _, last = one.rpartition(" ")
        if english.GENERAL_NOUN.fullmatch(last) and shorter in by_key:
            pairs.append((one, shorter, fuzz.ratio(one, shorter)))
    found = []
    for one, other, score in pairs:
        canonical, form = sorted((by_key[one], by_key[other]), key=lambda name: (len(name), name))
        found.append(Alias(form, canonical, round(score, 1)))
    return sorted(found, key=lambda alias: (-alias.score, alias.canonical, alias.form))


def _differ_in_kind(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether they differ in a number, a letter, a whole word, or a prefix that changes the meaning."""
    if "".join(one) == "".join(other):
        return False
    ours, theirs = [w for w in one if w not in other], [w for w in other if w not in one]
    if len(ours) != 1 or len(theirs) != 1:
        return True
    a, b = ours[0], theirs[0]
    if min(len(a), len(b)) <= 2 or any(c.isdigit() for c in a + b):
        return True
    bare_a, bare_b = (english.TURNING_PREFIX.sub("", word, count=1) for word in (a, b))
    return bare_a in (b, bare_b) or bare_b == a or fuzz.ratio(a, b) < 75 or a[0] != b[0]


def accept_aliases(candidates: Sequence[TermCandidate], rules: Rules) -> list[TermCandidate]:
    """The candidates with the accepted aliases: two known names refer to one another, one known name gets the other as a form."""
    accepted = list(candidates)
    keys: dict[Key, list[int]] = {}
    for at, candidate in enumerate(accepted):
        for form in candidate.forms:
            keys.setdefault(form_key(form), []).append(at)
    for rule in rules.files["aliases"]:
        called, named = keys.get(form_key(rule.label), []), keys.get(form_key(rule.text), [])
        for at in called:
            held = accepted[at]
            if at not in named and named and not held.refers:
                accepted[at] = replace(held, refers=(rule.text,))
            else:
                accepted[at] = replace(held, forms=[*held.forms, rule.text])
        if not called:
            for at in named[:1]:
                accepted[at] = replace(accepted[at], forms=[*accepted[at].forms, rule.label])
    return accepted


def unknown_aliases(rows: Sequence[Mapping[str, object]], rules: Rules) -> list[dict[str, object]]:
    """Rows of ``dropped`` for a user's aliases of which no book has either name."""
    known = {form_key(form) for row in rows for form in texts_in(row["forms"])}
    packaged = str(default_folder())
    return [
        dropped_row(rule.label, rule.text, "neither name of the alias is a term", Path(rule.place).name)
        for rule in rules.files["aliases"]
        if not rule.place.startswith(packaged) and not {form_key(rule.label), form_key(rule.text)} & known
    ]
