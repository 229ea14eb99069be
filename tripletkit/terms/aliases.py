"""Terms of one book that may be one concept. Similar spelling only proposes a pair; the user accepts it in a rules file.

A proposal is a line of OUTPUT/proposals.txt, ``# alias? form: canonical (score)``. Copied without its mark and score
into ``aliases.extra.txt`` of the folder given by --rules, ``form: canonical`` makes one term of the two, under the
second name; where only one of them is a term, it gets the other as a form.

Proposed are pairs that differ by spelling ("data set", "dataset"), by a general last word ("sigmoid activation
function", "sigmoid activation") or hardly at all (rapidfuzz's ratio over normalised words). Pairs that differ by a
number, a letter or a negation are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rapidfuzz import fuzz, process

from tripletkit.language.normalise import term_key
from tripletkit.language.term_words import GENERAL_NOUN, TURNING_PREFIX
from tripletkit.rules import Rules, default_folder
from tripletkit.terms.concepts import Key, TermCandidate, dropped_row, form_key

#: Ratio from which two terms are alike; below, most pairs are two concepts.
LIKE = 90.0


@dataclass(frozen=True, slots=True)
class Alias:
    """A term that may be a form of another, with the likeness of their words from 0 to 100."""

    form: str
    canonical: str
    score: float


def propose_aliases(names: Iterable[str]) -> list[Alias]:
    """Pairs of one book's terms, the likeliest first. The shorter name is taken for canonical."""
    by_key = {" ".join(key): name for name in sorted(names, reverse=True) if (key := term_key(name))}
    keys = sorted(by_key)
    found = []
    scores = process.cdist(keys, keys, scorer=fuzz.ratio, score_cutoff=LIKE, workers=1)
    for i, one in enumerate(keys):
        for j in range(i + 1, len(keys)):
            other = keys[j]
            if scores[i][j] >= LIKE and not _differ_in_kind(one.split(), other.split()):
                found.append(_alias(by_key[one], by_key[other], float(scores[i][j])))
        *rest, last = one.split()
        if GENERAL_NOUN.fullmatch(last) and " ".join(rest) in by_key:
            shorter = " ".join(rest)
            found.append(_alias(by_key[one], by_key[shorter], fuzz.ratio(one, shorter)))
    unique = {(alias.form, alias.canonical): alias for alias in found}
    return sorted(unique.values(), key=lambda alias: (-alias.score, alias.canonical, alias.form))


def _alias(one: str, other: str, score: float) -> Alias:
    canonical, form = sorted((one, other), key=lambda name: (len(name), name))
    return Alias(form, canonical, round(score, 1))


def _differ_in_kind(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether what differs is a number, a letter, a whole word for another, or a prefix that turns the meaning."""
    if "".join(one) == "".join(other):
        return False
    ours, theirs = [w for w in one if w not in other], [w for w in other if w not in one]
    if len(ours) != 1 or len(theirs) != 1:
        return True
    a, b = ours[0], theirs[0]
    if min(len(a), len(b)) <= 2 or any(c.isdigit() for c in a + b):
        return True
    if (
        TURNING_PREFIX.sub("", a, count=1) in (b, TURNING_PREFIX.sub("", b, count=1))
        or TURNING_PREFIX.sub("", b, count=1) == a
    ):
        return True
    return fuzz.ratio(a, b) < 75 or a[0] != b[0]


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
    forms = (form for row in rows for form in (row["forms"] if isinstance(row["forms"], list) else ()))
    known = {form_key(str(form)) for form in forms}
    packaged = str(default_folder())
    return [
        dropped_row(rule.label, rule.text, "neither name of the alias is a term", Path(rule.place).name)
        for rule in rules.files["aliases"]
        if not rule.place.startswith(packaged) and not {form_key(rule.label), form_key(rule.text)} & known
    ]
