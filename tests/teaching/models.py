"""Teachers with random weights, one of each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import make_tiny_encoder


def make_tiny_multi_vector(folder: Path, *, seed: int) -> Path:
    """A MultiVectorEncoder folder: 16 dimensions a token, prompts, and no vectors for full stops in documents."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    make_tiny_encoder(folder, seed=seed)
    torch.manual_seed(seed)
    modules = [
        Transformer(str(folder.with_name("plain")), max_seq_length=128),
        Dense(32, 16, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings"),
        MultiVectorMask(skiplist_words=["."]),
        Normalize("token_embeddings"),
    ]
    model = MultiVectorEncoder(modules=modules, device="cpu", prompts={"query": "find ", "document": "text "})
    shutil.rmtree(folder)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder
