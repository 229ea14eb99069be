"""The commands: each parses its options, calls Project, and prints. ``main`` turns errors into messages and exit codes.

Options are made from Settings: an option's type is its setting's type, its help the setting's description.
"""

from __future__ import annotations

import codecs
import errno
import json
import logging
import sys
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, Signature, signature
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

import tripletkit
from tripletkit.addresses import Place, as_place
from tripletkit.encoding.quiet import quiet_libraries
from tripletkit.errors import ConfigError, TripletkitError
from tripletkit.progress import is_first_process
from tripletkit.reviews import reviewer_name
from tripletkit.settings import SECTIONS, Settings

if TYPE_CHECKING:
    from tripletkit.project import Project
    from tripletkit.publishing.hub import Kind
    from tripletkit.review_exchange import Format

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Turn textbook PDFs into a triplet dataset and a better sentence encoder.\n\n`tripletkit run BOOK.pdf` does everything. "
    "Each stage is also a command of its own; a stage is skipped while nothing that it depends on has changed.",
)

#: Options whose names differ from those of their settings.
FLAGS = {"output": "--output -o", "train.learning_rate": "--lr", "train.lora_rank": "--lora"}
FLAGS |= {"mine.hard_negatives": "--hard-negatives/--random-negatives"}
#: Settings that every command takes as options.
SHARED = ("output", "encoder", "rules", "seed")


def _option(flags: str, text: str, metavar: str | None = None) -> Any:  # noqa: ANN401 - typer's
    return typer.Option(*flags.split(), help=text, metavar=metavar)


def _local_path(text: str | Path) -> Path:  # a default is one already
    if "://" in str(text):  # else a folder named "s3:" would be made here
        raise typer.BadParameter(f"{text}: this option takes no address; name a path on this machine.")
    return Path(text)


def _path_option(flags: str, text: str, metavar: str = "PATH") -> Any:  # noqa: ANN401 - typer's
    return typer.Option(*flags.split(), help=text, metavar=metavar, parser=_local_path)


@dataclass(kw_only=True)
class Call:
    """One call of a command: the options that every command takes, and the settings given as options of their own."""

    config: Annotated[Path | None, _option("--config -c", "Settings file [default: tripletkit.toml, if there].")] = None
    set_: Annotated[
        list[str] | None, _option("--set", "Any setting, such as --set mine.negatives=3; may be repeated.", "KEY=VALUE")
    ] = None
    force: Annotated[bool, _option("--force", "Run even if nothing has changed.")] = False
    as_json: Annotated[bool, _option("--json", "Print JSON, one object per line; errors too.")] = False
    quiet: Annotated[bool, _option("--quiet -q", "Print errors only.")] = False
    verbose: Annotated[bool, _option("--verbose -v", "Print more about what is done.")] = False
    debug: Annotated[
        bool, _option("--debug", "Show the traceback of an error, also of one in a process that reads a book.")
    ] = False
    given: dict[str, Any] = field(default_factory=dict)  # by the setting's dotted name

    def project(self, **more: object) -> Project:
        """The project with settings from the file, from --set and from options; later ones override earlier ones."""
        from tripletkit.project import Project

        options = {name: value for name, value in (self.given | more).items() if value is not None and value != []}
        assigned = dict(_assignment(text) for text in self.set_ or ())
        default = Path("tripletkit.toml")
        config = self.config or (default if default.is_file() else None)
        return Project(config=config, progress=not (self.quiet or self.as_json), **(assigned | options))

    def run(self, *stages: str, project: Project | None = None) -> Project:
        """Run stages and print each report when it is done."""
        project = project or self.project()
        for report in project.stages(*stages, force=self.force):
            self.show([report.as_dict()], report.lines(), report.notes)
        return project

    def show(self, rows: Iterable[Mapping[str, Any]], lines: Iterable[str], notes: Iterable[str] = ()) -> None:
        """Print rows as JSON with --json, else lines, and notes that are not indented to standard error."""
        if self.as_json:
            lines, notes = (json.dumps(row, ensure_ascii=False, default=str) for row in rows), ()
        if not is_first_process() or (self.quiet and not self.as_json):
            return
        for line in lines:
            echo(line)
        for note in notes:
            echo(note, err=not note.startswith(" "))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line at once. Not typer.echo, which writes UTF-8 to a stream that is set to ASCII."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def command(app: typer.Typer, *settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function whose first argument is a Call; its other parameters and ``settings`` become options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(signature(function, eval_str=True).parameters.values())[1:]
        generated = {name.rpartition(".")[2]: name for name in (*settings, *SHARED)}
        for parameter in own:
            generated.pop(parameter.name, None)
        common = [p for p in signature(Call, eval_str=True).parameters.values() if p.name != "given"]

        def wrapper(**options: Any) -> None:  # noqa: ANN401
            given = {dotted: _given(dotted, options.pop(variable)) for variable, dotted in generated.items()}
            function(Call(given=given, **{p.name: options.pop(p.name) for p in common}), **options)

        made = [_parameter(variable, dotted) for variable, dotted in generated.items()]
        parameters = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in (*own, *made, *common)]
        wrapper.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(function.__name__.rstrip("_"), help=function.__doc__)(wrapper)
        return function

    return register


