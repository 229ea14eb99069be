"""Books, and files of the user's own passages → pages, lines and passages.

Each PDF is read in a process of its own, within bounds of time and memory. Every file's part is kept, so that a killed
run continues.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tripletkit.books import REFUSED, is_passage_file
from tripletkit.encoding.resolve import EMBEDDED, NO_LIMIT, EncoderFolder
from tripletkit.encoding.tokens import token_counter
from tripletkit.errors import EncoderError, SourceError
from tripletkit.ids import file_sha256, stable_id
from tripletkit.own_passages import OwnBooks, cut_in_words, cut_rows, notes_on, read_kept, rows_to_books
from tripletkit.pdf.workers import BookTables, BookTask, Bounds, Failure, PassageLimits, WorkerFunction, run_bounded
from tripletkit.schemas import BOOKS, DROPPED, LINES, PAGES, PASSAGES, Table, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.store import write_atomically
from tripletkit.user_rows import PassageFile, counted, read_passage_file

log = logging.getLogger(__name__)

#: Increase it when files of passages give different rows than before, or their cached format changes.
OWN_VERSION = 2
#: Which row of the user's files each passage came from, and the id it has there.
PASSAGE_IDS = "passage_ids.csv"

VERSION = 5
#: The longest passage for an encoder that reads texts of any length.
UNBOUNDED_PASSAGE = 512
_PARTS: dict[str, Table] = {"pages": PAGES, "lines": LINES, "passages": PASSAGES, "dropped": DROPPED}

#: Read in worker processes only: this process loads no PDF library.
READ_BOOK: WorkerFunction[BookTask, BookTables | str] = WorkerFunction("tripletkit.pdf.book_tables:read_book_task")
FIND_PROBLEM: WorkerFunction[tuple[EncoderFolder | None, str | None], tuple[str, str] | None] = WorkerFunction(
    "tripletkit.stages.extract:find_problem"
)
#: What to do when a book did not come out of its worker, by the cause.
_CURES = {
    "time": "Raise book_seconds in [extract].",
    "memory": "Raise book_memory_mb in [extract].",
    "killed": "If the system ran out of memory, set fewer workers; if it happens again, the file may be damaged.",
}


def run(job: Job) -> StageResult:
    """Read every book that is not cached from an earlier run. A book that cannot be read does not stop the others."""
    _check_encoders(job)
    tasks, refused = _plan(job)
    for task, problem in _read_all([t for t in tasks if job.force or not (t.part / "done").exists()], job):
        if problem is not None:
            refused[task.path] = problem
    own = _read_passage_files(job, refused)
    # In the order of the books, not of completion.
    refused = {path: refused[path] for path in job.books if path in refused}
    read = [task for task in tasks if task.path not in refused]
    if not read and not own:
        raise SourceError(
            "no book could be read:\n  " + "\n  ".join(refused.values()),
            "Give at least one PDF with a text layer, or one file of passages with a column 'text'.",
        )
    tables = {"books": make_table(BOOKS, [_book_row(task, job) for task in read])}
    for name, table in _PARTS.items():
        kept = [pl.read_parquet(task.part / f"{name}.parquet") for task in read]
        tables[name] = pl.concat([make_table(table, []), *kept])
    dropped: list[Row] = tables.pop("dropped").to_dicts()
    for path, why in refused.items():
        dropped.append({"stage": "extract", "item": str(path), "related": None, "reason": REFUSED, "detail": why})
    notes, found = list(refused.values()), _own_books(own, job)
    if found is not None:
        tables |= {name: pl.concat([tables[name], getattr(found, name)]) for name in ("books", "pages", "passages")}
        dropped += found.dropped
        notes += [*notes_on(own), f"          → {job.folder / PASSAGE_IDS}: the row and id of each passage"]
    counts = {name: table.height for name, table in tables.items()}
    return StageResult(tables, dropped, counts, _summary(tables, cut_in_words(own)), tuple(notes))


def _check_encoders(job: Job) -> None:
    """Refuse encoders that later stages could not use, before any work. One that was found sound is not loaded again."""
    place, cross_encoder = job.locate(), job.settings.mine.cross_encoder
    mark = job.folder / "cache" / "encoders" / place.fingerprint
    known = place.name == EMBEDDED or mark.is_file()
    if known and cross_encoder is None:
        return
    task = (None if known else place, cross_encoder)
    # In a process of its own, so that this one does not hold the libraries while books are read, unless it has them already.
    found: object = find_problem(task) if "sentence_transformers" in sys.modules else None
    if "sentence_transformers" not in sys.modules:
        [(_, found)] = run_bounded(FIND_PROBLEM, [task], workers=1, bounds=Bounds(seconds=3600, memory_mb=1 << 20))
    if isinstance(found, Failure):
        fault = found.cause == "fault"
        cure = "This is a fault in tripletkit; please report it." if fault else "Choose a smaller encoder."
        raise EncoderError(f"encoder {place.name!r}: loading it failed ({found.why})", cure)
    if isinstance(found, tuple):
        raise EncoderError(*found)
    write_atomically(mark, b"")


def find_problem(encoders: tuple[EncoderFolder | None, str | None]) -> tuple[str, str] | None:
    """What is wrong with the encoder or the cross-encoder, and what to do; None where both can be used."""
    from tripletkit.encoding.loading import check_encoder
    from tripletkit.mining.miner import load_cross_encoder

    place, cross_encoder = encoders
    try:
        if place is not None:
            check_encoder(place)
        if cross_encoder is not None:
            load_cross_encoder(cross_encoder)
    except EncoderError as error:
        return error.problem, error.hint
    return None


def _plan(job: Job) -> tuple[list[BookTask], dict[Path, str]]:
    """One task per distinct PDF, and an error message for each book that is not a file."""
    place, limits, settings = job.locate(), _limits(job), job.settings.extract
    backend, signs = settings.backend, settings.raised_signs
    tasks: dict[str, BookTask] = {}
    refused: dict[Path, str] = {}
    for path in job.books:
        if is_passage_file(path):
            continue
        if not path.is_file():
            refused[path] = f"{path}: no such file"
            continue
        sha = file_sha256(path)
        book_id = stable_id("book", sha)
        if book_id in tasks:
            log.warning("%s is the same file as %s; it is read once", path, tasks[book_id].path)
            continue
        values = (sha, place.tokenizer_fingerprint, repr(limits), backend, signs, job.rules.fingerprint, str(VERSION))
        part = job.folder / "cache" / "books" / stable_id("part", *values)
        tasks[book_id] = BookTask(path, book_id, part, place.tokenizer_folder, limits, job.rules, backend, signs)
    return list(tasks.values()), refused


def _limits(job: Job) -> PassageLimits:
    settings, most = job.settings.extract, job.locate().max_tokens
    most = min(settings.max_tokens or (UNBOUNDED_PASSAGE if most == NO_LIMIT else most), most)
    return PassageLimits(
        max_tokens=most, target_tokens=min(settings.target_tokens, most), min_tokens=min(settings.min_tokens, most)
    )


def _read_all(tasks: list[BookTask], job: Job) -> Iterator[tuple[BookTask, str | None]]:
    """Each task with its error message, or None."""
    settings = job.settings.extract
    bounds = Bounds(settings.book_seconds, settings.book_memory_mb)
    workers = job.settings.workers or os.cpu_count() or 1
    with job.progress.bar("reading", len(tasks), "books") as advance:
        for index, outcome in run_bounded(READ_BOOK, tasks, workers=workers, bounds=bounds):
            yield tasks[index], _kept(tasks[index], outcome)
            advance(1)


def _kept(task: BookTask, outcome: BookTables | str | Failure) -> str | None:
    """Cache a book's tables; the mark "done" comes last. Returns an error message if the book has none."""
    if isinstance(outcome, Failure):
        if outcome.cause == "fault":
            log.debug("reading %s failed\n%s", task.path, outcome.traceback)
            cure = "Please report it, with the PDF if you may share it."
            return f"{task.path}: a fault in tripletkit, not in the file ({outcome.why})\n  {cure}"
        return f"{task.path}: reading it {outcome.why}\n  {_CURES[outcome.cause]}"
    if isinstance(outcome, str):
        return outcome
    task.part.mkdir(parents=True, exist_ok=True)
    (task.part / "done").unlink(missing_ok=True)
    for name, table in _PARTS.items():
        # Read again at once, so fast compression is preferred.
        make_table(table, getattr(outcome, name)).write_parquet(task.part / f"{name}.parquet", compression="lz4")
    (task.part / "done").write_text(outcome.title, encoding="utf-8")
    return None


