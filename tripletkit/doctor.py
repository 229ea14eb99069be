"""What could go wrong, looked at before it does: machine, encoder, books, settings, output folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tripletkit.books import find_books
from tripletkit.config import Settings
from tripletkit.encoding.locate import locate_encoder
from tripletkit.errors import TableError, TripletkitError
from tripletkit.pdf.reader import open_pdf
from tripletkit.rules import load_rules
from tripletkit.store import MAKERS, Store
from tripletkit.training import margin_problem

#: Tables, vectors and checkpoints of a few books fit in this.
ENOUGH_DISK_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is fine, and how to mend it if not."""

    fine: bool
    what: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Every check in order; none of them writes anything."""
    yield from _packages()
    yield _disk(settings)
    yield from _guarded("rules", lambda: f"{sum(map(len, load_rules(settings.rules).files.values()))} rules")
    yield from _guarded("encoder", lambda: _encoder(settings.encoder))
    if settings.books:
        yield from _books(settings)
    problem = margin_problem(settings.train)
    yield Check(problem is None, problem or f"margin {settings.train.margin:g} ({settings.train.distance}) can be met")
    yield from _tables(Store(settings.output))


def _packages() -> Iterator[Check]:
    for name in ("pypdfium2", "polars", "torch", "sentence-transformers", "datasets"):
        try:
            yield Check(True, f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Check(False, f"{name} is not installed", "pip install tripletkit")


def _disk(settings: Settings) -> Check:
    folder = settings.output.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Check(
        free >= ENOUGH_DISK_BYTES,
        f"{free / 1e9:.1f} GB free for {settings.output}",
        "" if free >= ENOUGH_DISK_BYTES else "Free some space or choose another --output.",
    )


def _guarded(what: str, look: object) -> Iterator[Check]:
    try:
        yield Check(True, f"{what}: {look()}")  # type: ignore[operator]
    except TripletkitError as error:
        yield Check(False, f"{what}: {error.problem}", error.hint)


def _encoder(name: str) -> str:
    place = locate_encoder(name)
    return f"{place.base} in {place.folder}, {place.max_tokens} tokens, fingerprint {place.fingerprint}"


def _books(settings: Settings) -> Iterator[Check]:
    try:
        paths = find_books(settings.books)
    except TripletkitError as error:
        yield Check(False, error.problem, error.hint)
        return
    for path in paths:
        try:
            with open_pdf(path) as document:
                yield Check(True, f"{path}: {len(document)} pages")
        except TripletkitError as error:
            yield Check(False, error.problem, error.hint)


def _tables(store: Store) -> Iterator[Check]:
    for name in MAKERS:
        if store.has(name):
            try:
                rows = store.read(name).height
                store.check_current((name,))
                yield Check(True, f"{store.path(name)}: {rows:,} rows")
            except TableError as error:
                yield Check(False, error.problem, error.hint)
