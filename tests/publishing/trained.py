"""An output folder as `train` and `evaluate` leave it, with a folder that stands in for an encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.publishing.tables import Book, small_tables
from tripletkit.encoding.resolve import fingerprint_of
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
    (folder / "encoder/modules.json").write_text("[]")
    note = {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "base_fingerprint": "f00d",
        "steps": 93,
        "recipe": {"batch_size": 16, "learning_rate": 2e-5, "distance": "cosine", "margin": 0.2, "lora": [1, 2]},
    }
    (folder / "encoder/tripletkit.json").write_text(json.dumps(note))
    (folder / "validation.json").write_text(
        json.dumps({"base": dict.fromkeys(TASKS, MEAN), "fine-tuned": dict.fromkeys(TASKS, BETTER)})
    )
    key = {"inputs": {"triplets.parquet": store.sha("triplets.parquet")}}
    store.write_manifest(Manifest("train", key, {"encoder": store.sha("encoder")}))
    return store


def score(store: Store, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A scores.json as `evaluate` writes it, as far as a card tells it."""

    def ranker(metrics: dict[str, float]) -> dict[str, Any]:
        ends = {name: [value - 0.05, value + 0.05] for name, value in metrics.items()}
        return {"scores": dict.fromkeys(TASKS, metrics), "intervals": dict.fromkeys(TASKS, ends)}

    change = {name: {"value": BETTER[name] - MEAN[name], "interval": [0.01, 0.2]} for name in ("nDCG@10", "MAP")}
    report = {
        "split": "test",
        "gold": "index",
        "terms": 76,
        "passages": 117,
        "resampling": {task: {"queries": 76, "by": "chapters", "units": 14} for task in TASKS},
        "baselines": {"BM25": ranker(MEAN)},
        "encoders": {
            "untouched": {**ranker(MEAN), "fingerprint": "f00d"},
            "tuned": {**ranker(BETTER), "fingerprint": fingerprint_of(store.sha("encoder"))},
        },
        "differences": {"tuned": {"from": "untouched", **dict.fromkeys(TASKS, change)}},
        **changes,
    }
    store.place("scores.json").write_text(json.dumps(report))
    return report
