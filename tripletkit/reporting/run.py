"""An output folder as the sections of the report read it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import polars as pl

from tripletkit.errors import TableError
from tripletkit.evaluation.report import EvaluationReport, read_report
from tripletkit.pipeline import STAGES
from tripletkit.publishing.cards import public_settings
from tripletkit.store import Manifest, Store


class Run:
    """One output folder, as the sections read it."""

    def __init__(self, name: str, store: Store) -> None:
        self.name, self.store = name, store
        self._tables: dict[str, pl.DataFrame] = {}

    def table(self, name: str) -> pl.DataFrame:
        """As ``Store.read``, once."""
        if name not in self._tables:
            self._tables[name] = self.store.read(name)
        return self._tables[name]

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """Of the stages that have finished, in order."""
        found = {stage: self.store.manifest(stage) for stage in STAGES}
        return {stage: made for stage, made in found.items() if made}

    @cached_property
    def scores(self) -> EvaluationReport:
        """Raises TableError if nothing was evaluated yet."""
        path = self.store.local("scores.json")
        if not path.is_file():
            raise TableError(f"{path}: not there yet", "Make it with `tripletkit evaluate` (same --output).")
        return read_report(path)

    @cached_property
    def titles(self) -> dict[str, str]:
        """By book_id."""
        return dict(self.table("books").select("book_id", "title").iter_rows())

    @cached_property
    def settings(self) -> dict[str, object]:
        """The settings that the stages ran with, by dotted name."""
        found: dict[str, object] = {}
        for made in self.manifests.values():
            found |= flattened(made.key.get("settings", {}))
        return public_settings(found)


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Sections and single settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        inner = flattened(value) if isinstance(value, Mapping) else {}
        found |= {f"{name}.{key}": of for key, of in inner.items()} if inner else {name: value}
    return found