def _parameter(variable: str, dotted: str) -> Parameter:
    info = _field(dotted)
    text, (kind, metavar) = info.description or "", _type(info.annotation)
    if not text.split(" ", 1)[0].endswith(":"):  # unless it begins with a value
        text = text[:1].upper() + text[1:]
    text = text if info.default in (None, (), "") or info.default is False else f"{text} [default: {info.default}]"
    name = variable.replace("_", "-")
    flags = FLAGS.get(dotted, f"--{name}/--no-{name}" if kind is bool else f"--{name}")
    option = typer.Argument(help=text) if dotted == "books" else _option(flags, text, metavar)
    return Parameter(variable, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _given(dotted: str, value: Any) -> Any:  # noqa: ANN401 - of any option
    """The value of an option; the text of one that takes a number or a word is read as --set reads it."""
    mixed = isinstance(value, str) and len(_alternatives(_field(dotted).annotation)) > 1
    return _assignment(f"{dotted}={value}")[1] if mixed else value


def _alternatives(annotation: Any) -> list[Any]:  # noqa: ANN401 - a type
    """The types that a setting takes, without None."""
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation]
    return [one for one in get_args(annotation) if one is not NoneType]


def _field(dotted: str) -> FieldInfo:
    section, _, name = dotted.rpartition(".")
    return (SECTIONS[section] if section else Settings).model_fields[name]


def _type(annotation: Any) -> tuple[Any, str | None]:  # noqa: ANN401 - a type
    """Typer's type for a setting's type, and its metavar in the help."""
    plain = next((one for one in get_args(annotation) if one is not NoneType), annotation)
    if Place in (annotation, *get_args(plain)[:1]):  # a Path would lose a slash of s3://bucket
        return list[str] if get_origin(annotation) is tuple else str, "PATH"
    if len(alternatives := _alternatives(annotation)) > 1:
        return str, "|".join("NUMBER" if one is float else "|".join(get_args(one)) for one in alternatives)
    if get_origin(annotation) is Literal:
        return str, "[" + "|".join(map(str, get_args(annotation))) + "]"
    return list[plain] if get_origin(annotation) is tuple else plain, None  # type: ignore[valid-type]


