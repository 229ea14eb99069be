"""Characters and shapes of one page, asked of PDFium.

Most of the cost of reading a PDF from Python is the number of calls. Therefore fonts, sizes and places are asked once per
text object, boxes once per word, and all of a page's by `map`, without a loop of Python's.
"""

from __future__ import annotations

import ctypes
import math
import re
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from operator import mul
from typing import Any, NamedTuple, cast

import pypdfium2.raw as raw

#: A frame is so much of the page wide, so high in points, and drawn in so few strokes (four sides and round corners).
FRAME_WIDTH, FRAME_PT, FRAME_SEGMENTS = 0.4, 20.0, 20
#: Text whose baseline climbs by more than this share of its length runs aslant.
TURNED = 0.1
#: A text matrix that turns by less than this is level.
LEVEL = 1e-3
#: TeX draws underscores, in points at most so long.
STROKE_PT = 10.0
#: Stands where a character takes two of PDFium's places, or where none is left; `words.clean` takes it out.
NOTHING = "\u2060"
_UTF_32 = f"utf-32-{sys.byteorder[:1]}e"
#: A page with more characters that PDFium's text leaves out is asked for each of its characters.
MOST_LEFT_OUT = 50
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
#: PDFium gives a character beyond U+FFFF in two halves, or one half alone where a font is at fault.
_HALVES, _HALF = re.compile("[\ud800-\udbff][\udc00-\udfff]"), re.compile("[\ud800-\udfff]")
_BOLD = re.compile(r"bold|black|heavy|demi|medi(?!um|eval|a)|(^|[^a-z])(cm|sf|ec|lm)?s?s?bx|-b$|[-_]b[dx]?$", re.I)
_ITALIC = re.compile(r"ital|obli|slant|cmti|cmsl|cmmi|cmbxti|[-_](it|i|bi|ri)$|(sf|ec)ti\d", re.I)
_MONO = re.compile(
    r"mono|(^|[-_])tt([-_]|$)|courier|typewriter|consol|menlo|code|inconsolata|(cm|cmsl|ec|sf|lm)tt|[a-z]tt\d+$|fixed",
    re.I,
)


class Frame(NamedTuple):
    """A drawn or filled rectangle, in points from the page's top left corner."""

    x0: float
    top: float
    x1: float
    bottom: float


#: What the characters of one text object share: baseline (in the PDF's own coordinates, upwards), size, style, and
#: "turned", "invisible" or "white" where that hides them, else "".
Run = tuple[float, float, str, str]


@lru_cache(maxsize=1024)
def style_of(font: str, weight: int) -> str:
    """Style letter from a font's name and weight: the flags of TeX fonts lie, so names decide."""
    name = font.split("+", 1)[-1]
    if _MONO.search(name):
        return "m"
    bold = bool(_BOLD.search(name)) or weight >= 600
    italic = bool(_ITALIC.search(name))
    return "z" if bold and italic else "b" if bold else "i" if italic else "r"


def _address(pointer: Any) -> int:  # noqa: ANN401
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _quick(function: Any, result: type | None, *arguments: type) -> Callable[..., Any]:  # noqa: ANN401 - of pypdfium2, untyped
    """The same function of PDFium, called without giving up Python's lock: half the time, or a quarter without ``arguments``.

    Then ctypes takes what it is given as it is: ints, and pointers by `_pointer`. Else plain numbers are pointers.
    """
    return ctypes.PYFUNCTYPE(result, *arguments)(_address(function))


_pointer: Callable[[int | None], Any] = ctypes.c_void_p.from_param
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_get_box = _quick(raw.FPDFText_GetCharBox, None)
_get_object = _quick(raw.FPDFText_GetTextObject, _POINTER)
_get_origin = _quick(raw.FPDFText_GetCharOrigin, None)
_get_matrix = _quick(raw.FPDFText_GetMatrix, None)
_get_size = _quick(raw.FPDFText_GetFontSize, ctypes.c_double)
_has_no_unicode = _quick(raw.FPDFText_HasUnicodeMapError, _INT)
_get_weight = _quick(raw.FPDFText_GetFontWeight, _INT)
_get_text = _quick(raw.FPDFText_GetText, _INT)
_get_unicode = _quick(raw.FPDFText_GetUnicode, ctypes.c_uint)
_get_page_object = _quick(raw.FPDFPage_GetObject, _POINTER)
_get_font = _quick(raw.FPDFTextObj_GetFont, _POINTER)
_get_font_name = _quick(raw.FPDFFont_GetBaseFontName, ctypes.c_size_t)
_get_mode = _quick(raw.FPDFTextObj_GetTextRenderMode, _INT)
_get_colour = _quick(raw.FPDFPageObj_GetFillColor, _INT)
_get_type = _quick(raw.FPDFPageObj_GetType, _INT)
_get_bounds = _quick(raw.FPDFPageObj_GetBounds, _INT)
_count_segments = _quick(raw.FPDFPath_CountSegments, _INT)


