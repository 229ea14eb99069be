"""Tables → a dataset folder: parquet shards and a card, whole or not at all, the same bytes for the same tables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from polars.datatypes import DataType, DataTypeClass

from tripletkit.errors import HubError
from tripletkit.publishing.card import CardContent, CardFacts, Configuration, Shards, make_card, public_settings
from tripletkit.publishing.configs import SPLIT_NAMES, Tables, View, check_tables, open_views
from tripletkit.publishing.counts import picture
from tripletkit.publishing.figures import figures
from tripletkit.publishing.frontmatter import Yaml
from tripletkit.publishing.histogram import histogram_svg
from tripletkit.publishing.redaction import redacted_views
from tripletkit.publishing.rights import DatasetLicense, check_dataset_license, combine_licenses, refuse_without_rights

MANIFEST = "tripletkit.json"
NO_TEXT = DatasetLicense("other", "no-text-included", "", "no text of the books is included")
MAX_SHARD_BYTES = 256 << 20  # in memory; a shard on disk is smaller
ROW_GROUP_ROWS = 10_000  # the Hub's viewer reads a row group at a time

#: Types of the tables: polars → the name that `datasets` uses, and Arrow's own. Polars alone would write large_string.
TYPES: tuple[tuple[DataType, str, pa.DataType], ...] = (
    (pl.String(), "string", pa.string()),
    (pl.Int32(), "int32", pa.int32()),
    (pl.Float32(), "float32", pa.float32()),
    (pl.Boolean(), "bool", pa.bool_()),
)


@dataclass(frozen=True)
class DatasetReport:
    """What was written."""

    folder: Path
    redacted: bool
    license: str
    rows: Mapping[str, Mapping[str, int]]  # configuration → split → rows
    files: Mapping[str, int]  # path in the folder → bytes
    notes: tuple[str, ...]  # what stayed out, in sentences

    @property
    def summary(self) -> str:
        """One line for a stage to end with."""
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
    facts: CardFacts,
    redact: bool = False,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> DatasetReport:
    """Publish ``tables`` into ``folder``, in the place of an older dataset.

    Raises RightsError for books without the right, TableError for tables that do not fit together, HubError if
    ``folder`` holds something else.
    """
    checked = check_tables(tables)
    if not (redact or facts.have_the_right or facts.local_only):
        refuse_without_rights(checked["books"])
    license_ = _license(checked["books"], facts, redact)
    views = redacted_views(checked) if redact else open_views(checked)
    notes = tuple(note for view in views for note in _notes(view))
    with _draft_of(folder) as draft:
        written = tuple(_write_view(view, draft, max_shard_bytes) for view in views if view.frame.height)
        _draw(checked["triplets"], draft)
        card = make_card(CardContent(facts, figures(checked), written, license_, notes, redact))
        (draft / "README.md").write_bytes(card.encode())
        (draft / MANIFEST).write_bytes(_manifest(checked, facts, written, redact).encode())
        files = {
            path.relative_to(draft).as_posix(): path.stat().st_size
            for path in sorted(draft.rglob("*"))
            if path.is_file()
        }
    rows = {one.name: {shards.split: shards.rows for shards in one.shards} for one in written}
    return DatasetReport(folder, redact, license_.name or license_.hub, rows, files, notes)


def read_manifest(folder: Path) -> dict[str, object]:
    """What ``write_dataset`` noted beside the data. Raises HubError if ``folder`` is no dataset of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HubError(
            f"{folder}: not a dataset folder of tripletkit ({type(error).__name__} at {MANIFEST})",
            "Make one with `tripletkit publish --to DIR`.",
        ) from error
    if not isinstance(manifest, dict):
        raise HubError(
            f"{folder / MANIFEST}: not a JSON object", "Make the folder again with `tripletkit publish --to DIR`."
        )
    return manifest