def _assignment(text: str) -> tuple[str, Any]:
    """The text "mine.negatives=3" as a name and a TOML value. A value that is not TOML is taken as a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: expected KEY=VALUE", "For example --set mine.negatives=3.")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key.strip(), {"true": True, "false": False}.get(value.strip().lower(), value)


TRAIN_OPTIONS = (
    *("train.teacher", "train.text"),
    *("train.recipe", "train.loss", "train.margin", "train.distance", "train.epochs", "train.learning_rate"),
    *("train.batch_size", "train.max_steps", "train.lora_rank", "train.blend", "train.report_to", "train.multi_vector"),
)
ListTerms = Annotated[bool, _option("--list", "Print the terms; change nothing.")]
Kept = Annotated[bool, _option("--kept", "Print only the accepted terms, with or without --list; change nothing.")]
ShowPassage = Annotated[
    str | None, _option("--show", "Print a passage with its terms marked; change nothing.", "PASSAGE_ID")
]
Book = Annotated[str, typer.Argument(help="A PDF file, or its address.", metavar="PATH")]
Page = Annotated[int | None, typer.Option("--page", "-p", min=1, help="Physical page, counted from 1.")]
Picture = Annotated[Path | None, _path_option("--to", "File to write [default: BOOK-PAGE.png or BOOK.html].")]
Html = Annotated[bool, _option("--html", "Write one page of HTML, which needs no network.")]
HtmlTo = Annotated[
    Path | None,
    _path_option(
        "--to", "The same, into this file [default: report.html in the output folder; for several folders, here]."
    ),
]
Folders = Annotated[
    list[str] | None, typer.Argument(help="Output folders to show side by side [default: --output].", metavar="PATH")
]
Encoders = Annotated[
    list[str] | None,
    _option("--encoder", "Folder, Hub id or 'embedded'. Give two or more to compare the others with the first."),
]
Push = Annotated[str | None, _option("--push-to-hub --push", "Upload to this repository on the Hub.", "OWNER/NAME")]
FineTuned = Annotated[bool, _option("--fine-tuned", "Publish the fine-tuned encoder with its card, not the dataset.")]
_REVIEW = "Write random triplets to judge in another tool; change nothing. `review --import` reads the verdicts."
ReviewFormat = Annotated[Literal["jsonl", "argilla", "labelstudio"] | None, _option("--review-format", _REVIEW)]
_SAMPLE = "How many triplets --review-format writes [default: 200]."
ReviewSample = Annotated[int | None, typer.Option("--review-sample", min=1, metavar="N", help=_SAMPLE)]
Public = Annotated[bool, _option("--public/--private", "Visibility of the repository if it is new.")]
Revision = Annotated[str, _option("--revision", "Branch to upload to.")]
Tag = Annotated[str | None, _option("--tag", "Tag for the upload, such as v1.")]
DryRun = Annotated[bool, _option("--dry-run", "Print what would be uploaded and where; upload nothing.")]
NBooks = Annotated[int, typer.Argument(min=1, help="How many books to plan for.")]
Pages = Annotated[
    float | None, typer.Option("--pages", min=1, help="Pages of a book [default: the mean of BOOKS].", metavar="N")
]
Cores = Annotated[
    int | None, typer.Option("--cores", min=1, help="Cores in all [default: this machine's].", metavar="N")
]
Gpus = Annotated[int, typer.Option("--gpus", min=0, help="GPUs in all, for encoding.", metavar="N")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0: any that is free.")]
NoOpen = Annotated[bool, _option("--no-open", "Open no browser; print the address only.")]
Reviewer = Annotated[
    str | None, _option("--reviewer", "Name under which verdicts are kept [default: the user's].", "NAME")
]
Import = Annotated[
    Path | None,
    _path_option(
        "--import", "Add the verdicts of a file: an export, or filled in with --review-format; no browser.", "FILE"
    ),
]
Export = Annotated[Path | None, _path_option("--export", "Write all verdicts as JSON lines; no browser.", "FILE")]
TermName = Annotated[str, typer.Argument(help="A term: its name, one of its forms, or its id.")]
PassageId = Annotated[str, typer.Argument(help="A passage's id, or the beginning of it.")]
Dataset = Annotated[str, typer.Argument(help="A redacted dataset: its folder, or OWNER/NAME on the Hub.")]
FillTo = Annotated[Path, _path_option("--to", "Folder for the dataset with its text.")]


@command(app, "books", "cluster")
def extract(call: Call) -> None:
    """Read books or your own passages. Makes the tables books, pages, lines and passages."""
    call.run("extract")


@command(app, "glossary.terms", "glossary.headings", "glossary.bold", "glossary.automatic", "cluster")
def glossary(call: Call, list_: ListTerms = False, kept: Kept = False) -> None:
    """Collect or print the terms. They come from the books' indexes and glossaries and from your own file."""
    if not (list_ or kept):
        call.run("glossary")
        return
    from tripletkit.summaries import term_rows, term_table

    rows = term_rows(call.project().store, kept=kept)
    call.show(rows, _rich_lines(term_table(rows)))


@command(app, "tag.nlp", "cluster")
def tag(call: Call, show: ShowPassage = None) -> None:
    """Find the terms in the passages. With --show, print one passage with its terms marked."""
    if show is None:
        call.run("tag")
        return
    from tripletkit.summaries import passage_view, tagged_passage

    passage = tagged_passage(call.project().store, show)
    call.show([passage], _rich_lines(passage_view(passage)))


