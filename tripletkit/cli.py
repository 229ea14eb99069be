"""The commands: each parses its options, calls Project, and prints. ``main`` turns errors into messages and exit codes."""

from __future__ import annotations

import codecs
import errno
import json
import logging
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import tripletkit
from tripletkit.encoding.quiet import quiet_libraries
from tripletkit.errors import ConfigError, TripletkitError
from tripletkit.options import Call, command, echo

if TYPE_CHECKING:
    from tripletkit.project import Project

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Textbook PDFs into a triplet dataset and a better sentence encoder.\n\n`tripletkit run BOOK.pdf` does everything. "
    "Each stage is also a command of its own; a stage is skipped while nothing that it depends on has changed.",
)

TRAIN_OPTIONS = (
    *("train.recipe", "train.loss", "train.margin", "train.distance", "train.epochs", "train.learning_rate"),
    *("train.batch_size", "train.max_steps", "train.lora_rank", "train.report_to"),
)
ListTerms = Annotated[bool, typer.Option("--list", help="Print the terms; change nothing.")]
Kept = Annotated[bool, typer.Option("--kept", help="Print only the terms that are kept; change nothing.")]
ShowPassage = Annotated[
    str | None,
    typer.Option("--show", metavar="PASSAGE_ID", help="Print a passage with its terms marked; change nothing."),
]
Book = Annotated[Path, typer.Argument(help="A PDF file.")]
Page = Annotated[int, typer.Option("--page", "-p", min=1, help="Physical page, counted from 1.")]
Picture = Annotated[
    Path | None, typer.Option("--to", help="PNG file to write [default: BOOK-PAGE.png].", show_default=False)
]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        help="SentenceTransformer folder, Hub id or 'embedded'. Give two or more to compare the others with the first.",
        show_default=False,
    ),
]
Push = Annotated[
    str | None, typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Upload it to this repository on the Hub.")
]
PushModel = Annotated[
    str | None,
    typer.Option("--push", metavar="OWNER/NAME", help="Upload the fine-tuned encoder to this repository on the Hub."),
]
FineTuned = Annotated[
    bool, typer.Option("--fine-tuned", help="Publish the fine-tuned encoder with its card, not the dataset.")
]
ReviewSample = Annotated[
    int | None,
    typer.Option(
        "--review-sample",
        min=1,
        metavar="N",
        help="Print N random triplets to judge, as lines for OUTPUT/review.jsonl; change nothing.",
    ),
]
Public = Annotated[bool, typer.Option("--public/--private", help="Visibility of the repository if it is new.")]
Revision = Annotated[str, typer.Option("--revision", help="Branch to upload to.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Tag for the upload, such as v1.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be uploaded and where; upload nothing.")]
Dataset = Annotated[str, typer.Argument(help="A redacted dataset: its folder, or OWNER/NAME on the Hub.")]
FillTo = Annotated[Path, typer.Option("--to", help="Folder for the dataset with its text.")]


@command(app, "books")
def extract(call: Call) -> None:
    """Read books or your own passages. Makes the tables books, pages, lines and passages."""
    call.run("extract")


@command(app, "glossary.terms", "glossary.headings", "glossary.bold", "glossary.automatic")
def glossary(call: Call, list_: ListTerms = False, kept: Kept = False) -> None:
    """Collect or print the terms. They come from the books' indexes and glossaries and from your own file."""
    if not (list_ or kept):
        call.run("glossary")
        return
    from tripletkit.summaries import term_rows, term_table

    rows = term_rows(call.project().store, kept=kept)
    call.show(rows, _rich_lines(term_table(rows)))


@command(app, "tag.nlp")
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


@command(app, "mine.hard_negatives", "mine.cross_encoder")
def mine(call: Call) -> None:
    """Choose triplets for training. Each is a passage, a term in it, and a negative term."""
    call.run("mine")


@command(app, "publish.to", "publish.license", "publish.redact", "publish.i_have_the_right")
def publish(
    call: Call,
    push_to_hub: Push = None,
    public: Public = False,
    revision: Revision = "main",
    tag: Tag = None,
    dry_run: DryRun = False,
    fine_tuned: FineTuned = False,
    review_sample: ReviewSample = None,
) -> None:
    """Write the dataset with its card; upload it. With --fine-tuned, the trained encoder instead."""
    project = call.project()
    if review_sample is not None:
        lines = project.review_sample(review_sample)
        call.show(map(json.loads, lines), lines)
        return
    _check_publish_options(call, push_to_hub, dry_run=dry_run, fine_tuned=fine_tuned)
    if not fine_tuned:
        call.run("publish", project=project)
    elif push_to_hub is None:
        folder = project.write_model_card()
        call.show([{"encoder": str(folder), "card": "README.md"}], [f"{folder}: wrote its card, README.md"])
    if push_to_hub is not None:
        kind: Literal["dataset", "model"] = "model" if fine_tuned else "dataset"
        _push(call, project, push_to_hub, kind, public=public, revision=revision, tag=tag, dry_run=dry_run)


