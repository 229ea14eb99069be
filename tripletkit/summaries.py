"""Human-readable summaries: what each stage made, the terms, one passage, and the checks of `doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import polars as pl

from tripletkit.addresses import Place, local_copy
from tripletkit.books import find_books, is_passage_file
from tripletkit.encoding.properties import TASKS, saved_types
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import REPORT, ConfigError, EncoderError, SourceError, TableError, TripletkitError
from tripletkit.pdf.workers import UNREAD_PAGE, BookTables, BookTask, Bounds, Failure, PassageLimits, read_books
from tripletkit.pipeline import STAGES
from tripletkit.rounds import round_rows, rounds_lines
from tripletkit.rules import Rules, load_rules
from tripletkit.settings import Settings
from tripletkit.stages.extract import READ_BOOK, UNBOUNDED_PASSAGE, problem_of
from tripletkit.store import MAKERS, Store
from tripletkit.tagging.part_of_speech import pipeline_in_words
from tripletkit.teaching.place import resolve_teacher
from tripletkit.teaching.teachers import check_teacher
from tripletkit.training.diagnostics import Finding, lint, unmeetable_margin
from tripletkit.training.multi_vector import check_multi_vector
from tripletkit.user_rows import counted, read_passage_file

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

#: Room for tables, vectors and checkpoints of a few books.
ENOUGH_DISK_BYTES = 2_000_000_000
#: Pages of a book that `doctor` reads.
SAMPLE_PAGES = 20
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")


def report_rows(store: Store) -> list[dict[str, Any]]:
    """What each stage made, when, in how many seconds, and dropped; then rounds. Raises TableError if none ran."""
    made = {stage: store.manifest(stage) for stage in STAGES}
    if not any(made.values()):
        raise TableError(f"{store.folder}: nothing was made here yet", "Start with `tripletkit run BOOK.pdf`.")
    rows = []
    for stage, of in made.items():
        cost = {"seconds": of.seconds, "peak_memory_mb": of.peak_memory_mb} if of else {}
        row = {"summary": of.summary, "counts": of.counts, **cost, "made": of.made} if of else {}
        rows.append({"stage": stage, **row, "dropped": dict(store.dropped(stage).most_common())})
    return [*rows, *round_rows(store.folder)]


def report_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The same as text: one paragraph a stage, then the rounds, if there are several."""
    for row in (row for row in rows if "stage" in row):
        made = f"{row['summary']}  [{row['seconds']:.1f} s, {row['made']}]" if "made" in row else "not made yet"
        yield f"{row['stage']:9} {made}"
        yield from (f"          dropped {count:,}: {reason}" for reason, count in row["dropped"].items())
    yield from rounds_lines([row for row in rows if "round" in row])


def term_rows(store: Store, *, kept: bool = False) -> list[dict[str, Any]]:
    """The terms in alphabetical order, with the printed pages that the index cites; with ``kept`` only those that are kept."""
    terms = store.read("terms")
    pages = pl.col("locators").list.eval(pl.element().struct.field("label")).list.unique(maintain_order=True)
    named = terms.with_columns(pages=pages.fill_null([]))
    named = named.select("term_id", "term", "forms", "sources", "pages", "kept", "reason")
    rows = (named.filter("kept") if kept else named).to_dicts()
    return sorted(rows, key=lambda row: (row["term"].casefold(), row["term_id"]))


def term_table(rows: list[dict[str, Any]]) -> RenderableType:
    """The rows as a table. A term that is not kept is dim, with the reason."""
    table = _table("term", "forms", "sources", "pages", "kept")
    for row in rows:
        lists = "; ".join(row["forms"][1:]), ", ".join(row["sources"]), ", ".join(ranges(row["pages"]))
        kept, style = ("yes", None) if row["kept"] else (f"no: {row['reason']}", "dim")
        table.add_row(row["term"], *lists, kept, style=style)
    return table


def _table(*heads: str) -> Table:
    from rich.table import Table

    return Table(*heads, box=None, header_style="bold", padding=(0, 2, 0, 0))


def ranges(labels: list[str]) -> list[str]:
    """Printed pages in the given order; three or more consecutive pages become a range: 3, 7–9, xi."""
    runs: list[list[str]] = []
    for before, label in pairwise(["", *labels]):
        if runs and before.isdigit() and label.isdigit() and int(label) == int(before) + 1:
            runs[-1].append(label)
        else:
            runs.append([label])
    return [text for run in runs for text in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else run)]


def tagged_passage(store: Store, passage_id: str) -> dict[str, Any]:
    """The passage whose id begins with ``passage_id``, with its mentions in order. Raises ConfigError if it is not one."""
    store.check_current(("mentions",))
    passages, mentions, terms = (store.read(name) for name in ("passages", "mentions", "terms"))
    found = passages.filter(pl.col("passage_id").str.starts_with(passage_id)) if passage_id else passages.clear()
    if found.height > 1:
        some = ", ".join(found["passage_id"][:4]) + (" …" if found.height > 4 else "")
        problem = f"{found.height} passages have an id that begins with {passage_id!r}: {some}"
        raise ConfigError(problem, "Give more characters of the id.")
    if found.is_empty():
        example = f", such as {passages['passage_id'][0]}" if passages.height else ""
        hint = f"The ids are in passages.parquet, column passage_id{example}; the beginning of an id is enough."
        raise ConfigError(f"no passage has an id that begins with {passage_id!r}", hint)
    passage: dict[str, Any] = found.row(0, named=True)
    held = mentions.filter(passage_id=passage["passage_id"]).join(terms.select("term_id", "term"), on="term_id")
    names = ("start", "end", "surface", "term", "match", "term_id")
    return {**passage, "mentions": held.sort("start", "end", "term_id").select(names).to_dicts()}


def passage_view(passage: Mapping[str, Any]) -> RenderableType:
    """The passage's id, pages and section, its text with each term in a colour, and a table of its mentions."""
    from rich.console import Group
    from rich.text import Text

    mentions = passage["mentions"]
    colours = {term: _COLOURS[at % len(_COLOURS)] for at, term in enumerate(dict.fromkeys(m["term"] for m in mentions))}
    text = Text(passage["text"])
    for mention in mentions:
        text.stylize(f"bold underline {colours[mention['term']]}", mention["start"], mention["end"])
    place = f"{passage['passage_id']}, {passage['kind']}, pages {passage['label_first']}–{passage['label_last']}"
    table = _table("place", "surface", "term", "match")
    for m in mentions:
        table.add_row(f"{m['start']}–{m['end']}", m["surface"], Text(m["term"], colours[m["term"]]), m["match"])
    below = table if mentions else Text("no term is tagged in it", "dim")
    return Group(Text(place, "dim"), Text(passage["section"] or "", "dim"), "", text, "", below)


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
    """All checks in order; none writes anything. A check that raises TripletkitError fails with its message."""
    store, train = Store(settings.output), settings.train
    yield from map(_package, ("pypdfium2", "polars", "torch", "sentence-transformers", "datasets"))
    yield _disk(settings)
    yield _checked("rules: ", lambda of: f"{sum(map(len, load_rules(of).files.values()))} rules", settings.rules)
    yield from _encoder(settings)
    yield from _other_models(settings)
    yield from _books(settings)
    problem = unmeetable_margin(train)
    fine = Check(True, f"margin {train.margin:g} ({train.distance}) can be met")
    yield fine if problem is None else _problem(problem, fine=False)
    yield from (_checked("", partial(_made_table, store), name) for name in MAKERS if store.has(name))
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
    place = settings.output if isinstance(settings.output, Path) else Path(gettempdir())
    output = place.resolve()
    free = shutil.disk_usage(next(folder for folder in (output, *output.parents) if folder.exists())).free
    fine, what = free >= ENOUGH_DISK_BYTES, f"{free / 1e9:.1f} GB free for {place}"
    return Check(fine, what, "" if fine else "Free some space or choose another --output.")


def _encoder(settings: Settings) -> Iterator[Check]:
    """Load the encoder, and say what it is."""
    from tripletkit.encoding.loading import check_encoder
    from tripletkit.encoding.precision import choose_precision

    try:
        at = resolve_encoder(settings.encoder, settings.prompts)
        check_multi_vector(settings.train, at)
        dimensions, of, precision = check_encoder(at), at.properties, choose_precision(settings.precision)
    except TripletkitError as error:
        yield Check(False, f"encoder: {error.problem}", error.hint)
        return
    limit = f"{of.max_tokens:,} tokens" if of.max_tokens else "any number of tokens"
    others = ", ".join(f"{name} {text!r}" for name, text in of.prompts.items() if name not in TASKS) or "none"
    for what in (
        f"{at.base} in {at.folder}, fingerprint {at.fingerprint}; it was loaded and encodes",
        f"{dimensions} dimensions, {limit}, {of.similarity} similarity, {' → '.join(of.modules)}",
        f"prompts in use: {at.prompts_in_words() or 'none'}; others in the folder: {others}",
        f"weights saved in {saved_types(at.folder)}, held in float32, computed in {precision}",
    ):
        yield Check(True, f"encoder: {what}")


