"""Small PDFs written by hand, so that a test knows every word and place on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FONTS = {
    "r": "Helvetica", "b": "Helvetica-Bold", "i": "Helvetica-Oblique", "m": "Courier",
    "R": "Times-Roman", "B": "Times-Bold", "I": "Times-Italic",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A line of text: left edge and baseline in points from the top left corner."""

    x: float
    y: float
    text: str
    size: float = 10
    font: str = "r"


@dataclass(frozen=True)
class Box:
    """A drawn rectangle: left, top, width and height in points from the top left corner."""

    x: float
    y: float
    width: float
    height: float


def write_pdf(
    path: Path, pages: Sequence[Sequence[Text | Box]], *, width: int = 420, height: int = 600, labels: str = ""
) -> Path:
    """A PDF with one content stream per page. ``labels`` is a /PageLabels number tree, e.g. "0 <</S/r>> 2 <</S/D>>"."""
    objects: list[bytes] = [b""] * 2
    fonts = []
    for letter, name in FONTS.items():
        objects.append(f"<</Type/Font/Subtype/Type1/BaseFont/{name}/Encoding/WinAnsiEncoding>>".encode())
        fonts.append(f"/{letter} {len(objects)} 0 R")
    kids = []
    for page in pages:
        stream = "\n".join(_show(line, height) for line in page).encode("cp1252")
        objects.append(b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {len(objects)} 0 R"
            f"/Resources<</Font<<{' '.join(fonts)}>>>>>>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    tree = f"/PageLabels<</Nums[{labels}]>>" if labels else ""
    objects[0] = f"<</Type/Catalog/Pages 2 0 R{tree}>>".encode()
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(pages)}>>".encode()
    path.write_bytes(assemble(objects))
    return path


def _show(line: Text | Box, height: int) -> str:
    if isinstance(line, Box):
        return f"{line.x} {height - line.y - line.height} {line.width} {line.height} re S"
    escaped = line.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /{line.font} {line.size} Tf {line.x} {height - line.y} Td ({escaped}) Tj ET"


def assemble(objects: Sequence[bytes]) -> bytes:
    data = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
