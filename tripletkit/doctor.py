"""Checks before a long run: the machine, the encoder, the books, the settings and the output folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tripletkit.books import find_books, is_passage_file
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import TableError, TripletkitError
from tripletkit.pdf.reader import open_pdf
from tripletkit.rules import load_rules
from tripletkit.settings import Settings, TrainSettings
from tripletkit.store import MAKERS, Store
from tripletkit.training.diagnostics import lint, unmeetable_margin
from tripletkit.user_rows import counted, read_passage_file

#: Room for tables, vectors and checkpoints of a few books.
ENOUGH_DISK_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Check:
    """The result of one check. A warning is fine, but may lead to a poor result; ``mend`` says what to do."""

    fine: bool
    what: str
    mend: str = ""
    warning: bool = False

    def __str__(self) -> str:
        mark = "warn" if self.warning else "ok  " if self.fine else "FAIL"
        return f"{mark}  {self.what}" + (f"\n      {self.mend}" if self.mend else "")

    def as_dict(self) -> dict[str, object]:
        """The same for --json."""
        return {"check": self.what, "ok": self.fine, "warning": self.warning, "hint": self.mend}


def examine(settings: Settings) -> Iterator[Check]:
    """All checks in order. None of them writes anything."""
    yield from _packages()
    yield _disk(settings)
    yield from _guarded("rules", lambda: f"{sum(map(len, load_rules(settings.rules).files.values()))} rules")
    yield from _guarded("encoder", lambda: _encoder(settings.encoder))
    if settings.books:
        yield from _books(settings)
    yield _margin(settings.train)
    store = Store(settings.output)
    yield from _tables(store)
    if store.has("triplets") and store.has("mentions"):
        yield from _triplets(store, settings)


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


def _margin(settings: TrainSettings) -> Check:
    problem = unmeetable_margin(settings)
    if problem is not None:
        return Check(False, problem.what, f"{problem.mend[:1].upper()}{problem.mend[1:]}.")
    return Check(True, f"margin {settings.margin:g} ({settings.distance}) can be met")


def _guarded(what: str, look: Callable[[], str]) -> Iterator[Check]:
    try:
        yield Check(True, f"{what}: {look()}")
    except TripletkitError as error:
        yield Check(False, f"{what}: {error.problem}", error.hint)


def _encoder(name: str) -> str:
    place = resolve_encoder(name)
    return f"{place.base} in {place.folder}, {place.max_tokens} tokens, fingerprint {place.fingerprint}"


def _books(settings: Settings) -> Iterator[Check]:
    try:
        paths = find_books(settings.books)
    except TripletkitError as error:
        yield Check(False, error.problem, error.hint)
        return
    for path in paths:
        try:
            if is_passage_file(path):
                yield _passage_file(path)
                continue
            with open_pdf(path) as document:
                yield Check(True, f"{path}: {len(document)} pages")
        except TripletkitError as error:
            yield Check(False, error.problem, error.hint)


def _passage_file(path: Path) -> Check:
    file = read_passage_file(path)
    if not file.bad:
        ignored = f"; columns ignored: {', '.join(file.ignored)}" if file.ignored else ""
        return Check(True, f"{path}: {counted(len(file.rows), 'passage')}{ignored}")
    first = file.bad[0]
    what = f"{path}: {counted(len(file.bad), 'bad row')}, {counted(len(file.rows), 'good row')}"
    return Check(False, f"{what}; line {first.line}: {first.reason} ({first.detail})", "Mend or remove them.")


def _tables(store: Store) -> Iterator[Check]:
    for name in MAKERS:
        if store.has(name):
            try:
                rows = store.read(name).height
                store.check_current((name,))
                yield Check(True, f"{store.path(name)}: {rows:,} rows")
            except TableError as error:
                yield Check(False, error.problem, error.hint)


def _triplets(store: Store, settings: Settings) -> Iterator[Check]:
    """Findings about the training triplets, except a margin that cannot be met, which has a check of its own."""
    try:
        triplets = store.read("triplets").filter(split="train")
        mentions, place = store.read("mentions"), resolve_encoder(settings.encoder)
    except TripletkitError:
        return  # the checks before this one report it
    findings = list(lint(triplets, mentions, settings.train, place))
    problem = unmeetable_margin(settings.train)
    for finding in findings:
        if finding != problem:
            yield Check(True, finding.what, f"{finding.mend[:1].upper()}{finding.mend[1:]}.", warning=True)
    if not findings:
        yield Check(True, f"{triplets.height:,} training triplets: no problem found")