@command(app)
def split(call: Call) -> None:
    """Divide passages: train, validation, test. By chapter for one book, by book for several."""
    call.run("split")


@command(app, "mine.hard_negatives", "mine.cross_encoder", "cluster")
def mine(call: Call) -> None:
    """Choose triplets for training. Each is a passage, a term in it, and a negative term."""
    call.run("mine")


@command(app, "train.teacher", "train.text")
def teach(call: Call) -> None:
    """Score passages and terms by a teacher. The encoder learns these scores; `train` makes them if they are missing."""
    call.run("teach")


@command(app, "publish.to", "publish.license", "publish.redact", "publish.i_have_the_right")
def publish(
    call: Call,
    push_to_hub: Push = None,
    public: Public = False,
    revision: Revision = "main",
    tag: Tag = None,
    dry_run: DryRun = False,
    fine_tuned: FineTuned = False,
    review_format: ReviewFormat = None,
    review_sample: ReviewSample = None,
) -> None:
    """Write the dataset with its card; upload it. With --fine-tuned, the trained encoder instead."""
    project = call.project()
    if review_format is not None or review_sample is not None:
        publishes = push_to_hub is not None or fine_tuned or dry_run
        _write_sample(call, project, review_format, review_sample or 200, publishes=publishes)
        return
    _check_publish_options(call, push_to_hub, dry_run=dry_run, fine_tuned=fine_tuned)
    if not fine_tuned:
        call.run("publish", project=project)
    elif push_to_hub is None:
        folder = project.write_model_card()
        call.show([{"encoder": str(folder), "card": "README.md"}], [f"{folder}: wrote its card, README.md"])
    if push_to_hub is not None:
        kind: Kind = "model" if fine_tuned else "dataset"
        _push(call, project, push_to_hub, kind, dry_run=dry_run, private=not public, revision=revision, tag=tag)


@command(app, "books")
def fill(call: Call, dataset: Dataset, to: FillTo = Path("filled")) -> None:
    """Put the text back into a redacted dataset. It is read from the PDFs that the dataset was made of."""
    filled = call.run("extract", "glossary").fill(dataset, to)
    call.show([{"filled": str(to), "unfilled": dict(filled.unfilled), "summary": filled.summary}], [filled.summary])


@command(app, *TRAIN_OPTIONS, "allow_worse")
def train(call: Call, push: Push = None, public: Public = False, dry_run: DryRun = False) -> None:
    """Fine-tune the encoder on a teacher's scores and triplets. Fails if it is not better on validation passages."""
    from tripletkit.progress import is_first_process

    project = call.project()
    if push is not None:
        project.check_rights()  # before the long training
    call.run("train", project=project)
    if push is not None and is_first_process():
        _push(call, project, push, "model", dry_run=dry_run, private=not public, revision="main", tag=None)


@command(app, "evaluate.split", "allow_worse", "cluster")
def evaluate(call: Call, encoder: Encoders = None) -> None:
    """Score encoders on held-out passages. By default compares the base with the fine-tuned encoder."""
    named = {"encoder": encoder[0], "evaluate.compare": encoder[1:]} if encoder else {}
    call.run("evaluate", project=call.project(**named))


@command(app, "books", "glossary.terms")
def audit(call: Call, encoder: Encoders = None) -> None:
    """Examine encoders by a book's own index. No training; in a temporary folder unless --output is given."""
    named = encoder or []
    with TemporaryDirectory(prefix="tripletkit-") as folder:
        project = call.project(output=call.given["output"] or folder, encoder=next(iter(named), None))
        found = project.audit(*named[1:], force=call.force)
    call.show([found.to_dict()], found.lines())


@command(
    app,
    *("books", "glossary.terms", "mine.hard_negatives", "publish.license"),
    *("train.teacher", "train.text", "train.blend", "train.multi_vector", "rounds", "allow_worse", "cluster"),
)
def run(call: Call) -> None:
    """Run all stages, from books to scores."""
    from tripletkit.pipeline import STAGES

    call.run(*STAGES)


