"""Triplets → the tuned encoder, judged on the validation passages with the untouched encoder beside it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import EncoderError, TableError
from tripletkit.evaluation import Metrics, build_gold, score
from tripletkit.ids import rng_for, stable_id
from tripletkit.mining.pool import Pool, build_pool
from tripletkit.progress import is_first_process
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import ENCODER, VALIDATION, write_atomically
from tripletkit.training import HeldOut, Trained, train
from tripletkit.training.diagnostics import lint
from tripletkit.training.false_negative_mask import known_terms, with_positives

#: Standard deviation of nDCG@10 over the terms of a book, about; the mean over 50 terms then has a standard error of .05.
NDCG_DEVIATION = 0.35
ENOUGH_TERMS = 50


def run(job: Job) -> StageResult:
    """Train on the training split only. Not better on validation is said, and fails unless allowed."""
    settings, place = job.settings.train, job.locate()
    triplets = job.table("triplets").filter(split="train")
    if triplets.is_empty():
        raise TableError(
            "train: triplets holds none of the train split", "Run `tripletkit mine`, or give train a larger share."
        )
    triplets = with_positives(triplets, job.tables, settings.positives)
    notes = warned(job, triplets, place)
    target = job.folder / ENCODER
    trained = train(
        list(triplets.select("anchor", "positive", "negative").iter_rows()),
        place,
        target,
        settings,
        seed=job.settings.seed,
        progress=job.progress,
        precision=job.settings.precision,
        known=known_terms(triplets, pool_of(job)) if settings.uses_batch else None,
        books=books_of(triplets, job.table("passages")),
        held_out=held_out(job, place),
    )
    counts = {"triplets": triplets.height, "steps": trained.steps, "saved step": trained.saved_step}
    summary = f"{triplets.height:,} triplets, {in_words(trained)}"
    if not is_first_process():
        return StageResult(counts=counts, summary=summary)
    tuned = dataclasses.replace(place, name=str(target), folder=target)
    before, after = judge(job, place, "validation"), judge(job, tuned, "validation")
    scores = json.dumps({"base": before or {}, "fine-tuned": after or {}}, indent=1, ensure_ascii=False, sort_keys=True)
    write_atomically(job.folder / VALIDATION, (scores + "\n").encode())
    if before is None or after is None:
        notes.append("no validation passage has an answer: only `evaluate` judges this encoder")
        return StageResult(counts=counts, summary=summary, notes=tuple(notes))
    summary += f"; validation {told(before, after)}"
    notes += few_terms(before["term→passage"]["queries"], "validation")
    return StageResult(
        counts=counts, summary=summary, notes=tuple(notes), failed=not_better(before, after, "validation")
    )


def pool_of(job: Job) -> Pool:
    """What the training split offers, as the miner saw it."""
    return build_pool(
        held_passages(job, "train"),
        job.table("terms"),
        job.table("mentions"),
        page_margin=job.settings.mine.page_margin,
    )


def books_of(triplets: pl.DataFrame, passages: pl.DataFrame) -> list[str]:
    """Per triplet, its passage's book."""
    homes = dict(passages.select("passage_id", "book_id").iter_rows())
    return [homes[passage_id] for passage_id in triplets["passage_id"]]


def warned(job: Job, triplets: pl.DataFrame, place: EncoderFolder) -> list[str]:
    """What the linter finds: said before training; what could not be said then is returned, to be said after."""
    findings = [f"note: {finding}" for finding in lint(triplets, job.table("mentions"), job.settings.train, place)]
    for finding in findings:
        job.progress.say(finding)
    return findings if job.progress.quiet else []


