"""Names of glyphs → text, for signs whose codes have no Unicode in the PDF.

Such a code is often that of another sign: TeX's "0" of a symbol font is a prime, its "h" an angle bracket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

#: What stands for a sign that no way can read.
UNREAD_SIGN = "□"
#: Names of TeX's symbol fonts that Adobe's glyph list lacks, and the commonest that it has.
_TEX_NAMES = {
    "prime": "′",
    "negationslash": "\u0338",
    "bardbl": "‖",
    "angbracketleft": "⟨",
    "angbracketright": "⟩",
    "floorleft": "⌊",
    "floorright": "⌋",
    "ceilingleft": "⌈",
    "ceilingright": "⌉",
    "square": "□",
    "squaresolid": "■",
    "lozenge": "◊",
    "triangle": "△",
    "triangleinv": "▽",
    "mapsto": "↦",
    "precedesequal": "⪯",
    "followsequal": "⪰",
    "latticetop": "⊤",
    "turnstileleft": "⊢",
    "turnstileright": "⊣",
    "minusplus": "∓",
    "epsilon1": "ϵ",
    "lessmuch": "≪",
    "greatermuch": "≫",
    "vextendsingle": "|",
    "vextenddouble": "‖",
    "unionmulti": "⊎",
    "unionsq": "⊔",
    "intersectionsq": "⊓",
    "circledot": "⊙",
    "circleminus": "⊖",
    "circledivide": "⊘",
    "backslash": "\\",
    "visiblespace": "␣",
    "dotlessj": "ȷ",
    "summation": "∑",
    "product": "∏",
    "integral": "∫",
    "union": "⋃",
    "intersection": "⋂",
    "radical": "√",
    "parenleft": "(",
    "parenright": ")",
    "bracketleft": "[",
    "bracketright": "]",
    "braceleft": "{",
    "braceright": "}",
    "f_f": "ff",
    "f_i": "fi",
    "f_l": "fl",
    "f_f_i": "ffi",
    "f_f_l": "ffl",
    "ff": "ff",
    "ffi": "ffi",
    "ffl": "ffl",
    "fi": "fi",
    "fl": "fl",
}
#: The end of a proof or of an example, at a line's end.
END_MARKS = frozenset("□■◊")
#: TeX's extension font: the same sign in several sizes.
_SIZES = re.compile(r"(?:big|Big|bigg|Bigg|display|text)$")
#: Type 1 fonts list their own codes: ``dup 48 /prime put``.
_ENTRY = re.compile(rb"dup\s+(\d+)\s*/([^\s/]+)\s+put")
#: Names by codes in hexadecimal digits: any number of four, or one of four to six.
_CODES = re.compile(r"uni((?:[\dA-F]{4})+)|u([\dA-F]{4,6})", re.IGNORECASE | re.ASCII)
#: TeX's first layout of letters (OT1) has ligatures at these codes.
_TEX_LIGATURES = {"\x0b": "ff", "\x0c": "fi", "\x0d": "fl", "\x0e": "ffi", "\x0f": "ffl"}


@lru_cache(maxsize=256)
def font_names(program: bytes) -> Mapping[int, str]:
    """Code → name of glyph, as a Type 1 font's program has them; empty for other kinds of fonts."""
    if not program.startswith(b"%!"):
        return {}
    return {int(code): name.decode("latin-1") for code, name in _ENTRY.findall(program)}


@lru_cache(maxsize=1024)
def named_text(name: str) -> str | None:
    """The text of a glyph by its name: TeX's, Adobe's ("f_i", "uniFB01"), or in another size; None if it says nothing."""
    if name in _TEX_NAMES:
        return _TEX_NAMES[name]
    base = _SIZES.sub("", name)
    if base in _TEX_NAMES:
        return _TEX_NAMES[base]
    return next(filter(None, map(_adobe_text, dict.fromkeys((name, base)))), None)


def _adobe_text(name: str) -> str | None:
    """The text of a glyph's name as Adobe's list and its rules have it."""
    parts = name.partition(".")[0].split("_")
    texts = [_adobe_names().get(part) or _coded(part) for part in parts]
    return "".join(filter(None, texts)) if all(texts) else None


def _coded(part: str) -> str | None:
    """The characters that a name such as "uniFB01" or "u1D465" tells by their codes."""
    found = _CODES.fullmatch(part)
    digits = [] if found is None else re.findall("....", found[1]) if found[1] else [found[2]]
    codes = [int(code, 16) for code in digits]
    # The two halves of a character beyond U+FFFF are none.
    known = all(code < 0xD800 or 0xE000 <= code < 0x110000 for code in codes)
    return "".join(map(chr, codes)) or None if known else None


@cache
def _adobe_names() -> Mapping[str, str]:
    # The list alone: importing pdfminer with it takes ten times as long.
    package = find_spec("pdfminer")
    assert package is not None
    assert package.origin is not None
    spec = spec_from_file_location("glyphlist", Path(package.origin).with_name("glyphlist.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names: Mapping[str, str] = module.glyphname2unicode
    return names


def sign_text(sign: str, name: str | None, *, in_word: bool) -> str | None:
    """What a sign without Unicode is: its name's text, a ligature of TeX, or itself; None if it is not printable.

    ``in_word``: whether a letter stands beside it.
    """
    text = named_text(name) if name else None
    if text is not None:
        return text
    if name is None and in_word and sign in _TEX_LIGATURES:
        return _TEX_LIGATURES[sign]
    return sign if sign.isprintable() else None
