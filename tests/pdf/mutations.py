"""Damaged PDFs: one with one object nulled, truncated, looped or replaced, for every object in turn; and odd geometry."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pikepdf

from tests.pdfs import assemble

_REFERENCE = re.compile(rb"\b\d+ 0 R\b")
_NUMBER = re.compile(rb"(?<![\w.#-])\d+(?:\.\d+)?(?! 0 R|[\w.])")


def _looped(objects: list[bytes], place: int) -> bytes:
    """Every reference of the object leads to itself; an object without references is one."""
    own = b"%d 0 R" % (place + 1)
    return _REFERENCE.sub(own, objects[place]) if _REFERENCE.search(objects[place]) else own


def _up(objects: list[bytes], place: int) -> bytes:
    """The object's references lead to the first object, the catalogue."""
    return _REFERENCE.sub(b"1 0 R", objects[place])


def _flipped(objects: list[bytes], place: int) -> bytes:
    """One bit of every fiftieth byte is wrong, as after a bad copy."""
    return bytes(byte ^ 4 if i % 50 == 49 else byte for i, byte in enumerate(objects[place]))


MUTATIONS: dict[str, Callable[[list[bytes], int], bytes]] = {
    "null": lambda objects, place: b"null",
    "truncated": lambda objects, place: objects[place][: len(objects[place]) // 2],
    "looped": _looped,
    "up": _up,
    "replaced": lambda objects, place: objects[(place + 1) % len(objects)],
    "number": lambda objects, place: b"-1e9",
    "numbers": lambda objects, place: _NUMBER.sub(b"-7", objects[place][:4000]),
    "name": lambda objects, place: b"/Wrong",
    "empty": lambda objects, place: b"<<>>",
    "array": lambda objects, place: b"[]",
    "huge": lambda objects, place: _NUMBER.sub(b"99999999999", objects[place][:4000]),
    "flipped": _flipped,
}


@dataclass(frozen=True)
class Variant:
    """A PDF's objects, and what is done to the one at ``place``."""

    objects: list[bytes]
    mutation: str
    place: int

    @property
    def name(self) -> str:
        return f"{self.mutation}-{self.place + 1}"

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        changed = MUTATIONS[self.mutation](self.objects, self.place)
        return assemble([*self.objects[: self.place], changed, *self.objects[self.place + 1 :]])


def variants(path: Path) -> list[Variant]:
    """Every mutation of every object of the PDF."""
    objects = objects_of(path)
    return [Variant(objects, mutation, place) for mutation in MUTATIONS for place in range(len(objects))]


def objects_of(path: Path) -> list[bytes]:
    """The PDF's objects as they are written in a file; the first is the catalogue."""
    with pikepdf.open(path) as document:
        numbers = {document.Root.objgen[0]: 1}
        for one in document.objects:
            if one.objgen[0] not in numbers and not _is_structure(one):
                numbers[one.objgen[0]] = len(numbers) + 1

        def renumbered(text: bytes) -> bytes:
            return _REFERENCE.sub(lambda m: b"%d 0 R" % numbers.get(int(m[0].split()[0]), 0), text)

        return [_written(document.get_object(number, 0), renumbered) for number in numbers]


def _is_structure(one: pikepdf.Object) -> bool:
    """Whether it belongs to the file's own structure: a cross-reference or object stream."""
    return isinstance(one, pikepdf.Stream) and one.get("/Type") in ("/XRef", "/ObjStm")


def _written(one: pikepdf.Object, renumbered: Callable[[bytes], bytes]) -> bytes:
    if not isinstance(one, pikepdf.Stream):
        return renumbered(one.unparse(resolved=True))
    return renumbered(one.stream_dict.unparse(resolved=True)) + b"\nstream\n" + one.read_raw_bytes() + b"\nendstream"


def excerpt(source: Path, numbers: Sequence[int], target: Path) -> Path:
    """Pages of a PDF (counted from 1) with an outline and page labels, which may be damaged too."""
    with pikepdf.open(source) as document, pikepdf.new() as made:
        for number in numbers:
            made.pages.append(document.pages[number - 1])
        for page in made.pages:
            if "/Annots" in page:
                del page.Annots
        with made.open_outline() as outline:
            for place, number in enumerate(numbers):
                entry = pikepdf.OutlineItem(f"Page {number}", place)
                (outline.root[0].children if place else outline.root).append(entry)
        made.Root.PageLabels = pikepdf.Dictionary(Nums=[0, made.make_indirect(pikepdf.Dictionary(S=pikepdf.Name.D))])
        made.save(target)
    return target


_WORDS = ["the", "of", "river", "12", "3.4", "a", "I", "x", "=", "Figure", "index", "water", "-", ".", "1.2 The rivers"]
_WORDS += ["Chapter 3", "Index", "Contents", "Bibliography", "river, 12", "Soil . . . . 9"]


def odd_geometry(seed: int) -> bytes:
    """A PDF of a few pages with text at, and boxes of, any place, size and turn; its bookmark and labels are as odd."""
    random = Random(seed)
    fonts = [f"<</Type/Font/Subtype/Type1/BaseFont/{name}>>" for name in ("Helvetica", "Helvetica-Bold", "Courier")]
    objects = ["", "", *fonts]
    kids = []
    for _ in range(random.randint(1, 6)):
        content = "\n".join(_odd_text(random, row) for row in range(random.choice([0, 1, 2, 9, 14, 40])))
        objects.append(f"<</Length {len(content)}>>\nstream\n{content}\nendstream")
        boxes = random.choice(["/MediaBox[0 0 420 600]"] * 4 + [f"/MediaBox[0 0 420 600]/CropBox[{_odd(random, 4)}]"])
        boxes = random.choice([boxes] * 4 + [f"/MediaBox[{_odd(random, 4)}]/Rotate {random.choice([45, 90, 180])}"])
        resources = "/Resources<</Font<</F0 3 0 R/F1 4 0 R/F2 5 0 R>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R{boxes}/Contents {len(objects)} 0 R{resources}>>")
        kids.append(f"{len(objects)} 0 R")
    outline = len(objects) + 1
    place = f"[{random.choice([kids[0], '9', 'null', '-3'])}/XYZ 0 {_odd(random, 1)} 0]"
    objects.append(f"<</First {outline + 1} 0 R/Last {outline + 1} 0 R/Count 1>>")
    objects.append(f"<</Title({random.choice(_WORDS)})/Parent {outline} 0 R/Dest{place}>>")
    label = f"<</S/{random.choice('DrRaA')}/St {random.choice([1, -5, 0, 2**31 - 1])}>>"
    objects[0] = f"<</Type/Catalog/Pages 2 0 R/Outlines {outline} 0 R/PageLabels<</Nums[0 {label}]>>>>"
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>"
    return assemble([text.encode() for text in objects])


def _odd(random: Random, count: int) -> str:
    usual = (0, 1, 1, 10, 12, 300, 612)
    odd = (-1, 1e-6, 0.3, 1e5, -1e5, 1e9, 3e38)
    return " ".join(f"{random.choice(random.choice([usual, usual, odd])):.10f}" for _ in range(count))


def _odd_text(random: Random, row: int) -> str:
    text = " ".join(random.choice(_WORDS) for _ in range(random.choice([1, 2, 6, 12])))
    matrix = random.choice([f"1 0 0 1 {random.uniform(20, 400):.1f} {580 - 12 * row}", _odd(random, 6)])
    size = random.choice(["10", "10", "0.01", _odd(random, 1)])
    box = f"{_odd(random, 4)} re S\n" if random.random() < 0.1 else ""
    return f"{box}BT /F{random.randrange(3)} {size} Tf {random.randrange(4)} Tr {matrix} Tm ({text}) Tj ET"