class _Places:
    """Where PDFium writes what it is asked for, made once, so few that they stay in the processor's first cache.

    ``count`` values are each written to a place of their own, or, with ``width``, so many of them to one.
    """

    BATCH = 128

    def __init__(self, code: str, count: int, width: int = 1) -> None:
        self._sides = [array(code, [0] * (width * self.BATCH)) for _ in range(count)]
        step = width * self._sides[0].itemsize
        starts = [side.buffer_info()[0] for side in self._sides]
        self._pointers = [[_pointer(start + step * i) for i in range(self.BATCH)] for start in starts]
        self._width = width

    def written(self, function: Callable[..., int | None], of: Sequence[Any], *first: Any) -> list[array[Any]]:  # noqa: ANN401
        """What ``function(*first, item, places …)`` writes for each item of ``of``; zeros where one that tells fails."""
        width, found = self._width, [side[:0] for side in self._sides]
        for start in range(0, len(of), self.BATCH):
            part = of[start : start + self.BATCH]
            if 0 in set(map(function, *map(repeat, first), part, *self._pointers)):
                # A call that fails writes nothing: the places keep what they held.
                for side in self._sides:
                    side[:] = array(side.typecode, [0] * len(side))
                set(map(function, *map(repeat, first), part, *self._pointers))
            for held, side in zip(found, self._sides, strict=True):
                held += side[: len(part) * width]
        return found


_BOXES, _MATRICES, _ORIGINS = _Places("d", 4), _Places("f", 1, 6), _Places("d", 2)
_COLOURS, _BOUNDS = _Places("I", 4), _Places("f", 4)
#: Where PDFium writes the name of a font, if it is not longer.
_NAME = ctypes.create_string_buffer(256)


