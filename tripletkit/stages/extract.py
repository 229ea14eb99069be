"""Books → pages, lines and passages.

Each book is read in a process of its own, within bounds of time and memory, and kept, so that a killed run continues.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tripletkit.books import REFUSED
from tripletkit.errors import SourceError
from tripletkit.ids import file_sha256, stable_id
from tripletkit.pdf.limits import PassageLimits
from tripletkit.pdf.worker_task import BookTables, BookTask, read_book_task
from tripletkit.pdf.workers import Bounds, Failure, run_bounded
from tripletkit.schemas import BOOKS, DROPPED, LINES, PAGES, PASSAGES, Table, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult

log = logging.getLogger(__name__)

VERSION = 4
_PARTS: dict[str, Table] = {"pages": PAGES, "lines": LINES, "passages": PASSAGES, "dropped": DROPPED}


def run(job: Job) -> StageResult:
    """Read every book that is not kept from an earlier run; a book that cannot be read is named, the others go on."""
    tasks, refused = _plan(job)
    for task, problem in _read_all([t for t in tasks if job.force or not (t.part / "done").exists()], job):
        if problem is not None:
            refused[task.path] = problem
    # In the order of the books, not in that of their ends.
    refused = {path: refused[path] for path in job.books if path in refused}
    read = [task for task in tasks if task.path not in refused]
    if not read:
        raise SourceError(
            "no book could be read:\n  " + "\n  ".join(refused.values()), "Give at least one PDF with a text layer."
        )
    parts = {name: pl.concat([pl.read_parquet(task.part / f"{name}.parquet") for task in read]) for name in _PARTS}
    dropped: list[Row] = parts["dropped"].to_dicts()
    dropped += [
        {"stage": "extract", "item": str(path), "related": None, "reason": REFUSED, "detail": why}
        for path, why in refused.items()
    ]
    books = make_table(BOOKS, [_book_row(task, job) for task in read])
    return _result(books, parts, dropped, tuple(refused.values()))


def _plan(job: Job) -> tuple[list[BookTask], dict[Path, str]]:
    place, settings = job.locate(), job.settings.extract
    most = min(settings.max_tokens or place.max_tokens, place.max_tokens)
    limits = PassageLimits(
        max_tokens=most, target_tokens=min(settings.target_tokens, most), min_tokens=min(settings.min_tokens, most)
    )
    tasks: dict[str, BookTask] = {}
    refused: dict[Path, str] = {}
    for path in job.books:
        if not path.is_file():
            refused[path] = f"{path}: no such file"
            continue
        sha = file_sha256(path)
        book_id = stable_id("book", sha)
        if book_id in tasks:
            log.warning("%s is the same file as %s; it is read once", path, tasks[book_id].path)
            continue
        key = stable_id(
            "part",
            sha,
            place.tokenizer_fingerprint,
            repr(limits),
            settings.backend,
            job.rules.fingerprint,
            str(VERSION),
        )
        tasks[book_id] = BookTask(
            path, book_id, job.folder / "cache" / "books" / key, place.folder, limits, job.rules, settings.backend
        )
    return list(tasks.values()), refused


def _read_all(tasks: list[BookTask], job: Job) -> Iterator[tuple[BookTask, str | None]]:
    """Each task with what went wrong, None if nothing did."""
    settings = job.settings.extract
    bounds = Bounds(settings.book_seconds, settings.book_memory_mb)
    with job.progress.bar("reading", len(tasks), "books") as advance:
        for index, outcome in run_bounded(
            read_book_task, tasks, workers=job.settings.workers or os.cpu_count() or 1, bounds=bounds
        ):
            yield tasks[index], _kept(tasks[index], outcome)
            advance(1)


def _kept(task: BookTask, outcome: BookTables | str | Failure) -> str | None:
    """Keep what a book gave; the mark "done" comes last. Returns what the user should know if it gave nothing."""
    if isinstance(outcome, Failure):
        return f"{task.path}: reading it {outcome.why}; its bounds are book_seconds and book_memory_mb in [extract]"
    if isinstance(outcome, str):
        return outcome
    task.part.mkdir(parents=True, exist_ok=True)
    (task.part / "done").unlink(missing_ok=True)
    for name, table in _PARTS.items():
        # Read again at once: packed well enough at little cost.
        make_table(table, getattr(outcome, name)).write_parquet(task.part / f"{name}.parquet", compression="lz4")
    (task.part / "done").write_text(outcome.title, encoding="utf-8")
    return None


def _book_row(task: BookTask, job: Job) -> Row:
    title = (task.part / "done").read_text(encoding="utf-8")
    pages = pl.read_parquet(task.part / "pages.parquet").height
    return {
        "book_id": task.book_id,
        "path": str(task.path),
        "title": title or task.path.stem,
        "pages": pages,
        "license": _license(task.path, job.settings.licenses),
    }


def _license(path: Path, named: dict[str, str]) -> str | None:
    """From the settings by file name, else from a file beside the book."""
    if path.name in named:
        return named[path.name]
    for beside in (path.with_name(path.name + ".license"), path.with_suffix(".license")):
        if beside.is_file():
            text = beside.read_text(encoding="utf-8", errors="replace")
            # A REUSE file names the copyright first; any other says the licence in its first line.
            named_in = re.search(r"SPDX-License-Identifier:\s*(\S+)", text)
            first = text.strip().splitlines()[:1]
            return named_in.group(1) if named_in else first[0].strip() if first else None
    return None


def _result(
    books: pl.DataFrame, parts: dict[str, pl.DataFrame], dropped: list[Row], notes: tuple[str, ...]
) -> StageResult:
    passages, pages = parts["passages"], parts["pages"]
    kinds = dict(sorted(passages.group_by("kind").len().iter_rows(), key=lambda kind: (-kind[1], kind[0])))
    counts = {"books": books.height, "pages": pages.height, "lines": parts["lines"].height, "passages": passages.height}
    told = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items())
    read = f"{counts['books']:,} {'book' if books.height == 1 else 'books'}, {counts['pages']:,} pages"
    summary = f"{read} → {counts['passages']:,} passages ({told})"
    tables = {"books": books, **{name: parts[name] for name in ("pages", "lines", "passages")}}
    return StageResult(tables, dropped, counts, summary, notes)


STAGE = Stage(
    "extract",
    reads=(),
    writes=("books", "pages", "lines", "passages"),
    run=run,
    settings=("extract", "licenses"),
    inputs=frozenset({Input.BOOKS, Input.RULES, Input.TOKENIZER}),
    version=VERSION,
)
