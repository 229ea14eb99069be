"""Whether a page's text can be read: fonts without a character map give signs that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: A page with less text than this says nothing about its fonts.
ENOUGH_CHARACTERS = 80
#: Largest share of characters without a meaning: control, private-use and replacement characters.
MOST_UNREADABLE = 0.12
#: Smallest share of letters and digits. Pages of dense mathematics reach 0.5.
LEAST_ALPHANUMERIC = 0.35
#: Longest usual word: longer ones are several, glued together.
LONGEST_USUAL_WORD = 14

_SIGN = re.compile(r"[\W_]")
#: Characters that no font says the meaning of.
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\u0080-\u009f]")


def complaint(words: Sequence[str], lost: int = 0) -> str | None:
    """Why a page's text is no good, None if it is. ``lost`` counts the control characters that were left out of it."""
    text = "".join(words)
    if len(text) + lost < ENOUGH_CHARACTERS:
        return None
    unreadable = (lost + (0 if text.isascii() else len(UNREADABLE.findall(text)))) / (len(text) + lost)
    if unreadable > MOST_UNREADABLE:
        return f"{unreadable:.0%} of its characters have no meaning"
    # The points of a plot are signs by themselves.
    longer = "".join([word for word in words if len(word) > 2])
    alphanumeric = (len(longer) - len(_SIGN.findall(longer))) / max(len(longer), 1)
    if len(longer) >= ENOUGH_CHARACTERS and alphanumeric < LEAST_ALPHANUMERIC and not _dotted(longer):
        return f"only {alphanumeric:.0%} of its characters are letters or digits"
    mean = len(text) / len(words)
    if mean > LONGEST_USUAL_WORD:
        return f"its words have {mean:.0f} characters on average, so they are glued together"
    return None


def _dotted(text: str) -> bool:
    """Contents with leaders of dots."""
    return text.count(".") > 0.4 * len(text)
