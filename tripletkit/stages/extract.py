"""Books, and files of the user's own passages → pages, lines and passages.

Each PDF is read in a process of its own, within bounds of time and memory. Every file's part is kept, so that a killed
run continues.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeAlias

import polars as pl

from tripletkit.addresses import Place, local_copy, readable
from tripletkit.books import REFUSED, is_passage_file
from tripletkit.by_book import not_shared
from tripletkit.cluster.mapper import Work
from tripletkit.encoding.resolve import EMBEDDED, NO_LIMIT, EncoderFolder
from tripletkit.encoding.tokens import token_counter
from tripletkit.errors import REPORT, EncoderError, SourceError
from tripletkit.ids import stable_id
from tripletkit.own_passages import OwnBooks, cut_in_words, cut_rows, notes_on, read_kept, rows_to_books
from tripletkit.pdf.workers import (
    FAULT,
    FAULT_START,
    UNREAD_PAGE,
    BookTables,
    BookTask,
    Bounds,
    Failure,
    PassageLimits,
    WorkerFunction,
    book_reader,
    read_books,
    run_bounded,
)
from tripletkit.rules import Rules
from tripletkit.schemas import BOOKS, DROPPED, LINES, PAGES, PASSAGES, Table, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.store import Part, Store, known_sha256, write_atomically, write_parquet
from tripletkit.teaching.place import resolve_teacher
from tripletkit.training.multi_vector import check_multi_vector
from tripletkit.user_rows import PassageFile, counted, read_passage_file

log = logging.getLogger(__name__)

#: Increase it when files of passages give different rows than before, or their cached format changes.
OWN_VERSION = 2
#: Which row of the user's files each passage came from, and the id it has there.
PASSAGE_IDS = "passage_ids.csv"

VERSION = 17
#: The longest passage for an encoder that reads texts of any length.
UNBOUNDED_PASSAGE = 512
_PARTS: dict[str, Table] = {"pages": PAGES, "lines": LINES, "passages": PASSAGES, "dropped": DROPPED}

#: Books that were read, in the order of their ids.
Read: TypeAlias = "Sequence[tuple[BookTask, BookFacts]]"

#: Read in worker processes only: this process loads no PDF library.
READ_BOOK: WorkerFunction[BookTask, BookTables | str] = WorkerFunction("tripletkit.pdf.book_tables:read_book_task")
ToCheck: TypeAlias = tuple[EncoderFolder | None, str | None, EncoderFolder | None]
FIND_PROBLEM: WorkerFunction[ToCheck, tuple[str, str] | None] = WorkerFunction("tripletkit.stages.extract:find_problem")
#: The same on a cluster, where a book's tables are kept by who reads it.
KEEP_BOOK: WorkerFunction[tuple[Bounds, Rules], Callable[[BookTask], str | None]] = WorkerFunction(
    "tripletkit.stages.extract:book_keeper"
)
#: The part of a table by book is written by who is given the book.
WRITE_BOOK: WorkerFunction[Store, Callable[[BookTask], BookFacts]] = WorkerFunction(
    "tripletkit.stages.extract:book_writer"
)
#: What to do when a book did not come out of its worker, by the cause.
_CURES = {
    "time": "Raise book_seconds in [extract].",
    "fetch": "Check the address and the network, then run again.",
    "memory": "Raise book_memory_mb in [extract].",
    "killed": "If the system ran out of memory, set fewer workers.",
}
#: The reason in `dropped` for a book that was read and has no passage.
EMPTY_BOOK = "book without passages"
#: Of more books than this, the summary counts the pages in no passage, and does not list them.
FEW_BOOKS = 10
#: Roles of pages whose text is in no passage.
_NO_PASSAGES = ("front", "toc", "glossary", "index", "bibliography")


def run(job: Job) -> StageResult:
    """Read every book that is not cached from an earlier run. A book that cannot be read does not stop the others."""
    _check_encoders(job)
    tasks, refused = _plan(job)
    for task, problem in _read_all([t for t in tasks if job.force or not (t.part / "done").exists()], job):
        if problem is not None:
            refused[task.path] = problem
    own, facts = _read_passage_files(job, refused), dict[Place, BookFacts]()
    for task, outcome in _facts_of_all([task for task in tasks if task.path not in refused], job):
        if isinstance(outcome, Failure):
            refused[task.path] = "\n  ".join(problem_of(task.path, outcome))
        else:
            facts[task.path] = outcome
    # In the order of the books, not of completion.
    refused = {path: refused[path] for path in job.books if path in refused}
    read = sorted(((task, facts[task.path]) for task in tasks if task.path in facts), key=lambda of: of[0].book_id)
    if not read and not own:
        faults = all(REPORT in why for why in refused.values())
        hint = "Give at least one PDF with a text layer, or one file of passages with a column 'text'."
        raise SourceError("no book could be read:\n  " + "\n  ".join(refused.values()), "" if faults else hint)
    return _result(job, read, refused, own)


def _result(job: Job, read: Read, refused: dict[Place, str], own: list[PassageFile]) -> StageResult:
    tables = {"books": make_table(BOOKS, [_book_row(task, of, job) for task, of in read])}
    for name, table in _PARTS.items():
        tables[name] = pl.concat([make_table(table, []), *(of.tables[name] for _, of in read if of.tables)])
    dropped: list[Row] = tables.pop("dropped").to_dicts()
    for path, why in refused.items():
        dropped.append({"stage": "extract", "item": str(path), "related": None, "reason": REFUSED, "detail": why})
    dropped += _without_passages(read)
    notes, found, facts = [*refused.values(), *_notes(read)], _own_books(own, job), [of for _, of in read]
    if found is not None:
        tables |= {name: pl.concat([tables[name], getattr(found, name)]) for name in ("books", "pages", "passages")}
        dropped += found.dropped
        notes += [*notes_on(own), f"          → {job.store.place(PASSAGE_IDS)}: the row and id of each passage"]
        facts.append(_facts("", "", {"pages": found.pages, "passages": found.passages}))
    counts = {name: table.height for name, table in tables.items()}
    parts = tuple(part for _, of in read for part in of.parts)
    for part in parts:
        counts[part.table] = counts.get(part.table, 0) + part.rows
    counts.pop("dropped", None)
    summary = _summary(tables["books"].height, facts, cut_in_words(own))
    return StageResult(tables, dropped, counts, summary, tuple(notes), parts=parts)


@dataclass(frozen=True)
class BookFacts:
    """What is said of a book. Its rows are in ``tables``, or in ``parts`` of tables by book that are written already.

    ``ranges``: which pages have which role; ``no_passages``: the same of those whose text is in no passage; ``unread``: how
    many pages could not be read, and why the first could not.
    """

    title: str
    pages: Counter[str]  # by role
    passages: Counter[str]  # by kind
    ranges: str
    no_passages: str
    unread: str
    tables: dict[str, pl.DataFrame]
    parts: tuple[Part, ...]


def _facts_of_all(tasks: list[BookTask], job: Job) -> Iterator[tuple[BookTask, BookFacts | Failure]]:
    """Each book that was read. Tables by book are written by whoever is given the book."""
    if not job.store.by_book:
        yield from zip(tasks, map(_cached_facts, tasks), strict=True)
        return
    with job.progress.bar("writing", len(tasks), "books") as advance:
        for number, outcome in job.mapper.map(
            Work(WRITE_BOOK, job.store), map(_without_rules, tasks), total=len(tasks)
        ):
            yield tasks[number], outcome
            advance(1)


def book_writer(store: Store) -> Callable[[BookTask], BookFacts]:
    """The function that writes a book's cached tables as parts of tables by book."""

    def write(task: BookTask) -> BookFacts:
        facts = _cached_facts(task)
        held = ((name, table) for name, table in facts.tables.items() if table.height)
        parts = tuple(store.write_part(name, table, task.book_id, "extract") for name, table in held)
        return replace(facts, tables={}, parts=parts)

    return write


