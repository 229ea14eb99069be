"""An output folder as `train` and `evaluate` leave it, with a folder that stands in for an encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.reports import BETTER, MEAN, TASKS, make_report
from tests.publishing.tables import Book, small_tables
from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.evaluation.report import BASE, FINE_TUNED
from tripletkit.schemas import LINES, make_table
from tripletkit.store import Manifest, Store


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
    report = make_report(names, fingerprint or fingerprint_of(store.sha("encoder")))
    report.write(store.local("scores.json"))
    return report.to_dict()