class Glyphs:
    """One page's characters, by the index that PDFium gives them."""

    def __init__(self, text: raw.FPDF_TEXTPAGE) -> None:
        self._raw, self._text = text, _pointer(_address(text))
        self._count = max(raw.FPDFText_CountChars(text), 0)
        self._styles: dict[int, str] = {}
        self._runs: dict[int | None, Run | None] = {}
        self._alone: set[int | None] = {None}  # objects whose characters share nothing
        self.unmapped = False  # whether a code without Unicode was met

    def string(self) -> str:
        """The characters, one per index."""
        count = self._count
        # An array of ctypes would be a new class for each length.
        buffer = array("H", bytes(2 * (count + 1)))
        written = _get_text(self._text, 0, count, _pointer(buffer.buffer_info()[0]))
        string = buffer[: written - 1].tobytes().decode("utf-16-le", "replace")
        string = string if len(string) == count else _BEYOND.sub(rf"\g<0>{NOTHING}", string)
        if len(string) == count and "\x00" not in string:
            return string
        # PDFium leaves characters without a code out, so that indexes would not be true.
        if "\x00" in string or not 0 < count - len(string) <= MOST_LEFT_OUT:
            return characters(list(map(_get_unicode, repeat(self._text), range(count))))
        chars = list(string)
        for index in self._left_out(len(string)):
            chars.insert(index, characters([_get_unicode(self._text, index)]))
        return "".join(chars)

    def _left_out(self, length: int) -> list[int]:
        """Indexes of the characters that are not in PDFium's text of this length, in order."""
        ask = raw.FPDFText_GetCharIndexFromTextIndex
        found: list[int] = []
        # From the end, halves: where as many characters as text lie between two places, none is left out.
        open_ = [(-1, -1, length, self._count)]
        while open_:
            first, before, last, after = open_.pop()
            if last - first == 1:
                found += range(before + 1, after)
            elif after - before > last - first:
                middle = (first + last) // 2
                place = ask(self._raw, middle)
                open_ += [(middle, place, last, after), (first, before, middle, place)]
        return found

    def boxes(self, indexes: Sequence[int]) -> list[array[float]]:
        """Left, right, bottom and top of these characters, in the PDF's own coordinates."""
        return _BOXES.written(_get_box, indexes, self._text)

    def objects(self, indexes: Sequence[int]) -> list[int | None]:
        """The text object of each character; None for what PDFium adds, such as a space between words."""
        return list(map(_get_object, repeat(self._text), indexes))

    def meet(self, indexes: Sequence[int]) -> set[int | None]:
        """Ask for the text objects of these characters, if they are new, and return them."""
        return self._met(self.objects(indexes), indexes)

    def _met(self, objects: Sequence[int | None], indexes: Sequence[int]) -> set[int | None]:
        held = dict(zip(objects, indexes, strict=True))
        new = {obj: index for obj, index in held.items() if obj not in self._runs} if self._runs else held
        if new:
            found = self._asked(list(new.values()), list(new))
            self.unmapped |= 1 in set(map(_has_no_unicode, repeat(self._text), new.values()))
            self._runs.update(zip(new, found, strict=True))
            self._runs[None] = None
            self._alone.update(obj for obj in new if self._runs[obj] is None)
        return set(held)

    def runs(self, indexes: Sequence[int]) -> list[Run]:
        """What each of these characters shares with those of its text object; of turned text, what is its own."""
        objects = self.objects(indexes)
        held = self._met(objects, indexes)
        runs = list(map(self._runs.__getitem__, objects))
        if not self._alone.isdisjoint(held):
            alone = [i for i, run in enumerate(runs) if run is None]
            of = [indexes[i] for i in alone]
            _, baselines = _ORIGINS.written(_get_origin, of, self._text)
            found = self._asked(of, [objects[i] for i in alone], baselines)
            for i, run in zip(alone, found, strict=True):
                runs[i] = run
        return cast(list[Run], runs)

    def _asked(
        self, indexes: Sequence[int], objects: Sequence[int | None], baselines: Sequence[float] = ()
    ) -> list[Run | None]:
        """The runs of characters. Without ``baselines``, None for those of turned text, whose baseline runs on."""
        [matrices] = _MATRICES.written(_get_matrix, indexes, self._text)
        sides: list[Sequence[float]] = [matrices[i::6] for i in range(6)]
        a, b, c, d, _, f = sides
        known, pointers = self._styles, list(map(_pointer, objects))
        set_ = map(_get_size, repeat(self._text), indexes)
        sizes = list(map(_hundredths, map(mul, set_, map(math.hypot, c, d))))
        if min(sizes) < 0:  # letters upside down, and the matrix turns them back
            signs = [-1.0 if size < 0 else 1.0 for size in sizes]
            sizes, a, b = ([s * x for s, x in zip(signs, of, strict=True)] for of in (sizes, a, b))
        fonts = map(_get_font, pointers)
        styles = [known.get(font) or self._style(font, i) for font, i in zip(fonts, indexes, strict=True)]
        runs: list[Run | None] = list(zip(baselines or f, sizes, styles, _hidden(pointers), strict=True))
        if min(a) <= 0 or max(b) >= LEVEL or min(b) <= -LEVEL:
            for i, (along, up) in enumerate(zip(a, b, strict=True)):
                if along <= 0 or abs(up) >= LEVEL:
                    aslant = along < 0 or abs(up) > TURNED * math.hypot(along, up)
                    runs[i] = (baselines[i], sizes[i], styles[i], "turned" if aslant else "") if baselines else None
        return runs

    def without_unicode(self, indexes: Sequence[int]) -> list[tuple[int, str, bytes]]:
        """Those of the characters whose codes have no Unicode, with the name and the program of the font of each."""
        flags = map(_has_no_unicode, repeat(self._text), indexes)
        found = [index for index, flag in zip(indexes, flags, strict=True) if flag == 1]
        fonts = [_get_font(_pointer(obj)) for obj in self.objects(found)]
        known = {font: (_font_name(font), _font_program(font)) for font in set(fonts) if font}
        return [(index, *known[font]) for index, font in zip(found, fonts, strict=True) if font]

    def _style(self, font: int | None, index: int) -> str:
        if not font:
            return "r"
        style = self._styles[font] = style_of(_font_name(font), _get_weight(self._text, index))
        return style


@lru_cache(maxsize=1 << 12)
def _hundredths(size: float) -> float:
    return round(size, 2)  # a book has few sizes, and to round is slow


