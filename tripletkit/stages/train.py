"""Triplets to the fine-tuned encoder, scored on the validation passages beside the base encoder."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import TableError
from tripletkit.evaluation.gold import Gold, anchor_passages, build_gold
from tripletkit.evaluation.metrics import Metrics
from tripletkit.evaluation.report import (
    LEADING_METRIC,
    TERM_TO_PASSAGE,
    ValidationScores,
    describe_change,
    few_terms,
    not_better,
)
from tripletkit.evaluation.tasks import score
from tripletkit.ids import rng_for, stable_id
from tripletkit.mining.pool import build_pool
from tripletkit.progress import is_first_process
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import ENCODER, MULTI_VECTOR, VALIDATION
from tripletkit.training.diagnostics import lint
from tripletkit.training.multi_vector import check_multi_vector, save_multi_vector

if TYPE_CHECKING:
    from tripletkit.training.trainer import TrainingResult, Validation


def run(job: Job) -> StageResult:
    """Train on the training split only. Fails, unless allowed, if validation does not improve."""
    settings, base = job.settings.train, job.locate()
    check_multi_vector(settings, base)
    triplets = job.table("triplets").filter(split="train")
    if triplets.is_empty():
        raise TableError(
            "train: the table triplets has none in the training split",
            "Run `tripletkit mine`, or enlarge the training split.",
        )
    # Imported here: importing torch takes seconds.
    from tripletkit.training.batches import with_positives

    triplets = with_positives(triplets, job.tables, settings.positives)
    findings = [f"note: {finding}" for finding in lint(triplets, job.table("mentions"), settings, base)]
    for finding in findings:
        job.progress.say(finding)
    notes = findings if job.progress.quiet else []  # what a quiet run could not show
    trained = _train(job, triplets, base)
    counts = {"triplets": triplets.height, "steps": trained.steps, "saved step": trained.saved_step}
    summary = f"{triplets.height:,} triplets, {_describe(trained)}"
    if not is_first_process():
        return StageResult(counts=counts, summary=summary)
    target = job.folder / ENCODER
    fine_tuned = dataclasses.replace(base, name=str(target), folder=target)
    save_multi_vector(settings, fine_tuned, job.folder / MULTI_VECTOR)
    before, after = judge(job, base, "validation"), judge(job, fine_tuned, "validation")
    ValidationScores(base=before or {}, fine_tuned=after or {}).write(job.folder / VALIDATION)
    if before is None or after is None:
        notes.append("no term has a relevant validation passage: only `evaluate` can score this encoder")
        return StageResult(counts=counts, summary=summary, notes=tuple(notes))
    return StageResult(
        counts=counts,
        summary=f"{summary}; validation {describe_change(before, after)}",
        notes=(*notes, *few_terms(before[TERM_TO_PASSAGE]["queries"], "validation")),
        failed=not_better(before, after, "validation"),
    )


def _train(job: Job, triplets: pl.DataFrame, base: EncoderFolder) -> TrainingResult:
    from tripletkit.training.batches import known_terms
    from tripletkit.training.trainer import train

    settings, books = job.settings.train, dict(job.table("passages").select("passage_id", "book_id").iter_rows())
    known = None
    if settings.uses_batch:
        tables = (_passages(job, "train"), job.table("terms"), job.table("mentions"))
        known = known_terms(triplets, build_pool(*tables, page_margin=job.settings.mine.page_margin))
    return train(
        list(triplets.select("anchor", "positive", "negative").iter_rows()),
        base,
        job.folder / ENCODER,
        settings,
        seed=job.settings.seed,
        progress=job.progress,
        precision=job.settings.precision,
        known=known,
        books=[books[passage_id] for passage_id in triplets["passage_id"]],
        validation=_validation(job, base),
    )


def _validation(job: Job, base: EncoderFolder) -> Validation | None:
    """Validation runs on a random sample of the validation passages. None where no term has a relevant passage."""
    from tripletkit.training.trainer import Validation

    passages = _passages(job, "validation").sort("passage_id")
    limit = job.settings.train.eval_passages
    if passages.height > limit:
        sample = rng_for(job.settings.seed, "train", "held out").sample(range(passages.height), limit)
        passages = passages[sorted(sample)]
    gold = build_gold(passages, job.table("terms"), job.table("mentions"))
    if not gold.terms:
        return None

    def ndcg(encoder: Encoder) -> float:
        return score(gold, encoder)[TERM_TO_PASSAGE][LEADING_METRIC]

    # The other processes wait for the first one at the first step; its vectors are cached for the scores at the end.
    base_score = ndcg(job.encoder(base)) if is_first_process() else None
    return Validation(
        ndcg, base_score, stable_id("held out", *gold.passage_ids, *(term.term_id for term in gold.terms))
    )


def _describe(trained: TrainingResult) -> str:
    """Steps and loss, and the batch statistics of the first and the last log entry, in words."""
    saved = f" (saved: step {trained.saved_step:,})" if trained.saved_step != trained.steps else ""
    text = f"{trained.steps:,} steps{saved}, mean loss {trained.loss:.4f}"
    batches = [entry for entry in trained.history if "cosine_margin" in entry]
    if not batches:
        return text
    first, last = batches[0], batches[-1]
    return (
        f"{text}, mean cos(pos) − cos(neg) {first['cosine_margin']:.3f} → {last['cosine_margin']:.3f}, "
        f"triplets violating the margin {first['violation_rate']:.0%} → {last['violation_rate']:.0%}"
    )


def _passages(job: Job, split: str) -> pl.DataFrame:
    return anchor_passages(job.table("passages"), job.table("splits"), kinds=job.settings.mine.kinds, split=split)


def judge(job: Job, encoder: EncoderFolder, split: str) -> dict[str, Metrics] | None:
    """Scores of an encoder on a split; None where no term has a relevant passage."""
    gold: Gold = build_gold(_passages(job, split), job.table("terms"), job.table("mentions"))
    return score(gold, job.encoder(encoder)) if gold.terms else None


STAGE = Stage(
    "train",
    reads=("passages", "terms", "mentions", "splits", "triplets"),
    writes=(),
    run=run,
    settings=("train", "seed", "precision"),
    inputs=frozenset({Input.ENCODER}),
    files_out=(ENCODER, VALIDATION),
    version=6,
)
