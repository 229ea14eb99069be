"""Evaluates the fine-tuned and the base encoder, or any others, on held-out passages."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import ConfigError, TableError
from tripletkit.evaluation.general import graded_pairs
from tripletkit.evaluation.gold import anchor_passages, build_gold
from tripletkit.evaluation.leakage import leakage_note, leaked_share
from tripletkit.evaluation.report import BASE, FINE_TUNED, PROMISES, EvaluationReport, describe_change, few_terms
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.evaluation.tasks import training_content
from tripletkit.stage import Input, Job, Stage, StageResult
from tripletkit.store import ENCODER


def run(job: Job) -> StageResult:
    """Score the encoders on the split and write scores.json."""
    settings = job.settings.evaluate
    folders = _encoders(job)
    every, terms, mentions, splits = map(job.table, ("passages", "terms", "mentions", "splits"))
    kinds = job.settings.mine.kinds
    passages = anchor_passages(every, splits, kinds=kinds, split=settings.split)
    gold = build_gold(passages, terms, mentions, job.reviews)
    if not gold.terms:
        raise TableError(
            f"evaluate: no term has a relevant passage among the {passages.height} {settings.split} passages",
            "Enlarge the split, or use more books.",
        )
    pairs, taught = graded_pairs(settings.pairs), "" if settings.compare else _text_that_taught(job.folder / ENCODER)
    content = training_content(every, terms, mentions, splits.filter(split="train"))
    report = score_encoders(
        gold,
        [NamedEncoder(label, job.encoder(of), of.mask_token, of.name) for label, of in folders.items()],
        split=settings.split,
        seed=job.settings.seed,
        training=None if taught == "own" else content,  # else a lesson in all text would be called unseen
        validation=None
        if settings.split == "validation"
        else build_gold(anchor_passages(every, splits, kinds=kinds, split="validation"), terms, mentions, job.reviews),
        promise=_promise(taught, settings.split, gold.source),
        pairs=pairs,
    )
    training = every.join(splits.filter(split="train"), on="passage_id", how="semi")["text"]
    leakage = leaked_share(passages["text"], training)
    report = report.model_copy(update={"leakage": leakage})
    report.write(job.folder / "scores.json")
    before, *after = (of.scores for of in report.encoders.values())
    failures = [failure for name in [*report.encoders][1:] if (failure := report.failure(name))]
    changes = [describe_change(before, scores) for scores in after]
    if settings.compare:
        changes = [f"{name}: {change}" for name, change in zip(settings.compare, changes, strict=True)]
    return StageResult(
        counts={"terms": report.terms, "passages": report.passages},
        summary=f"{settings.split}: {report.terms:,} terms, {report.passages:,} passages, gold labels by {report.gold}; "
        + "; ".join(changes),
        notes=(
            *_notes(report, passages, folders),
            leakage_note(leakage, passages.height, settings.split),
            *few_terms(report.terms, settings.split),
            *_forgotten(report, settings.max_general_drop),
        ),
        # Encoders that the user named are only compared; one that was trained here has to be better.
        failed=failures[0] if failures and not settings.compare else None,
    )


def _encoders(job: Job) -> dict[str, EncoderFolder]:
    """The encoders by their names in the report, first the one that the others are compared with."""
    folder, compare = job.folder / ENCODER, job.settings.evaluate.compare
    if compare:
        encoders = [job.locate(), *map(resolve_encoder, compare)]
        repeated = [name for name, number in Counter(of.name for of in encoders).items() if number > 1]
        if repeated:
            raise ConfigError(f"evaluate: encoder {repeated[0]!r} is given twice", "Give each encoder once.")
        return {of.name: of for of in encoders}
    if not folder.is_dir():
        raise TableError(
            f"{folder}: no such folder",
            "Make it with `tripletkit train`, or name two encoders to compare: --encoder A --encoder B.",
        )
    # The folder's name, not its path, so that two runs in different places write equal scores.
    return {BASE: job.locate(), FINE_TUNED: dataclasses.replace(resolve_encoder(str(folder)), name=folder.name)}


def _text_that_taught(encoder: Path) -> str:
    """The setting train.text that the encoder was trained with; "" if that is not known."""
    note = encoder / "tripletkit.json"
    recipe = json.loads(note.read_text(encoding="utf-8"))["recipe"] if note.is_file() else {}
    return str(recipe.get("text", "train")) if recipe else ""


def _promise(taught: str, split: str, gold: str) -> str:
    """What the scores hold for, one of PROMISES, or "" where neither does.

    Neither does for validation passages, whose labels chose the checkpoint, nor where labels are mentions in text that taught.
    """
    own, unseen = PROMISES
    if split == "validation" or (taught == "own" and gold != "index"):
        return ""
    return {"own": own, "train": unseen}.get(taught, "")


def _notes(report: EvaluationReport, passages: pl.DataFrame, encoders: Mapping[str, EncoderFolder]) -> Iterator[str]:
    yield str(report)
    yield from (f" {task}: left out, {reason}." for task, reason in report.left_out.items())
    if report.gold != "index":
        yield f"gold labels by {report.gold}: exact match is right by construction for mentions; look at the masked tasks"
    for name, encoder in encoders.items():
        # Its length limit may be lower than that of the encoder which cut the passages.
        longer = passages.filter(pl.col("n_tokens") > encoder.max_tokens).height
        if longer:
            yield f"{name} truncates {longer} of {passages.height} passages to its {encoder.max_tokens} tokens"


def _forgotten(report: EvaluationReport, limit: float) -> Iterator[str]:
    """A warning for each encoder whose general-domain similarity dropped by more than the limit."""
    before, *others = report.encoders.items()
    for name, after in others:
        change = after.general_change
        if change < -limit and before[1].general and after.general:
            yield (
                f"WARNING: general-domain similarity (Spearman) dropped: catastrophic forgetting in {name}: "
                f"{before[1].general.value:.3f} → {after.general.value:.3f} ({change:+.1%}; evaluate.max_general_drop allows "
                f"{limit:.1%}). Train for fewer epochs, with a lower learning rate or a smaller margin."
            )


STAGE = Stage(
    "evaluate",
    reads=("passages", "terms", "mentions", "splits"),
    writes=(),
    run=run,
    settings=("evaluate", "mine", "precision", "seed"),
    inputs=frozenset(
        {Input.ENCODER, Input.COMPARED_ENCODERS, Input.WORD_RULES, Input.USER_PAIRS, Input.KNOWN_POSITIVES}
    ),
    files_in=("encoder",),
    files_out=("scores.json",),
    version=5,
)