def _license(books: pl.DataFrame, facts: CardFacts, redact: bool) -> DatasetLicense:
    texts = [text or "none" for text in books["license"]]
    if redact:
        # Nothing of the books is in it, so their licences do not bind it; the publisher may still choose one.
        return check_dataset_license(facts.license, ()) if facts.license else NO_TEXT
    return check_dataset_license(facts.license, texts) if facts.license else combine_licenses(texts)


def _manifest(tables: Tables, facts: CardFacts, written: Iterable[Configuration], redact: bool) -> str:
    # No path: where a book lay on the publisher's disk is nobody's business.
    books = tables["books"].select("book_id", "title", "pages", "license").to_dicts()
    rows = {one.name: {shards.split: shards.rows for shards in one.shards} for one in written}
    dropped = tables["dropped"].group_by("stage", "reason").len("rows").sort("stage", "reason").to_dicts()
    told = {**asdict(facts), "settings": public_settings(facts.settings)}
    content = {
        "format": 1,
        "redacted": redact,
        "local_only": facts.local_only,
        "rows": rows,
        "books": books,
        "dropped": dropped,
        "facts": told,
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def _draw(triplets: pl.DataFrame, folder: Path) -> None:
    for split in SPLIT_NAMES:
        mine = triplets.filter(split=split)
        if mine.height:
            path = folder / picture(split)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(histogram_svg(split, mine).encode())


def _notes(view: View) -> tuple[str, ...]:
    return (
        view.notes
        if view.frame.height
        else (*view.notes, f"{view.name}: there is no row for it, so it cannot be loaded.")
    )


def _write_view(view: View, folder: Path, max_shard_bytes: int) -> Configuration:
    (folder / view.name).mkdir()
    shards = [
        _write_split(view, split, folder, max_shard_bytes) for split in SPLIT_NAMES if split in set(view.frame["split"])
    ]
    features = [feature(name, dtype) for name, dtype in view.frame.drop("split").schema.items()]
    return Configuration(view.name, view.meaning, view.columns, features, tuple(shards))


def _write_split(view: View, split: str, folder: Path, max_shard_bytes: int) -> Shards:
    frame = view.frame.filter(pl.col("split") == split).drop("split")
    table = frame.to_arrow().cast(pa.schema([(name, arrow_type(dtype)) for name, dtype in frame.schema.items()]))
    count = max(1, min(-(-table.nbytes // max_shard_bytes), frame.height))
    size = 0
    for number in range(count):
        start, end = (frame.height * edge // count for edge in (number, number + 1))
        path = folder / view.name / f"{split}-{number:05}-of-{count:05}.parquet"
        pq.write_table(
            table.slice(start, end - start),
            path,
            compression="zstd",
            row_group_size=ROW_GROUP_ROWS,
            write_page_index=True,
        )
        size += path.stat().st_size
    return Shards(split, frame.height, table.nbytes, size, f"{view.name}/{split}-*.parquet")


def arrow_type(dtype: DataType) -> pa.DataType:
    """Arrow's type for a column of our tables, the one that `datasets` itself writes."""
    if isinstance(dtype, pl.List):
        return pa.list_(arrow_type(_instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pa.struct([(one.name, arrow_type(_instance(one.dtype))) for one in dtype.fields])
    return next(arrow for ours, _, arrow in TYPES if ours == dtype)


def feature(name: str, dtype: DataType) -> Mapping[str, Yaml]:
    """A column as ``dataset_info`` describes it."""
    return {"name": name, **_feature_type(dtype)}


def _feature_type(dtype: DataType) -> Mapping[str, Yaml]:
    if isinstance(dtype, pl.Struct):
        return {"struct": [feature(one.name, _instance(one.dtype)) for one in dtype.fields]}
    if isinstance(dtype, pl.List):
        inner = _feature_type(_instance(dtype.inner))
        return {"list": next(iter(inner.values()))}
    return {"dtype": next(name for ours, name, _ in TYPES if ours == dtype)}


def _instance(dtype: DataType | DataTypeClass) -> DataType:
    return dtype if isinstance(dtype, DataType) else dtype()


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
