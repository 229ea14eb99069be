"""An output folder as `train` and `evaluate` leave it, with a folder that stands in for an encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.publishing.tables import Book, small_tables
from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.evaluation.report import (
    BASE,
    BM25,
    EXACT_MATCH,
    FINE_TUNED,
    Difference,
    EvaluationReport,
    Figure,
    RankerScores,
    Sample,
)
from tripletkit.schemas import LINES, make_table
from tripletkit.store import Manifest, Store

MEAN = {"queries": 76.0, "nDCG@10": 0.5, "MAP": 0.4}
BETTER = {"queries": 76.0, "nDCG@10": 0.6123456789, "MAP": 0.45}
TASKS = ("term→passage", "passage→term")


def trained(folder: Path, *books: Book) -> Store:
    """An output folder whose training has ended, with the two scores on validation."""
    store = Store(folder)
    for name, table in {**small_tables(*books), "lines": make_table(LINES, [])}.items():
        store.write(name, table)
    (folder / "encoder").mkdir()
    modules = [{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]
    (folder / "encoder/modules.json").write_text(json.dumps(modules))
    note = {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "base_fingerprint": "f00d",
        "steps": 93,
        "recipe": {"batch_size": 16, "learning_rate": 2e-5, "distance": "cosine", "margin": 0.2, "lora_rank": [1, 2]},
    }
    (folder / "encoder/tripletkit.json").write_text(json.dumps(note))
    (folder / "validation.json").write_text(
        json.dumps({"base": dict.fromkeys(TASKS, MEAN), "fine-tuned": dict.fromkeys(TASKS, BETTER)})
    )
    key = {"inputs": {"triplets.parquet": store.sha("triplets.parquet")}}
    store.write_manifest(Manifest("train", key, {"encoder": store.sha("encoder")}))
    return store


def score(store: Store, names: Sequence[str] = (BASE, FINE_TUNED), fingerprint: str = "") -> dict[str, Any]:
    """A scores.json as `evaluate` writes it; ``fingerprint`` is that of the last encoder, else of the one in ``store``."""

    def ranker(metrics: dict[str, float], **more: Any) -> RankerScores:  # noqa: ANN401
        ends = {name: (value - 0.05, value + 0.05) for name, value in metrics.items()}
        return RankerScores(scores=dict.fromkeys(TASKS, metrics), intervals=dict.fromkeys(TASKS, ends), **more)

    change = {name: Figure(BETTER[name] - MEAN[name], (0.01, 0.2)) for name in ("nDCG@10", "MAP")}
    first, last = names
    report = EvaluationReport(
        resampling={task: Sample(queries=76, by="chapters", units=14) for task in TASKS},
        baselines={EXACT_MATCH: ranker(MEAN), BM25: ranker(MEAN)},
        encoders={
            first: ranker(MEAN, general=Figure(0.8), fingerprint="f00d"),
            last: ranker(BETTER, general=Figure(0.8), fingerprint=fingerprint or fingerprint_of(store.sha("encoder"))),
        },
        differences={
            last: Difference(minus=first, general=Figure(0.0), general_change=0.0, **dict.fromkeys(TASKS, change))
        },
        terms=76,
        passages=117,
        split="test",
        gold="index",
    )
    report.write(store.place("scores.json"))
    return report.to_dict()
