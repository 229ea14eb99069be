"""Words as they are compared: one shared normaliser for terms and for text.

A token's key ignores case, plural, hyphens, quotes and British or American spelling. Only nouns' endings are undone:
verbs lemmatised out of context turn terms into everyday words ("spacing" → "space").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tripletkit.rules import load_rules

# A word may hold apostrophes and end in + or # ("C++", "C#"); a hyphen separates words.
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*[+#]{0,2}")
_APOSTROPHE = re.compile(r"['’]s?$")
_IRREGULAR = {
    "analyses": "analysis", "axes": "axis", "crises": "crisis", "hypotheses": "hypothesis", "parentheses": "parenthesis",
    "theses": "thesis", "syntheses": "synthesis", "diagnoses": "diagnosis", "oases": "oasis", "ellipses": "ellipsis",
    "matrices": "matrix", "vertices": "vertex", "indices": "index", "appendices": "appendix", "vortices": "vortex",
    "simplices": "simplex", "criteria": "criterion", "phenomena": "phenomenon", "automata": "automaton", "polyhedra": "polyhedron",
    "bacteria": "bacterium", "media": "medium", "spectra": "spectrum", "strata": "stratum", "maxima": "maximum", "minima": "minimum",
    "optima": "optimum", "extrema": "extremum", "quanta": "quantum", "errata": "erratum", "data": "data", "lemmata": "lemma",
    "formulae": "formula", "antennae": "antenna", "vertebrae": "vertebra", "nuclei": "nucleus", "radii": "radius", "foci": "focus",
    "stimuli": "stimulus", "moduli": "modulus", "loci": "locus", "fungi": "fungus", "children": "child", "men": "man",
    "women": "woman", "people": "people", "mice": "mouse", "feet": "foot", "teeth": "tooth", "leaves": "leaf", "halves": "half",
    "lives": "life", "knives": "knife", "shelves": "shelf", "wolves": "wolf", "selves": "self", "wives": "wife", "thieves": "thief",
    "series": "series", "species": "species", "lens": "lens", "means": "means", "news": "news", "gas": "gas", "gases": "gas",
    "buses": "bus", "biases": "bias", "viruses": "virus", "statuses": "status", "corpora": "corpus", "genera": "genus",
    "potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "echoes": "echo", "vetoes": "veto",
    "sheaves": "sheaf", "loaves": "loaf", "calves": "calf", "scarves": "scarf", "quizzes": "quiz", "tori": "torus", "calculi": "calculus",
    "helices": "helix", "emphases": "emphasis", "tableaux": "tableau", "focuses": "focus", "campuses": "campus", "bonuses": "bonus",
    "censuses": "census", "caches": "cache", "niches": "niche", "aches": "ache", "psyches": "psyche", "movies": "movie", "cookies": "cookie",
    "calories": "calorie", "zombies": "zombie", "bias": "bias", "atlas": "atlas", "alias": "alias", "canvas": "canvas", "aliases": "alias",
    "chaos": "chaos", "cosmos": "cosmos", "ethos": "ethos", "pathos": "pathos", "logos": "logos", "kudos": "kudos", "rhinoceros": "rhinoceros",
    "always": "always", "perhaps": "perhaps", "texas": "texas", "kansas": "kansas", "christmas": "christmas",
}
_KEEP_S = re.compile(r"(ss|us|is)$")
# Fields of study, which without their s are adjectives ("economics"); a statistic, a metric and a heuristic are things.
_FIELDS = ("omics", "amics", "physics", "matics", "onics", "netics", "guistics", "gistics", "mantics", "botics", "litics", "ethics",
           "optics", "tactics", "oustics", "lytics", "chanics", "natorics", "econometrics")
_ACRONYMS = re.compile(r"\w+[A-Z]s")
_STRIP_ES = re.compile(r"(ss|x|ch|sh|zz)es$")


@dataclass(frozen=True, slots=True)
class Token:
    """A word in a text: what it is compared by, and where it stands."""

    key: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text`` in order, offsets into ``text`` as it is."""
    for match in _TOKEN.finditer(text):
        key = word_key(match.group())
        if key:
            yield Token(key, match.start(), match.end())


def term_key(form: str) -> tuple[str, ...]:
    """What a term is compared by: ("binary", "search", "tree") for "Binary search-trees"."""
    return tuple(token.key for token in tokens(form))


@lru_cache(maxsize=1 << 17)
def word_key(word: str) -> str:
    """One word, lower case, NFKC, singular, possessive undone, in American spelling."""
    word = _APOSTROPHE.sub("", unicodedata.normalize("NFKC", word))
    if _ACRONYMS.fullmatch(word):
        return word[:-1].casefold()
    return _american(singular(word.casefold()))


def singular(word: str) -> str:
    """A lower-case noun's singular by its ending; other words may lose an s, alike wherever they stand."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or not word.isalpha():
        return word
    if _KEEP_S.search(word) or word.endswith(_FIELDS):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if _STRIP_ES.search(word):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=1)
def _spellings() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    words, endings = {}, []
    for rule in load_rules().files["variants"]:
        if rule.label.startswith("-"):
            endings.append((rule.label[1:], rule.text.lstrip("-")))
        else:
            words[rule.label] = rule.text
    return words, tuple(endings)


def _american(word: str) -> str:
    words, endings = _spellings()
    if word in words:
        return words[word]
    for british, american in endings:
        if word.endswith(british) and len(word) > len(british) + 2:
            return word[: -len(british)] + american
    return word


def is_acronym(form: str) -> bool:
    """Whether case tells this form from a word: two to six letters, most of them capitals ("CNN", "mAP"; "SSet" is not)."""
    letters = [c for c in form if c.isalpha()]
    return " " not in form and 2 <= len(letters) <= 6 and sum(c.isupper() for c in letters) >= max(2, len(letters) - 1)
