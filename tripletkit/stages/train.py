"""A teacher's lists, or triplets, to the fine-tuned encoder, scored on the validation passages beside the base encoder."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import TableError
from tripletkit.evaluation.general import general_similarity, graded_pairs
from tripletkit.evaluation.gold import Gold, anchor_passages, build_gold
from tripletkit.evaluation.metrics import Metrics
from tripletkit.evaluation.report import (
    LEADING_METRIC,
    NDCG_DEVIATION,
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
from tripletkit.settings import describe_blend
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import ENCODER, MULTI_VECTOR, VALIDATION
from tripletkit.training.diagnostics import lint
from tripletkit.training.multi_vector import check_multi_vector, save_multi_vector

if TYPE_CHECKING:
    from tripletkit.training.batches import TripletData
    from tripletkit.training.teacher_lists import ListData
    from tripletkit.training.trainer import TrainingData, TrainingResult, Validation

#: The log's values that the summary shows from the first entry to the last, with their words and formats.
_STATISTICS = (
    ("kl_divergence", "KL divergence from the teacher", ".3f"),
    ("cosine_margin", "mean cos(pos) − cos(neg)", ".3f"),
    ("violation_rate", "triplets violating the margin", ".0%"),
)


def run(job: Job) -> StageResult:
    """Train on lists of a teacher or on triplets. Fails, unless allowed, if validation does not improve."""
    settings, base, triplets = job.settings.train, job.locate(), job.table("triplets").filter(split="train")
    check_multi_vector(settings, base)
    if not settings.has_teacher:
        triplets = _usable_triplets(job, triplets)
    findings = [f"note: {finding}" for finding in lint(triplets, job.table("mentions"), settings, base)]
    for finding in findings:
        job.progress.say(finding)
    notes = findings if job.progress.quiet else []  # what a quiet run could not show
    data = _list_data(job) if settings.has_teacher else _triplet_data(job, triplets)
    trained = _train(job, data, base)
    counts = {**data.counts(), "steps": trained.steps, "saved step": trained.saved_step}
    summary = f"{data.describe()}, {_describe(trained)}"
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


def _usable_triplets(job: Job, triplets: pl.DataFrame) -> pl.DataFrame:
    """Those with the positives that the settings ask for. Raises TableError if there are none."""
    if triplets.is_empty():
        raise TableError(
            "train: the table triplets has none in the training split",
            "Run `tripletkit mine`, or enlarge the training split.",
        )
    # Imported here: importing torch takes seconds.
    from tripletkit.training.batches import with_positives

    return with_positives(triplets, job.tables, job.settings.train.positives)


def _triplet_data(job: Job, triplets: pl.DataFrame) -> TripletData:
    from tripletkit.training.batches import known_terms, triplet_data

    settings, books = job.settings.train, dict(job.table("passages").select("passage_id", "book_id").iter_rows())
    known = None
    if settings.uses_batch:
        tables = (_passages(job, "train"), job.table("terms"), job.table("mentions"))
        margin = job.settings.mine.page_margin
        known = known_terms(triplets, build_pool(*tables, page_margin=margin, reviews=job.reviews))
    return triplet_data(
        list(triplets.select("anchor", "positive", "negative").iter_rows()),
        settings,
        seed=job.settings.seed,
        known=known,
        books=[books[passage_id] for passage_id in triplets["passage_id"]],
    )


def _list_data(job: Job) -> ListData:
    from tripletkit.training.teacher_lists import ListData, read_lists

    if job.table("teacher").is_empty():
        raise TableError(
            f"train: the table teacher is empty, but train.teacher = {job.settings.train.teacher!r}",
            "Run `tripletkit teach --force`, or set train.teacher = none.",
        )
    passages = dict(job.table("passages").select("passage_id", "text").iter_rows())
    terms = dict(job.table("terms").select("term_id", "term").iter_rows())
    return ListData(read_lists(job.table("teacher"), passages, terms), job.settings.train)


def _train(job: Job, data: TrainingData, base: EncoderFolder) -> TrainingResult:
    from tripletkit.training.trainer import train

    return train(
        data,
        base,
        job.folder / ENCODER,
        job.settings.train,
        seed=job.settings.seed,
        progress=job.progress,
        precision=job.settings.precision,
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
    gold = build_gold(passages, job.table("terms"), job.table("mentions"), job.reviews)
    if not gold.terms:
        return None

    def ndcg(encoder: Encoder) -> float:
        return score(gold, encoder)[TERM_TO_PASSAGE][LEADING_METRIC]

    pairs = graded_pairs(job.settings.evaluate.pairs)

    def general(encoder: Encoder) -> float:
        return float(general_similarity(encoder, job.settings.seed, pairs).point[0])

    # The other processes wait for the first one at the first step; its vectors are cached for the scores at the end.
    base_score = ndcg(job.encoder(base)) if is_first_process() else None
    return Validation(
        ndcg,
        base_score,
        stable_id("held out", *gold.passage_ids, *(term.term_id for term in gold.terms)),
        error=NDCG_DEVIATION / math.sqrt(len(gold.terms)),
        general=general,
        least_general=1 - job.settings.evaluate.max_general_drop,
    )


def _describe(trained: TrainingResult) -> str:
    """Steps and loss, and the batch statistics of the first and the last log entry, in words."""
    saved = f" (saved: step {trained.saved_step:,})" if trained.saved_step != trained.steps else ""
    saved += f" ({describe_blend(trained.blend)})" if trained.blend is not None else ""
    text = f"{trained.steps:,} steps{saved}, mean loss {trained.loss:.4f}"
    for name, words, style in _STATISTICS:
        values = [entry[name] for entry in trained.history if name in entry]
        text += f", {words} {values[0]:{style}} → {values[-1]:{style}}" if values else ""
    return text


def _passages(job: Job, split: str) -> pl.DataFrame:
    return anchor_passages(job.table("passages"), job.table("splits"), kinds=job.settings.mine.kinds, split=split)


def judge(job: Job, encoder: EncoderFolder, split: str) -> dict[str, Metrics] | None:
    """Scores of an encoder on a split; None where no term has a relevant passage."""
    gold: Gold = build_gold(_passages(job, split), job.table("terms"), job.table("mentions"), job.reviews)
    return score(gold, job.encoder(encoder)) if gold.terms else None


STAGE = Stage(
    "train",
    reads=("passages", "terms", "mentions", "splits", "triplets", "teacher"),
    writes=(),
    run=run,
    settings=("train", "seed", "precision"),
    inputs=frozenset({Input.ENCODER, Input.BLEND_CHECK, Input.KNOWN_POSITIVES}),
    files_out=(ENCODER, VALIDATION),
    version=7,
)
