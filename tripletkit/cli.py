"""Commands: parse, call, print. ``main`` is the only place that turns an error into a message and an exit code."""

from __future__ import annotations

import errno
import inspect as introspection
import json
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import tripletkit
from tripletkit.encoding.quiet import quiet_libraries
from tripletkit.errors import ConfigError, TripletkitError
from tripletkit.launch import is_first_process, process_count

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Textbook PDFs into a triplet dataset and a better sentence encoder.\n\n"
    "`tripletkit run BOOK.pdf` does it all; each stage is a command of its own and is skipped while nothing it depends on has changed.",
)

Books = Annotated[list[Path] | None, typer.Argument(help="PDF files, folders or patterns.", show_default=False)]
HardNegatives = Annotated[
    bool | None,
    typer.Option(
        "--hard-negatives/--random-negatives",
        help="Nearest legal terms by the encoder, or random legal ones.",
        show_default=False,
    ),
]
CrossEncoder = Annotated[
    str | None,
    typer.Option(
        "--cross-encoder", help="A CrossEncoder (folder or hub id) that may refuse negatives.", show_default=False
    ),
]
Terms = Annotated[
    Path | None,
    typer.Option("--terms", help="Your own terms: CSV with a column 'term', JSONL, or TXT.", show_default=False),
]
License = Annotated[
    str | None,
    typer.Option(
        "--license", help="Licence of every book that has none of its own, e.g. CC-BY-4.0.", show_default=False
    ),
]
AllowWorse = Annotated[
    bool | None,
    typer.Option("--allow-worse", help="Succeed even if the tuned encoder is not better.", show_default=False),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=1,
        help="Mine and train so often, each time with the encoder just trained, while validation rises.",
        show_default=False,
    ),
]
Recipe = Annotated[
    str | None, typer.Option("--recipe", help="default, or model-card: the original model card's.", show_default=False)
]
Loss = Annotated[
    str | None,
    typer.Option("--loss", help="triplet, or mnrl: in-batch negatives, known positives masked.", show_default=False),
]
Margin = Annotated[float | None, typer.Option("--margin", help="Margin of TripletLoss.", show_default=False)]
Distance = Annotated[
    str | None, typer.Option("--distance", help="Distance in TripletLoss: cosine or euclidean.", show_default=False)
]
Epochs = Annotated[float | None, typer.Option("--epochs", help="Passes over the pairs.", show_default=False)]
Rate = Annotated[float | None, typer.Option("--lr", help="Peak learning rate.", show_default=False)]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help="Pairs with their negatives per batch.", show_default=False)
]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", help="Stop after so many steps.", show_default=False)]
Lora = Annotated[
    int | None, typer.Option("--lora", metavar="RANK", help="Train LoRA adapters of this rank.", show_default=False)
]
ReportTo = Annotated[
    str | None, typer.Option("--report-to", help="Also log to tensorboard, wandb, ….", show_default=False)
]
To = Annotated[Path | None, typer.Option("--to", help="Dataset folder (default: OUTPUT/dataset).", show_default=False)]
Redact = Annotated[
    bool | None, typer.Option("--redact", help="Publish ids, pages and offsets, no text.", show_default=False)
]
HaveTheRight = Annotated[
    bool | None,
    typer.Option(
        "--i-have-the-right", help="Publish although a book's licence is missing or forbids it.", show_default=False
    ),
]
Bold = Annotated[
    bool | None,
    typer.Option("--bold/--no-bold", help="Also take terms in bold where the text defines them.", show_default=False),
]
Headings = Annotated[
    bool | None,
    typer.Option("--headings/--no-headings", help="Also take terms from section titles.", show_default=False),
]
Automatic = Annotated[
    int | None,
    typer.Option("--automatic", help="So many terms by statistics, for a book with neither.", show_default=False),
]
ListTerms = Annotated[bool, typer.Option("--list", help="List the terms as they are; nothing is made.")]
Kept = Annotated[bool, typer.Option("--kept", help="List only the terms that are kept.")]
ShowPassage = Annotated[
    str | None,
    typer.Option(
        "--show", metavar="PASSAGE_ID", help="Show a passage with its terms; nothing is made.", show_default=False
    ),
]
Nlp = Annotated[
    str | None,
    typer.Option("--nlp", help="A spaCy pipeline that refuses words used as verbs.", show_default=False),
]
Book = Annotated[Path, typer.Argument(help="A PDF file.")]
Page = Annotated[int, typer.Option("--page", "-p", min=1, help="Physical page, from 1.")]
Picture = Annotated[
    Path | None, typer.Option("--to", help="PNG to write (default: BOOK-PAGE.png).", show_default=False)
]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        help="SentenceTransformer folder, hub id, or 'embedded'; give two or more to compare them with the first.",
        show_default=False,
    ),
]
Split = Annotated[
    str | None,
    typer.Option("--split", help="Held-out passages to judge on: test (default) or validation.", show_default=False),
]
Push = Annotated[
    str | None,
    typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Push the dataset folder to the Hub.", show_default=False),
]
PushModel = Annotated[
    str | None,
    typer.Option("--push", metavar="OWNER/NAME", help="Push the tuned encoder to the Hub.", show_default=False),
]
TunedEncoder = Annotated[
    bool,
    typer.Option(
        "--fine-tuned",
        help="Not the dataset but the encoder that was trained; --encoder without a value means the same.",
    ),
]
ReviewSample = Annotated[
    int | None,
    typer.Option(
        "--review-sample",
        min=1,
        metavar="N",
        help="Print so many triplets to read, as lines for OUTPUT/review.jsonl; nothing is made.",
        show_default=False,
    ),
]
Public = Annotated[bool, typer.Option("--public/--private", help="Who may see a repository that is made.")]
Revision = Annotated[str, typer.Option("--revision", help="Branch to push to.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Tag for what is pushed, e.g. v1.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List files, sizes, repository and visibility; send nothing.")]
Dataset = Annotated[str, typer.Argument(help="A redacted dataset: its folder, or OWNER/NAME on the Hub.")]
FillTo = Annotated[Path, typer.Option("--to", help="Folder for the filled dataset.")]


