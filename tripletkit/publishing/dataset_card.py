"""The dataset card: what a reader should know before trusting the data. Every number on it is counted from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
from huggingface_hub import DatasetCard, DatasetCardData

from tripletkit.publishing.card_statistics import QUANTILES, SHINGLE_WORDS, CardStatistics
from tripletkit.publishing.cards import license_head, render_card
from tripletkit.publishing.configs import SPLIT_NAMES
from tripletkit.publishing.encoder_scores import EncoderScores
from tripletkit.publishing.negative_checks import Review
from tripletkit.publishing.rights import DatasetLicense

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
    review: Review | None = None  # of a sample, by hand
    scores: EncoderScores | None = None  # of an encoder trained on these triplets
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


def dataset_title(books: pl.DataFrame) -> str:
    """The book's title, or how many textbooks there are."""
    return str(books["title"][0]) if books.height == 1 else f"{books.height} textbooks"


def make_dataset_card(content: DatasetCardContent) -> str:
    """The README.md. Equal content gives an equal card."""
    return render_card(
        DatasetCard,
        card_metadata(content),
        "dataset_card.md.jinja",
        **vars(content),
        split_names=[split for split in SPLIT_NAMES if any(split in one.rows for one in content.configurations)],
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
        configs=[_config(one, default=one is content.configurations[0]) for one in content.configurations],
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


def _config(one: PublishedConfiguration, *, default: bool) -> dict[str, object]:
    files = [{"split": split, "path": f"{one.name}/{split}-*.parquet"} for split in one.splits]
    return {"config_name": one.name, **({"default": True} if default else {}), "data_files": files}
