"""What `evaluate` and `train` wrote about an encoder, as a card tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.publishing.markdown import plain, table
from tripletkit.store import ENCODER, VALIDATION, Store

SCORES, BM25 = "scores.json", "BM25"
#: Task and metric.
LEADING = (("term→passage", "nDCG@10"), ("passage→term", "MAP"))

Interval: TypeAlias = tuple[float, float] | None
Figure: TypeAlias = tuple[float, Interval]  # value and 95 % interval


@dataclass(frozen=True)
class Score:
    """One metric of one task, of the untouched and the tuned encoder."""

    task: str
    metric: str
    queries: int
    untouched: Figure
    tuned: Figure
    difference: Figure  # paired
    bm25: float | None = None  # what a search by words scores


@dataclass(frozen=True)
class Scores:
    """How a tuned encoder does on held-out passages, beside the untouched one."""

    split: str
    gold: str  # what says which answer is right: index, mentions …
    terms: int
    passages: int
    resampled: str  # "14 chapters"; "" without intervals
    fingerprint: str  # of the tuned encoder
    rows: tuple[Score, ...]


def read_scores(store: Store) -> Scores | None:
    """The scores of the encoder that was trained on the triplets as they are now; None where there are none."""
    made, path = store.manifest("train"), store.place(SCORES)
    trained_on = made.key["inputs"].get("triplets.parquet") if made else None
    if made is None or trained_on != store.sha("triplets.parquet") or not path.is_file():
        return None
    report = _json(path)
    encoders = report.get("encoders", {})
    # Other names are of encoders that somebody compared with --encoder A --encoder B.
    if set(encoders) != {"untouched", "tuned"}:
        return None
    fingerprint = str(encoders["tuned"]["fingerprint"])
    if fingerprint != fingerprint_of(made.outputs.get(ENCODER, "")):
        return None
    sample = report["resampling"][LEADING[0][0]]
    rows = tuple(_rows(report))
    resampled = f"{sample['units']} {sample['by']}" if rows[0].difference[1] else ""
    return Scores(report["split"], report["gold"], report["terms"], report["passages"], resampled, fingerprint, rows)


def read_validation(store: Store) -> tuple[Score, ...]:
    """The scores on validation that `train` ended with, without intervals; none where nothing could be asked."""
    path = store.place(VALIDATION)
    found = _json(path) if path.is_file() else {}
    before, after = found.get("base"), found.get("fine-tuned")
    if not before or not after:
        return ()
    return tuple(
        Score(
            task,
            metric,
            int(before[task].get("queries", 0)),
            (before[task][metric], None),
            (after[task][metric], None),
            (after[task][metric] - before[task][metric], None),
        )
        for task, metric in LEADING
    )


def _rows(report: Mapping[str, Any]) -> Iterator[Score]:
    for task, metric in LEADING:
        before, after = (report["encoders"][name] for name in ("untouched", "tuned"))
        change = report["differences"]["tuned"][task][metric]
        untouched, tuned = (
            (float(one["scores"][task][metric]), _interval(one["intervals"][task][metric])) for one in (before, after)
        )
        difference = (float(change["value"]), _interval(change["interval"]))
        bm25 = report["baselines"][BM25]["scores"][task][metric]
        yield Score(task, metric, int(before["scores"][task]["queries"]), untouched, tuned, difference, bm25)


def _interval(ends: list[float] | None) -> Interval:
    return (ends[0], ends[1]) if ends else None


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def scores_from(told: Mapping[str, Any]) -> Scores:
    """The inverse of ``dataclasses.asdict``, by way of JSON."""

    def figure(pair: list[Any]) -> Figure:
        return pair[0], _interval(pair[1])

    rows = (
        Score(**{**row, **{name: figure(row[name]) for name in ("untouched", "tuned", "difference")}})
        for row in told["rows"]
    )
    return Scores(**{**told, "rows": tuple(rows)})


def scores_table(rows: tuple[Score, ...]) -> str:
    """BM25, the untouched encoder, the tuned one and the encoders' difference, with 95 % intervals where there are any."""
    heads = ("task", "metric", "queries", "BM25", "untouched", "tuned", "difference")
    return table(
        heads,
        [
            (
                plain(row.task),
                plain(row.metric),
                f"{row.queries:,}",
                "–" if row.bm25 is None else _short(row.bm25, ""),
                _told(row.untouched),
                _told(row.tuned),
                _told(row.difference, "+"),
            )
            for row in rows
        ],
    )


def _told(figure: Figure, sign: str = "") -> str:
    value, interval = figure
    ends = f" ({_short(interval[0], sign)} to {_short(interval[1], sign)})" if interval else ""
    return _short(value, sign) + ends


def _short(value: float, sign: str) -> str:
    shown = round(value, 3)
    return f"{shown:{sign}.3f}" if shown else "0.000"  # neither "-0.000" nor "+0.000"


def scores_in_words(scores: Scores) -> str:
    """What the scores were measured on, and how far they may be chance."""
    chance = (
        f"in brackets 95 % intervals by bootstrap over {scores.resampled}"
        if scores.resampled
        else "too few queries for intervals, so read them as an example"
    )
    judge = {
        "index": "right is a passage on a page that the book's index cites for the term",
        "mentions": "right is a passage that says the term, which a string match finds as well",
    }.get(scores.gold, f"right answers by {scores.gold}")
    text = f"On the {scores.split} split ({scores.terms:,} terms, {scores.passages:,} passages): {judge}; {chance}.\n"
    text += "BM25 is a search by words, without an encoder."
    low = scores.rows[0].difference[1]
    if low and low[0] <= 0 <= low[1]:
        text += " A difference whose interval holds 0 may be chance."
    return text