@command(app)
def review(
    call: Call,
    port: Port = 0,
    no_open: NoOpen = False,
    reviewer: Reviewer = None,
    import_: Import = None,
    export: Export = None,
) -> None:
    """Look at triplets, terms and passages in the browser and judge them. Verdicts act when stages run next."""
    project, who = call.project(), reviewer_name(reviewer)
    if import_ is not None or export is not None:
        _exchange(call, project, who, import_, export)
        return
    told = "Stop with Ctrl-C; verdicts are kept at once and take effect with `tripletkit mine`."
    project.review(
        port=port, reviewer=who, browser=not no_open, say=lambda at: call.show([{"address": at}], [at, told])
    )


@command(app)
def why(call: Call, term: TermName, passage_id: PassageId) -> None:
    """Say why a term is a positive or a negative of a passage. Or which guard (a filter) rejects it, and what would change that."""
    from tripletkit.review.folder import OutputFolder
    from tripletkit.review.why import explain

    found = explain(OutputFolder(call.project().settings), term, passage_id)
    call.show([found.to_dict()], found.lines())


@command(app)
def report(call: Call, folders: Folders = None, html: Html = False, to: HtmlTo = None) -> None:
    """Print what each stage and round made. With --html, write it as one page with pictures, to open or print."""
    from tripletkit.summaries import report_lines

    projects = [call.project(output=folder) for folder in folders or ()] or [call.project()]
    if html or to:
        path = projects[0].write_report(to, others=(folders or [])[1:])
        call.show([{"report": str(path)}], [str(path)])
        return
    for project in projects:
        rows = project.report()
        call.show(rows, [*[f"{project.settings.output}:"][: len(projects) - 1], *report_lines(rows)])


@command(app)
def inspect(call: Call, book: Book, page: Page = None, html: Html = False, to: Picture = None) -> None:
    """Draw a page as it was read. Lines are coloured by kind; with --html, all pages in one file."""
    if (page is None) != html:
        given = f"--page {page} and --html" if html else "neither --page nor --html"
        raise ConfigError(f"inspect: {given}", "Give --page N for the picture of a page, or --html for all pages.")
    place = as_place(book)
    target = to or Path(f"{place.stem}.html" if page is None else f"{place.stem}-{page}.png")
    if page is None:
        call.project().write_book_page(place, target)
    else:
        call.project().draw_page(place, page).save(target)
    call.show([{"book": str(book), "page": page, "picture": str(target)}], [str(target)])


@command(app, "books")
def doctor(call: Call) -> None:
    """Check everything before a long run. Machine, encoder, books, settings and output folder."""
    checks = call.project().checks()
    call.show([check.as_dict() for check in checks], (str(check) for check in checks))
    if not all(check.fine for check in checks):
        raise typer.Exit(1)


@command(app, "books")
def plan(call: Call, n_books: NBooks, pages: Pages = None, cores: Cores = None, gpus: Gpus = 0) -> None:
    """Estimate hours, memory and storage for a library. Measures a few typical BOOKS on this machine."""
    found = call.project().plan(n_books, pages=pages, cores=cores, gpus=gpus)
    call.show(found.rows(), found.lines())


@command(app)
def settings(call: Call) -> None:
    """Print all settings as a TOML file. Each comes with its value and meaning."""
    from tripletkit.settings import settings_lines

    found = call.project().settings
    call.show([found.model_dump(mode="json")], settings_lines(found))


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        echo(tripletkit.__version__)
        raise typer.Exit


def _write_sample(call: Call, project: Project, form: Format | None, number: int, *, publishes: bool) -> None:
    if form is None or publishes:
        problem = "--review-sample and --review-format publish nothing: they write triplets for another tool"
        raise ConfigError(problem, "Give --review-format FORM alone, or with --review-sample N.")
    files = project.write_review_sample(form, number)
    call.show([{"format": form, "files": list(map(str, files))}], map(str, files))


def _check_publish_options(call: Call, push_to_hub: str | None, *, dry_run: bool, fine_tuned: bool) -> None:
    if dry_run and push_to_hub is None:
        problem = "--dry-run prints what would be uploaded, but no repository was named"
        raise ConfigError(problem, "Add --push-to-hub OWNER/NAME.")
    if fine_tuned and (call.given["publish.to"] is not None or call.given["publish.redact"]):
        raise ConfigError("--to and --redact are for the dataset, not for the encoder", "Leave them out.")


