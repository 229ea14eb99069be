"""A redacted dataset and the books it was made from → the dataset with its text, for whoever has the books.

Nothing is taken on trust: a book is known by its file's hash, and every text must have the hash that the dataset names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tripletkit.errors import HubError
from tripletkit.publishing.checks import Review
from tripletkit.publishing.configs import SPLIT_NAMES
from tripletkit.publishing.facts import CardFacts
from tripletkit.publishing.folder import DatasetReport, read_manifest, write_dataset
from tripletkit.publishing.redaction import apply_edits, text_hash
from tripletkit.publishing.scores import scores_from
from tripletkit.schemas import (
    BOOKS,
    DROPPED,
    MENTIONS,
    PAGES,
    PASSAGES,
    SPLITS,
    TERMS,
    TRIPLETS,
    Table,
    make_table,
)

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class FillReport:
    """What was filled, and how many rows could not be, by reason."""

    dataset: DatasetReport
    unfilled: Mapping[str, int]

    @property
    def summary(self) -> str:
        """One line for a command to end with."""
        missing = ", ".join(f"{n:,} {reason}" for reason, n in self.unfilled.items())
        return f"{self.dataset.summary}; not filled: {missing or 'nothing'}"


def fill_dataset(redacted: Path, tables: Mapping[str, pl.DataFrame], output: Path) -> FillReport:
    """Fill ``redacted`` with the ``passages`` of its books, cut by the settings on its card, and with their ``terms``.

    Without ``terms`` only terms that some passage says in their canonical form are filled, and no definitions.
    The result is for this machine: ``push_dataset`` refuses it. Raises HubError if the books are others or gave other
    passages.
    """
    manifest = read_manifest(redacted)
    if not manifest.get("redacted"):
        raise HubError(
            f"{redacted}: is not redacted, its text is there already",
            "Fill only a dataset whose card says it is redacted.",
        )
    _check_books(manifest, tables["passages"])
    filling = _Filling(redacted, tables)
    if not filling.passages:
        raise HubError(
            f"{redacted}: none of its {len(filling.corpus)} passages came out of the books as they were",
            "Extract with the version and settings that its card names (README.md, How it was made).",
        )
    unfilled = filling.unfilled
    full = {
        **filling.tables,
        "books": _books(manifest, tables),
        "pages": tables.get("pages", make_table(PAGES, [])),
        "dropped": _dropped(manifest, unfilled),
    }
    report = write_dataset(full, output, facts=replace(_facts(manifest), local_only=True))
    return FillReport(report, unfilled)


def _check_books(manifest: Mapping[str, Any], passages: pl.DataFrame) -> None:
    known = {book["book_id"]: book["title"] for book in manifest["books"]}
    strange = sorted(set(passages["book_id"]) - set(known))
    if strange:
        raise HubError(
            f"the file of {strange[0]} is none of the books that the dataset was made from",
            "It must be the same file, byte for byte, as one of: " + "; ".join(known.values()),
        )


@dataclass(frozen=True)
class _Filling:
    """The tables that a redacted folder and fresh tables make together; what does not fit is left out and counted."""

    folder: Path
    fresh: Mapping[str, pl.DataFrame]

    @cached_property
    def corpus(self) -> Rows:
        return _rows(self.folder, "corpus")

    @cached_property
    def passages(self) -> dict[str, Row]:
        given = {row["passage_id"]: row for row in self.fresh["passages"].iter_rows(named=True)}
        return {
            row["passage_id"]: given[row["passage_id"]]
            for row in self.corpus
            if row["passage_id"] in given and text_hash(given[row["passage_id"]]["text"]) == row["text_sha256"]
        }

    @cached_property
    def mentions(self) -> Rows:
        """With their surfaces; of the passages that were filled."""
        return [
            {**row, "surface": self.passages[row["passage_id"]]["text"][row["start"] : row["end"]]}
            for row in _rows(self.folder, "mentions")
            if row["passage_id"] in self.passages
        ]

    @cached_property
    def terms(self) -> dict[str, Row]:
        known = self.fresh.get("terms", make_table(TERMS, []))
        forms = {row["term_id"]: row["forms"] for row in known.iter_rows(named=True)}
        sources = (known["term"], known["definition"].drop_nulls(), *known["forms"], self._surfaces())
        texts = _by_hash(text for source in sources for text in source)
        return {
            row["term_id"]: {
                **row,
                "term": texts[row["term_sha256"]],
                "definition": texts.get(row["definition_sha256"]),
                "forms": forms.get(row["term_id"], [texts[row["term_sha256"]]]),
                "reason": None,
            }
            for row in _rows(self.folder, "terms")
            if row["term_sha256"] in texts
        }

    def _surfaces(self) -> Iterable[str]:
        for surface in {row["surface"] for row in self.mentions}:
            yield from (surface, surface.lower(), surface[:1].lower() + surface[1:])

    @cached_property
    def triplets(self) -> Rows:
        filled = (self._triplet(row) for row in _rows(self.folder, "full"))
        return [row for row in filled if row is not None]

    def _triplet(self, row: Row) -> Row | None:
        passage = self.passages.get(row["passage_id"])
        positive, negative = self.terms.get(row["positive_id"]), self.terms.get(row["negative_id"])
        if passage is None or positive is None or negative is None or row["edits"] is None:
            return None
        anchor = apply_edits(passage["text"], row["edits"])
        if text_hash(anchor) != row["anchor_sha256"]:
            return None
        return {**row, "anchor": anchor, "positive": positive["term"], "negative": negative["term"]}

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        mentions = [row for row in self.mentions if row["term_id"] in self.terms]
        splits = [row for row in self.corpus if row["passage_id"] in self.passages]
        return {
            "passages": _table(PASSAGES, self.passages.values()),
            "terms": _table(TERMS, self.terms.values()),
            "mentions": _table(MENTIONS, mentions),
            "splits": _table(SPLITS, splits),
            "triplets": _table(TRIPLETS, self.triplets),
        }

    @property
    def unfilled(self) -> dict[str, int]:
        """Rows of the redacted folder that have no text now."""
        terms = _rows(self.folder, "terms")
        defined = sum(row["definition_sha256"] is not None for row in terms)
        counts = {
            "passages": len(self.corpus) - len(self.passages),
            "terms": len(terms) - len(self.terms),
            "definitions": defined - sum(row["definition"] is not None for row in self.terms.values()),
            "triplets": len(_rows(self.folder, "full")) - len(self.triplets),
        }
        return {what: n for what, n in counts.items() if n}


def _rows(folder: Path, view: str) -> Rows:
    """Every row of a configuration, with its split."""
    paths = [(split, path) for split in SPLIT_NAMES for path in sorted((folder / view).glob(f"{split}-*.parquet"))]
    return [{**row, "split": split} for split, path in paths for row in pl.read_parquet(path).iter_rows(named=True)]


def _by_hash(texts: Iterable[str]) -> dict[str | None, str]:
    return {text_hash(text): text for text in texts}


def _table(table: Table, rows: Iterable[Row]) -> pl.DataFrame:
    return make_table(table, [{name: row[name] for name in table.columns} for row in rows])


def _books(manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    paths = dict(tables["books"].select("book_id", "path").iter_rows()) if "books" in tables else {}
    return make_table(BOOKS, [{**book, "path": paths.get(book["book_id"], "")} for book in manifest["books"]])


def _dropped(manifest: Mapping[str, Any], unfilled: Mapping[str, int]) -> pl.DataFrame:
    # The items were text and stayed with the publisher; their number is known.
    counts = [(one["stage"], one["reason"], one["rows"]) for one in manifest["dropped"]]
    counts += [("fill", f"{what} without text", n) for what, n in unfilled.items()]
    return make_table(
        DROPPED,
        [
            {"stage": stage, "item": "", "related": None, "reason": reason, "detail": None}
            for stage, reason, n in counts
            for _ in range(n)
        ],
    )


def _facts(manifest: Mapping[str, Any]) -> CardFacts:
    told = dict(manifest["facts"])
    review, scores = told.pop("review"), told.pop("scores")
    return CardFacts(
        **{**told, "language": tuple(told["language"]), "license": None},
        review=Review(**review) if review else None,
        scores=scores_from(scores) if scores else None,
    )
