"""Masking a positive in its anchor, so that the encoder cannot rely on string overlap alone."""

from __future__ import annotations

from collections.abc import Iterable

from tripletkit.tagging.matcher import Form, Matcher


def hide(text: str, forms: Iterable[str], mask_token: str) -> str:
    """``text`` with every form of one term, in any case and number, replaced by the encoder's mask token."""
    return hide_matches(text, Matcher(Form("masked", form, canonical=True) for form in forms), mask_token)


def hide_matches(text: str, matcher: Matcher, mask_token: str) -> str:
    """``text`` with all that ``matcher`` finds replaced, the longest first where matches overlap."""
    parts, end = [], 0
    for match in matcher.matches(text):  # by start, longest first
        if match.start >= end:
            parts += [text[end : match.start], mask_token]
            end = match.end
    return "".join([*parts, text[end:]])
