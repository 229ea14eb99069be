"""Index entries → candidates, subentries as running text would have them: "distribution / binomial" → "binomial distribution".

Which order of head and modifier is right is looked up in the book's own text; where it has none, a word's ending decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tripletkit.language import term_words as english
from tripletkit.language.normalise import is_acronym, term_key
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book, Corpus
from tripletkit.terms.concepts import TermCandidate
from tripletkit.terms.forms import own_forms
from tripletkit.terms.index import IndexEntry

_TURNED_ROUND = re.compile(r"[^\W\d_][\w\s'’‐‑–.-]*, [^\W\d_][\w\s'’‐‑–.-]*")


def index_candidates(entries: Sequence[IndexEntry], book: Book, corpus: Corpus, rules: Rules) -> list[TermCandidate]:
    """One candidate an entry. A head that cites no page has the source index_head: it is there for its subentries."""
    candidates: list[TermCandidate] = []
    place: dict[tuple[str, tuple[str, ...]], int] = {}
    categories = _categories(entries, corpus, rules)
    for entry in entries:
        parent = place.get((entry.kind, entry.parents)) if entry.parents else None
        above = candidates[parent] if parent is not None else None
        forms = _as_said(own_forms(entry.term), corpus)
        if entry.parents:
            forms = _sub_forms(entry, above, corpus, categories.get(entry.parents, ""))
        refers = entry.see
        if above is not None and not refers and english.ABOUT_ITS_HEAD.fullmatch(entry.term):
            refers = (above.forms[0],)  # where a term is defined or introduced is about the term itself
        candidate = TermCandidate(
            forms,
            "index" if entry.locators or entry.see else "index_head",
            locators=book.labels.expand(entry.locators),
            parent=parent,
            refers=refers,
            see_also=entry.see_also,
            kind=entry.kind,
            mono=entry.mono,
        )
        place.setdefault((entry.kind, (*entry.parents, entry.term)), len(candidates))
        candidates.append(candidate)
    return candidates


def _as_said(forms: list[str], corpus: Corpus) -> list[str]:
    """A term turned round ("Distribution, Normal") in the order and case in which the text says it, then as printed.

    Names of persons are not: the text writes them in capitals.
    """
    if len(forms) != 2 or not _TURNED_ROUND.fullmatch(forms[0]):
        return forms
    printed, natural = forms[0], corpus.as_written(forms[1])
    capital = natural != natural.lower()
    if corpus.count(natural) == 0:
        return [natural.lower(), *forms] if capital and _in_small_letters(natural, corpus) else forms
    is_name = capital and natural == forms[1]
    return forms if is_name or corpus.count(natural) <= corpus.count(printed) else [natural, *forms]


def _in_small_letters(phrase: str, corpus: Corpus) -> bool:
    """Whether the text writes each of the phrase's words in small letters."""
    return all(corpus.count(word) > 0 and corpus.as_written(word) == word.lower() for word in phrase.split())


def _categories(entries: Sequence[IndexEntry], corpus: Corpus, rules: Rules) -> dict[tuple[str, ...], str]:
    """Heads, with those above them, that only gather their subentries."""
    subs: dict[tuple[str, ...], list[str]] = {}
    for entry in entries:
        if entry.parents:
            subs.setdefault(entry.parents, []).append(entry.term)
    found = {parents: category_of(parents[-1], terms, corpus) for parents, terms in subs.items()}
    general = rules.words("stop_terms")
    return {parents: "all" if kind and parents[-1].lower() in general else kind for parents, kind in found.items()}


def _sub_forms(entry: IndexEntry, above: TermCandidate | None, corpus: Corpus, category: str) -> list[str]:
    """A subentry with its head as text has it, and as printed ("standard normal" below "normal distribution")."""
    head = above.forms[0] if above is not None else entry.parents[-1]
    forms = subentry_forms(entry.term, head, corpus, category=category)
    if head != entry.parents[-1] and not category:
        near = subentry_forms(entry.term, entry.parents[-1], corpus)
        short = len(entry.parents) > 1 and corpus.count(near[0]) >= corpus.count(forms[0])
        forms = [*near, *forms] if short else [*forms, *near]
    return list(dict.fromkeys(form for name in forms for form in own_forms(name)))


