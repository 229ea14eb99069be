"""The scores that `evaluate` and `train` wrote about an encoder, for the cards: templates/scores.md.jinja prints them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.store import ENCODER, VALIDATION, Store

SCORES = "scores.json"
BASE, FINE_TUNED, BM25 = "base", "fine-tuned", "BM25"
#: Task and metric.
LEADING = (("term→passage", "nDCG@10"), ("passage→term", "MAP"))

Interval: TypeAlias = tuple[float, float] | None
Estimate: TypeAlias = tuple[float, Interval]  # value and 95 % interval


@dataclass(frozen=True)
class ScoreRow:
    """One metric of one task, of the base and the fine-tuned encoder."""

    task: str
    metric: str
    queries: int
    base: Estimate
    fine_tuned: Estimate
    difference: Estimate  # paired: the mean over queries of fine-tuned − base
    bm25: float | None = None


@dataclass(frozen=True)
class EncoderScores:
    """How a fine-tuned encoder does on held-out passages, beside the base one."""

    split: str
    gold: str  # what says which answer is right: "index" or "mentions"
    terms: int
    passages: int
    resampled: str  # what the bootstrap draws, as "14 chapters"; "" without intervals
    fingerprint: str  # of the fine-tuned encoder
    rows: tuple[ScoreRow, ...]


def read_scores(store: Store) -> EncoderScores | None:
    """The scores of the encoder that was trained on the triplets as they are now; None if there are none."""
    made, path = store.manifest("train"), store.place(SCORES)
    trained_on = made.key["inputs"].get("triplets.parquet") if made else None
    if made is None or trained_on != store.sha("triplets.parquet") or not path.is_file():
        return None
    report = _json(path)
    encoders = report.get("encoders", {})
    # Other names belong to encoders that somebody compared with each other.
    if set(encoders) != {BASE, FINE_TUNED}:
        return None
    if encoders[FINE_TUNED]["fingerprint"] != fingerprint_of(made.outputs.get(ENCODER, "")):
        return None
    return _scores(report)


def _scores(report: Mapping[str, Any]) -> EncoderScores:
    rows = tuple(_rows(report))
    sample = report["resampling"][LEADING[0][0]]
    return EncoderScores(
        split=report["split"],
        gold=report["gold"],
        terms=report["terms"],
        passages=report["passages"],
        resampled=f"{sample['units']} {sample['by']}" if rows[0].difference[1] else "",
        fingerprint=str(report["encoders"][FINE_TUNED]["fingerprint"]),
        rows=rows,
    )


def _rows(report: Mapping[str, Any]) -> Iterator[ScoreRow]:
    base, fine_tuned = (report["encoders"][name] for name in (BASE, FINE_TUNED))
    for task, metric in LEADING:
        change = report["differences"][FINE_TUNED][task][metric]
        yield ScoreRow(
            task,
            metric,
            queries=int(base["scores"][task]["queries"]),
            base=(base["scores"][task][metric], _interval(base["intervals"][task][metric])),
            fine_tuned=(fine_tuned["scores"][task][metric], _interval(fine_tuned["intervals"][task][metric])),
            difference=(change["value"], _interval(change["interval"])),
            bm25=report["baselines"][BM25]["scores"][task][metric],
        )


def read_validation(store: Store) -> tuple[ScoreRow, ...]:
    """The validation scores that `train` ended with, without intervals; none if the split gave no query."""
    path = store.place(VALIDATION)
    found = _json(path) if path.is_file() else {}
    base, fine_tuned = found.get(BASE), found.get(FINE_TUNED)
    if not base or not fine_tuned:
        return ()
    return tuple(
        ScoreRow(
            task,
            metric,
            queries=int(base[task].get("queries", 0)),
            base=(base[task][metric], None),
            fine_tuned=(fine_tuned[task][metric], None),
            difference=(fine_tuned[task][metric] - base[task][metric], None),
        )
        for task, metric in LEADING
    )


def _interval(ends: list[float] | None) -> Interval:
    return (ends[0], ends[1]) if ends else None


def _json(path: Path) -> dict[str, Any]:
    # Files of earlier versions have other names for the two encoders.
    text = path.read_text(encoding="utf-8").replace('"untouched"', f'"{BASE}"').replace('"tuned"', f'"{FINE_TUNED}"')
    return dict(json.loads(text))
