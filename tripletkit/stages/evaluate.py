"""The tuned encoder and the untouched one on passages that neither training nor its choices have seen."""

from __future__ import annotations

import dataclasses
import json

import polars as pl

from tripletkit.encoding.locate import EncoderFolder, locate_encoder
from tripletkit.errors import TableError
from tripletkit.evaluation import Metrics, build_gold, score
from tripletkit.stage import Job, Stage, StageResult
from tripletkit.stages.train import few_terms, not_better, told
from tripletkit.store import write_atomically


def run(job: Job) -> StageResult:
    """Score both encoders on the held-out split and write scores.json."""
    folder = job.folder / "encoder"
    if not folder.is_dir():
        raise TableError(f"{folder}: not there yet", "Make it with `tripletkit train`.")
    split = job.settings.evaluate.split
    held = (
        job.table("passages")
        .filter(pl.col("kind").is_in(job.settings.mine.kinds))
        .join(job.table("splits").filter(split=split), on="passage_id", how="semi")
    )
    gold = build_gold(held, job.table("terms"), job.table("mentions"))
    if not gold.term_ids:
        raise TableError(
            f"evaluate: no term has an answer among the {held.height} {split} passages",
            "Give the split a larger share, or use more books.",
        )
    # The folder's own name, not its path: two runs give equal scores wherever they lie.
    places = {"untouched": job.locate(), "tuned": dataclasses.replace(locate_encoder(str(folder)), name=folder.name)}
    scores = {name: score(gold, job.encoder(place)) for name, place in places.items()}
    report = _report(places, scores, split, gold.source, len(gold.term_ids), len(gold.passage_ids))
    write_atomically(
        job.folder / "scores.json", (json.dumps(report, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    )
    before, after = scores["untouched"], scores["tuned"]
    summary = (
        f"{split}: {len(gold.term_ids):,} terms, {len(gold.passage_ids):,} passages, gold by {gold.source}; "
        f"{told(before, after)}"
    )
    counts = {"terms": len(gold.term_ids), "passages": len(gold.passage_ids)}
    return StageResult(
        counts=counts,
        summary=summary,
        notes=(table_of(scores), *few_terms(len(gold.term_ids), split)),
        failed=not_better(before, after, split),
    )


def _report(
    places: dict[str, EncoderFolder],
    scores: dict[str, dict[str, Metrics]],
    split: str,
    source: str,
    terms: int,
    passages: int,
) -> dict[str, object]:
    return {
        "split": split,
        "gold": source,
        "terms": terms,
        "passages": passages,
        "encoders": {
            name: {"name": place.name, "fingerprint": place.fingerprint, "scores": scores[name]}
            for name, place in places.items()
        },
        "better": not_better(scores["untouched"], scores["tuned"], split) is None,
    }


def table_of(scores: dict[str, dict[str, Metrics]]) -> str:
    """Both encoders side by side, for a terminal."""
    lines = [f"{'':14}{'metric':11}{'untouched':>10}{'tuned':>9}{'change':>9}"]
    for task, metrics in scores["untouched"].items():
        for metric, before in metrics.items():
            if metric != "queries":
                after = scores["tuned"][task][metric]
                lines.append(
                    f"{task:14}{metric:11}{before:>10.3f}{after:>9.3f}{(after - before) / max(before, 1e-9):>+9.1%}"
                )
    return "\n".join(lines)


STAGE = Stage(
    "evaluate",
    reads=("passages", "terms", "mentions", "splits"),
    writes=(),
    run=run,
    settings=("evaluate", "mine", "precision"),
    uses=frozenset({"encoder"}),
    files_in=("encoder",),
    files_out=("scores.json",),
)
