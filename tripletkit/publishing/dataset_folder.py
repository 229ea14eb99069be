"""Tables → a dataset folder: parquet shards and a card, whole or not at all, the same bytes for the same tables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pydantic import TypeAdapter

from tripletkit.errors import HubError
from tripletkit.publishing.card_statistics import card_statistics
from tripletkit.publishing.cards import CARD, public_settings
from tripletkit.publishing.configs import SPLIT_NAMES, Configuration, Tables, check_tables, open_configurations
from tripletkit.publishing.dataset_card import (
    CardDetails,
    DatasetCardContent,
    PublishedConfiguration,
    PublishedSplit,
    make_dataset_card,
)
from tripletkit.publishing.redaction import redacted_configurations
from tripletkit.publishing.rights import DatasetLicense, combine_licenses, refuse_without_rights

MANIFEST = "tripletkit.json"
#: Raised when ``fill`` can no longer read what an earlier version wrote.
FORMAT = 2
NO_TEXT = DatasetLicense("other", "no-text-included", "", "no text of the books is included")
MAX_SHARD_BYTES = 256 << 20  # in memory; a shard on disk is smaller
ROW_GROUP_ROWS = 10_000  # the Hub's viewer reads a row group at a time


@dataclass(frozen=True)
class DatasetReport:
    """What was written."""

    folder: Path
    redacted: bool
    license: str
    rows: Mapping[str, Mapping[str, int]]  # configuration → split → rows
    files: Mapping[str, int]  # path in the folder → bytes
    notes: tuple[str, ...]  # what was left out, in sentences

    @property
    def summary(self) -> str:
        """One line for a command to end with."""
        first, splits = next(iter(self.rows.items()))
        counts = ", ".join(f"{split} {n:,}" for split, n in splits.items())
        return (
            f"{self.folder}: {len(self.rows)} configurations, {first}: {counts}; "
            f"{len(self.files)} files, {sum(self.files.values()):,} bytes, "
            f"licence {self.license}{', without text' if self.redacted else ''}"
        )


def write_dataset(
    tables: Tables,
    folder: Path,
    *,
    details: CardDetails,
    redact: bool = False,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> DatasetReport:
    """Write ``tables`` as a dataset into ``folder``; an older dataset there is replaced.

    Raises RightsError for books whose text may not be published, TableError for tables that do not fit together,
    HubError if ``folder`` holds something else.
    """
    checked = check_tables(tables)
    if not (redact or details.have_the_right or details.local_only):
        refuse_without_rights(checked["books"])
    # A redacted dataset holds nothing of the books, so their licences do not bind it.
    license_ = NO_TEXT if redact else combine_licenses(text or "none" for text in checked["books"]["license"])
    made = redacted_configurations(checked, details.mask_token) if redact else open_configurations(checked)
    notes = tuple(note for one in made for note in one.notes)
    with _draft_of(folder) as draft:
        published = tuple(_write(one, draft, max_shard_bytes) for one in made if one.frame.height)
        content = DatasetCardContent(details, card_statistics(checked), published, license_, notes, redact)
        (draft / CARD).write_bytes(make_dataset_card(content).encode())
        (draft / MANIFEST).write_bytes(_manifest(checked, content).encode())
        paths = [path for path in sorted(draft.rglob("*")) if path.is_file()]
        files = {path.relative_to(draft).as_posix(): path.stat().st_size for path in paths}
    rows = {one.name: one.rows for one in published}
    return DatasetReport(folder, redact, license_.name or license_.hub, rows, files, notes)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``write_dataset`` noted beside the data. Raises HubError if ``folder`` is not a dataset of tripletkit."""
    try:
        return TypeAdapter(dict[str, Any]).validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise HubError(
            f"{folder}: not a dataset folder of tripletkit ({type(error).__name__} at {MANIFEST})",
            "Make one with `tripletkit publish --to DIR`.",
        ) from error


def _manifest(tables: Tables, content: DatasetCardContent) -> str:
    details = content.details
    values = {
        "format": FORMAT,
        "redacted": content.redacted,
        "local_only": details.local_only,
        "rows": {one.name: one.rows for one in content.configurations},
        # Not the path, which shows folders of the publisher's machine.
        "books": tables["books"].select("book_id", "title", "pages", "license").to_dicts(),
        "dropped": tables["dropped"].group_by("stage", "reason").len("rows").sort("stage", "reason").to_dicts(),
        "details": {**asdict(details), "settings": public_settings(details.settings)},
    }
    return json.dumps(values, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def _write(one: Configuration, folder: Path, max_shard_bytes: int) -> PublishedConfiguration:
    (folder / one.name).mkdir()
    table = _plain_table(one.frame.drop("split"))
    of_split = ((split, table.filter((one.frame["split"] == split).to_arrow())) for split in SPLIT_NAMES)
    splits = {
        split: _write_split(rows, folder / one.name, split, max_shard_bytes)
        for split, rows in of_split
        if rows.num_rows
    }
    return PublishedConfiguration(one.name, one.meaning, one.columns, table.schema, splits)


def _write_split(rows: pa.Table, folder: Path, split: str, max_shard_bytes: int) -> PublishedSplit:
    count = max(1, min(-(-rows.nbytes // max_shard_bytes), rows.num_rows))
    size = 0
    for number in range(count):
        start, end = (rows.num_rows * edge // count for edge in (number, number + 1))
        path = folder / f"{split}-{number:05}-of-{count:05}.parquet"
        shard = rows.slice(start, end - start)
        pq.write_table(shard, path, compression="zstd", row_group_size=ROW_GROUP_ROWS, write_page_index=True)
        size += path.stat().st_size
    return PublishedSplit(rows.num_rows, rows.nbytes, size)


def _plain_table(frame: pl.DataFrame) -> pa.Table:
    """``frame`` with the types that `datasets` itself writes: polars' own are large_string and large_list."""
    table = frame.to_arrow()
    return table.cast(pa.schema([(column.name, _plain_type(column.type)) for column in table.schema]))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(one.name, _plain_type(one.type)) for one in kind])
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when the block ends well, and vanishes when it does not."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).is_file())):
        raise HubError(
            f"{folder}: is there already and holds no dataset of tripletkit", "Name a folder that is new or empty."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("partial", "old"))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        if folder.exists():
            folder.replace(old)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
