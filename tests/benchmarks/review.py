"""Seconds and memory of the review's pages for an output folder of 100,000 triplets.

Run: python tests/benchmarks/review.py [TRIPLETS]. The folder is made up: 20 triplets a passage, 2,000 terms, texts of 900
characters. The server runs in a process of its own, whose peak memory is printed at the end (Linux).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tripletkit.schemas import BOOKS, DROPPED, MENTIONS, PAGES, PASSAGES, SPLITS, TABLES, TERMS, TRIPLETS
from tripletkit.store import Store

PAGES_ASKED = (
    "triplets",
    "triplets",
    "triplets?blind=true",
    "triplets?split=test",
    "refused",
    "terms",
    "passages",
    "verdicts",
)
TERM_COUNT, PER_PASSAGE = 2_000, 20


def make_folder(folder: Path, triplets: int) -> None:
    """Tables with random values under ``folder``."""
    rng, store, count = np.random.default_rng(0), Store(folder), triplets // PER_PASSAGE
    ids = [f"p_{i:016x}" for i in rng.permutation(count)]
    terms = [f"term_{i:016x}" for i in range(TERM_COUNT)]
    names = [f"term number {i}" for i in range(TERM_COUNT)]
    of = np.repeat(np.arange(count), PER_PASSAGE)
    positive, negative = rng.integers(TERM_COUNT, size=(2, len(of)))
    values: dict[str, dict[str, object]] = {
        "books": {"book_id": ["b"], "path": ["gone.pdf"], "title": ["A book"], "pages": [1000], "license": [None]},
        "pages": {"book_id": ["b"], "page": [1], "label": ["1"], "role": ["body"], "chars": [1]},
        "passages": {"passage_id": ids, "page_first": rng.integers(1, 1000, count), "text": ["word " * 180] * count},
        "terms": {"term_id": terms, "term": names, "forms": [[name] for name in names]},
        "mentions": {"passage_id": ids, "term_id": [terms[0]] * count, "surface": ["word"] * count},
        "splits": {"passage_id": ids, "split": rng.choice(["train", "validation", "test"], count)},
        "triplets": {
            "triplet_id": [f"t_{i:016x}" for i in rng.permutation(len(of))],
            "passage_id": [ids[i] for i in of],
            "positive_id": [terms[i] for i in positive],
            "negative_id": [terms[i] for i in negative],
            "anchor": ["word " * 180] * len(of),
            "positive": [names[i] for i in positive],
            "negative": [names[i] for i in negative],
            **{name: rng.random(len(of)) for name in ("cos_ap", "cos_an", "cos_pn")},
            "rule": rng.choice(["nearest", "sibling", "window"], len(of)),
        },
        "dropped": {
            "stage": ["mine"] * count,
            "item": ids,
            "related": [terms[1]] * count,
            "reason": ["too close"] * count,
        },
    }
    for table in (BOOKS, PAGES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, DROPPED):
        frame = pl.DataFrame(values[table.name])
        columns = TABLES[table.name].columns.items()
        given = [pl.col(n).cast(of.dtype) if n in frame.columns else _plain(of.dtype).alias(n) for n, of in columns]
        store.write(table.name, frame.select(given))


def _plain(dtype: Any) -> pl.Expr:  # noqa: ANN401 - a type of polars
    """A value of a column that does not matter."""
    if isinstance(dtype, pl.List):
        return pl.lit(pl.Series([[]], dtype=dtype)).first()
    return pl.lit({pl.String: "b", pl.Int32: 0, pl.Float32: 0.5, pl.Boolean: True}[dtype], dtype=dtype)


def main(triplets: int) -> None:
    """Print a line a page."""
    with tempfile.TemporaryDirectory() as place:
        make_folder(Path(place), triplets)
        size = Store(Path(place)).local("triplets.parquet").stat().st_size
        sys.stdout.write(f"{triplets:,} triplets, {size / 2**20:.1f} MB on disk\n")
        command = [
            sys.executable,
            "-m",
            "tripletkit",
            "review",
            "--no-open",
            "--output",
            place,
            "--encoder",
            "embedded",
        ]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
            assert server.stdout is not None
            base = server.stdout.readline().strip()
            sys.stdout.write(f"{time.perf_counter() - started:.2f} s until the address is printed\n")
            try:
                _measure(base)
                status = Path(f"/proc/{server.pid}/status").read_text()
                sys.stdout.write(next(line for line in status.splitlines() if line.startswith("VmHWM")) + "\n")
            finally:
                server.kill()


def _measure(base: str) -> None:
    for page in PAGES_ASKED:
        before = time.perf_counter()
        with urllib.request.urlopen(base + page) as answer:
            sys.stdout.write(f"{page}: {len(answer.read()):,} bytes, {time.perf_counter() - before:.3f} s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