def _font_name(font: int) -> str:
    length = _get_font_name(_pointer(font), _NAME, ctypes.c_size_t(len(_NAME)))
    name = _NAME if length <= len(_NAME) else ctypes.create_string_buffer(length)
    if name is not _NAME:
        _get_font_name(_pointer(font), name, ctypes.c_size_t(length))
    return name.value.decode("utf-8", "replace") if length else ""


def _font_program(font: int) -> bytes:
    """The embedded file of a font; empty if there is none."""
    held, size = ctypes.cast(font, raw.FPDF_FONT), ctypes.c_size_t()
    if raw.FPDFFont_GetIsEmbedded(held) != 1 or not raw.FPDFFont_GetFontData(held, None, 0, size):
        return b""
    program = array("B", bytes(size.value))
    place = ctypes.cast(program.buffer_info()[0], ctypes.POINTER(ctypes.c_uint8))
    return program.tobytes() if raw.FPDFFont_GetFontData(held, place, size.value, size) else b""


def _hidden(objects: Sequence[Any]) -> list[str]:
    """Of each text object: "invisible", "white" or ""."""
    modes, colours = list(map(_get_mode, objects)), _COLOURS.written(_get_colour, objects)[:3]
    if raw.FPDF_TEXTRENDERMODE_INVISIBLE not in modes and not all(255 in colour for colour in colours):
        return [""] * len(objects)
    white = [colour == (255, 255, 255) for colour in zip(*colours, strict=True)]
    invisible = [mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE for mode in modes]
    return ["invisible" if no else "white" if pale else "" for no, pale in zip(invisible, white, strict=True)]


def characters(codes: Sequence[int]) -> str:
    """One character per code. Of the two halves of a character beyond U+FFFF, the first stands for both."""
    try:
        return array("I", codes).tobytes().decode(_UTF_32).replace("\x00", " ")
    except UnicodeDecodeError:
        text = "".join(chr(code or 0x20) if code < 0x110000 else "\ufffd" for code in codes)
        whole = _HALVES.sub(lambda m: m[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le") + NOTHING, text)
        return _HALF.sub("\ufffd", whole)


def drawn_shapes(
    page: raw.FPDF_PAGE, left: float, top: float, width: float, height: float
) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Frames around text, at least two lines high and FRAME_WIDTH of the page wide, and strokes used as underscores."""
    frames, strokes = [], []
    paths = [obj for obj, kind in _page_objects(page) if kind == raw.FPDF_PAGEOBJ_PATH]
    for obj, found in zip(paths, _places(paths, left, top), strict=True):
        wide, high = found.x1 - found.x0, found.bottom - found.top
        if wide >= FRAME_WIDTH * width and FRAME_PT <= high <= 0.95 * height:
            if _count_segments(obj) <= FRAME_SEGMENTS:
                frames.append(found)
        elif 1 < wide < STROKE_PT and high < 1.5:
            strokes.append(found)
    return tuple(frames), tuple(strokes)


def grounds(page: raw.FPDF_PAGE, left: float, top: float) -> list[Frame]:
    """Places of what white text can stand out from: pictures, and shapes that are not white."""
    shapes = [(obj, kind) for obj, kind in _page_objects(page) if kind != raw.FPDF_PAGEOBJ_TEXT]
    colours = zip(*_COLOURS.written(_get_colour, [obj for obj, _ in shapes])[:3], strict=True)
    path, white = raw.FPDF_PAGEOBJ_PATH, (255, 255, 255)
    seen = [obj for (obj, kind), colour in zip(shapes, colours, strict=True) if kind != path or colour != white]
    return _places(seen, left, top)


def _page_objects(page: raw.FPDF_PAGE) -> Iterator[tuple[Any, int]]:
    """The page's objects, as pointers, and their types."""
    found = map(_get_page_object, repeat(_pointer(_address(page))), range(raw.FPDFPage_CountObjects(page)))
    pointers = list(map(_pointer, found))
    return zip(pointers, map(_get_type, pointers), strict=True)


def _places(objects: Sequence[Any], left: float, top: float) -> list[Frame]:
    """Their bounds, from the page's top left corner."""
    sides = zip(*_BOUNDS.written(_get_bounds, objects), strict=True)
    return [Frame(x0 - left, top - high, x1 - left, top - low) for x0, low, x1, high in sides]
