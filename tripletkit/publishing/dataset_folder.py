"""Tables → a dataset folder: parquet shards and a card, whole or not at all, the same bytes for the same tables.

Every number on the card is counted from the tables.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, DatasetCardData
from pydantic import TypeAdapter

from tripletkit.errors import HubError
from tripletkit.evaluation.report import EvaluationReport
from tripletkit.figures.drawing import Picture
from tripletkit.figures.plots import cosines, cosines_by_rule
from tripletkit.near_duplicates import SHINGLE_WORDS
from tripletkit.publishing import configs
from tripletkit.publishing.card_statistics import QUANTILES, CardStatistics, card_statistics
from tripletkit.publishing.cards import CARD, license_head, public_settings, render_card, write_pictures
from tripletkit.publishing.configs import SPLIT_NAMES, Configuration, Tables
from tripletkit.publishing.retrieval_sets import (
    RetrievalSets,
    redacted_retrieval_configurations,
    retrieval_configurations,
)
from tripletkit.publishing.rights import DatasetLicense, combine_licenses, refuse_without_rights
from tripletkit.reviews import Rates

MANIFEST = "tripletkit.json"
#: Raised when ``fill`` can no longer read what an earlier version wrote.
FORMAT = 2
NO_TEXT = DatasetLicense("other", "no-text-included", "", "no text of the books is included")
MAX_SHARD_BYTES = 256 << 20  # in memory; a shard on disk is smaller
ROW_GROUP_ROWS = 10_000  # the Hub's viewer reads a row group at a time
#: The Hub's size classes: up to 3 digits, 4 digits, and so on.
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "n>10M")


@dataclass(frozen=True)
class CardDetails:
    """What a card says that is not in the tables."""

    pretty_name: str
    version: str  # tripletkit's
    encoder: str  # name of the encoder that mined
    fingerprint: str  # hash of its weights, tokenizer, pooling, length and prompt
    mask_token: str = "[MASK]"  # replaces the positive in masked anchors
    settings: Mapping[str, Any] = field(default_factory=dict)  # "mine.negatives": 2
    rules: str = ""  # fingerprint of the rules folder
    libraries: Mapping[str, str] = field(default_factory=dict)  # name: version
    authors: Mapping[str, str] = field(default_factory=dict)  # book_id: authors, as the licence wants them named
    review: Rates | None = None  # by hand
    scores: EvaluationReport | None = None  # of an encoder trained on these triplets
    margin: float = 0.15  # of the loss in the example; cosine distance
    have_the_right: bool = False  # the publisher answers for books whose licence does not allow it
    local_only: bool = False  # filled from a redacted dataset: for whoever has the book, not for the Hub


@dataclass(frozen=True)
class PublishedSplit:
    """One split of one configuration, as written to the folder."""

    rows: int
    memory_bytes: int
    file_bytes: int


@dataclass(frozen=True)
class PublishedConfiguration:
    """One configuration, as written to the folder."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    schema: pa.Schema
    splits: Mapping[str, PublishedSplit]

    @property
    def rows(self) -> dict[str, int]:
        """Rows by split."""
        return {split: one.rows for split, one in self.splits.items()}

    @property
    def types(self) -> dict[str, str]:
        """The columns' types as a card names them."""
        return {column.name: _type_name(column.type) for column in self.schema}


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    return "record" if pa.types.is_struct(kind) else str(kind)


@dataclass(frozen=True)
class DatasetCardContent:
    """Everything that a dataset card is made of."""

    details: CardDetails
    statistics: CardStatistics
    configurations: tuple[PublishedConfiguration, ...]  # the first is the default
    license: DatasetLicense
    notes: tuple[str, ...] = ()  # what was left out, in sentences
    redacted: bool = False
    pictures: tuple[Picture, ...] = ()  # as written to the folder


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
    sets: RetrievalSets | None = None,
    redact: bool = False,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> DatasetReport:
    """Write ``tables`` and their retrieval ``sets`` as a dataset into ``folder``; an older dataset there is replaced.

    Raises RightsError for books whose text may not be published, TableError for tables that do not fit together,
    HubError if ``folder`` holds something else.
    """
    checked = configs.check_tables(tables)
    if not (redact or details.have_the_right or details.local_only):
        refuse_without_rights(checked["books"])
    # A redacted dataset holds nothing of the books, so their licences do not bind it.
    license_ = NO_TEXT if redact else combine_licenses(text or "none" for text in checked["books"]["license"])
    made = _configurations(checked, sets, details.mask_token, redact=redact)
    notes = tuple(note for one in made for note in one.notes)
    with _draft_of(folder) as draft:
        published = tuple(_write(one, draft, max_shard_bytes) for one in made if one.frame.height)
        pictures = write_pictures(draft, [cosines(cosines_by_rule(checked["triplets"]))])
        content = DatasetCardContent(details, card_statistics(checked), published, license_, notes, redact, pictures)
        (draft / CARD).write_bytes(make_dataset_card(content).encode())
        (draft / MANIFEST).write_bytes(_manifest(checked, content).encode())
        paths = [path for path in sorted(draft.rglob("*")) if path.is_file()]
        files = {path.relative_to(draft).as_posix(): path.stat().st_size for path in paths}
    rows = {one.name: one.rows for one in published}
    return DatasetReport(folder, redact, license_.name or license_.hub, rows, files, notes)


