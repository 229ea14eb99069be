"""The output folder: tables that are either complete or absent, and a manifest of what each stage read and made.

A table is one file, TABLE.parquet, or a folder of parts, TABLE/book_id=…/part-….parquet. Parts count when
manifests/STAGE.parts.parquet names them: it is written when all parts of all tables of the stage are there, in one step, and
what it no longer names is removed after that. So a writer that dies leaves the tables that were there before. A folder at an
address holds parts only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tripletkit.addresses import Address, Place, file_sizes, scan_parquet, working_copy
from tripletkit.errors import TableError
from tripletkit.ids import file_sha256
from tripletkit.schemas import DROPPED, TABLES, check_table, make_table

#: Which stage makes which table.
MAKERS = dict.fromkeys(("books", "pages", "lines", "passages"), "extract")
MAKERS |= {"terms": "glossary", "mentions": "tag", "splits": "split", "triplets": "mine", "teacher": "teach"}
#: What `train` makes: a SentenceTransformer folder, and the scores of both encoders on validation.
ENCODER, VALIDATION = "encoder", "validation.json"
#: The same encoder as a MultiVectorEncoder folder, with `train.multi_vector`.
MULTI_VECTOR = "encoder-multi-vector"
#: Files of these kinds show what a folder holds, and are no part of it.
_OF_CARDS = (".md", ".png")
#: Small tables, of one part however the others are kept.
_WHOLE = frozenset(("books", "splits"))
#: The names of the files that say which parts there are.
_OF_PARTS = ".parts.parquet"
#: How tables are written.
_AS_PARQUET: Mapping[str, Any] = {"compression": "zstd", "statistics": False, "row_group_size": 100_000}
Row = Mapping[str, object]
#: How Hive's partitions name a null, which is read back as one: rows of no book, such as the terms of a user's file.
NO_BOOK = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Manifest:
    """What a finished stage read, with which settings, and what it made."""

    stage: str
    key: dict[str, Any]  # everything the result depends on; equal key, equal result
    outputs: dict[str, str]  # file: sha256
    counts: dict[str, int] = field(default_factory=dict)
    summary: str = ""
    seconds: float = 0.0
    peak_memory_mb: int = 0  # of the largest process; 0 if it is not known
    made: str = ""  # UTC, ISO 8601
    failed: str = ""  # why what was made is not good enough


class Part(NamedTuple):
    """A Parquet file of a table, by its path in the output folder. ``book_id``: of all its rows; None for rows of no book.

    Its name holds its hash, so a part is never written over. Parts are small, and may be sent from who wrote them.
    """

    table: str
    book_id: str | None
    file: str
    rows: int
    size: int  # bytes
    sha256: str


_PARTS = pl.Schema(
    {
        "table": pl.String,
        "book_id": pl.String,
        "file": pl.String,
        "rows": pl.Int64,
        "size": pl.Int64,
        "sha256": pl.String,
    }
)
_NO_PARTS = pl.DataFrame(schema=_PARTS)


def write_atomically(path: Place, data: bytes) -> None:
    """Write a draft beside the file, flush it to disk, then rename it, so that a partial file is never read.

    At an address one request replaces the file.
    """
    if isinstance(path, Address):
        path.write_bytes(data)
        return
    with _draft_of(path) as draft, draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def replace_folder(source: Path, target: Path) -> None:
    """Move a folder, replacing what is there. If this is killed, the new folder is complete in one of the two places."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    source.rename(target)
    shutil.rmtree(old, ignore_errors=True)


