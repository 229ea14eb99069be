"""Tables → a dataset folder with its card, which `datasets.load_dataset` opens. Pushing it is `publishing.hub`'s.

Of an encoder that was trained on the triplets the scores go onto the dataset's card, and it gets a card of its own.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import tripletkit
from tripletkit.publishing.card import CardFacts
from tripletkit.publishing.checks import REVIEW, read_review
from tripletkit.publishing.encoder import book_credits, dataset_title, encoder_trouble, with_license, write_model_card
from tripletkit.publishing.folder import write_dataset
from tripletkit.publishing.scores import SCORES, read_scores
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import Store

TABLES = ("books", "pages", "passages", "terms", "mentions", "splits", "triplets", "views", "dropped")


def run(job: Job) -> StageResult:
    """Write the folder, whole or not at all. Raises RightsError for a book whose licence is missing or forbids it."""
    settings = job.settings.publish
    tables = {name: job.table(name) for name in TABLES}
    tables["books"] = with_license(tables["books"], settings)
    folder = settings.to or job.folder / "dataset"
    report = write_dataset(tables, folder, facts=card_facts(job), redact=settings.redact)
    store = Store(job.folder)
    made = store.manifest("train")
    if made is not None and not encoder_trouble(store, made):
        write_model_card(store, made, tables, settings)
    rows = report.rows.get("triplet", {})
    told = ", ".join(f"{split} {count:,}" for split, count in rows.items())
    size = sum(report.files.values()) / 1e6
    summary = (
        f"{len(report.rows)} configurations, {len(report.files)} files, {size:.1f} MB, licence {report.license}; "
        f"triplet: {told or 'redacted'}"
    )
    return StageResult(
        counts={"files": len(report.files), "triplets": sum(rows.values())}, summary=summary, notes=tuple(report.notes)
    )


def card_facts(job: Job) -> CardFacts:
    """Everything that the card says and the tables do not hold."""
    settings, place, books = job.settings, job.locate(), job.table("books")
    named = settings.publish.name or dataset_title(books)
    plain = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in {**_stage_settings(job), "seed": settings.seed}.items()
    }
    return CardFacts(
        pretty_name=f"{named}: passages, terms and hard negatives" if settings.publish.name is None else named,
        version=tripletkit.__version__,
        encoder=place.base,
        fingerprint=place.fingerprint,
        settings=plain,
        rules=job.rules.fingerprint,
        libraries={name: importlib.metadata.version(name) for name in ("pypdfium2", "sentence-transformers", "torch")},
        have_the_right=settings.publish.i_have_the_right,
        credits=book_credits(books, settings.publish.authors),
        review=read_review(job.folder / REVIEW, set(job.table("triplets")["triplet_id"])),
        scores=read_scores(Store(job.folder)),
        margin=settings.train.margin,
    )


def _stage_settings(job: Job) -> dict[str, Any]:
    """The settings that the tables were made with, which need not be those of this command."""
    store = Store(job.folder)
    flat: dict[str, Any] = {}
    for section in ("extract", "split", "mine"):
        made = store.manifest(section)
        values = made.key["settings"][section] if made else getattr(job.settings, section).model_dump(mode="json")
        flat |= {f"{section}.{key}": value for key, value in values.items()}
    return flat


STAGE = Stage(
    "publish",
    reads=("books", "pages", "passages", "terms", "mentions", "splits", "triplets", "views"),
    writes=(),
    run=run,
    settings=("publish", "seed"),
    inputs=frozenset({Input.ENCODER, Input.RULES}),
    also_reads=("dropped",),
    files_in=(SCORES, REVIEW),
    files_out=("dataset",),
    version=2,
)