@command(app, "books")
def fill(call: Call, dataset: Dataset, to: FillTo = Path("filled")) -> None:
    """Put the text back into a redacted dataset. It is read from the PDFs that the dataset was made of."""
    filled = call.run("extract", "glossary").fill(dataset, to)
    call.show([{"filled": str(to), "unfilled": dict(filled.unfilled), "summary": filled.summary}], [filled.summary])


@command(app, *TRAIN_OPTIONS, "allow_worse")
def train(call: Call, push: PushModel = None, public: Public = False, dry_run: DryRun = False) -> None:
    """Fine-tune the encoder on the triplets. Fails if it is not better on validation passages."""
    from tripletkit.progress import is_first_process

    project = call.project()
    if push is not None:
        project.check_rights()  # before the long training
    call.run("train", project=project)
    if push is not None and is_first_process():
        _push(call, project, push, "model", public=public, dry_run=dry_run)


@command(app, "evaluate.split", "allow_worse")
def evaluate(call: Call, encoder: Encoders = None) -> None:
    """Score encoders on held-out passages. The base and the fine-tuned one, or any that you name."""
    named = {"encoder": encoder[0], "evaluate.compare": encoder[1:]} if encoder else {}
    call.run("evaluate", project=call.project(**named))


@command(app, "books", "glossary.terms", "mine.hard_negatives", "publish.license", "rounds", "allow_worse")
def run(call: Call) -> None:
    """Run all stages, from books to scores."""
    from tripletkit.pipeline import STAGES

    call.run(*STAGES)


@command(app)
def report(call: Call) -> None:
    """Print what each stage and round made. Rows that were dropped are counted by reason."""
    from tripletkit.summaries import report_lines

    rows = call.project().report()
    call.show(rows, report_lines(rows))


@command(app)
def inspect(call: Call, book: Book, page: Page, to: Picture = None) -> None:
    """Draw a page as it was understood. Lines are coloured by kind and numbered in reading order."""
    target = to or Path(f"{book.stem}-{page}.png")
    call.project().draw_page(book, page).save(target)
    call.show([{"book": str(book), "page": page, "picture": str(target)}], [str(target)])


@command(app, "books")
def doctor(call: Call) -> None:
    """Check everything before a long run. Machine, encoder, books, settings and output folder."""
    checks = call.project().checks()
    call.show([check.as_dict() for check in checks], (str(check) for check in checks))
    if not all(check.fine for check in checks):
        raise typer.Exit(1)


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


def _check_publish_options(call: Call, push_to_hub: str | None, *, dry_run: bool, fine_tuned: bool) -> None:
    if dry_run and push_to_hub is None:
        raise ConfigError(
            "--dry-run prints what would be uploaded, but no repository was named", "Add --push-to-hub OWNER/NAME."
        )
    if fine_tuned and (call.given["publish.to"] is not None or call.given["publish.redact"]):
        raise ConfigError("--to and --redact are for the dataset, not for the encoder", "Leave them out.")


def _push(
    call: Call,
    project: Project,
    repository: str,
    kind: Literal["dataset", "model"],
    *,
    dry_run: bool,
    public: bool,
    revision: str = "main",
    tag: str | None = None,
) -> None:
    from tripletkit.publishing.hub import PushOptions, PushPlan

    options = PushOptions(private=not public, revision=revision, tag=tag)
    done = project.push(repository, kind, options=options, dry_run=dry_run)
    row: dict[str, Any] = {"kind": kind, "url": done.url, "private": not public, "revision": revision, "tag": tag}
    if isinstance(done, PushPlan):
        call.show([{**row, "files": done.sizes, "sent": False}], done.lines)
    else:
        sent = {"sent": done.sent, "deleted": done.deleted, "commit": done.commit}
        call.show([{**row, "private": done.private, **sent}], [done.summary])


def _rich_lines(what: Any) -> Iterable[str]:  # noqa: ANN401 - a renderable of rich, imported late
    """What rich prints, line by line; wider than a pipe's 80 columns, which would break every row."""
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


#: Signs that have no letters to fall back on.
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
    logging.getLogger("tripletkit").setLevel(logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING)


if __name__ == "__main__":
    main()
