"""What a card is told: what is not in the tables, and how the configurations lie in the folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from tripletkit.publishing.checks import Review
from tripletkit.publishing.figures import Figures
from tripletkit.publishing.frontmatter import Yaml
from tripletkit.publishing.rights import DatasetLicense
from tripletkit.publishing.scores import Scores

Setting: TypeAlias = str | int | float | bool | None

#: Stands in a card for the name that a push gives it.
PLACEHOLDER = "OWNER/NAME"


@dataclass(frozen=True)
class CardFacts:
    """What a card says that is not in the tables."""

    pretty_name: str
    version: str  # tripletkit's
    encoder: str  # name of the encoder that mined
    fingerprint: str  # hash of its weights, tokenizer, pooling, length and prompt
    repo: str = PLACEHOLDER
    license: str | None = None  # the dataset's own; None: what the books' licences allow
    language: tuple[str, ...] = ("en",)
    settings: Mapping[str, Setting] = field(default_factory=dict)  # "mine.negatives": 2
    rules: str = ""  # fingerprint of the rules folder
    libraries: Mapping[str, str] = field(default_factory=dict)  # name: version
    credits: Mapping[str, str] = field(default_factory=dict)  # book_id: authors, as the licence wants them named
    review: Review | None = None  # of a sample, by hand
    scores: Scores | None = None  # of an encoder trained on these triplets
    margin: float = 0.15  # of the loss in the example; cosine distance
    have_the_right: bool = False  # the publisher answers for books whose licence does not allow it
    local_only: bool = False  # filled from a redacted set: for whoever has the book, not for the Hub


@dataclass(frozen=True)
class Shards:
    """One split of one configuration as it lies in the folder."""

    split: str
    rows: int
    memory_bytes: int
    file_bytes: int
    pattern: str


@dataclass(frozen=True)
class Configuration:
    """One configuration as it lies in the folder."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    features: Sequence[Yaml]
    shards: tuple[Shards, ...]


@dataclass(frozen=True)
class CardContent:
    """Everything that a card is made of."""

    facts: CardFacts
    figures: Figures
    configurations: tuple[Configuration, ...]  # the first is the default
    license: DatasetLicense
    notes: tuple[str, ...] = ()  # what stayed out, in sentences
    redacted: bool = False

    @property
    def triplets(self) -> int:
        """Rows of all splits together."""
        return sum(split.triplets for split in self.figures.splits)


def public_settings(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Settings that may be shown to anybody: no secrets, and of a path on this machine only its name."""
    secret = re.compile(r"token$|secret|password|credential|api_?key", re.IGNORECASE)
    return {name: _file_name(value) for name, value in settings.items() if not secret.search(name)}


def _file_name(value: Setting) -> Setting:
    return (
        PurePath(value).name
        if isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~"))
        else value
    )