def _other_models(settings: Settings) -> Iterator[Check]:
    """Load the pipeline that finds verbs, the cross-encoder that filters negatives, and the teacher."""
    from tripletkit.encoding.cross_encoder import load_cross_encoder

    def cross_encoder(name: str) -> str:
        load_cross_encoder(name)
        return f"cross-encoder: {name}; it was loaded"

    yield _checked("", pipeline_in_words, settings.tag.nlp)
    if (name := settings.mine.cross_encoder) is not None:
        yield _checked("", cross_encoder, name)
    try:
        if (place := resolve_teacher(settings.train.teacher)) is not None:
            yield Check(True, f"teacher: {check_teacher(place)}")
    except EncoderError as error:
        yield Check(False, error.problem, error.hint)


def _books(settings: Settings) -> Iterator[Check]:
    try:
        paths = find_books(settings.books) if settings.books else ()
        rules = load_rules(settings.rules)
    except TripletkitError as error:
        yield Check(False, error.problem, error.hint)
        return
    for path in paths:
        yield _checked("", _passage_file, path) if is_passage_file(path) else _pdf(path, settings, rules)


def _pdf(path: Place, settings: Settings, rules: Rules) -> Check:
    """Read some pages as ``extract`` does, in a process of its own."""
    of, limits = settings.extract, PassageLimits(UNBOUNDED_PASSAGE)
    task = BookTask(
        path, path.name, Path(), None, limits, rules, of.backend, of.roles_of(path.name), sample=SAMPLE_PAGES
    )
    bounds = Bounds(of.book_seconds, of.book_memory_mb, of.page_seconds)
    [(_, found)] = read_books(READ_BOOK, [task], workers=1, bounds=bounds)
    if isinstance(found, BookTables):
        return _read_pages(path, found)
    problem, hint = problem_of(path, found) if isinstance(found, Failure) else found.split("\n  ", 1)
    return Check(False, problem, hint)


def _read_pages(path: Place, found: BookTables) -> Check:
    """What the sample of a book's pages says."""
    count = len(found.pages)
    sample = "" if count <= SAMPLE_PAGES else f", {SAMPLE_PAGES} of them read as a sample"
    what = f"{path}: {counted(count, 'page')}{sample}, {counted(len(found.passages), 'passage')}"
    if unread := [row for row in found.dropped if row["reason"] == UNREAD_PAGE]:
        first = f"{unread[0]['item']}: {unread[0]['detail']}"
        hint = REPORT if found.faults else "The other pages will be read, and `extract` will exit with 1."
        return Check(False, f"{what}; {counted(len(unread), 'page')} cannot be read ({first})", hint)
    bad = [row for row in found.dropped if row["reason"] == "unreadable page"]
    if bad or not found.passages:
        why = f"{counted(len(bad), 'page')} without usable text ({bad[0]['detail']})" if bad else "no page of the body"
        hint = f"Look at a page with `tripletkit inspect {path} --page N`; extract.roles overrides what pages are taken for."
        return Check(True, f"{what}; {why}", hint, warning=True)
    return Check(True, what)


def _passage_file(path: Place) -> str:
    with local_copy(path) as copy:
        file = read_passage_file(copy)
    if file.bad:
        line, reason, detail = file.bad[0]
        what = f"{path}: {counted(len(file.bad), 'bad row')}, {counted(len(file.rows), 'good row')}"
        raise SourceError(f"{what}; line {line}: {reason} ({detail})", "Mend or remove them.")
    passages = f"{path}: {counted(len(file.rows), 'passage')}"
    return passages + (f"; columns ignored: {', '.join(file.ignored)}" if file.ignored else "")


def _problem(finding: Finding, *, fine: bool) -> Check:
    return Check(fine, finding.what, f"{finding.mend[:1].upper()}{finding.mend[1:]}.", warning=fine)


def _made_table(store: Store, name: str) -> str:
    rows = store.read(name).height
    store.check_current((name,))
    return f"{store.path(name)}: {rows:,} rows"


def _triplets(store: Store, settings: Settings) -> Iterator[Check]:
    """Findings about the training triplets, except a margin that cannot be met, which has a check of its own."""
    try:
        triplets = store.read("triplets").filter(split="train")
        mentions, place = store.read("mentions"), resolve_encoder(settings.encoder, settings.prompts)
    except TripletkitError:
        return  # the checks before this one report it
    findings = list(lint(triplets, mentions, settings.train, place))
    yield from (_problem(of, fine=True) for of in findings if of != unmeetable_margin(settings.train))
    if not findings:
        yield Check(True, f"{triplets.height:,} training triplets: no problem found")
