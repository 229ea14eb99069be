"""``Project``: one output folder, its settings, and everything that can be done with them, from Python or the command line."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tripletkit.addresses import Place, as_place, local_copy
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError, TableError, TripletkitError
from tripletkit.language.normalise import normalised_by
from tripletkit.pipeline import STAGES, Runner, Tools, find_stage
from tripletkit.progress import Progress, is_first_process, process_count
from tripletkit.reviews import REVIEWS, ReviewFile
from tripletkit.rounds import run_rounds
from tripletkit.schemas import TABLES
from tripletkit.settings import Settings, load_settings
from tripletkit.store import ENCODER, Store, write_atomically
from tripletkit.user_rows import PassageRow, plain_rows

if TYPE_CHECKING:
    import polars as pl
    from datasets import DatasetDict
    from PIL.Image import Image
    from sentence_transformers import SentenceTransformer

    from tripletkit.evaluation.audit import AuditReport
    from tripletkit.evaluation.report import EvaluationReport
    from tripletkit.planning import Plan
    from tripletkit.publishing.fill import FillReport
    from tripletkit.publishing.hub import Kind, PushOptions, PushPlan, PushReport
    from tripletkit.review_exchange import Format
    from tripletkit.stage import StageReport
    from tripletkit.summaries import Check

#: Passages given as Python objects are written to this file in the output folder, and read from there.
OWN_PASSAGES = "own-passages.jsonl"
#: Where the report in HTML is written, in the output folder.
REPORT_PAGE = "report.html"


class Project:
    """One output folder and the settings that make it.

    ``books``: PDF files, folders or patterns. ``passages``: your own texts instead of, or beside, books: a JSONL, CSV or
    Parquet file; or a list of strings, a list of dicts or a data frame with a column ``text`` and, if you have them, ``id``,
    ``title``, ``section``, ``page`` and ``book``. ``encoder``: a SentenceTransformer folder, a Hub id, or "embedded".
    ``config``: a TOML file of settings. Further settings by keyword, which override the file: ``seed=1``,
    ``mine={"negatives": 3}``. ``progress``: show progress on standard error.

    Making a project reads the settings and nothing else. Raises ConfigError for settings that cannot be used.
    """

    def __init__(
        self,
        output: str | Path | None = None,
        *,
        books: str | Path | Iterable[str | Path] = (),
        passages: object = None,
        encoder: str | Path | None = None,
        config: str | Path | None = None,
        progress: bool = False,
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> None:
        named = {"output": output, "encoder": str(encoder) if encoder else None}
        given = settings | {name: value for name, value in named.items() if value is not None}
        sources: list[str | Place] = [books] if isinstance(books, str | Path) else list(books)
        loaded = load_settings(Path(config) if config else None, given | ({"books": sources} if sources else {}))
        self._own = None
        if isinstance(passages, str | Path):
            sources.append(passages)
        elif passages is not None:
            self._own = own_passages(passages)
            sources.append(loaded.output / OWN_PASSAGES)
        self.settings: Settings = (
            loaded.model_copy(update={"books": tuple(map(as_place, sources))}) if sources else loaded
        )
        self.store = Store(self.settings.output, by_book=self.settings.tables == "by_book")
        self._progress = Progress(quiet=not progress or not is_first_process())
        if isinstance(self.settings.output, Path) and self.settings.output.is_file():
            raise ConfigError(f"output {str(self.settings.output)!r} is a file, not a folder", "Name another folder.")

    def __repr__(self) -> str:
        return f"Project({str(self.settings.output)!r})"

    def run(self, *, force: bool = False) -> list[StageReport]:
        """Run all stages in order, from books to scores. Stages for which nothing has changed are skipped unless ``force``.

        Raises TripletkitError at the first stage that cannot be done, or, when all is done, if a book could not be read or
        the fine-tuned encoder is not better than the base encoder (unless ``allow_worse``).
        """
        return list(self.stages(*STAGES, force=force))

    def extract(self, *, force: bool = False) -> StageReport:
        """Read the books (or your own passages): tables ``books``, ``pages``, ``lines`` and ``passages``."""
        return self._run_one("extract", force)

    def glossary(self, *, force: bool = False) -> StageReport:
        """Collect terms from the books' indexes and glossaries, and from your own file: table ``terms``."""
        return self._run_one("glossary", force)

    def tag(self, *, force: bool = False) -> StageReport:
        """Find the terms in the passages: table ``mentions``."""
        return self._run_one("tag", force)

    def split(self, *, force: bool = False) -> StageReport:
        """Divide the passages into train, validation and test: table ``splits``."""
        return self._run_one("split", force)

    def mine(self, *, force: bool = False) -> StageReport:
        """Choose (passage, term in it, negative term) triplets: table ``triplets``."""
        return self._run_one("mine", force)

    def teach(self, *, force: bool = False) -> StageReport:
        """Score passages and terms by the teacher (``train.teacher``): table ``teacher``. ``train`` does this by itself."""
        return self._run_one("teach", force)

    def publish(self, *, force: bool = False) -> StageReport:
        """Write the dataset folder and its card. To upload it, use ``push``."""
        return self._run_one("publish", force)

    def train(self, *, force: bool = False) -> StageReport:
        """Fine-tune the encoder on teacher's scores and triplets. Raises EncoderError if it is not better on validation passages."""
        return self._run_one("train", force)

    def evaluate(self, *, force: bool = False) -> StageReport:
        """Score the base and the fine-tuned encoder on held-out passages: scores.json."""
        return self._run_one("evaluate", force)

    def audit(self, *others: str | Path, force: bool = False) -> AuditReport:
        """Examine the project's encoder, and ``others``, by the books' own indexes or glossaries, without any training.

        Reads the books, their terms and mentions as the stages do, and judges all passages. Raises SourceError for a book
        without index and glossary, and the errors of these stages.
        """
        from tripletkit.evaluation.audit import audit_encoders

        list(self.stages("extract", "glossary", "tag", force=force))
        tools = Tools(self.settings, progress=self._progress)
        with normalised_by(tools.rules):
            return audit_encoders(
                {name: self.store.read(name) for name in ("books", "passages", "terms", "mentions")},
                [tools.base_encoder, *(resolve_encoder(str(other)) for other in others)],
                self.settings,
                self._progress,
            )

    def stages(self, *names: str, force: bool = False) -> Iterator[StageReport]:
        """Run these stages in their order; yield each report when it is done. Raises TripletkitError at the end, as ``run``."""
        if process_count() > 1 and names != ("train",):
            problem = f"{process_count()} processes were launched, but only training can share its work"
            hint = "Launch `tripletkit train` alone with torchrun or accelerate; run the other stages without."
            raise ConfigError(problem, hint)
        # The teacher's scores follow from what is there, so `train` makes them; several processes share the training only.
        taught = ("teach",) if "train" in names and process_count() == 1 else ()
        wanted = [stage for stage in STAGES if stage in (*names, *taught)]
        if self._own is not None and "extract" in wanted:
            file = self.store.place(OWN_PASSAGES)
            if not file.is_file() or file.read_bytes() != self._own:
                write_atomically(file, self._own)
        runner = Runner(tools=Tools(self.settings, progress=self._progress, force=force), store=self.store)
        if process_count() > 1 and self.store.manifest("teach") and not runner.fresh(find_stage("teach")):
            problem = (
                f"train: {process_count()} processes share the training only, and the table teacher is out of date"
            )
            hint = "Run `tripletkit teach` with the same settings first, without torchrun or accelerate."
            raise ConfigError(problem, hint)
        lenient = len(wanted) > 1
        if wanted and process_count() == 1:
            touched = runner.touched_by_reviews(wanted[0])
            wanted = [stage for stage in STAGES if stage in {*touched, *wanted}]
        repeated = wanted == list(STAGES) and self.settings.rounds > 1
        failures: list[TripletkitError] = []
        for report in run_rounds(runner) if repeated else runner.run(wanted, lenient=lenient):
            yield report
            if report.failed is not None and not (report.forgivable and self.settings.allow_worse):
                failures.append(report.failed)
        if failures:
            raise failures[0] if len(failures) == 1 else TripletkitError("\n".join(map(str, failures)))

    def _run_one(self, name: str, force: bool) -> StageReport:
        *_, report = self.stages(name, force=force)
        return report

    def table(self, name: str) -> pl.DataFrame:
        """A table as a polars data frame. Raises TableError if it was not made yet, ConfigError if there is no such table."""
        if name not in TABLES:
            raise ConfigError(f"no table is called {name!r}", f"Tables: {', '.join(TABLES)}.")
        return self.store.read(name)

    def scan(self, name: str) -> pl.LazyFrame:
        """A table, unread, for polars to filter and select from before it reads. Raises as ``table``."""
        if name not in TABLES:
            raise ConfigError(f"no table is called {name!r}", f"Tables: {', '.join(TABLES)}.")
        return self.store.scan(name)

    def dataset(self, config: str = "triplet") -> DatasetDict:
        """A configuration of the dataset that ``publish`` wrote. Raises TableError if it was not written yet."""
        folder = self._made_by("publish", self.dataset_folder)
        from datasets import load_dataset

        return load_dataset(str(folder), config)

    @property
    def dataset_folder(self) -> Path:
        """Where ``publish`` writes the dataset."""
        return self.settings.publish.to or self.store.local("dataset")

    def scores(self) -> EvaluationReport:
        """What ``evaluate`` found. Raises TableError if it did not run yet."""
        from tripletkit.evaluation.report import read_report

        return read_report(self._made_by("evaluate", self.store.local("scores.json")))

    def encoder(self) -> SentenceTransformer:
        """The fine-tuned encoder. Raises TableError if it was not trained yet."""
        folder = self._made_by("train", self.store.local(ENCODER))
        from tripletkit.encoding.loading import load_model

        return load_model(resolve_encoder(str(folder)))

    @staticmethod
    def _made_by(stage: str, path: Path) -> Path:
        if not path.exists():
            raise TableError(f"{path}: not there yet", f"Make it with `tripletkit {stage}`.")
        return path

    def report(self) -> list[dict[str, Any]]:
        """The results of each stage and round so far, with counts of dropped rows. Raises TableError if none ran."""
        from tripletkit.summaries import report_rows

        return report_rows(self.store)

    def write_report(self, to: str | Path | None = None, *, others: Sequence[str | Path] = ()) -> Path:
        """Write the report as one page of HTML, side by side with those of ``others``; returns its path.

        By default it is ``report.html`` in the output folder, with ``others`` in the working directory. Raises TableError for
        a folder in which nothing was made, ConfigError without matplotlib.
        """
        from tripletkit.reporting.run_report import write_report

        path = Path(to or (REPORT_PAGE if others else self.store.local(REPORT_PAGE)))
        write_report([self.settings.output, *map(as_place, map(str, others))], path)
        self.store.push()
        return path

    def checks(self) -> list[Check]:
        """Checks of the machine, the encoder, the books, the settings and the output folder, as `tripletkit doctor` prints."""
        from tripletkit.summaries import examine

        return list(examine(self.settings))

    def plan(self, books: int, *, pages: float | None = None, cores: int | None = None, gpus: int = 0) -> Plan:
        """Hours, memory and storage for so many books of ``pages`` pages, from some of this project's books, measured here.

        ``pages``: by default the mean of the measured books; ``cores``: by default those of this machine.
        """
        from tripletkit.planning import make_plan

        here = cores or os.cpu_count() or 1
        return make_plan(self.settings, books, pages, cores=here, gpus=gpus, progress=self._progress)

    def draw_page(self, book: Place, page: int) -> Image:
        """A picture of a page (counted from 1) with its lines coloured by kind and numbered in reading order."""
        from tripletkit.reporting.book import draw_page
        from tripletkit.rules import load_rules

        with local_copy(book) as file:
            return draw_page(file, page, load_rules(self.settings.rules), self.settings.extract)

    def write_book_page(self, book: Place, to: Path) -> None:
        """Write all pages of a book, with their lines coloured by kind, as one page of HTML."""
        from tripletkit.reporting.book import book_page
        from tripletkit.rules import load_rules

        with local_copy(book) as file:
            page = book_page(file, load_rules(self.settings.rules), self.settings.extract)
        write_atomically(to, page.encode())

    def write_review_sample(self, form: Format = "jsonl", number: int = 200) -> list[Path]:
        """Write ``number`` random triplets for review in another tool: jsonl, argilla or labelstudio. Returns the files.

        They lie in the folder review-FORM of the output folder; ``import_reviews`` reads what comes back.
        """
        from tripletkit.review_exchange import sample_triplets, to_files

        rows = sample_triplets(self.store.read("triplets"), number, self.settings.seed)
        files = {self.store.work / f"review-{form}" / name: text for name, text in to_files(rows, form).items()}
        for path, text in files.items():
            write_atomically(path, text.encode())
        self.store.push()
        return list(files)

    def import_reviews(self, path: str | Path, reviewer: str) -> tuple[int, int]:
        """Add the verdicts of a file to the table `reviews`; returns how many it holds, and how many of them are new.

        It is an export of the table, or what was filled in elsewhere after ``write_review_sample``; ``reviewer`` judged
        where it does not say who. Raises SourceError with the line or record that cannot be used.
        """
        from tripletkit.review_exchange import read_verdicts

        triplets = self.store.read("triplets") if self.store.has("triplets") else None
        rows = read_verdicts(Path(path), reviewer, triplets)
        return len(rows), ReviewFile(self._reviews_folder()).add(rows)

    def review(self, *, port: int = 0, reviewer: str = "", browser: bool = True, say: Callable[[str], None]) -> None:
        """Serve the pages of the review on this machine until Ctrl-C. ``say`` is given their address.

        Raises ConfigError where the extra `review` is not installed or the port is in use, TableError without triplets.
        """
        if missing := [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]:
            raise ConfigError(f"review: {missing[0]} is not installed", "pip install 'tripletkit[review]'")
        self._reviews_folder()
        from tripletkit.review.folder import OutputFolder
        from tripletkit.review.server import serve

        serve(OutputFolder(self.settings), port=port, reviewer=reviewer, browser=browser, say=say)

    def _reviews_folder(self) -> Path:
        if isinstance(self.settings.output, Path):
            return self.settings.output
        problem = f"review: {self.settings.output} is an address, and verdicts are added to a file under a lock"
        raise ConfigError(problem, "Copy the folder to this machine, review there, and copy reviews.jsonl back.")

    def export_reviews(self, path: str | Path) -> int:
        """Write the table `reviews`, all rows, as JSON lines; returns how many."""
        rows = ReviewFile(self.store.local(REVIEWS).parent).read()
        write_atomically(Path(path), b"".join(row.line() for row in rows))
        return len(rows)

    def check_rights(self) -> None:
        """Raise RightsError if an encoder trained on these books may not be published."""
        from tripletkit.stages.publish import check_rights

        check_rights(self.store, self.settings.publish)

    def write_model_card(self) -> Path:
        """Write the fine-tuned encoder's card; returns its folder. Raises RightsError as ``check_rights``."""
        from tripletkit.stages.publish import prepare_encoder

        return prepare_encoder(self.store, self.settings.publish)

    def push(
        self, repository: str, kind: Kind = "dataset", *, options: PushOptions | None = None, dry_run: bool = False
    ) -> PushPlan | PushReport:
        """Upload the dataset folder or ("model") the fine-tuned encoder with its card to ``OWNER/NAME`` on the Hub.

        With ``dry_run`` returns what would be sent and sends nothing. Raises HubError if the Hub refuses.
        """
        from tripletkit.publishing.hub import plan_push, push

        folder = self.dataset_folder if kind == "dataset" else self.write_model_card()
        plan = plan_push(folder, repository, kind, options)
        return plan if dry_run else push(plan)

    def fill(self, dataset: str | Path, to: str | Path) -> FillReport:
        """Put the text back into a redacted dataset (a folder or a Hub id), from this project's passages and terms."""
        from tripletkit.publishing.fill import fill_dataset
        from tripletkit.publishing.hub import find_dataset

        tables = {name: self.store.read(name) for name in ("books", "pages", "passages", "terms")}
        return fill_dataset(find_dataset(dataset), tables, Path(to))


def own_passages(given: object) -> bytes:
    """Strings, dicts or a data frame as JSON lines with at least ``text``. Raises ConfigError for anything else."""
    rows: list[Any] = list(plain_rows(given, PassageRow, "passages")) if isinstance(given, Iterable) else [given]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            hint = "Give a path, a list of strings, a list of dicts with 'text', or a data frame with a column 'text'."
            raise ConfigError(f"passages: item {number} is of type {type(row).__name__}", hint)
    return "".join(json.dumps(dict(row), ensure_ascii=False, default=str) + "\n" for row in rows).encode()
