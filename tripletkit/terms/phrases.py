"""Index subentries as terms one would say: "distribution / binomial" → "binomial distribution".

Which order of head and modifier is English is asked of the book's own text; where that is silent, of a word's ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tripletkit.language.normalise import is_acronym, term_key

_PREPOSITION = (
    r"(?:of|in|for|with|without|on|to|by|from|as|at|and|or|versus|vs\.?|via|under|over|between|among|against|using|through"
    r"|within|into|than|during|not|is|are|that|which|when|where|after|before|across)"
)
_LEADS_ON = re.compile(rf"{_PREPOSITION}(?![\w-])", re.I)
_LEADS_IN = re.compile(rf"\b(?:{_PREPOSITION})(?:\s(?:a|an|the))?$", re.I)
_ARTICLE = re.compile(r"\b(?:a|an|the)$", re.I)
_ADJECTIVE = re.compile(
    r"(?:al|ic|ive|ed|ing|ous|ary|ory|ar|less|ble|ful|ite|ian|ean|ant|ent|ese|like|based|free)$", re.I
)
_LISTED = re.compile(r"(?:applications?|proofs?|uses?|examples?|methods?|propert(?:y|ies)|types?|kinds?)$", re.I)
_ACTION = re.compile(r"(?:tions?|sions?|ments?|ities|ity|ness|ances?|ences?|analysis)$", re.I)


# Words on both sides of a pause are no phrase. The stand-in is no word of any language.
_PAUSE = re.compile(r"[.,;:!?()\[\]“”—]+(?=\s|$)|(?<=\s)[(\[“—]+")
_STOP = " zqz "


class Corpus:
    """What the book's running text says: how often a phrase stands in it, and which words it writes in lower case."""

    def __init__(self, paragraphs: Iterable[str]) -> None:
        texts = list(paragraphs)
        self._text = "\n".join(texts)
        self.pages = len(texts)
        self._pages = [f" {' '.join(term_key(_PAUSE.sub(_STOP, text)))} " for text in texts]
        self._keys = "|".join(self._pages)
        self._lower = {word for text in texts for word in re.findall(r"[^\W\d_]+", text) if word.islower()}
        self._counts: dict[str, int] = {}

    def count(self, phrase: str) -> int:
        """Times that the phrase is said, whatever its case, number and hyphens."""
        key = " ".join(term_key(phrase))
        if key not in self._counts:
            self._counts[key] = self._keys.count(f" {key} ") if key else 0
        return self._counts[key]

    def pages_with(self, forms: Iterable[str], said: int) -> int:
        """Pages that say any of the forms; ``said`` is how often they do, which is enough to know when it is small."""
        if said <= self.pages / 2:
            return min(said, self.pages)
        keys = [f" {key} " for form in forms if (key := " ".join(term_key(form)))]
        return sum(any(key in page for key in keys) for page in self._pages)

    def uncapitalised(self, phrase: str) -> str:
        """The phrase with a small first letter, if the book writes its first word so."""
        first = re.match(r"[^\W\d_]+", phrase)
        if first and first.group().istitle() and first.group().lower() in self._lower:
            return phrase[0].lower() + phrase[1:]
        return phrase

    def as_written(self, phrase: str) -> str:
        """The phrase in small letters, if the book mostly writes it so where a sentence does not begin with it.

        One that it never writes has a small first letter if its first word has one elsewhere.
        """
        small = phrase.lower()
        if small == phrase or is_acronym(phrase):
            return phrase
        lower, given = self._written(small), self._written(phrase)
        if not lower and not given and re.match(r"[^\W\d_]{3}", phrase) and phrase[1:] == small[1:]:
            return self.uncapitalised(phrase)
        return small if lower > given else phrase

    def _written(self, phrase: str) -> int:
        return len(re.findall(rf"(?<![.!?:]) {re.escape(phrase)}(?:e?s)?(?!\w)", self._text))


def subentry_forms(sub: str, head: str, corpus: Corpus, *, category: str = "") -> list[str]:
    """How the subentry is said with its head, the most readable first; others only if the book says them.

    ``category``, as ``category_of`` has it: subentries are said without a head that only gathers them.
    """
    if _holds(sub, head):
        return [sub]
    orders = _orders(sub, head, corpus.uncapitalised(head), corpus)
    gathered = category == "all" or (category == "phrases" and len(sub.split()) > 1)
    if not _open(sub) and (gathered or (_stands_alone(sub) and _is_said_alone(sub, orders, corpus))):
        return [sub, *(order for order in orders if corpus.count(order) > 0)]
    best = max(orders, key=lambda order: (corpus.count(order), -orders.index(order)))
    few = max(2, corpus.count(best) // 5)
    rest = [
        order
        for order in orders
        if order != best and (corpus.count(order) >= few or (_open(sub) and order == orders[0]))
    ]
    return [best, *rest]


def category_of(head: str, subs: Sequence[str], corpus: Corpus) -> str:
    """Whether a head only gathers: "all" if none of its subentries is said with it, "phrases" if hardly any, else "".

    Most of them must be said alone, else nothing is known.
    """
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
    if _LEADS_ON.match(sub):
        return [f"{head} {sub}"]
    low = corpus.uncapitalised(sub)
    if _LEADS_IN.search(sub) or _ARTICLE.search(sub):
        closed = _ARTICLE.search(sub) is not None
        return (
            [f"{sub} {small}"]
            if closed
            else [f"{sub} {small}", f"{sub} a {small}", f"{sub} an {small}", f"{sub} the {small}"]
        )
    before, after, of = f"{sub} {small}", f"{head} {low}", f"{sub} of {small}"
    more = [order for link in ("of a", "of the", "in", "for") if corpus.count(order := f"{sub} {link} {small}") > 0]
    more += [order for link in ("of", "of a") if corpus.count(order := f"{head} {link} {low}") > 0]
    last = sub.split()[-1] if sub.split() else sub
    if _LISTED.search(last):
        return [of, after, *more]
    if _ACTION.search(last):
        return [of, before, after, *more]
    if _ADJECTIVE.search(last):  # "a tree rooted at u" does not make it a tree rooted
        return [before, of, *more]
    if len(sub.split()) == 1:
        return [before, after, of, *more]
    return [before, of, after, *more]


def _holds(sub: str, head: str) -> bool:
    """Whether the subentry already says its head ("mean / weighted mean")."""
    own, above = term_key(sub), term_key(head)
    return bool(above) and any(own[i : i + len(above)] == above for i in range(len(own) - len(above) + 1))


def _open(sub: str) -> bool:
    return bool(_LEADS_ON.match(sub) or _LEADS_IN.search(sub) or _ARTICLE.search(sub))


def _stands_alone(sub: str) -> bool:
    """Whether the subentry can name a concept without its head: several words, or a proper or coined name."""
    return len(sub.split()) >= 2 or is_acronym(sub) or bool(re.search(r"[a-z][A-Z]|[A-Z]{2}", sub))


def _is_said_alone(sub: str, orders: Sequence[str], corpus: Corpus) -> bool:
    alone, together = corpus.count(sub), sum(corpus.count(order) for order in orders)
    return alone >= 2 and alone - together >= 5 * together