def _cached_facts(task: BookTask) -> BookFacts:
    title = (task.part / "done").read_text(encoding="utf-8") or task.path.stem
    return _facts(
        task.book_id, title, {name: pl.read_parquet(readable(task.part / f"{name}.parquet")) for name in _PARTS}
    )


def _facts(book_id: str, title: str, tables: dict[str, pl.DataFrame]) -> BookFacts:
    pages, unread = tables["pages"], tables["dropped"].filter(reason=UNREAD_PAGE) if "dropped" in tables else None
    return BookFacts(
        title=title,
        pages=Counter(pages["role"].to_list()),
        passages=Counter(tables["passages"]["kind"].to_list()),
        ranges=_role_ranges(pages),
        no_passages=_role_ranges(pages, _NO_PASSAGES),
        unread=_unread_in_words(book_id, unread) if unread is not None and unread.height else "",
        tables=tables,
        parts=(),
    )


def _unread_in_words(book_id: str, rows: pl.DataFrame) -> str:
    item, detail = rows.select("item", "detail").row(0)
    report = f"\n  {REPORT}" if any(str(why).startswith(FAULT_START) for why in rows["detail"]) else ""
    first = f"{item.removeprefix(book_id).strip()}: {detail}"
    return f"{counted(rows.height, 'page')} could not be read, the others are read ({first}){report}"


