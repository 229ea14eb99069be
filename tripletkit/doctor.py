"""Checks before a long run: the machine, the encoder, the books, the settings and the output folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tripletkit.books import find_books, is_passage_file
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import SourceError, TripletkitError
from tripletkit.pdf.reader import open_pdf
from tripletkit.rules import load_rules
from tripletkit.settings import Settings
from tripletkit.store import MAKERS, Store
from tripletkit.training.diagnostics import Finding, lint, unmeetable_margin
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
    """All checks in order. None of them writes anything. A check that ends in an error of ours reports it and is over."""
    store, train = Store(settings.output), settings.train
    yield from map(_package, ("pypdfium2", "polars", "torch", "sentence-transformers", "datasets"))
    yield _disk(settings)
    yield _checked("rules: ", lambda of: f"{sum(map(len, load_rules(of).files.values()))} rules", settings.rules)
    yield _checked("encoder: ", _encoder, settings.encoder)
    yield from _books(settings.books)
    problem = unmeetable_margin(train)
    fine = Check(True, f"margin {train.margin:g} ({train.distance}) can be met")
    yield fine if problem is None else _problem(problem, fine=False)
    yield from (_checked("", partial(_table, store), name) for name in MAKERS if store.has(name))
    if store.has("triplets") and store.has("mentions"):
        yield from _triplets(store, settings)


def _checked(prefix: str, describe: Callable[[Any], str], of: object) -> Check:
    try:
        return Check(True, prefix + describe(of))
    except TripletkitError as error:
        return Check(False, prefix + error.problem, error.hint)


def _package(name: str) -> Check:
    try:
        return Check(True, f"{name} {version(name)}")
    except PackageNotFoundError:
        return Check(False, f"{name} is not installed", "pip install tripletkit")


def _disk(settings: Settings) -> Check:
    folder = settings.output.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    fine, what = free >= ENOUGH_DISK_BYTES, f"{free / 1e9:.1f} GB free for {settings.output}"
    return Check(fine, what, "" if fine else "Free some space or choose another --output.")


def _encoder(name: str) -> str:
    at = resolve_encoder(name)
    return f"{at.base} in {at.folder}, {at.max_tokens} tokens, fingerprint {at.fingerprint}"


def _books(given: tuple[Path, ...]) -> Iterator[Check]:
    try:
        found = find_books(given) if given else ()
    except TripletkitError as error:
        yield Check(False, error.problem, error.hint)
    else:
        yield from (_checked("", _book, path) for path in found)


def _book(path: Path) -> str:
    if not is_passage_file(path):
        with open_pdf(path) as document:
            return f"{path}: {len(document)} pages"
    file = read_passage_file(path)
    if file.bad:
        line, reason, detail = file.bad[0]
        what = f"{path}: {counted(len(file.bad), 'bad row')}, {counted(len(file.rows), 'good row')}"
        raise SourceError(f"{what}; line {line}: {reason} ({detail})", "Mend or remove them.")
    passages = f"{path}: {counted(len(file.rows), 'passage')}"
    return passages + (f"; columns ignored: {', '.join(file.ignored)}" if file.ignored else "")


def _problem(finding: Finding, *, fine: bool) -> Check:
    return Check(fine, finding.what, f"{finding.mend[:1].upper()}{finding.mend[1:]}.", warning=fine)


def _table(store: Store, name: str) -> str:
    rows = store.read(name).height
    store.check_current((name,))
    return f"{store.path(name)}: {rows:,} rows"


def _triplets(store: Store, settings: Settings) -> Iterator[Check]:
    """Findings about the training triplets, except a margin that cannot be met, which has a check of its own."""
    try:
        triplets = store.read("triplets").filter(split="train")
        mentions, place = store.read("mentions"), resolve_encoder(settings.encoder)
    except TripletkitError:
        return  # the checks before this one report it
    findings = list(lint(triplets, mentions, settings.train, place))
    yield from (_problem(of, fine=True) for of in findings if of != unmeetable_margin(settings.train))
    if not findings:
        yield Check(True, f"{triplets.height:,} training triplets: no problem found")
