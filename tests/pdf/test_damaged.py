"""Whatever object of a PDF is damaged, and wherever its text stands: what can be read is, in time, without a fault of ours."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.book import write_book
from tests.pdf.mutations import excerpt, odd_geometry, variants
from tests.pdfs import Text, assemble, write_pdf
from tripletkit.pdf.workers import BookTables, BookTask, Bounds, Failure, PassageLimits, WorkerFunction, read_books
from tripletkit.rules import load_rules

ODS = Path(__file__).parents[2] / "examples" / "ods-java.pdf"
READ: WorkerFunction[BookTask, BookTables | str] = WorkerFunction("tripletkit.pdf.book_tables:read_book_task")
RULES = load_rules()


def read(paths: Sequence[Path], *, page_seconds: float = 5) -> dict[str, BookTables | str | Failure]:
    """Each file's tables, or why there are none, by the file's name without its extension."""
    limits = PassageLimits(120, 80, 10)
    tasks = [BookTask(path, "b", path, None, limits, RULES, "pdfium") for path in paths]
    bounds = Bounds(seconds=300, memory_mb=2048, step_seconds=page_seconds)
    return {paths[i].stem: outcome for i, outcome in read_books(READ, tasks, workers=1, bounds=bounds)}


def written(folder: Path, files: dict[str, bytes]) -> list[Path]:
    paths = [folder / f"{name}.pdf" for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("source", ["earth", "ods"])
def test_a_damaged_object_costs_its_part(source: str, tmp_path: Path) -> None:
    if source == "ods" and not ODS.exists():
        pytest.skip("the example book is not part of this copy")
    path = tmp_path / "good.pdf"
    good = write_book(path) if source == "earth" else excerpt(ODS, [24, 25, 26, 78, 80, 260], path)
    chosen = Random(0).sample(variants(good), 30)
    found = read(written(tmp_path, {variant.name: variant.data for variant in chosen}))
    unread = {name: outcome for name, outcome in found.items() if not isinstance(outcome, BookTables)}
    assert not unread
    assert not [outcome.faults for outcome in found.values() if isinstance(outcome, BookTables) and outcome.faults]


@pytest.mark.slow
def test_text_at_any_place_and_of_any_size(tmp_path: Path) -> None:
    found = read(written(tmp_path, {str(seed): odd_geometry(seed) for seed in range(40)}))
    for seed, outcome in found.items():
        if isinstance(outcome, BookTables):
            assert not outcome.faults, seed
        else:
            assert isinstance(outcome, str), (seed, outcome)
            assert re.search(r"drawings only or empty|none of its \d pages can be read", outcome), seed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="faulthandler's exit is not seen as such")
def test_a_page_on_which_pdfium_hangs_is_left_out(tmp_path: Path) -> None:
    """A form that draws itself six times: PDFium draws it six times to the depth of its limit."""
    told = [
        [Text(60, 80 + 14 * i, f"The rivers of page {n} are told in line {i}.") for i in range(12)] for n in (1, 2, 3)
    ]
    path = write_pdf(tmp_path / "hanging.pdf", told)
    data = path.read_bytes()
    count = data.count(b" 0 obj\n")
    forms = b"".join(b"/F%d %d 0 R" % (i, count + 1) for i in range(8))
    draws = b" ".join(b"/F%d Do" % i for i in range(8))
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<<%s>>>>/Length %d>>\nstream\n%s\nendstream"
    objects = [part.split(b" 0 obj\n", 1)[1].split(b"\nendobj")[0] for part in data.split(b"endobj\n")[:-1]]
    page = [i for i, text in enumerate(objects) if text.startswith(b"<</Type/Page/")][1]
    objects[page] = objects[page].replace(b"/Resources<<", b"/Resources<</XObject<<%s>>" % forms)
    objects[page - 1] = b"<</Length %d>>\nstream\n%s\nendstream" % (len(draws), draws)
    path.write_bytes(assemble([*objects, form % (forms, len(draws), draws)]))
    tables = read([path], page_seconds=2)["hanging"]
    assert isinstance(tables, BookTables)
    assert [row["role"] for row in tables.pages] == ["body", "unread", "body"]
    assert [row["detail"] for row in tables.dropped] == ["reading it took longer than 2 s"]
