"""Tables → a dataset folder with its card, which `datasets.load_dataset` opens. Pushing it is `publishing.hub`'s."""

from __future__ import annotations

import importlib.metadata

import tripletkit
from tripletkit.publishing.card import CardFacts
from tripletkit.publishing.folder import write_dataset
from tripletkit.stage import Job, Stage, StageResult

TABLES = ("books", "pages", "passages", "terms", "mentions", "splits", "triplets", "dropped")


def run(job: Job) -> StageResult:
    """Write the folder, whole or not at all. Raises RightsError for a book whose licence is missing or forbids it."""
    settings = job.settings.publish
    tables = {name: job.table(name) for name in TABLES}
    if settings.license is not None:
        tables["books"] = tables["books"].with_columns(license=tables["books"]["license"].fill_null(settings.license))
    folder = settings.to or job.folder / "dataset"
    report = write_dataset(tables, folder, facts=card_facts(job), redact=settings.redact)
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
    settings, place = job.settings, job.locate()
    titles = job.table("books")["title"].to_list()
    named = settings.publish.name or (titles[0] if len(titles) == 1 else f"{len(titles)} textbooks")
    flat = {
        f"{section}.{key}": value
        for section in ("extract", "split", "mine")
        for key, value in getattr(settings, section).model_dump(mode="json").items()
    }
    plain = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in {**flat, "seed": settings.seed}.items()
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
        margin=settings.train.margin,
    )


STAGE = Stage(
    "publish",
    reads=("books", "pages", "passages", "terms", "mentions", "splits", "triplets"),
    writes=(),
    run=run,
    settings=("publish", "seed"),
    uses=frozenset({"encoder", "rules", "dropped"}),
    files_out=("dataset",),
)
