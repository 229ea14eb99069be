"""Checks before a long run: the machine, the encoder, the books, the settings and the output folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tripletkit.books import find_books, is_passage_file
from tripletkit.encoding.properties import TASKS, saved_types
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import TripletkitError
from tripletkit.pdf.reader import open_pdf
from tripletkit.rules import load_rules
from tripletkit.settings import Settings, TrainSettings
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
    store = Store(settings.output)
    yield from map(_package, ("pypdfium2", "polars", "torch", "sentence-transformers", "datasets"))
    yield _disk(settings)
    yield from _guarded(lambda: _rules(settings), "rules: ")
    yield from _guarded(lambda: _encoder(settings), "encoder: ")
    yield from _guarded(lambda: _books(settings))
    yield _margin(settings.train)
    for name in filter(store.has, MAKERS):
        yield from _guarded(partial(_table, store, name))
    if store.has("triplets") and store.has("mentions"):
        yield from _triplets(store, settings)


def _guarded(check: Callable[[], Iterable[Check]], what: str = "") -> Iterator[Check]:
    try:
        yield from check()
    except TripletkitError as error:
        yield Check(False, f"{what}{error.problem}", error.hint)


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


def _rules(settings: Settings) -> Iterator[Check]:
    yield Check(True, f"rules: {sum(map(len, load_rules(settings.rules).files.values()))} rules")


def _encoder(settings: Settings) -> Iterator[Check]:
    from tripletkit.encoding.loading import check_encoder
    from tripletkit.encoding.precision import choose_precision

    at = resolve_encoder(settings.encoder, settings.prompts)
    dimensions, of = check_encoder(at), at.properties
    limit = f"{of.max_tokens:,} tokens" if of.max_tokens else "any number of tokens"
    others = ", ".join(f"{name} {text!r}" for name, text in of.prompts.items() if name not in TASKS)
    yield Check(True, f"encoder: {at.base} in {at.folder}, fingerprint {at.fingerprint}; it was loaded and encodes")
    yield Check(
        True, f"encoder: {dimensions} dimensions, {limit}, {of.similarity} similarity, {' → '.join(of.modules)}"
    )
    yield Check(
        True, f"encoder: prompts in use: {at.prompts_in_words() or 'none'}; others in the folder: {others or 'none'}"
    )
    precision = choose_precision(settings.precision)
    yield Check(True, f"encoder: weights saved in {saved_types(at.folder)}, held in float32, computed in {precision}")


def _books(settings: Settings) -> Iterator[Check]:
    for path in find_books(settings.books) if settings.books else ():
        yield from _guarded(partial(_passage_file if is_passage_file(path) else _pdf, path))


def _pdf(path: Path) -> Iterator[Check]:
    with open_pdf(path) as document:
        yield Check(True, f"{path}: {len(document)} pages")


def _passage_file(path: Path) -> Iterator[Check]:
    file = read_passage_file(path)
    if not file.bad:
        ignored = f"; columns ignored: {', '.join(file.ignored)}" if file.ignored else ""
        yield Check(True, f"{path}: {counted(len(file.rows), 'passage')}{ignored}")
        return
    first = file.bad[0]
    what = f"{path}: {counted(len(file.bad), 'bad row')}, {counted(len(file.rows), 'good row')}"
    yield Check(False, f"{what}; line {first.line}: {first.reason} ({first.detail})", "Mend or remove them.")


def _margin(settings: TrainSettings) -> Check:
    if (problem := unmeetable_margin(settings)) is not None:
        return _problem(problem, fine=False)
    return Check(True, f"margin {settings.margin:g} ({settings.distance}) can be met")


def _problem(finding: Finding, *, fine: bool) -> Check:
    return Check(fine, finding.what, f"{finding.mend[:1].upper()}{finding.mend[1:]}.", warning=fine)


def _table(store: Store, name: str) -> Iterator[Check]:
    rows = store.read(name).height
    store.check_current((name,))
    yield Check(True, f"{store.path(name)}: {rows:,} rows")


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
