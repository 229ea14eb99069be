"""The output folder: tables that are either complete or absent, and a manifest of what each stage read and made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

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


def write_atomically(path: Path, data: bytes) -> None:
    """Write a draft beside the file, flush it to disk, then rename it, so that a partial file is never read."""
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
    """Tables and manifests under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, file: str) -> Path:
        """The path of a table's file, a manifest or another output of a stage."""
        return self.folder / file

    def path(self, name: str) -> Path:
        """The path of table ``name``."""
        return self.place(f"{name}.parquet")

    def has(self, name: str) -> bool:
        """Whether table ``name`` is there."""
        return self.path(name).is_file()

    def read(self, name: str) -> pl.DataFrame:
        """A table, checked. Raises TableError with the command that makes it if it is missing, damaged or of another version."""
        path, maker = self.path(name), MAKERS.get(name, "run")
        again = f"Make it again with `tripletkit {maker} --force`."
        if not path.is_file():
            raise TableError(f"{path}: not there yet", f"Make it with `tripletkit {maker}` (same --output).")
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise TableError(f"{path}: not a readable parquet file ({reason})", again) from error
        return check_table(frame, TABLES[name], str(path), again)

    def has_current_columns(self, name: str) -> bool:
        """Whether table ``name`` has the columns of this version. An earlier version may have named them otherwise."""
        return pl.read_parquet_schema(self.path(name)) == TABLES[name].schema

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Check, sort and write a table, whole or not at all."""
        table = check_table(frame, TABLES[name])
        with _draft_of(self.path(name)) as draft:
            table.write_parquet(draft, compression="zstd", statistics=False, row_group_size=100_000)

    def write_dropped(self, stage: str, rows: list[dict[str, object]]) -> None:
        """Replace the rows that ``stage`` dropped before by ``rows``; other stages' rows stay."""
        table = make_table(DROPPED, rows)
        if self.has("dropped"):
            table = pl.concat([self.read("dropped").filter(pl.col("stage") != stage), table])
        self.write("dropped", table)

    def dropped(self, stage: str) -> Counter[str]:
        """The rows that ``stage`` left out, by reason."""
        return Counter(self.read("dropped").filter(stage=stage)["reason"].to_list() if self.has("dropped") else ())

    def sha(self, file: str) -> str:
        """sha256 of a file or folder; "" if it is not there."""
        return sha256_if_there(self.place(file))

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

    def _manifest_path(self, stage: str) -> Path:
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


def sha256_if_there(path: Path) -> str:
    """sha256 of a file or, for a folder, of its files' names and contents; "" if it is not there."""
    return folder_sha256(path) if path.is_dir() else file_sha256(path) if path.is_file() else ""


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