@dataclass
class Common:
    """The options that every stage's command takes."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for everything that is made (default: output).", show_default=False
        ),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file (default: tripletkit.toml, if there).", show_default=False),
    ] = None
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="SentenceTransformer folder, hub id, or 'embedded'.", show_default=False),
    ] = None
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Folder of rules that replace or extend the packaged ones.", show_default=False),
    ] = None
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of everything drawn at random (default: 0).", show_default=False)
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, e.g. --set mine.negatives=3; may be repeated.",
            show_default=False,
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Run even if nothing has changed.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per stage on standard output.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    def settings(self, **flags: object) -> Any:  # noqa: ANN401 - Settings, imported late
        """Settings from file, --set and flags, in rising order of weight. ``a__b=value`` is setting ``a.b``."""
        from tripletkit.settings import load_settings

        given: dict[str, Any] = dict(_assignment(text) for text in self.set_ or ())
        named = {"output": self.output, "encoder": self.encoder, "rules": self.rules, "seed": self.seed, **flags}
        given |= {key.replace("__", "."): value for key, value in named.items() if value is not None and value != []}
        file = self.config or (Path("tripletkit.toml") if Path("tripletkit.toml").is_file() else None)
        return load_settings(file, given)


_STATE = {"debug": False}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command whose first parameter is ``common``; its options are added to the command's own."""
    from dataclasses import fields

    own = list(introspection.signature(function, eval_str=True).parameters.values())[1:]
    hints = introspection.get_annotations(Common, eval_str=True)
    shared = [
        introspection.Parameter(
            f.name, introspection.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(Common)
        if f.init and f.name not in {p.name for p in own}  # a command may take a common option in its own way
    ]

    def wrapper(**given: Any) -> None:  # noqa: ANN401
        common = Common(**{p.name: given.pop(p.name) for p in shared})
        _STATE["debug"] = common.debug
        _set_up_logging(common)
        function(common, **given)

    parameters = [p.replace(kind=introspection.Parameter.KEYWORD_ONLY) for p in own] + shared
    wrapper.__signature__ = introspection.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    app.command(function.__name__.rstrip("_"), help=function.__doc__)(wrapper)
    return function


@command
def extract(common: Common, books: Books = None) -> None:
    """Read PDFs: pages, lines and passages."""
    _run(common, ["extract"], books=books)


@command
def glossary(
    common: Common,
    terms: Terms = None,
    headings: Headings = None,
    bold: Bold = None,
    automatic: Automatic = None,
    list_: ListTerms = False,
    kept: Kept = False,
) -> None:
    """Harvest the books' index and glossary, and your own terms; or list what was harvested."""
    if list_ or kept:
        _list_terms(common, kept=kept)
        return
    _run(
        common,
        ["glossary"],
        glossary__terms=terms,
        glossary__headings=headings,
        glossary__bold=bold,
        glossary__automatic=automatic,
    )


@command
def tag(common: Common, nlp: Nlp = None, show: ShowPassage = None) -> None:
    """Find the terms in the passages; or show one passage with its terms."""
    if show is not None:
        _show_passage(common, show)
        return
    _run(common, ["tag"], tag__nlp=nlp)


@command
def split(common: Common) -> None:
    """Part passages into train, validation and test, by chapter or by book."""
    _run(common, ["split"])


@command
def mine(common: Common, hard_negatives: HardNegatives = None, cross_encoder: CrossEncoder = None) -> None:
    """Choose (passage, term in it, negative term) triplets."""
    _run(
        common,
        ["mine"],
        mine__hard_negatives=hard_negatives,
        mine__cross_encoder=cross_encoder,
    )


@command
def publish(
    common: Common,
    to: To = None,
    license_: License = None,
    redact: Redact = None,
    i_have_the_right: HaveTheRight = None,
    push_to_hub: Push = None,
    public: Public = False,
    revision: Revision = "main",
    tag: Tag = None,
    dry_run: DryRun = False,
    tuned: TunedEncoder = False,
    review_sample: ReviewSample = None,
) -> None:
    """Write the dataset folder and its card, or the trained encoder's card, and push it to the Hub if asked."""
    flags = {"publish__license": license_, "publish__i_have_the_right": i_have_the_right}
    if review_sample is not None:
        _print_review_sample(common, review_sample)
        return
    if push_to_hub is None and dry_run:
        raise ConfigError(
            "--dry-run lists what a push would send, but no repository was named", "Add --push-to-hub OWNER/NAME."
        )
    if tuned:
        if to is not None or redact:
            raise ConfigError("--to and --redact are for datasets, not for an encoder", "Leave them out.")
        folder, kind = _encoder_with_card(common.settings(**flags)), "model"
    else:
        settings = _run(common, ["publish"], publish__to=to, publish__redact=redact, **flags)
        folder, kind = settings.publish.to or settings.output / "dataset", "dataset"
    if push_to_hub is not None:
        _push(folder, push_to_hub, kind, public=public, revision=revision, tag=tag, dry_run=dry_run)
    elif tuned and not common.quiet:
        typer.echo(f"{folder}: its card is README.md")


@command
def fill(common: Common, dataset: Dataset, books: Books = None, to: FillTo = Path("filled")) -> None:
    """Fill a redacted dataset with its text, from the PDFs it was made of."""
    from tripletkit.publishing.fill import fill_dataset
    from tripletkit.store import Store

    folder = Path(dataset)
    if not folder.is_dir():
        from tripletkit.publishing.hub import fetch_dataset

        folder = fetch_dataset(dataset)
    store = Store(_run(common, ["extract", "glossary"], books=books).output)
    typer.echo(fill_dataset(folder, {name: store.read(name) for name in ("passages", "terms")}, to).summary)


@command
def train(
    common: Common,
    recipe: Recipe = None,
    loss: Loss = None,
    margin: Margin = None,
    distance: Distance = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    max_steps: MaxSteps = None,
    lora: Lora = None,
    report_to: ReportTo = None,
    allow_worse: AllowWorse = None,
    push: PushModel = None,
    public: Public = False,
    dry_run: DryRun = False,
) -> None:
    """Tune the encoder on the triplets; fails if it is not better on validation passages."""
    flags: dict[str, object] = {
        "train__recipe": recipe,
        "train__loss": loss,
        "train__margin": margin,
        "train__distance": distance,
        "train__epochs": epochs,
        "train__learning_rate": lr,
        "train__batch_size": batch_size,
        "train__max_steps": max_steps,
        "train__lora_rank": lora,
        "train__report_to": report_to,
        "allow_worse": allow_worse,
    }
    if push is not None:
        _check_rights(common.settings(**flags))  # before the long training
    settings = _run(common, ["train"], **flags)
    if push is not None and is_first_process():
        folder = _encoder_with_card(settings)
        _push(folder, push, "model", public=public, revision="main", tag=None, dry_run=dry_run)


@command
def evaluate(common: Common, encoder: Encoders = None, split: Split = None, allow_worse: AllowWorse = None) -> None:
    """Score the untouched and the tuned encoder, or any that you name, on held-out passages."""
    common.encoder = encoder[0] if encoder else None
    _run(
        common, ["evaluate"], evaluate__compare=encoder and encoder[1:], evaluate__split=split, allow_worse=allow_worse
    )


@command
def run(
    common: Common,
    books: Books = None,
    terms: Terms = None,
    license_: License = None,
    rounds: Rounds = None,
    allow_worse: AllowWorse = None,
) -> None:
    """Every stage in order, from books to scores, with hard negatives unless the settings say otherwise."""
    from tripletkit.pipeline import STAGES

    _run(
        common,
        list(STAGES),
        books=books,
        glossary__terms=terms,
        publish__license=license_,
        rounds=rounds,
        allow_worse=allow_worse,
    )


@command
def report(common: Common) -> None:
    """What each stage and round made so far, and what was dropped, by reason."""
    from tripletkit.report import report_lines

    for line in report_lines(common.settings().output):
        typer.echo(line)


@command
def inspect(common: Common, book: Book, page: Page, to: Picture = None) -> None:
    """Draw a page with what was found on it: kinds in colours, furniture struck out, reading order numbered."""
    from tripletkit.pdf.inspect import draw_page
    from tripletkit.rules import load_rules

    target = to or Path(f"{book.stem}-{page}.png")
    draw_page(book, page, rules=load_rules(common.settings().rules)).save(target)
    typer.echo(str(target))


@command
def doctor(common: Common, books: Books = None) -> None:
    """Check the machine, the encoder, the books, the settings and the output folder."""
    from tripletkit.doctor import examine

    checks = list(examine(common.settings(books=books)))
    for check in checks:
        mark = "warn" if check.warning else "ok  " if check.fine else "FAIL"
        typer.echo(f"{mark}  {check.what}" + (f"\n      {check.mend}" if check.mend else ""))
    if not all(check.fine for check in checks):
        raise typer.Exit(1)


@command
def settings(common: Common) -> None:
    """Every setting with its value and meaning, as a TOML file."""
    from tripletkit.report import settings_lines

    for line in settings_lines(common.settings()):
        typer.echo(line)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(tripletkit.__version__)
        raise typer.Exit


def _run(common: Common, stages: list[str], **flags: object) -> Any:  # noqa: ANN401 - Settings, imported late
    from tripletkit.pipeline import STAGES, Runner
    from tripletkit.progress import Progress
    from tripletkit.rounds import run_rounds

    if process_count() > 1 and stages != ["train"]:
        raise ConfigError(
            f"{process_count()} processes were launched, but only training can share its work",
            "Launch `tripletkit train` alone with torchrun or accelerate; run the other stages without.",
        )
    if not is_first_process():  # it would print and report all that the first does
        common = replace(common, quiet=True, as_json=False)
    wanted = [stage for stage in STAGES if stage in stages]
    whole = len(wanted) > 1
    if whole and not any(text.startswith("mine.hard_negatives") for text in common.set_ or ()):
        flags.setdefault("mine__hard_negatives", True)
    runner = Runner(
        common.settings(**flags), progress=Progress(quiet=common.quiet or common.as_json), force=common.force
    )
    repeated = wanted == list(STAGES) and runner.settings.rounds > 1
    failures: list[Exception] = []
    for outcome in run_rounds(runner) if repeated else runner.run(wanted, lenient=whole):
        _print_report(outcome, common)
        if outcome.failed is not None and not (outcome.forgivable and runner.settings.allow_worse):
            failures.append(outcome.failed)
    if failures:
        raise TripletkitError("\n".join(str(failure) for failure in failures))
    return runner.settings


def _list_terms(common: Common, *, kept: bool) -> None:
    from tripletkit.show import term_rows, term_table
    from tripletkit.store import Store

    rows = term_rows(Store(common.settings().output), kept=kept)
    if common.as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    _print_rich(term_table(rows))


def _show_passage(common: Common, passage_id: str) -> None:
    from tripletkit.show import passage_view, tagged_passage
    from tripletkit.store import Store

    passage = tagged_passage(Store(common.settings().output), passage_id)
    if common.as_json:
        typer.echo(json.dumps(passage, ensure_ascii=False))
        return
    _print_rich(passage_view(passage))


def _print_rich(what: Any) -> None:  # noqa: ANN401 - a renderable, imported late
    from rich.console import Console

    # A pipe has no width of its own; 80 columns would break every row.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(what)


def _check_rights(settings: Any) -> None:  # noqa: ANN401 - Settings, imported late
    from tripletkit.stages.publish import check_rights
    from tripletkit.store import Store

    check_rights(Store(settings.output), settings.publish)


def _encoder_with_card(settings: Any) -> Path:  # noqa: ANN401 - Settings, imported late
    from tripletkit.stages.publish import prepare_encoder
    from tripletkit.store import Store

    return prepare_encoder(Store(settings.output), settings.publish)


def _print_review_sample(common: Common, number: int) -> None:
    from tripletkit.publishing.negative_checks import review_sample
    from tripletkit.store import Store

    settings = common.settings()
    for line in review_sample(Store(settings.output).read("triplets"), number, settings.seed):
        typer.echo(line)


def _push(folder: Path, repo: str, kind: Any, *, public: bool, revision: str, tag: str | None, dry_run: bool) -> None:  # noqa: ANN401
    from tripletkit.publishing.hub import PushOptions, plan_push

    plan = plan_push(folder, repo, kind, PushOptions(private=not public, revision=revision, tag=tag))
    if dry_run:
        for line in plan.lines:
            typer.echo(line)
        return
    from tripletkit.publishing.hub import push

    typer.echo(push(plan).summary)


def _print_report(outcome: Any, common: Common) -> None:  # noqa: ANN401 - Report, imported late
    if common.as_json:
        typer.echo(json.dumps(outcome.as_dict(), ensure_ascii=False))
        return
    if common.quiet:
        return
    for line in outcome.lines():
        typer.echo(line)
    for note in outcome.notes:
        typer.echo(note, err=not note.startswith(" "))


def _assignment(text: str) -> tuple[str, Any]:
    """The text "mine.negatives=3" as a key and a TOML value; what is no TOML value is a string."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: expected KEY=VALUE", "For example --set mine.negatives=3.")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _set_up_logging(common: Common) -> None:
    level = logging.ERROR if common.quiet else logging.INFO if common.verbose else logging.WARNING
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("tripletkit").setLevel(level)


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the app; an error that the user can act on becomes a message and exit code 1."""
    quiet_libraries()
    try:
        app(args=_without_value(list(sys.argv[1:] if arguments is None else arguments)))
    except TripletkitError as error:
        _die(str(error), error)
    except KeyboardInterrupt as error:
        _die("stopped; what was finished is kept, run the same command to continue", error, 130)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _die(
                f"the disk is full ({error.filename or 'while writing'})\n"
                "  Free some space and run the same command: finished stages are kept.",
                error,
            )
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            _die(
                f"{error.filename}: no right to write or read it ({error.strerror})\n  Choose another --output.", error
            )
        raise


def _without_value(arguments: list[str]) -> list[str]:
    """`publish --encoder` with no value after it is `publish --fine-tuned`: an option of Typer's has a value always or never."""
    if arguments[:1] != ["publish"]:
        return arguments
    return [
        "--fine-tuned" if one == "--encoder" and (after is None or after.startswith("-")) else one
        for one, after in zip(arguments, [*arguments[1:], None], strict=True)
    ]


def _die(message: str, error: BaseException, code: int = 1) -> None:
    if _STATE["debug"]:
        raise error
    typer.echo(f"error: {message}", err=True)
    raise SystemExit(code) from None


if __name__ == "__main__":
    main()
