"""Every object of a PDF nulled, truncated, looped or replaced in turn, and random geometry: what is read, refused or slow.

    python tests/benchmarks/damage.py [BOOK.pdf] [--pages 24 25 26] [--every 1] [--geometry 300]

Without a book, the small one of the tests. Of a book, only the pages named are taken. Prints each kind of outcome with its count
and a few examples, and exits with 1 if a process failed or a fault of ours cost a part.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.book import write_book
from tests.pdf.mutations import excerpt, odd_geometry, variants
from tripletkit.pdf.workers import BookTables, BookTask, Bounds, Failure, PassageLimits, WorkerFunction, read_books
from tripletkit.rules import load_rules

READ: WorkerFunction[BookTask, BookTables | str] = WorkerFunction("tripletkit.pdf.book_tables:read_book_task")
#: Pages for which PDFium takes longer are left out.
PAGE_SECONDS = 5.0


def outcomes(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Kind of outcome → the names of the files that had it."""
    rules, limits = load_rules(), PassageLimits(120, 80, 10)
    names = list(files)
    tasks = [BookTask(files[name], "b", files[name], None, limits, rules, "pdfium") for name in names]
    bounds = Bounds(seconds=600, memory_mb=2048, step_seconds=PAGE_SECONDS)
    found: dict[str, list[str]] = defaultdict(list)
    for i, outcome in read_books(READ, tasks, workers=1, bounds=bounds):
        found[_kind(outcome)].append(names[i])
    return found


def _kind(outcome: BookTables | str | Failure) -> str:
    if isinstance(outcome, Failure):
        return f"FAILED: {outcome.why}"
    if isinstance(outcome, str):
        return f"refused: {outcome.splitlines()[0].split(': ', 1)[1]}"
    parts = sorted(
        {f"{row['reason']} ({row['detail']})" for row in outcome.dropped if row["reason"] != "repeated text"}
    )
    return f"{'FAULT' if outcome.faults else 'read'}: {len(outcome.pages)} pages; {'; '.join(parts[:3])}"


def main() -> None:
    """Print the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("book", type=Path, nargs="?")
    parser.add_argument("--pages", type=int, nargs="+", default=[24, 25, 26, 78, 80, 260])
    parser.add_argument("--every", type=int, default=1, help="take every n-th variant")
    parser.add_argument("--geometry", type=int, default=0, help="files of random geometry")
    of, start = parser.parse_args(), time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = folder / "good.pdf"
        base = excerpt(of.book, of.pages, good) if of.book else write_book(good)
        data = {variant.name: variant.data for variant in variants(base)[:: of.every]}
        data |= {f"geometry-{seed}": odd_geometry(seed) for seed in range(of.geometry)}
        files = {name: folder / f"{name}.pdf" for name in data}
        for name, path in files.items():
            path.write_bytes(data[name])
        found = outcomes(files)
    for kind, names in sorted(found.items(), key=lambda item: -len(item[1])):
        print(f"{len(names):5}  {kind}\n       {' '.join(names[:6])}")  # noqa: T201
    print(f"{len(data):,} variants in {time.perf_counter() - start:.0f} s")  # noqa: T201
    raise SystemExit(any(kind.startswith(("FAILED", "FAULT")) for kind in found))


if __name__ == "__main__":
    main()
