"""The dataset card: what a reader should know before trusting the data. Every number on it is counted from the tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
from huggingface_hub import DatasetCard, DatasetCardData

from tripletkit.publishing.card_statistics import QUANTILES, SHINGLE_WORDS, BookStatistics, CardStatistics
from tripletkit.publishing.configs import SPLIT_NAMES
from tripletkit.publishing.encoder_scores import EncoderScores
from tripletkit.publishing.markdown import PLACEHOLDER, citation, plain, render_card
from tripletkit.publishing.negative_checks import Review
from tripletkit.publishing.rights import DatasetLicense, license_cell, parse_license

Setting: TypeAlias = str | int | float | bool | None

#: The Hub's size classes, by their upper bound.
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
LARGEST = "n>10M"
TAGS = (
    "sentence-transformers",
    "sentence-similarity",
    "triplets",
    "hard-negatives",
    "textbook",
    "glossary",
    "tripletkit",
)
TASKS = ("sentence-similarity", "feature-extraction", "text-retrieval")
MOST_REASONS = 60


@dataclass(frozen=True)
class CardDetails:
    """What a card says that is not in the tables."""

    pretty_name: str
    version: str  # tripletkit's
    encoder: str  # name of the encoder that mined
    fingerprint: str  # hash of its weights, tokenizer, pooling, length and prompt
    mask_token: str = "[MASK]"  # replaces the positive in masked anchors
    repo: str = PLACEHOLDER
    license: str | None = None  # the dataset's own; None: what the books' licences allow
    language: tuple[str, ...] = ("en",)
    settings: Mapping[str, Setting] = field(default_factory=dict)  # "mine.negatives": 2
    rules: str = ""  # fingerprint of the rules folder
    libraries: Mapping[str, str] = field(default_factory=dict)  # name: version
    authors: Mapping[str, str] = field(default_factory=dict)  # book_id: authors, as the licence wants them named
    review: Review | None = None  # of a sample, by hand
    scores: EncoderScores | None = None  # of an encoder trained on these triplets
    margin: float = 0.15  # of the loss in the example; cosine distance
    have_the_right: bool = False  # the publisher answers for books whose licence does not allow it
    local_only: bool = False  # filled from a redacted dataset: for whoever has the book, not for the Hub


@dataclass(frozen=True)
class PublishedSplit:
    """One split of one configuration, as written to the folder."""

    split: str
    rows: int
    memory_bytes: int
    file_bytes: int
    pattern: str


@dataclass(frozen=True)
class PublishedConfiguration:
    """One configuration, as written to the folder."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    schema: pa.Schema
    splits: tuple[PublishedSplit, ...]

    @property
    def rows(self) -> dict[str, int]:
        """Rows by split."""
        return {one.split: one.rows for one in self.splits}

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


def dataset_title(books: pl.DataFrame) -> str:
    """The book's title, or how many textbooks there are."""
    return str(books["title"][0]) if books.height == 1 else f"{books.height} textbooks"


def make_dataset_card(content: DatasetCardContent) -> str:
    """The README.md. Equal content gives an equal card."""
    details, statistics = content.details, content.statistics
    note = f"Made with tripletkit {details.version}, encoder {details.fingerprint}"
    claimed = details.have_the_right and not content.redacted
    return render_card(
        DatasetCard,
        card_metadata(content),
        "dataset_card.md.jinja",
        details=details,
        statistics=statistics,
        redacted=content.redacted,
        configurations=content.configurations,
        split_names=[split for split in SPLIT_NAMES if any(split in one.rows for one in content.configurations)],
        notes=content.notes,
        dataset_license=content.license,
        license_cell=license_cell,
        unlicensed=unlicensed_titles(statistics.books) if claimed else [],
        review=details.review,
        setting_rows=setting_rows(details.settings),
        quantiles=[f"{100 * q:g} %" for q in QUANTILES],
        most_reasons=MOST_REASONS,
        shingle_words=SHINGLE_WORDS,
        citation=citation("Dataset", details.pretty_name, note).replace(PLACEHOLDER, details.repo),
    )


def card_metadata(content: DatasetCardContent) -> DatasetCardData:
    """What the Hub's search and viewer and ``load_dataset`` read: the YAML head."""
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict

    details, languages = content.details, list(content.details.language)
    triplets = content.statistics.triplets
    data = DatasetCardData(
        pretty_name=details.pretty_name,
        language=languages,
        license=content.license.hub,
        license_name=content.license.name or None,
        license_link=content.license.link or None,
        size_categories=[next((name for bound, name in SIZES if triplets < bound), LARGEST)],
        task_categories=list(TASKS),
        annotations_creators=["machine-generated"],
        multilinguality=["monolingual" if len(languages) == 1 else "multilingual"],
        source_datasets=["original"],
        tags=list(TAGS),
        configs=[_config(one, default=one is content.configurations[0]) for one in content.configurations],
    )
    infos = {
        one.name: DatasetInfo(
            features=Features.from_arrow_schema(one.schema),
            splits={
                s.split: {"name": s.split, "num_bytes": s.memory_bytes, "num_examples": s.rows} for s in one.splits
            },
            download_size=sum(s.file_bytes for s in one.splits),
            dataset_size=sum(s.memory_bytes for s in one.splits),
        )
        for one in content.configurations
    }
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data


def _config(one: PublishedConfiguration, *, default: bool) -> dict[str, object]:
    files = [{"split": split.split, "path": split.pattern} for split in one.splits]
    return {"config_name": one.name, **({"default": True} if default else {}), "data_files": files}


def unlicensed_titles(books: tuple[BookStatistics, ...]) -> list[str]:
    """Titles, for Markdown, of the books whose licence is missing or forbids that their text is published."""
    return [plain(book.title) for book in books if not book.license or parse_license(book.license).objection]


def setting_rows(settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    """Settings as rows of a card's table."""
    return [(f"`{name}`", f"`{value}`") for name, value in sorted(public_settings(settings).items())]


def public_settings(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Settings that may be shown to anybody: no secrets, and of a path on this machine only the file's name."""
    secret = re.compile(r"token$|secret|password|credential|api_?key", re.IGNORECASE)
    return {name: _file_name(value) for name, value in settings.items() if not secret.search(name)}


def _file_name(value: Setting) -> Setting:
    is_path = isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~"))
    return PurePath(str(value)).name if is_path else value
