"""The tuned encoder's folder: weights, a note of how it was made, and a card that shows no training text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.settings import TrainSettings
from tripletkit.store import replace_folder


def save(model: Any, place: EncoderFolder, target: Path, settings: TrainSettings, steps: int) -> None:  # noqa: ANN401 - untyped library
    """Beside, then renamed. The library's own model card shows verbatim training texts: ours is written instead."""
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(str(draft), create_model_card=False)
    note = {
        "base": place.base,
        "base_fingerprint": place.fingerprint,
        "steps": steps,
        "recipe": settings.model_dump(mode="json"),
    }
    (draft / "tripletkit.json").write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
    (draft / "README.md").write_text(model_card(place, settings, steps), encoding="utf-8")
    replace_folder(draft, target)


def model_card(place: EncoderFolder, settings: TrainSettings, steps: int) -> str:
    """The encoder's README: base, recipe and use, without any training text."""
    adapters = f", LoRA of rank {settings.lora}, merged" if settings.lora else ""
    return f"""---
base_model: {place.base}
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- feature-extraction
- tripletkit
---
# {place.base} tuned on textbook triplets

Tuned by tripletkit with {loss_in_words(settings)}, {steps} steps of {settings.batch_size * settings.accumulate},
learning rate {settings.learning_rate:g}{adapters}, from `{place.base}` (fingerprint `{place.fingerprint}`).

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("FOLDER")
similarities = encoder.similarity(encoder.encode(["a passage"]), encoder.encode(["a term"]))
```
"""


def loss_in_words(settings: TrainSettings) -> str:
    """The loss and what decides it."""
    if settings.loss == "triplet":
        among = " over all triplets of a batch" if settings.in_batch else ""
        return f"TripletLoss ({settings.distance}, margin {settings.margin:g}){among}"
    return f"MultipleNegativesRankingLoss (scale {settings.scale:g}, known positives masked)"
