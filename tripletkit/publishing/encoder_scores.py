"""The scores that `evaluate` and `train` wrote about an encoder, as a card shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.publishing.markdown import plain, table
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


def scores_from(values: Mapping[str, Any]) -> EncoderScores:
    """The inverse of ``dataclasses.asdict``, by way of JSON."""

    def estimate(pair: list[Any]) -> Estimate:
        return pair[0], _interval(pair[1])

    names = ("base", "fine_tuned", "difference")
    rows = (ScoreRow(**{**row, **{name: estimate(row[name]) for name in names}}) for row in values["rows"])
    return EncoderScores(**{**values, "rows": tuple(rows)})


def scores_table(rows: tuple[ScoreRow, ...]) -> str:
    """BM25, the base encoder, the fine-tuned one and the encoders' difference, with 95 % intervals if there are any."""
    heads = ("task", "metric", "queries", "BM25", "base", "fine-tuned", "difference")
    return table(
        heads,
        [
            (
                plain(row.task),
                plain(row.metric),
                row.queries,
                "–" if row.bm25 is None else _short(row.bm25),
                _with_interval(row.base),
                _with_interval(row.fine_tuned),
                _with_interval(row.difference, "+"),
            )
            for row in rows
        ],
    )


def _with_interval(estimate: Estimate, sign: str = "") -> str:
    value, interval = estimate
    ends = f" ({_short(interval[0], sign)} to {_short(interval[1], sign)})" if interval else ""
    return _short(value, sign) + ends


def _short(value: float, sign: str = "") -> str:
    shown = round(value, 3)
    return f"{shown:{sign}.3f}" if shown else "0.000"  # neither "-0.000" nor "+0.000"


def scores_in_words(scores: EncoderScores) -> str:
    """What the scores were measured on, and how uncertain they are."""
    intervals = (
        f"In brackets: 95 % intervals by bootstrap over {scores.resampled}."
        if scores.resampled
        else "There are too few queries for intervals: read the scores as an example."
    )
    gold = {
        "index": "a passage is a right answer for a term if the book's index cites a page of it for the term.",
        "mentions": "a passage is a right answer for a term if it mentions the term, which a string match finds as well.",
    }.get(scores.gold, f"right answers come from: {scores.gold}.")
    text = (
        f"On the {scores.split} split ({scores.terms:,} terms, {scores.passages:,} passages): {gold} {intervals}\n"
        "BM25 is a search by words, without an encoder."
    )
    interval = scores.rows[0].difference[1]
    if interval and interval[0] <= 0 <= interval[1]:
        text += " A difference whose interval contains 0 is not significant."
    return text
