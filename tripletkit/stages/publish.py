"""Tables → a dataset folder with its card, which `datasets.load_dataset` opens. ``publishing.hub`` pushes it.

The scores of an encoder that was trained on the triplets go onto the dataset's card, and the encoder gets a card too.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import polars as pl

import tripletkit
from tripletkit.addresses import Place, as_place, local_copy
from tripletkit.errors import ConfigError, SourceError, TableError
from tripletkit.pdf.reader import open_pdf, read_metadata
from tripletkit.publishing.card_statistics import dataset_title
from tripletkit.publishing.cards import SCORES, read_scores
from tripletkit.publishing.configs import Tables
from tripletkit.publishing.dataset_folder import CardDetails, write_dataset
from tripletkit.publishing.model_card import books_trained_on, encoder_problem, write_model_card
from tripletkit.publishing.retrieval_sets import retrieval_sets
from tripletkit.publishing.rights import refuse_without_rights
from tripletkit.reviews import REVIEWS, rates
from tripletkit.settings import PublishSettings
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import ENCODER, Store

READS = ("books", "pages", "passages", "terms", "mentions", "splits", "triplets", "teacher")
#: The tables that an encoder's card is made from.
ENCODER_TABLES = ("books", "passages", "terms", "splits", "triplets")
#: By these a triplet is the same one in every round.
TRIPLET = ("passage_id", "positive_id", "negative_id")
#: What programs write into a PDF in the place of an author.
NO_AUTHOR = frozenset({"", "admin", "administrator", "author", "owner", "unknown", "user", "windows user"})


def run(job: Job) -> StageResult:
    """Write the folder, whole or not at all. Raises RightsError for a book whose licence is missing or forbids it."""
    settings = job.settings.publish
    tables = {name: job.table(name) for name in (*READS, "dropped")}
    tables["books"] = with_license(tables["books"], settings)
    folder = settings.to or job.folder / "dataset"
    authors = book_authors(tables["books"], settings.authors)
    sets = retrieval_sets(tables, job.settings.mine.kinds, job.locate().mask_token)
    report = write_dataset(tables, folder, details=card_details(job, authors), sets=sets, redact=settings.redact)
    store = job.store
    made = store.manifest("train")
    if made is not None and not encoder_problem(store, made):
        write_model_card(store, made, tables, authors=authors, have_the_right=settings.i_have_the_right)
    counts = {"files": len(report.files), "triplets": sum(report.rows.get("triplet", {}).values())}
    return StageResult(counts=counts, summary=report.summary, notes=(*report.notes, *_old_review(job.folder)))


def _old_review(folder: Path) -> Iterator[str]:
    """A note where verdicts lie in the file of an earlier version."""
    if (old := folder / "review.jsonl").is_file():
        yield f"{old} is no longer read: `tripletkit review --import {old}` adds its verdicts to {REVIEWS}; then remove it"


def card_details(job: Job, authors: Mapping[str, str]) -> CardDetails:
    """Everything that the card says and the tables do not hold. ``authors`` are the authors by book_id."""
    settings, place = job.settings, job.locate()
    title = dataset_title(job.table("books"))
    return CardDetails(
        pretty_name=settings.publish.name or f"{title}: passages, terms and hard negatives",
        version=tripletkit.__version__,
        encoder=place.base,
        fingerprint=place.fingerprint,
        mask_token=place.mask_token,
        settings={**_stage_settings(job), "seed": settings.seed},
        rules=job.rules.fingerprint,
        libraries={name: importlib.metadata.version(name) for name in ("pypdfium2", "sentence-transformers", "torch")},
        have_the_right=settings.publish.i_have_the_right,
        authors=authors,
        review=rates(job.reviews.on_triplets, frozenset(job.table("triplets").select(*TRIPLET).iter_rows())),
        scores=read_scores(job.store),
        margin=settings.train.margin,
    )


def _stage_settings(job: Job) -> dict[str, Any]:
    """The settings that the tables were made with, which need not be those of this command."""
    store = job.store
    flat: dict[str, Any] = {}
    for section in ("extract", "split", "mine"):
        made = store.manifest(section)
        values = made.key["settings"][section] if made else getattr(job.settings, section).model_dump(mode="json")
        flat |= {f"{section}.{key}": value for key, value in values.items()}
    made = store.manifest("teach")
    taught = made.key["settings"] if made and job.table("teacher").height else {}
    return flat | {name: value for name, value in taught.items() if name.startswith("train.")}


def prepare_encoder(store: Store, settings: PublishSettings) -> Path:
    """The folder of the fine-tuned encoder, with its card written anew.

    Raises TableError if it was not trained on these triplets, RightsError for a book without a licence that allows it.
    """
    made = store.manifest("train")
    problem = encoder_problem(store, made)
    if made is None or problem:
        raise TableError(f"{store.local(ENCODER)}: {problem}", "Make it with `tripletkit train`.")
    tables = check_rights(store, settings)
    authors = book_authors(tables["books"], settings.authors)
    return write_model_card(store, made, tables, authors=authors, have_the_right=settings.i_have_the_right)


def check_rights(store: Store, settings: PublishSettings) -> Tables:
    """The tables that an encoder learns from. Raises RightsError if weights trained on them may not be published."""
    tables = {name: store.read(name) for name in ENCODER_TABLES}
    tables["books"] = with_license(tables["books"], settings)
    if not settings.i_have_the_right:
        refuse_without_rights(books_trained_on(store, tables), weights=True)
    return tables


def with_license(books: pl.DataFrame, settings: PublishSettings) -> pl.DataFrame:
    """``books`` with the licence of the settings where they have none of their own."""
    return books.with_columns(license=books["license"].fill_null(settings.license)) if settings.license else books


def book_authors(books: pl.DataFrame, authors: Mapping[str, str]) -> dict[str, str]:
    """book_id → its authors: those in the settings, else those in the PDF's metadata if the file is still there."""
    paths = books.select("book_id", "path").iter_rows()
    named = ((book_id, authors.get(PurePath(path).name) or _author(as_place(path))) for book_id, path in paths)
    return {book_id: author for book_id, author in named if author}


def _author(path: Place) -> str:
    try:
        with local_copy(path) as copy, open_pdf(copy) as document:
            author = read_metadata(document, "Author")
    except (SourceError, ConfigError, FileNotFoundError):
        return ""
    return "" if author.casefold() in NO_AUTHOR else author


STAGE = Stage(
    "publish",
    reads=READS,
    writes=(),
    run=run,
    settings=("publish", "mine", "seed"),
    inputs=frozenset({Input.ENCODER, Input.RULES, Input.REVIEW_RATES}),
    also_reads=("dropped",),
    files_in=(SCORES,),
    files_out=("dataset",),
    version=4,
)