class Store:
    """Tables and manifests under one folder. ``by_book``: new tables are kept as a part for each book."""

    def __init__(self, folder: Place, *, by_book: bool = False) -> None:
        self.folder, self.by_book = folder, by_book

    @property
    def in_parts(self) -> bool:
        """Whether new tables are kept in parts."""
        return self.by_book or isinstance(self.folder, Address)

    def keeps_other_form(self, stage: str) -> bool:
        """Whether what the stage made is kept as files where new tables are in parts, or the other way round."""
        tables = [name for name, maker in MAKERS.items() if maker == stage and self.has(name)]
        return any(self._is_in_parts(name) != self.in_parts for name in tables)

    def place(self, file: str) -> Place:
        """Where a table's file, a manifest or another output of a stage is."""
        return self.folder / file

    def local(self, file: str) -> Path:
        """The path of an output that is no table; from an address it is fetched, and `push` sends what was changed."""
        place = self.place(file)
        return place if isinstance(place, Path) else working_copy(self._address).fetch(file)

    @property
    def work(self) -> Path:
        """The folder into which stages write what is no table."""
        return self.folder if isinstance(self.folder, Path) else working_copy(self._address).folder

    def push(self) -> None:
        """Send what stages wrote to the address, if the folder is at one."""
        if isinstance(self.folder, Address):
            working_copy(self.folder).push()

    @property
    def _address(self) -> Address:
        assert isinstance(self.folder, Address)
        return self.folder

    def path(self, name: str) -> Place:
        """Where table ``name`` is: a file, or a folder of parts."""
        return self.place(name if self._is_in_parts(name) else f"{name}.parquet")

    def has(self, name: str) -> bool:
        """Whether table ``name`` is there."""
        return self._is_in_parts(name) or self.place(f"{name}.parquet").is_file()

    def scan(self, name: str) -> pl.LazyFrame:
        """A table, unread and unchecked. Raises TableError with the command that makes it if it is missing."""
        parts = self._parts_of(name)
        frames = [scan_parquet([self.place(file) for file in parts["file"]])] if parts.height else []
        if name == DROPPED.name or not frames:
            frames = [*self._scan_file(name), *frames]
        if not frames:
            hint = f"Make it with `tripletkit {MAKERS.get(name, 'run')}` (same --output)."
            raise TableError(f"{self.path(name)}: not there yet", hint)
        return pl.concat(frames)

    def _scan_file(self, name: str) -> Iterator[pl.LazyFrame]:
        """The table's one file, if it is there; of `dropped`, the stages that have no parts."""
        place = self.place(f"{name}.parquet")
        if isinstance(place, Path) and place.is_file():
            frame = pl.scan_parquet(place)
            in_parts = self._stages_in_parts() if name == DROPPED.name else ()
            yield frame.filter(~pl.col("stage").is_in(in_parts)) if in_parts else frame

    def read(self, name: str) -> pl.DataFrame:
        """A table, checked. Raises TableError with the command that makes it if it is missing, damaged or of another version."""
        return self._read(name, lambda: self.scan(name), self.path(name))

    def read_files(self, name: str, files: Sequence[str]) -> pl.DataFrame:
        """The rows of some parts of a table, as `read`."""
        if not files:
            return make_table(TABLES[name], [])
        return self._read(name, lambda: scan_parquet([self.place(file) for file in files]), self.place(name))

    def read_book(self, name: str, book_id: str) -> pl.DataFrame:
        """A book's rows of a table, as `read`. Of a table by book, only the book's own parts are read."""
        parts = self._parts_of(name)
        if parts["book_id"].null_count() < parts.height:
            return self.read_files(name, parts.filter(book_id=book_id)["file"].to_list())
        return self._read(name, lambda: self._scan_book(name, book_id), self.path(name))

    def _scan_book(self, name: str, book_id: str) -> pl.LazyFrame:
        if "book_id" in TABLES[name].columns:
            return self.scan(name).filter(book_id=book_id)
        passages = self.scan("passages").filter(book_id=book_id).select("passage_id")
        return self.scan(name).join(passages, on="passage_id", how="semi")

    def _read(self, name: str, scan: Callable[[], pl.LazyFrame], path: Place) -> pl.DataFrame:
        again = f"Make it again with `tripletkit {MAKERS.get(name, 'run')} --force`."
        try:
            found = scan().collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise TableError(f"{path}: not a readable parquet file ({reason})", again) from error
        return check_table(found, TABLES[name], str(path), again)

    def has_current_columns(self, name: str) -> bool:
        """Whether table ``name`` has the columns of this version. An earlier version may have named them otherwise."""
        first = self._parts_of(name)["file"].to_list()[:1] or [f"{name}.parquet"]
        return scan_parquet([self.place(first[0])]).collect_schema() == TABLES[name].schema

    def write_stage(
        self, stage: str, tables: Mapping[str, pl.DataFrame], dropped: Sequence[Row], parts: Sequence[Part] = ()
    ) -> None:
        """Check and write what a stage made. In parts, all of it counts at the same moment; as files, one after the other.

        ``parts`` are more of its tables, already written by `write_part`.
        """
        if self.in_parts or parts:
            told = {part.table for part in parts}
            made = {**tables, DROPPED.name: make_table(DROPPED, dropped)}
            cut = [self._cut(name, of, stage) for name, of in made.items() if of.height or name not in told]
            self._commit(stage, [*parts, *(part for of in cut for part in of)])
            return
        for name, frame in tables.items():
            self.write(name, frame)
        self.write_dropped(stage, dropped)
        self._forget_parts(stage, tables)

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Check, sort and write a table as one file, whole or not at all."""
        table, place = check_table(frame, TABLES[name]), self.place(f"{name}.parquet")
        assert isinstance(place, Path)  # at an address, tables are in parts
        with _draft_of(place) as draft:
            table.write_parquet(draft, **_AS_PARQUET)

    def write_dropped(self, stage: str, rows: Sequence[Row]) -> None:
        """Replace the rows that ``stage`` dropped before by ``rows``, in the one file; other stages' rows stay."""
        others = [frame.filter(pl.col("stage") != stage).collect() for frame in self._scan_file(DROPPED.name)]
        self.write(DROPPED.name, pl.concat([*others, make_table(DROPPED, rows)]))

    def write_part(self, name: str, frame: pl.DataFrame, book_id: str | None, stage: str) -> Part:
        """Check and write a book's rows of a table of ``stage``. They count when `write_stage` is given the part.

        May be called anywhere that reaches the folder, such as where the book is read.
        """
        return self._write_part(name, frame, f"book_id={NO_BOOK if book_id is None else book_id}/", book_id, stage)

    def _write_part(self, name: str, frame: pl.DataFrame, within: str, book_id: str | None, stage: str) -> Part:
        buffer = io.BytesIO()
        check_table(frame, TABLES[name]).write_parquet(buffer, **_AS_PARQUET)
        data = buffer.getvalue()
        sha = hashlib.sha256(data).hexdigest()
        file = f"{_folder_of(name, stage)}/{within}part-{sha[:16]}.parquet"
        if sha256_if_there(self.place(file)) != sha:  # there from before, and whole
            _write_whole(self.place(file), data)
        return Part(name, book_id, file, frame.height, len(data), sha)

    def _cut(self, name: str, frame: pl.DataFrame, stage: str) -> Iterator[Part]:
        """Write a table as parts: by book, or as one."""
        if name in _WHOLE or not self.by_book:
            yield self._write_part(name, frame, "", None, stage)
            return
        columns = frame.columns
        if name == DROPPED.name:  # what was left out is an id, a path or a text
            frame = frame.with_columns(book_id=pl.lit(None, pl.String))
        elif "book_id" not in columns:
            frame = frame.join(
                self.scan("passages").select("passage_id", "book_id").collect(), on="passage_id", how="left"
            )
        for (book_id,), rows in sorted(frame.partition_by("book_id", as_dict=True).items(), key=str) or [
            ((None,), frame)
        ]:
            yield self.write_part(name, rows.select(columns), book_id, stage)

    def _commit(self, stage: str, parts: Sequence[Part]) -> None:
        """Make these the parts of the stage's tables, then remove what was there before."""
        named, buffer = pl.DataFrame(parts, schema=_PARTS, orient="row").sort("table", "file"), io.BytesIO()
        named.unique(maintain_order=True).write_parquet(buffer, **_AS_PARQUET)
        write_atomically(self._parts_file(stage), buffer.getvalue())
        tables = {part.table for part in parts}
        for name in tables - {DROPPED.name}:
            self.place(f"{name}.parquet").unlink(missing_ok=True)
        if isinstance(old := self.place(f"{DROPPED.name}.parquet"), Path) and old.is_file():
            self.write_dropped(stage, [])
        self._remove_unnamed(stage, tables)

    def _forget_parts(self, stage: str, tables: Iterable[str]) -> None:
        """The stage's tables are files from now on."""
        self._parts_file(stage).unlink(missing_ok=True)
        self._remove_unnamed(stage, (*tables, DROPPED.name))

    def _remove_unnamed(self, stage: str, tables: Iterable[str]) -> None:
        named = set(self.parts(stage)["file"])
        for folder in (_folder_of(name, stage) for name in tables):
            for file in file_sizes(self.place(folder)):
                if f"{folder}/{file}" not in named:
                    _remove(self.place(f"{folder}/{file}"), self.place(folder))

    def parts(self, stage: str) -> pl.DataFrame:
        """The parts of all tables that the stage made, with the fields of `Part`; no row where its tables are files."""
        try:
            return pl.read_parquet(io.BytesIO(self._parts_file(stage).read_bytes()))
        except FileNotFoundError:
            return _NO_PARTS

    def _parts_of(self, name: str) -> pl.DataFrame:
        stages = self._stages_in_parts() if name == DROPPED.name else [MAKERS.get(name, "")]
        found = [parts.filter(table=name) for parts in map(self.parts, stages) if parts.height]
        return pl.concat(found) if found else _NO_PARTS

    def _is_in_parts(self, name: str) -> bool:
        return self._parts_of(name).height > 0

    def _stages_in_parts(self) -> list[str]:
        found = self.place("manifests").glob(f"*{_OF_PARTS}")
        stages = sorted(place.name.removesuffix(_OF_PARTS) for place in found)
        return [stage for stage in stages if self.parts(stage).height]  # a round has manifests of its own

    def _parts_file(self, stage: str) -> Place:
        return self.place(f"manifests/{stage}{_OF_PARTS}")

    def read_dropped(self, stage: str) -> pl.DataFrame:
        """The rows that ``stage`` left out."""
        parts = self.parts(stage).filter(table=DROPPED.name)
        if parts.height:
            return self.read_files(DROPPED.name, parts["file"].to_list())
        found = [frame.filter(stage=stage).collect() for frame in self._scan_file(DROPPED.name)]
        return pl.concat([make_table(DROPPED, []), *found])

    def dropped(self, stage: str) -> Counter[str]:
        """The rows that ``stage`` left out, by reason."""
        return Counter(self.read_dropped(stage)["reason"].to_list())

    def sha(self, file: str) -> str:
        """sha256 of a file or folder; "" if it is not there. Of a table in parts, by the parts' sizes and hashes."""
        name = file.removesuffix(".parquet")
        if name == file or name not in TABLES:
            return sha256_if_there(self.local(file))
        parts, there = self._parts_of(name), file_sizes(self.place(name))
        if not parts.height:
            return sha256_if_there(self.place(file))
        sizes = [
            (path, there.get(path.removeprefix(f"{name}/"), -1), sha)
            for path, sha in parts.select("file", "sha256").rows()
        ]
        return (
            ""
            if any(size < 0 for _, size, _ in sizes)
            else hash_of_files({path: f"{sha} {size}" for path, size, sha in sizes})
        )

    def stamp(self, file: str) -> object:
        """Changes when a file, or a table however it is kept, is written again."""
        own = self._parts_file(MAKERS.get(file.removesuffix(".parquet"), "none"))
        found = [path.stat() for path in (self.place(file), own) if isinstance(path, Path) and path.exists()]
        return tuple((one.st_mtime_ns, one.st_size) for one in found)

    def copy_stage(self, source: Store, made: Manifest, leave: Sequence[str] = ()) -> None:
        """Copy what a stage made from another folder, but for the files to ``leave``. The manifest comes last."""
        self.forget(made.stage)
        parts = [Part(*row) for row in source.parts(made.stage).rows()]
        files = [
            file
            for file in made.outputs
            if file not in leave and file.removesuffix(".parquet") not in {p.table for p in parts}
        ]
        for file in (*files, *(part.file for part in parts)):
            write_atomically(self.place(file), source.place(file).read_bytes())
        if parts:
            self._commit(made.stage, parts)
        else:
            self.write_dropped(made.stage, source.read_dropped(made.stage).to_dicts())
            self._forget_parts(made.stage, [name for name, maker in MAKERS.items() if maker == made.stage])
        self.write_manifest(made)

    def manifest(self, stage: str) -> Manifest | None:
        """The manifest of a finished stage, None if it never finished."""
        try:
            return Manifest(**json.loads(self._manifest_path(stage).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_manifest(self, manifest: Manifest) -> None:
        """Mark the stage as finished; called last."""
        text = json.dumps(asdict(manifest), indent=1, sort_keys=True, ensure_ascii=False, default=str)
        write_atomically(self._manifest_path(manifest.stage), text.encode())

    def forget(self, stage: str) -> None:
        """Mark the stage as unfinished; called first."""
        self._manifest_path(stage).unlink(missing_ok=True)

    def _manifest_path(self, stage: str) -> Place:
        return self.place(f"manifests/{stage}.json")

    def check_current(self, names: Iterable[str]) -> None:
        """Raise TableError if one of the tables was made from tables that have changed since."""
        for name in names:
            maker = self.manifest(MAKERS.get(name, ""))
            if maker is None:
                continue
            for source, sha in maker.key.get("inputs", {}).items():
                if self.sha(source) != sha:
                    problem = f"{self.path(name)} is out of date: {source} changed after it was made"
                    raise TableError(problem, f"Run `tripletkit {maker.stage}` (or `tripletkit run`), then try again.")


def _folder_of(name: str, stage: str) -> str:
    """The folder of a table's parts. What a stage dropped has one of its own."""
    return f"{name}/stage={stage}" if name == DROPPED.name else name


def _write_whole(place: Place, data: bytes) -> None:
    """As write_atomically, but not flushed to disk: parts are many, and checked by their sizes."""
    if isinstance(place, Address):
        place.write_bytes(data)
    else:
        with _draft_of(place) as draft:
            draft.write_bytes(data)


def _remove(place: Place, top: Place) -> None:
    """Remove a file, and the folders up to ``top`` that it leaves empty."""
    place.unlink(missing_ok=True)
    while isinstance(place, Path) and place != top:
        place = place.parent
        try:
            place.rmdir()
        except OSError:  # not empty
            return


def sha256_if_there(path: Place) -> str:
    """sha256 of a file or, for a local folder, of its files' names and contents; "" if it is not there."""
    if isinstance(path, Path) and path.is_dir():
        return folder_sha256(path)
    return file_sha256(path) if path.is_file() else ""


def known_sha256(path: Place, cache: Place) -> str:
    """As sha256_if_there; of a file at an address, it is kept in ``cache`` until the file changes."""
    if isinstance(path, Path) or not path.is_file():
        return sha256_if_there(path)
    known = cache / "addresses" / path.stamp()
    try:
        return known.read_text()
    except FileNotFoundError:
        sha = file_sha256(path)
        write_atomically(known, sha.encode())
        return sha


def write_parquet(place: Place, frame: pl.DataFrame) -> None:
    """Write a file that is read again at once, so fast compression is preferred."""
    if isinstance(place, Path):
        frame.write_parquet(place, compression="lz4")
        return
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="lz4")
    place.write_bytes(buffer.getvalue())


def folder_sha256(folder: Path) -> str:
    """One hash of a folder's files, by name and content, without hidden files and a card's Markdown and pictures."""
    return hash_of_files(files_sha256(folder))


def files_sha256(folder: Path) -> dict[str, str]:
    """The hash of each of a folder's files by its path in it, in order, without hidden files, Markdown and pictures."""
    kept = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".") and p.suffix not in _OF_CARDS)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(kept)}


def hash_of_files(files: Mapping[str, str]) -> str:
    """One hash of a folder's files by their names and hashes."""
    return hashlib.sha256("".join(f"{name}\0{sha}\n" for name, sha in files.items()).encode()).hexdigest()