def _book_row(task: BookTask, job: Job) -> Row:
    title = (task.part / "done").read_text(encoding="utf-8") or task.path.stem
    pages, license_ = pl.read_parquet(task.part / "pages.parquet").height, _license(task.path, job.settings.licenses)
    return {"book_id": task.book_id, "path": str(task.path), "title": title, "pages": pages, "license": license_}


def _read_passage_files(job: Job, refused: dict[Path, str]) -> list[PassageFile]:
    """Every file of passages among the books, from an earlier run if it is kept. Files that cannot be read go to ``refused``."""
    paths = [path for path in job.books if is_passage_file(path)]
    files: dict[str, PassageFile] = {}
    with job.progress.bar("reading", len(paths), "files of passages") as advance:
        for path in paths:
            try:
                sha = file_sha256(path)
                if sha in files:
                    log.warning("%s is the same file as %s; it is read once", path, files[sha].path)
                else:
                    files[sha] = _passage_file(path, sha, job)
            except FileNotFoundError:
                refused[path] = f"{path}: no such file"
            except SourceError as error:
                refused[path] = str(error)
            advance(1)
    return list(files.values())


def _passage_file(path: Path, sha: str, job: Job) -> PassageFile:
    place, limits = job.locate(), _limits(job)
    values = (sha, place.tokenizer_fingerprint, repr(limits), job.rules.fingerprint, str(OWN_VERSION))
    part = job.folder / "cache" / "books" / stable_id("own", path.suffix.lower(), *values)

    def make() -> PassageFile:
        file, abbreviations = read_passage_file(path), job.rules.words("abbreviations")
        return cut_rows(file, limits, token_counter(place.tokenizer_folder), abbreviations)

    return read_kept(path, part, make, force=job.force)


