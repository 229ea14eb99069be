"""The fine-tuned encoder's token vectors as a MultiVectorEncoder folder (`train.multi_vector`)."""

from __future__ import annotations

import shutil
from pathlib import Path

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError
from tripletkit.settings import TrainSettings
from tripletkit.store import replace_folder


def check_multi_vector(settings: TrainSettings, base: EncoderFolder) -> None:
    """Raise ConfigError if a MultiVectorEncoder is wanted and the encoder has no token vectors that one could have."""
    modules = base.properties.modules
    if settings.multi_vector and modules[:2] != ("Transformer", "Pooling"):
        raise ConfigError(
            f"train.multi_vector: encoder {base.name!r} has no token vectors for a MultiVectorEncoder ({' → '.join(modules)})",
            "Choose an encoder that begins with Transformer → Pooling, or set train.multi_vector = false.",
        )


def save_multi_vector(settings: TrainSettings, encoder: EncoderFolder, target: Path) -> None:
    """Write ``encoder`` to ``target`` as a MultiVectorEncoder if that is wanted; else remove an earlier one.

    It has no projection: its vectors are the transformer's own, of length 1, and its similarity is the mean MaxSim of
    `tripletkit.encoding.maxsim`. Special tokens have no vectors. Two things the library's mask cannot do: the tokens of a
    prompt count too, and a text of special tokens alone has no vector.
    """
    if not settings.multi_vector:
        shutil.rmtree(target, ignore_errors=True)
        return
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    from tripletkit.encoding.loading import load_model

    model = load_model(encoder, "cpu")
    mask = MultiVectorMask(model.tokenizer.all_special_tokens, skiplist_tasks=["query", "document"])
    modules = [model[0], mask, Normalize("token_embeddings")]
    prompts = {task: model.prompts[task] for task in ("query", "document")}
    many = MultiVectorEncoder(modules=modules, device="cpu", prompts=prompts, similarity_fn_name="meanmaxsim")
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    many.save_pretrained(str(draft), create_model_card=False)
    (draft / "README.md").write_text(multi_vector_card(encoder), encoding="utf-8")
    replace_folder(draft, target)


def multi_vector_card(encoder: EncoderFolder) -> str:
    """The folder's README: what it is and how it is used."""
    prompted = encoder.prompts_in_words()
    prompts = f"The prompts are: {prompted}; their tokens count too." if prompted else "There are no prompts."
    return f"""---
base_model: {encoder.base}
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- multi-vector
- feature-extraction
- tripletkit
---
# {encoder.base} fine-tuned on textbooks, one vector per token

The token vectors of the encoder in `encoder/`, which tripletkit fine-tuned from `{encoder.base}` for one vector per text; training data,
licence and scores are on its card. No projection is added: a vector has as many dimensions as the transformer.

```python
from sentence_transformers import MultiVectorEncoder

encoder = MultiVectorEncoder("FOLDER")
terms, passages = encoder.encode_query(["a term"]), encoder.encode_document(["a passage"])
scores = encoder.similarity(terms, passages)
```

A score is the mean over the term's tokens of the highest cosine with a token of the passage (MaxSim); special tokens are left out.
{prompts}
"""