def _check_encoders(job: Job) -> None:
    """Refuse encoders that later stages could not use, before any work. One that was found sound is not loaded again."""
    check_multi_vector(job.settings.train, job.locate())
    cross_encoder, places = job.settings.mine.cross_encoder, (job.locate(), resolve_teacher(job.settings.train.teacher))
    marks = {at: job.cache / "encoders" / at.fingerprint for at in places if at is not None}
    place, teacher = (None if at is None or at.name == EMBEDDED or marks[at].is_file() else at for at in places)
    if (place, cross_encoder, teacher) == (None, None, None):
        return
    task = (place, cross_encoder, teacher)
    # In a process of its own, so that this one does not hold the libraries while books are read, unless it has them already.
    found: object = find_problem(task) if "sentence_transformers" in sys.modules else None
    if "sentence_transformers" not in sys.modules:
        [(_, found)] = run_bounded(FIND_PROBLEM, [task], workers=1, bounds=Bounds(seconds=3600, memory_mb=1 << 20))
    if isinstance(found, Failure):
        log.debug("loading the encoder failed\n%s", found.traceback)
        fault = found.cause == "fault"
        cure = f"This is a fault in tripletkit. {REPORT}" if fault else "Choose a smaller encoder."
        named = " or ".join(repr(one) for one in (place and place.name, cross_encoder, teacher and teacher.name) if one)
        raise EncoderError(f"encoder {named}: loading it failed ({found.why})", cure)
    if isinstance(found, tuple):
        raise EncoderError(*found)
    for mark in marks.values():
        write_atomically(mark, b"")


def find_problem(encoders: ToCheck) -> tuple[str, str] | None:
    """What is wrong with the encoder, the cross-encoder or the teacher, and what to do; None where all can be used."""
    from tripletkit.encoding.cross_encoder import load_cross_encoder
    from tripletkit.encoding.loading import check_encoder
    from tripletkit.teaching.teachers import check_teacher

    place, cross_encoder, teacher = encoders
    try:
        if place is not None:
            check_encoder(place)
        if cross_encoder is not None:
            load_cross_encoder(cross_encoder)
        if teacher is not None:
            check_teacher(teacher)
    except EncoderError as error:
        return error.problem, error.hint
    return None


def _plan(job: Job) -> tuple[list[BookTask], dict[Place, str]]:
    """One task per distinct PDF, and an error message for each book that is not a file."""
    place, limits = job.locate(), _limits(job)
    backend, signs = job.settings.extract.backend, job.settings.extract.raised_signs
    tasks: dict[str, BookTask] = {}
    refused: dict[Place, str] = {}
    for path in job.books:
        if is_passage_file(path):
            continue
        if not path.is_file():
            refused[path] = f"{path}: no such file"
            continue
        sha = known_sha256(path, job.cache)
        book_id = stable_id("book", sha)
        if book_id in tasks:
            log.warning("%s is the same file as %s; it is read once", path, tasks[book_id].path)
            continue
        roles = job.settings.extract.roles_of(path.name)
        # Pages over these limits are left out.
        limited = job.settings.extract.page_seconds, job.settings.extract.book_memory_mb
        settings = repr((limits, backend, signs, roles, limited))
        values = (sha, place.tokenizer_fingerprint, settings, job.rules.fingerprint, str(VERSION))
        part = job.cache / "books" / stable_id("part", *values)
        tasks[book_id] = BookTask(path, book_id, part, place.tokenizer_folder, limits, job.rules, backend, roles, signs)
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
    bounds = Bounds(settings.book_seconds, settings.book_memory_mb, settings.page_seconds)
    read = _read_here if job.settings.cluster is None else _read_on_cluster
    with job.progress.bar("reading", len(tasks), "books") as advance:
        for index, problem in read(tasks, bounds, job):
            yield tasks[index], problem
            advance(1)