def _own_books(own: list[PassageFile], job: Job) -> OwnBooks | None:
    """The tables of all files of passages, None without any. The file of ids is written, or removed."""
    if not own:
        (job.folder / PASSAGE_IDS).unlink(missing_ok=True)
        return None
    named = job.settings.licenses
    # A licence that the settings give to the value of ``book`` goes before the file's.
    found = rows_to_books(own, lambda path, book: (named.get(book) if book else None) or _license(path, named))
    write_atomically(job.folder / PASSAGE_IDS, found.sources.write_csv().encode())
    return found


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


def _summary(tables: dict[str, pl.DataFrame], cut: str) -> str:
    passages = tables["passages"]
    kinds = passages["kind"].value_counts().sort("count", "kind", descending=[True, False]).iter_rows()
    read = f"{counted(tables['books'].height, 'book')}, {counted(tables['pages'].height, 'page')}"
    return f"{read} → {passages.height:,} passages ({', '.join(f'{kind} {count:,}' for kind, count in kinds)}){cut}"


STAGE = Stage(
    "extract",
    reads=(),
    writes=("books", "pages", "lines", "passages"),
    run=run,
    settings=("extract", "licenses"),
    inputs=frozenset({Input.BOOKS, Input.RULES, Input.TOKENIZER}),
    version=VERSION,
)
