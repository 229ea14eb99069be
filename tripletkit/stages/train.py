"""Triplets → the tuned encoder, judged on the validation passages with the untouched encoder beside it."""

from __future__ import annotations

import dataclasses
import json
import math

import polars as pl

from tripletkit.encoding.locate import EncoderFolder
from tripletkit.errors import EncoderError, TableError
from tripletkit.evaluation import Metrics, build_gold, score
from tripletkit.stage import Job, Stage, StageResult
from tripletkit.store import ENCODER, VALIDATION, write_atomically
from tripletkit.training import margin_problem, train

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
    notes = [problem for problem in (margin_problem(settings),) if problem]
    target = job.folder / ENCODER
    trained = train(
        list(triplets.select("anchor", "positive", "negative").iter_rows()),
        place,
        target,
        settings,
        seed=job.settings.seed,
        progress=job.progress,
        precision=job.settings.precision,
    )
    tuned = dataclasses.replace(place, name=str(target), folder=target)
    before, after = judge(job, place, "validation"), judge(job, tuned, "validation")
    scores = json.dumps({"untouched": before or {}, "tuned": after or {}}, indent=1, ensure_ascii=False, sort_keys=True)
    write_atomically(job.folder / VALIDATION, (scores + "\n").encode())
    summary = f"{triplets.height:,} triplets, {trained.steps:,} steps, mean loss {trained.loss:.4f}"
    if before is None or after is None:
        notes.append("no validation passage has an answer: only `evaluate` judges this encoder")
        return StageResult(
            counts={"triplets": triplets.height, "steps": trained.steps}, summary=summary, notes=tuple(notes)
        )
    summary += f"; validation {told(before, after)}"
    notes += few_terms(before["term→passage"]["queries"], "validation")
    return StageResult(
        counts={"triplets": triplets.height, "steps": trained.steps},
        summary=summary,
        notes=tuple(notes),
        failed=not_better(before, after, "validation"),
    )


def judge(job: Job, place: EncoderFolder, split: str) -> dict[str, Metrics] | None:
    """Scores of an encoder on a held-out split; None where no term has an answer there."""
    held = (
        job.table("passages")
        .filter(pl.col("kind").is_in(job.settings.mine.kinds))
        .join(job.table("splits").filter(split=split), on="passage_id", how="semi")
    )
    gold = build_gold(held, job.table("terms"), job.table("mentions"))
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
    uses=frozenset({"encoder"}),
    files_out=(ENCODER, VALIDATION),
    version=2,
)