def _configurations(
    tables: Tables, sets: RetrievalSets | None, mask_token: str, *, redact: bool
) -> tuple[Configuration, ...]:
    if redact:
        of_sets = redacted_retrieval_configurations(sets, tables, mask_token) if sets else ()
        return (*configs.redacted_configurations(tables, mask_token), *of_sets)
    return (*configs.open_configurations(tables), *(retrieval_configurations(sets) if sets else ()))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``write_dataset`` noted beside the data. Raises HubError if ``folder`` is not a dataset of tripletkit."""
    try:
        return TypeAdapter(dict[str, Any]).validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        problem = f"{folder}: not a dataset folder of tripletkit ({type(error).__name__} at {MANIFEST})"
        raise HubError(problem, "Make one with `tripletkit publish --to DIR`.") from error


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
        "details": {**TypeAdapter(CardDetails).dump_python(details), "settings": public_settings(details.settings)},
    }
    return json.dumps(values, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def _write(one: Configuration, folder: Path, max_shard_bytes: int) -> PublishedConfiguration:
    (folder / one.name).mkdir()
    table = one.frame.drop("split").to_arrow()
    table = table.cast(pa.schema([(column.name, _plain_type(column.type)) for column in table.schema]))
    splits = {
        split: _write_split(rows, folder / one.name, split, max_shard_bytes)
        for split in SPLIT_NAMES
        if (rows := table.filter((one.frame["split"] == split).to_arrow())).num_rows
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


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that `datasets` itself writes: polars' own are large_string and large_list."""
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(one.name, _plain_type(one.type)) for one in kind])
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when the block ends well, and vanishes when it does not."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).is_file())):
        problem = f"{folder}: is there already and holds no dataset of tripletkit"
        raise HubError(problem, "Name a folder that is new or empty.")
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


def make_dataset_card(content: DatasetCardContent) -> str:
    """The README.md. Equal content gives an equal card."""
    split_names = [split for split in SPLIT_NAMES if any(split in one.rows for one in content.configurations)]
    absent = defaultdict[str, list[str]](list)
    for one in content.configurations:
        if missing := ", ".join(split for split in split_names if split not in one.rows):
            absent[missing].append(one.name)
    queries = (one for one in content.configurations if one.name.endswith("-queries"))
    return render_card(
        DatasetCard,
        card_metadata(content),
        "dataset_card.md.jinja",
        **vars(content),
        split_names=split_names,
        absent=absent,
        retrieval_set=next(((one.name.removesuffix("-queries"), [*one.splits][-1]) for one in queries), None),
        quantiles=QUANTILES,
        shingle_words=SHINGLE_WORDS,
    )


def card_metadata(content: DatasetCardContent) -> DatasetCardData:
    """What the Hub's search and viewer and ``load_dataset`` read: the YAML head, but for what the template says."""
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict

    data = DatasetCardData(
        pretty_name=content.details.pretty_name,
        **license_head(content.license),
        size_categories=[SIZES[min(max(len(str(content.statistics.triplets)) - 3, 0), len(SIZES) - 1)]],
        configs=[
            {
                "config_name": one.name,
                **({} if number else {"default": True}),
                "data_files": [{"split": split, "path": f"{one.name}/{split}-*.parquet"} for split in one.splits],
            }
            for number, one in enumerate(content.configurations)
        ],
    )
    infos = {
        one.name: DatasetInfo(
            features=Features.from_arrow_schema(one.schema),
            splits={
                name: {"name": name, "num_bytes": split.memory_bytes, "num_examples": split.rows}
                for name, split in one.splits.items()
            },
            download_size=sum(split.file_bytes for split in one.splits.values()),
            dataset_size=sum(split.memory_bytes for split in one.splits.values()),
        )
        for one in content.configurations
    }
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data