def _read_here(tasks: list[BookTask], bounds: Bounds, job: Job) -> Iterator[tuple[int, str | None]]:
    workers = job.settings.workers or os.cpu_count() or 1
    for index, outcome in read_books(READ_BOOK, tasks, workers=workers, bounds=bounds):
        yield index, _kept(tasks[index], outcome)


def _read_on_cluster(tasks: list[BookTask], bounds: Bounds, job: Job) -> Iterator[tuple[int, str | None]]:
    """Raises ConfigError where a node does not share the output folder."""
    work = Work(KEEP_BOOK, (bounds, job.rules))
    for index, outcome in job.mapper.map(work, map(_without_rules, tasks), total=len(tasks)):
        if outcome is None and not (tasks[index].part / "done").is_file():
            raise not_shared(str(tasks[index].path), job.store.folder)
        yield index, "\n  ".join(problem_of(tasks[index].path, outcome)) if isinstance(outcome, Failure) else outcome


def _without_rules(task: BookTask) -> BookTask:
    """What is sent for each book: the rules take longer to send than all else, and go to each worker once."""
    return replace(task, rules=Rules({}, ""))


def book_keeper(setup: tuple[Bounds, Rules]) -> Callable[[BookTask], str | None]:
    """For a worker of a cluster: the function that reads a book and caches its tables, and returns an error message or None."""
    bounds, rules = setup
    read = book_reader(READ_BOOK, bounds)
    return lambda task: _kept(task, read(replace(task, rules=rules)))


def problem_of(path: Place, failure: Failure) -> tuple[str, str]:
    """Why a book did not come out of its worker, and what to do."""
    if failure.traceback:
        log.debug("reading %s failed\n%s", path, failure.traceback)
    if failure.cause in ("fault", "crash"):
        return f"{path}: {FAULT.format(failure.why)}", REPORT
    return f"{path}: reading it {failure.why}", _CURES[failure.cause]


def _kept(task: BookTask, outcome: BookTables | str | Failure) -> str | None:
    """Cache a book's tables; the mark "done" comes last. Returns an error message if the book has none."""
    if isinstance(outcome, Failure):
        return "\n  ".join(problem_of(task.path, outcome))
    if isinstance(outcome, str):
        return outcome
    for fault in outcome.faults:
        log.debug("a part of %s could not be read\n%s", task.path, fault)
    task.part.mkdir(parents=True, exist_ok=True)
    (task.part / "done").unlink(missing_ok=True)
    for name, table in _PARTS.items():
        write_parquet(task.part / f"{name}.parquet", make_table(table, getattr(outcome, name)))
    (task.part / "done").write_text(outcome.title, encoding="utf-8")
    return None


def _book_row(task: BookTask, facts: BookFacts, job: Job) -> Row:
    row: Row = {"book_id": task.book_id, "path": str(task.path), "title": facts.title}
    return row | {"pages": facts.pages.total(), "license": _license(task.path, job.settings.licenses)}


def _read_passage_files(job: Job, refused: dict[Place, str]) -> list[PassageFile]:
    """Every file of passages among the books, from an earlier run if it is kept. Files that cannot be read go to ``refused``."""
    paths = [path for path in job.books if is_passage_file(path)]
    files: dict[str, PassageFile] = {}
    with job.progress.bar("reading", len(paths), "files of passages") as advance:
        for path in paths:
            try:
                sha = known_sha256(path, job.cache)
                if not sha:
                    refused[path] = f"{path}: no such file"
                elif sha in files:
                    log.warning("%s is the same file as %s; it is read once", path, files[sha].path)
                else:
                    files[sha] = _passage_file(path, sha, job)
            except SourceError as error:
                refused[path] = str(error)
            advance(1)
    return list(files.values())