def held_out(job: Job, place: EncoderFolder) -> HeldOut | None:
    """The validation passages to look at while training: a sample of them, drawn by the seed. None where no term has an answer."""
    passages = held_passages(job, "validation").sort("passage_id")
    most = job.settings.train.eval_passages
    if passages.height > most:
        drawn = rng_for(job.settings.seed, "train", "held out").sample(range(passages.height), most)
        passages = passages[sorted(drawn)]
    gold = build_gold(passages, job.table("terms"), job.table("mentions"))
    if not gold.term_ids:
        return None

    def ndcg(encoder: Encoder) -> float:
        return score(gold, encoder)["term→passage"]["nDCG@10"]

    # The other processes wait for the first at the first step; its vectors are kept for the judgement at the end.
    untouched = ndcg(job.encoder(place)) if is_first_process() else None
    return HeldOut(ndcg, untouched, stable_id("held out", *gold.passage_ids, *gold.term_ids))


def in_words(trained: Trained) -> str:
    """Steps, loss, and how the batches' gap and active share moved."""
    saved = f" (saved: step {trained.saved_step:,})" if trained.saved_step != trained.steps else ""
    text = f"{trained.steps:,} steps{saved}, mean loss {trained.loss:.4f}"
    batches: Sequence[Mapping[str, float]] = [entry for entry in trained.history if "gap" in entry]
    if batches:
        first, last = batches[0], batches[-1]
        text += f", gap {first['gap']:.3f} → {last['gap']:.3f}, active {first['active']:.0%} → {last['active']:.0%}"
    return text


def held_passages(job: Job, split: str) -> pl.DataFrame:
    """The passages of a split that could be anchors."""
    return (
        job.table("passages")
        .filter(pl.col("kind").is_in(job.settings.mine.kinds))
        .join(job.table("splits").filter(split=split), on="passage_id", how="semi")
    )


def judge(job: Job, place: EncoderFolder, split: str) -> dict[str, Metrics] | None:
    """Scores of an encoder on a held-out split; None where no term has an answer there."""
    gold = build_gold(held_passages(job, split), job.table("terms"), job.table("mentions"))
    return score(gold, job.encoder(place)) if gold.term_ids else None


def told(before: dict[str, Metrics], after: dict[str, Metrics]) -> str:
    """The two leading metrics before and after, for a person."""

    def change(task: str, metric: str) -> str:
        a, b = before[task][metric], after[task][metric]
        return f"{task} {metric} {a:.3f} → {b:.3f} ({(b - a) / max(a, 1e-9):+.1%})"

    return f"{change('term→passage', 'nDCG@10')}, {change('passage→term', 'MAP')}"


def not_better(before: dict[str, Metrics], after: dict[str, Metrics], split: str) -> EncoderError | None:
    """The error to end with if the tuned encoder does not beat the untouched one in term→passage nDCG@10.

    Over fewer than ENOUGH_TERMS queries a fall within the mean's standard error is chance, and only a larger one counts.
    """
    a, b = before["term→passage"]["nDCG@10"], after["term→passage"]["nDCG@10"]
    queries = before["term→passage"].get("queries", ENOUGH_TERMS)
    if b > a or (queries < ENOUGH_TERMS and a - b <= NDCG_DEVIATION / math.sqrt(max(queries, 1))):
        return None
    return EncoderError(
        f"the tuned encoder is not better than the untouched one: {split} term→passage nDCG@10 {a:.4f} → {b:.4f}",
        "Keep the untouched one, or change the triplets or the recipe; --allow-worse accepts it as it is.",
    )


def few_terms(terms: float, split: str) -> tuple[str, ...]:
    """What a reader should know about scores over few queries."""
    if terms >= ENOUGH_TERMS:
        return ()
    return (
        f"only {terms:.0f} terms have an answer in {split}: small changes are chance; more books or a larger split tell more",
    )


STAGE = Stage(
    "train",
    reads=("passages", "terms", "mentions", "splits", "triplets"),
    writes=(),
    run=run,
    settings=("train", "seed", "precision"),
    inputs=frozenset({Input.ENCODER}),
    files_out=(ENCODER, VALIDATION),
    version=5,
)