def _exchange(call: Call, project: Project, who: str, import_: Path | None, export: Path | None) -> None:
    """Add the verdicts of a file, then write all that there are."""
    if import_ is not None:
        held, new = project.import_reviews(import_, who)
        call.show([{"read": held, "added": new}], [f"{import_}: {held:,} verdicts, {new:,} of them new"])
    if export is not None:
        count = project.export_reviews(export)
        call.show([{"exported": count, "file": str(export)}], [f"{export}: {count:,} rows"])


def _push(call: Call, project: Project, to: str, kind: Kind, *, dry_run: bool, **options: Any) -> None:  # noqa: ANN401
    from tripletkit.publishing.hub import PushOptions, PushPlan

    done = project.push(to, kind, options=PushOptions(**options), dry_run=dry_run)
    row = {"kind": kind, "url": done.url, **options}
    if isinstance(done, PushPlan):
        call.show([{**row, "files": done.sizes, "sent": False}], done.lines)
    else:
        sent = {"sent": done.sent, "deleted": done.deleted, "commit": done.commit}
        call.show([{**row, "private": done.private, **sent}], [done.summary])


def _rich_lines(what: Any) -> Iterable[str]:  # noqa: ANN401 - a renderable of rich, imported late
    """The output of rich; 160 columns wide in a pipe, because its default of 80 would wrap every row."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 160, highlight=False, force_terminal=terminal)
    with console.capture() as captured:
        console.print(what)
    yield captured.get().rstrip("\n")


def main(arguments: Iterable[str] | None = None) -> None:
    """Run a command. An error that the user can act on becomes a message, as JSON with --json, and exit code 1."""
    quiet_libraries()
    given = list(sys.argv[1:] if arguments is None else arguments)
    _set_up_streams(given)
    try:
        raise SystemExit(app(args=given, prog_name="tripletkit", standalone_mode=False) or 0)
    except TripletkitError as error:
        _end(given, error, error.problem, error.hint)
    except KeyboardInterrupt as error:
        _end(given, error, "stopped; finished stages are kept", "Run the same command to continue.", code=130)
    except OSError as error:
        problem = _problem_with_file(error)
        if not problem:
            raise
        _end(given, error, *problem)
    except Exception as error:
        # Wrong options: Typer carries its own copy of click, so there is no class to catch.
        if not hasattr(error, "format_message"):
            raise
        if "--json" not in given:
            error.show()  # type: ignore[attr-defined]
        _end(given, None, error.format_message(), "See --help.", code=error.exit_code)  # type: ignore[attr-defined]


def _problem_with_file(error: OSError) -> tuple[str, str] | None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or "while writing"
        return f"the disk is full ({place})", "Free some space and run the same command: finished stages are kept."
    denied = "no right to write or read it" if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM) else None
    problem = "cannot make this folder" if error.errno in (errno.ENOTDIR, errno.EEXIST) else denied
    return (f"{error.filename}: {problem} ({error.strerror})", "Choose another --output.") if problem else None


def _end(arguments: list[str], error: BaseException | None, problem: str, hint: str, code: int = 1) -> None:
    """Print an error and exit; with --json on standard output, so that all of it parses."""
    if error is not None and "--debug" in arguments:
        raise error
    if "--json" in arguments:
        echo(json.dumps({"error": problem, "hint": hint}, ensure_ascii=False))
    elif error is not None:
        echo(f"error: {problem}" + (f"\n  {hint}" if hint else ""), err=True)
    raise SystemExit(code) from None


#: ASCII replacements of characters that Unicode normalisation cannot reduce to ASCII.
_PLAIN = dict(zip("→–—›‹“”‘’≥≤", ("->", "-", "-", ">", "<", '"', '"', "'", "'", ">=", "<="), strict=True))


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: → becomes ->, ő becomes o, and a sign without a plain form becomes ?."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    letters = [unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() for sign in signs]
    return "".join(_PLAIN.get(sign) or plain or "?" for sign, plain in zip(signs, letters, strict=True)), error.end


def _set_up_streams(arguments: list[str]) -> None:
    """Log to standard error. A pipe or an old terminal may be unable to write → or ő, which would end in a traceback."""
    codecs.register_error("tripletkit-plain", _plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="tripletkit-plain")
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr, force=True)
    quiet, verbose = ({*arguments} & {*names} for names in (("-q", "--quiet"), ("-v", "--verbose")))
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    logging.getLogger("tripletkit").setLevel(logging.DEBUG if "--debug" in arguments else level)


if __name__ == "__main__":
    main()
