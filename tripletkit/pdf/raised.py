"""Raised and lowered signs: exponents and indices are kept as Unicode's own signs, marks of footnotes are told apart.

10¹² must not become 1012, nor R² become R2. A group such as ¹² or ₙ₋₁ is written with Unicode's raised or lowered
signs where each of its characters has one, else as ^T or _c. Letters are such a group behind a number, a closing bracket
or a name of one letter (xᵢ, e^x, X^T); others (1st, nth, LaTeX's A) stand as they are.
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
#: A note's mark that is a letter stands behind a word of three, the last a small one: no "XVIe" of a French century.
NOTE_LETTERS = frozenset("abcdefgh")
_TAKES_LETTER = re.compile(r"[^\W\d_]{2}[a-zß-öø-ÿ][.,;:!?”)\]]?$")
#: A formula, but no ending of an ordinal, no degree and no mark of a trade: "1st", "20o", "XTM".
_EXPONENT = re.compile(
    r"(?!(?:st|nd|rd|th|o|er|re|me|lle|TM|SM)$)[−-]?[^\W\d_]{1,2}|(?=.*\d)(?=.*[a-z/.,*])[\da-z+−/.,*()-]+"
)
#: What a raised or lowered letter belongs to: a number, a bracket's end or a name of one letter.
_TAKES_LETTERS = re.compile(r"(?:[\d)\]}|’′]|(?<![^\W\d_])[^\W\d_])$")
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

    ``before`` is what they belong to. What stands between a formula's tall brackets is not lowered. A group for which
    Unicode has no signs would change a number or a name: it stands as 2^k, 10^(1/2), X^T, k_B.
    """
    signs = text.translate(_TO_UP if up else _TO_DOWN)
    whole = (_UP_GROUP if up else _DOWN_GROUP).fullmatch(signs) is not None and _BASE.search(before) is not None
    whole &= text.count("(") == text.count(")")  # else only a part of it is raised
    if whole and (not text.isalpha() or _belongs(text, before)):
        return signs
    if whole or not _is_formula(text, before, up=up):
        return text
    return f"{'^' if up else '_'}{text}" if text.isalpha() or text[0] + text[-1] == "()" else f"^({text})"


def _belongs(text: str, before: str) -> bool:
    """Whether letters belong to what they stand behind: "x" and "i", but not "1" and "st", nor "L" and "A" of "LaTeX"."""
    exponent = _EXPONENT.fullmatch(text) is not None and before + text != "LA"
    return exponent and _TAKES_LETTERS.search(before) is not None


def _is_formula(text: str, before: str, *, up: bool) -> bool:
    """Whether raised or lowered text would be read as a part of a number or a name: "2k", "101/2", "xn/2"."""
    if text.isalpha() or text[1:].isalpha():
        return _belongs(text, before) and (up or text.isalpha())
    formula = up and _EXPONENT.fullmatch(text) is not None and text.count("(") == text.count(")")
    return formula and bool(before) and _BASE.search(before) is not None


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
    behind = _TAKES_LETTER if mark in NOTE_LETTERS else _TAKES_NOTE if _NOTE.fullmatch(mark) else None
    return behind is not None and behind.search(before) is not None and not _FUNCTION.search(before)


def height(size: float, shift: float, beside: float) -> int:
    """1: raised, -1: lowered, 0: neither, for a character ``shift`` points above the baseline of text of size ``beside``."""
    if beside <= 0 or not size < 0.85 * beside:  # a damaged size may be no number
        return 0
    return 1 if shift > 0.1 * beside else -1 if shift < -0.05 * beside else 0
