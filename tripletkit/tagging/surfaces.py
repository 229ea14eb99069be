"""The surfaces in which a book writes its terms, as forms: the table of terms says all that the matcher joins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tripletkit.language.normalise import is_acronym
from tripletkit.tagging.matcher import Match

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | {ord("’"): "'", ord("‘"): "'"}


def surfaces_of(texts: Iterable[tuple[str, Sequence[Match]]]) -> dict[str, list[str]]:
    """By term: each surface that its matches have in the texts, case and dashes aside, in the smallest case it stands in.

    Capitals are kept where the form is an acronym, which they tell from a word.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text, matches in texts:
        for match in matches:
            surface = " ".join(text[match.start : match.end].split())
            if surface.isupper() and not is_acronym(match.form.text):
                surface = surface.lower()
            held = found[match.form.term_id]
            held[fold(surface)] = min(surface, held.get(fold(surface), surface), key=_capitals)
    return {term_id: sorted(held.values()) for term_id, held in found.items()}


def with_surfaces(forms: Sequence[str], surfaces: Iterable[str]) -> list[str]:
    """A term's forms, the first left in front, and the surfaces that none of them is."""
    known = {fold(form) for form in forms}
    return [*forms[:1], *sorted({*forms[1:], *(surface for surface in surfaces if fold(surface) not in known)})]


def fold(form: str) -> str:
    """What two surfaces share that differ in case and in the make of dashes and quotes."""
    return form.translate(_DASHES).casefold()


def _capitals(surface: str) -> tuple[int, str]:
    return sum(c.isupper() for c in surface), surface
