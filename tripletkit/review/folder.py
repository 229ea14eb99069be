"""The tables of an output folder as the review reads them: lazily, a few rows at a time, and again when a file changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import VectorCache, text_key
from tripletkit.encoding.properties import Task
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import ConfigError, EncoderError, TableError
from tripletkit.pipeline import Tools
from tripletkit.progress import Progress
from tripletkit.reviews import REVIEWS, Decisions, Review, ReviewFile, in_force
from tripletkit.settings import Settings
from tripletkit.store import ENCODER, MAKERS, Store
from tripletkit.terms.forms import form_key

Row = dict[str, Any]
#: What `remember` holds at most; a queue of 100,000 triplets takes 15 MB.
MOST_HELD = 16
Made = TypeVar("Made")


class OutputFolder:
    """Reads rows of an output folder. Nothing large is held but the terms, and what `remember` is given."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.store = settings, Store(settings.output)
        self.reviews_file = ReviewFile(self.store.local(REVIEWS).parent)
        self._held: dict[object, tuple[object, Any]] = {}
        self._lock = RLock()

    def scan(self, name: str) -> pl.LazyFrame:
        """A table, unread. Raises TableError with the command that makes it if it is not there or of another version."""
        if not self.store.has(name):
            self.store.read(name)
        if not self.store.has_current_columns(name):
            problem = f"{self.store.path(name)}: made by another version"
            raise TableError(problem, f"Make it again with `tripletkit {MAKERS.get(name, 'run')}`.")
        return self.store.scan(name)

    def rows(self, name: str, **equal: object) -> list[Row]:
        """The rows of a table with these values."""
        return (
            self.scan(name).filter(*(pl.col(column) == value for column, value in equal.items())).collect().to_dicts()
        )

    def remember(self, what: object, files: Iterable[str], make: Callable[[], Made]) -> Made:
        """What ``make`` returns, made again only when one of the files changed."""
        stamp = tuple(map(self.store.stamp, files))
        with self._lock:
            known = self._held.get(what)
        if known is None or known[0] != stamp:
            known = (stamp, make())  # perhaps twice at once, which does no harm
        with self._lock:
            self._held.pop(what, None)
            self._held[what] = known  # the last used stands last
            while len(self._held) > MOST_HELD:
                del self._held[next(iter(self._held))]
        made: Made = known[1]
        return made

    @property
    def reviews(self) -> list[Review]:
        """The rows of the table `reviews` that hold."""
        return self.remember("reviews", [REVIEWS], lambda: in_force(self.reviews_file.read()))

    @property
    def decisions(self) -> Decisions:
        """What follows from them."""
        return self.remember("decisions", [REVIEWS], lambda: Decisions(tuple(self.reviews)))

    @property
    def terms(self) -> dict[str, Row]:
        """All terms by id."""
        made = lambda: {row["term_id"]: row for row in self.scan("terms").collect().to_dicts()}  # noqa: E731
        return self.remember("terms", ["terms.parquet"], made)

    @property
    def books(self) -> dict[str, Row]:
        """All books by id."""
        made = lambda: {row["book_id"]: row for row in self.scan("books").collect().to_dicts()}  # noqa: E731
        return self.remember("books", ["books.parquet"], made)

    @property
    def splits(self) -> dict[str, str]:
        """The split of each passage that has one."""
        return self.remember("splits", ["splits.parquet"], lambda: dict(self.scan("splits").collect().iter_rows()))

    def passage(self, passage_id: str) -> Row:
        """The passage whose id begins so. Raises ConfigError if there is not exactly one."""
        found = self.scan("passages").filter(pl.col("passage_id").str.starts_with(passage_id)).head(2).collect()
        if found.height != 1 or not passage_id:
            problem = (
                f"{'several passages have' if found.height else 'no passage has'} an id that begins with {passage_id!r}"
            )
            raise ConfigError(problem, "The ids are in passages.parquet, column passage_id.")
        return found.row(0, named=True)

    def find_term(self, name: str, book_id: str | None) -> Row:
        """The term of this id, name or form, of the book or of the user. Raises ConfigError if there is none."""
        if name in self.terms:
            return self.terms[name]
        key, folded = form_key(name), name.casefold()

        def called(row: Row) -> bool:
            return any(form.casefold() == folded or form_key(form) == key for form in (row["term"], *row["forms"]))

        near = [row for row in self.terms.values() if called(row)]
        own = [row for row in near if row["book_id"] in (book_id, None)] or near
        exact = [row for row in own if row["term"].casefold() == folded] or own
        if not exact:
            raise ConfigError(
                f"no term is called {name!r}", "`tripletkit glossary --list` prints all terms and their forms."
            )
        return max(exact, key=lambda row: bool(row["kept"]))

    def label(self, book_id: str, page: int) -> str:
        """The printed label of a page, "p. 144" or, where it has none, "page 7 of the file"."""
        labels = self.remember("labels", ["pages.parquet"], self._labels)
        label = labels.get((book_id, page), "")
        return f"p. {label}" if label else f"page {page} of the file"

    def _labels(self) -> dict[tuple[str, int], str]:
        rows = self.scan("pages").select("book_id", "page", "label").collect().iter_rows()
        return {(book, page): label for book, page, label in rows}

    def where(self, passage: Row) -> str:
        """The passage's book, printed pages and section."""
        first, last = (self.label(passage["book_id"], passage[name]) for name in ("page_first", "page_last"))
        pages = first if first == last else f"{first} to {last}"
        title = self.books.get(passage["book_id"], {}).get("title", passage["book_id"])
        return ", ".join(part for part in (title, pages, passage["section"]) if part)

    @property
    def encoder(self) -> str:
        """The fingerprint of the encoder that mined; "" without triplets."""
        made = lambda: self.scan("triplets").select("encoder").head(1).collect()["encoder"].to_list()  # noqa: E731
        return next(iter(self.remember("encoder", ["triplets.parquet"], made)), "")

    @cached_property
    def vectors(self) -> KnownVectors:
        """Vectors that mining left in the cache."""
        return KnownVectors(self)


class KnownVectors:
    """Cosines by the vectors in the cache. No model is loaded: a text that was never encoded has none."""

    def __init__(self, folder: OutputFolder) -> None:
        self._folder = folder
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}
        self._places: dict[str, EncoderFolder | None] = {}

    def cosine(self, one: tuple[str, Task], other: tuple[str, Task]) -> float | None:
        """The cosine of two texts, each with what it is encoded as, by the encoder that mined; None if not known."""
        place = self._place(self._folder.encoder)
        if place is None:
            return None
        pair = [self._vectors.get(text_key(place.role(task) + text)) for text, task in (one, other)]
        return None if any(vector is None for vector in pair) else float(np.dot(*map(np.asarray, pair)))

    def _place(self, fingerprint: str) -> EncoderFolder | None:
        if fingerprint not in self._places:
            self._places[fingerprint] = next((at for at in self._encoders() if at.fingerprint == fingerprint), None)
            for folder in sorted(self._folder.store.work.glob(f"cache/embeddings/{fingerprint}-*")):
                self._vectors |= VectorCache(folder).load()
        return self._places[fingerprint]

    def _encoders(self) -> Iterable[EncoderFolder]:
        settings = self._folder.settings
        tuned = self._folder.store.local(ENCODER)
        try:
            yield Tools(settings, progress=Progress(quiet=True)).base_encoder
            if tuned.is_dir():
                yield resolve_encoder(str(tuned), settings.prompts)
        except EncoderError:  # gone since: then cosines are those of the tables
            return
