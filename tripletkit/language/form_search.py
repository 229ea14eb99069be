"""Finds a term's forms in a text by plain regular expressions, in the singular and the plural.

It shares no code with the matcher of the tag stage, so that what one gets wrong the other can show.
A second language must bring: how a plural is undone (`singular`), which letters a plural adds (`form_pattern`), and what
an acronym looks like (`_is_acronym`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
#: A word that ends so is no plural: class, corpus, analysis.
_SINGULAR_ENDING = re.compile(r"(ss|us|is)$")
_ACRONYM_CHARACTERS = 6


def mentions_any(text: str, forms: Iterable[str]) -> bool:
    """Whether ``text`` holds one of ``forms`` as whole words, in any case and number; acronyms only as they are written."""
    exact = _normal(text)
    folded = exact.casefold()
    # "IT" must not match "it".
    return any(form_pattern(form).search(exact if _is_acronym(form) else folded) is not None for form in forms)


@lru_cache(maxsize=1 << 16)
def form_pattern(form: str) -> re.Pattern[str]:
    """What finds ``form`` as whole words, in the singular or a regular plural, words parted by white space or hyphens."""
    plain = _normal(form) if _is_acronym(form) else singular(form)
    words = [re.escape(word) for word in re.split(r"[\s-]+", plain) if word]
    if not words:
        return re.compile(r"(?!)")  # finds nothing
    if words[-1].endswith("y") and not _is_acronym(form):
        words[-1] = words[-1][:-1] + "(?:y|ie)"
    return re.compile(r"(?<!\w)" + r"[\s-]+".join(words) + r"(?:e?s)?(?!\w)")


@lru_cache(maxsize=1 << 16)
def singular(form: str) -> str:
    """``form`` in lower case, its last word in the singular if it has a regular plural ending."""
    plain = _normal(form).casefold()
    if len(plain) < 4 or _SINGULAR_ENDING.search(plain):
        return plain
    return plain[:-3] + "y" if plain.endswith("ies") else plain.removesuffix("s")


def _is_acronym(form: str) -> bool:
    return len(form) <= _ACRONYM_CHARACTERS and form.isupper()


def _normal(text: str) -> str:
    """NFKC, one kind of hyphen and apostrophe, white space made one space."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES).replace("’", "'")
    return " ".join(text.split())
