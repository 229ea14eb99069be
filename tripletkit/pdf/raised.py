"""Raised and lowered signs: exponents and indices are kept as Unicode's own signs, marks of footnotes are told apart.

10¹² must not become 1012, nor R² become R2. A group such as ¹² or ₙ₋₁ is written with Unicode's raised or lowered
signs where each of its characters has one; other letters (1st, nth) stand as they are.
"""

from __future__ import annotations

import re
import unicodedata

from tripletkit.language.layout_words import FUNCTION_NAMES, SHORT_WORDS

_PLAIN_UP, _UP = "0123456789+-=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ"
_PLAIN_DOWN, _DOWN = "0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_TO_UP, _TO_DOWN = str.maketrans(f"{_PLAIN_UP}−", f"{_UP}⁻"), str.maketrans(f"{_PLAIN_DOWN}−", f"{_DOWN}₋")
_TO_PLAIN = str.maketrans(_UP + _DOWN, _PLAIN_UP + _PLAIN_DOWN)
_UP_GROUP, _DOWN_GROUP = re.compile(f"[{_UP}]+"), re.compile(f"[{_DOWN}]+")
#: NFKC would change numbers: 10¹² to 1012, 1½ to 11⁄2.
_KEPT = re.compile(f"([{_UP}{_DOWN}¼-¾⅐-⅞]+)")
#: What a raised or lowered sign stands behind.
_BASE = re.compile(r"(?:[\w)\]}|’'′]|^)$")
_NOTE = re.compile(r"\d{1,3}(?:[,;–-]\d{1,3})*[,;]?|[*∗†‡§]{1,2}|[,;]")
#: What a footnote's mark stands behind: a word of three letters, or a mark of punctuation. "(a + b)²" is no place for one.
_TAKES_NOTE = re.compile(
    r"(?:[^\W\d_]{3}/?[)\]]?|(?:1[5-9]|20)\d\d[)\]]|[.,;:!?”’'\"][)\]]?|(?:^|[\W_])(?:"
    rf"{'|'.join(SHORT_WORDS)}))$"
)
_ALONE = re.compile(r"[+-]?\w+|\(.*\)")
_FUNCTION = re.compile(rf"(?:^|[\W\d_])(?:{'|'.join(FUNCTION_NAMES)})$")


def compose(text: str) -> str:
    """NFKC of a text, its raised and lowered signs and its fractions kept."""
    if _KEPT.search(text) is None:
        return unicodedata.normalize("NFKC", text)
    parts = _KEPT.split(text)
    return "".join(part if i % 2 else unicodedata.normalize("NFKC", part) for i, part in enumerate(parts))


def as_signs(text: str, before: str, *, up: bool) -> str:
    """A group of raised (``up``) or lowered characters behind ``before``, in Unicode's signs; as it is if it has none.

    As long as the text. Letters alone become signs only as a number's exponent: 10ⁿ. What stands between a formula's
    tall brackets is not lowered.
    """
    signs = text.translate(_TO_UP if up else _TO_DOWN)
    whole = (_UP_GROUP if up else _DOWN_GROUP).fullmatch(signs) is not None and _BASE.search(before) is not None
    whole &= text.count("(") == text.count(")")  # else only a part of it is raised
    return signs if whole and (not text.isalpha() or (up and before[-1:].isdigit())) else text


def has_signs(text: str) -> bool:
    """Whether a text holds one of Unicode's raised or lowered signs, or of its fractions."""
    return _KEPT.search(text) is not None


def with_carets(text: str) -> str:
    """The same text with 10^12 for 10¹², x^(i+1) for xⁱ⁺¹ and x_1 for x₁."""
    text = _UP_GROUP.sub(lambda group: f"^{_plain(group[0])}", text)
    return _DOWN_GROUP.sub(lambda group: f"_{_plain(group[0])}", text)


def _plain(signs: str) -> str:
    text = signs.translate(_TO_PLAIN)
    return text if _ALONE.fullmatch(text) else f"({text})"


def is_note(mark: str, before: str) -> bool:
    """Whether the raised ``mark`` behind ``before`` is that of a footnote or of several ("Galton¹²,¹³"), no exponent."""
    return _NOTE.fullmatch(mark) is not None and _TAKES_NOTE.search(before) is not None and not _FUNCTION.search(before)


def height(size: float, shift: float, beside: float) -> int:
    """1: raised, -1: lowered, 0: neither, for a character ``shift`` points above the baseline of text of size ``beside``."""
    if beside <= 0 or not size < 0.85 * beside:  # a damaged size may be no number
        return 0
    return 1 if shift > 0.1 * beside else -1 if shift < -0.05 * beside else 0