def subentry_forms(sub: str, head: str, corpus: Corpus, *, category: str = "") -> list[str]:
    """The subentry together with its head, the most readable form first; others only if they occur in the text.

    ``category``, as ``category_of`` has it: subentries stand without a head that only gathers them.
    """
    own, above = term_key(sub), term_key(head)
    if above and any(own[i : i + len(above)] == above for i in range(len(own) - len(above) + 1)):
        return [sub]  # it holds its head already: "mean / weighted mean"
    orders = _orders(sub, head, corpus.uncapitalised(head), corpus)
    gathered = category == "all" or (category == "phrases" and len(sub.split()) > 1)
    if not _open(sub) and (gathered or _stands_alone(sub, orders, corpus)):
        return [sub, *(order for order in orders if corpus.count(order) > 0)]
    best = max(orders, key=lambda order: (corpus.count(order), -orders.index(order)))
    few = max(2, corpus.count(best) // 5)
    lead = orders[0] if _open(sub) else best
    rest = [order for order in orders if order != best and (order == lead or corpus.count(order) >= few)]
    return [best, *rest]


def category_of(head: str, subs: Sequence[str], corpus: Corpus) -> str:
    """Whether a head is only a category: "all" if no subentry occurs with it, "phrases" if hardly any does, else ""."""
    closed = [sub for sub in subs if not _open(sub)]
    if len(closed) < 4:
        return ""
    small = corpus.uncapitalised(head)
    together = sum(any(corpus.count(order) > 0 for order in _orders(sub, head, small, corpus)) for sub in closed)
    alone = sum(corpus.count(re.sub(r"\s*\(.*\)$", "", sub)) > 0 for sub in closed)
    if together > 0.25 * len(closed) or alone < 0.5 * len(closed):
        return ""
    return "phrases" if together else "all"


def _orders(sub: str, head: str, small: str, corpus: Corpus) -> list[str]:
    """Ways to put subentry and head together, the likeliest first; ``small`` is the head as inside a sentence."""
    if english.GOES_ON.match(sub):
        return [f"{head} {sub}"]
    if english.ARTICLE_AT_END.search(sub):
        return [f"{sub} {small}"]
    if english.LEADS_IN.search(sub):
        return [f"{sub} {small}", *(f"{sub} {article} {small}" for article in english.ARTICLES)]
    below = corpus.uncapitalised(sub)
    before, after, of = f"{sub} {small}", f"{head} {below}", f"{sub} {english.OF} {small}"
    more = [order for link in english.SUBENTRY_LINKS if corpus.count(order := f"{sub} {link} {small}") > 0]
    more += [order for link in english.HEAD_LINKS if corpus.count(order := f"{head} {link} {below}") > 0]
    last = (sub.split() or [sub])[-1]
    if english.PLAIN_NOUN_END.search(last):
        return [of, after, *more]
    if english.ACTION_END.search(last):
        return [of, before, after, *more]
    if english.ADJECTIVE_END.search(last):  # "a tree rooted at u" does not make it a tree rooted
        return [before, of, *more]
    return [before, after, of, *more] if len(sub.split()) == 1 else [before, of, after, *more]


def _open(sub: str) -> bool:
    """Whether the subentry is incomplete without its head."""
    return bool(english.GOES_ON.match(sub) or english.LEADS_IN.search(sub) or english.ARTICLE_AT_END.search(sub))


def _stands_alone(sub: str, orders: Sequence[str], corpus: Corpus) -> bool:
    """Whether several words, or a proper name, stand in the text without their head, and hardly ever with it."""
    names = len(sub.split()) >= 2 or is_acronym(sub) or re.search(r"[a-z][A-Z]|[A-Z]{2}", sub)
    alone, together = corpus.count(sub), sum(corpus.count(order) for order in orders)
    return bool(names) and alone >= 2 and alone - together >= 5 * together