def _passage_file(path: Place, sha: str, job: Job) -> PassageFile:
    place, limits = job.locate(), _limits(job)
    values = (sha, place.tokenizer_fingerprint, repr(limits), job.rules.fingerprint, str(OWN_VERSION))
    part = job.cache / "books" / stable_id("own", path.suffix.lower(), *values)

    def make() -> PassageFile:
        abbreviations = job.rules.words("abbreviations")
        with local_copy(path) as copy:
            file = read_passage_file(copy)
        return cut_rows(file, limits, token_counter(place.tokenizer_folder), abbreviations)

    return read_kept(path, part, make, force=job.force)


def _own_books(own: list[PassageFile], job: Job) -> OwnBooks | None:
    """The tables of all files of passages, None without any. The file of ids is written, or removed."""
    if not own:
        job.store.local(PASSAGE_IDS).unlink(missing_ok=True)
        return None
    named = job.settings.licenses
    # A licence that the settings give to the value of ``book`` goes before the file's.
    found = rows_to_books(own, lambda path, book: (named.get(book) if book else None) or _license(path, named))
    write_atomically(job.folder / PASSAGE_IDS, found.sources.write_csv().encode())
    return found


def _license(path: Place, named: dict[str, str]) -> str | None:
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


def _without_passages(read: Read) -> Iterator[Row]:
    """A row of ``dropped`` for each PDF that has text and no passages: which pages were taken for what."""
    for task, facts in read:
        if not facts.passages:
            item = {"stage": "extract", "item": str(task.path), "related": task.book_id}
            yield {**item, "reason": EMPTY_BOOK, "detail": f"its pages were taken for {facts.ranges}"}


def _notes(read: Read) -> Iterator[str]:
    """For each PDF, what a user must know: pages that could not be read, no passages, pages whose text is in none."""
    for task, facts in read:
        if facts.unread:
            yield f"{task.path}: {facts.unread}"
    for task, facts in read:
        if not facts.passages:
            hint = 'If a role is wrong, set it, for example: --set \'extract.roles={"1-20"="body"}\''
            yield f"{task.path}: no passages, though it has text: its pages were taken for {facts.ranges}\n  {hint}"
    for task, facts in read if 1 < len(read) <= FEW_BOOKS else ():
        if facts.no_passages:
            yield f"          {task.path.name}: pages in no passage: {facts.no_passages}"


def _role_ranges(pages: pl.DataFrame, roles: Sequence[str] = ()) -> str:
    """How many pages have each role (of ``roles``, or all that occur), and which: "front 12 (1–12), index 8 (327–334)"."""
    held: dict[str, list[int]] = {}
    for page, role in pages.sort("page").select("page", "role").iter_rows():
        held.setdefault(role, []).append(page)
    return ", ".join(f"{role} {len(held[role]):,} ({_ranges(held[role])})" for role in roles or held if role in held)


def _ranges(pages: Sequence[int]) -> str:
    """Page numbers in order as ranges: 1, 9, 11–12."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and runs[-1][-1] == page - 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _summary(books: int, facts: Sequence[BookFacts], cut: str) -> str:
    roles, kinds = (sum(map(attrgetter(name), facts), Counter[str]()) for name in ("pages", "passages"))
    read = f"{counted(books, 'book')}, {counted(roles.total(), 'page')}"
    told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items(), key=lambda of: (-of[1], of[0])))
    one = facts[0].no_passages if books == 1 else ""
    many = ", ".join(f"{role} {roles[role]:,}" for role in _NO_PASSAGES if roles[role])
    kept_out = f"; pages in no passage: {one or many}" if one or many else ""
    return f"{read} → {kinds.total():,} passages ({told}){cut}{kept_out}"


STAGE = Stage(
    "extract",
    reads=(),
    writes=("books", "pages", "lines", "passages"),
    run=run,
    settings=("extract", "licenses"),
    inputs=frozenset({Input.BOOKS, Input.RULES, Input.TOKENIZER}),
    version=VERSION,
)
