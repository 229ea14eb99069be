"""The folder of the fine-tuned encoder: weights, a note of how it was made, and a card that shows no training text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.settings import TrainSettings, describe_loss
from tripletkit.store import replace_folder


def save(model: Any, base: EncoderFolder, target: Path, settings: TrainSettings, steps: int) -> None:  # noqa: ANN401 - untyped library
    """Write a draft beside ``target``, then rename it. The library's own card quotes training texts, so it is not written."""
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(str(draft), create_model_card=False)
    note = {
        "base": base.base,
        "base_fingerprint": base.fingerprint,
        "steps": steps,
        "recipe": settings.model_dump(mode="json"),
    }
    (draft / "tripletkit.json").write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
    (draft / "README.md").write_text(model_card(base, settings, steps), encoding="utf-8")
    replace_folder(draft, target)


def model_card(base: EncoderFolder, settings: TrainSettings, steps: int) -> str:
    """The encoder's README: base encoder, training settings and use, without any training text."""
    adapters = f", LoRA of rank {settings.lora_rank}, merged" if settings.lora_rank else ""
    batch = settings.batch_size * settings.gradient_accumulation_steps
    return f"""---
base_model: {base.base}
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- feature-extraction
- tripletkit
---
# {base.base} fine-tuned on textbook triplets

Fine-tuned by tripletkit with {describe_loss(settings.model_dump())}, {steps} steps of {batch} rows,
learning rate {settings.learning_rate:g}{adapters}, from `{base.base}` (fingerprint `{base.fingerprint}`).

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("FOLDER")
similarities = encoder.similarity(encoder.encode(["a passage"]), encoder.encode(["a term"]))
```
"""
