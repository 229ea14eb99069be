"""The model in training: how it is loaded, trained by LoRA adapters (which needs peft), and written to a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tripletkit.encoding.loading import load_model
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError
from tripletkit.settings import TrainSettings, describe_text, describe_training
from tripletkit.store import replace_folder


def load(base: EncoderFolder, settings: TrainSettings, seed: int) -> Any:  # noqa: ANN401 - untyped library
    """The base encoder, ready to be trained. Raises ConfigError if the settings ask for LoRA and peft is not installed."""
    model = load_model(base)
    # The library's card would quote texts of the book; it also needs the network.
    model.model_card_data.set_widget_examples = lambda _: None
    model.model_card_data.local_files_only = True
    model.save_pretrained = partial(_save, model.save_pretrained, _tokenizers(model))
    if model.truncate_dim is not None:
        # The library shortens vectors only outside training.
        model.register_forward_hook(partial(_shorten, model.truncate_dim))
    if settings.gradient_checkpointing:
        inner = model.transformers_model
        # The name since transformers 5.23, and the one before.
        enable = getattr(inner, "activation_checkpointing_enable", None) or inner.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if settings.lora_rank:
        _add_adapters(model, settings.lora_rank, seed)
    if settings.has_teacher:
        remove_dropout(model)
    return model


def _tokenizers(model: Any) -> list[tuple[Any, Any, Any]]:  # noqa: ANN401 - untyped library
    """Each fast tokenizer of the model, and how it pads and truncates."""
    held = (getattr(getattr(module, "tokenizer", None), "backend_tokenizer", None) for module in model.modules())
    return [(of, of.padding, of.truncation) for of in dict.fromkeys(one for one in held if one is not None)]


def _save(save: Callable[..., None], tokenizers: list[tuple[Any, Any, Any]], *args: Any, **options: Any) -> None:  # noqa: ANN401
    """Save without a card, which checkpoints do not need and which takes as long as a step.

    Tokenizers are saved as they were loaded: else their file, and so the fingerprint, would depend on the last text that was
    encoded before.
    """
    for of, padding, truncation in tokenizers:
        of.enable_padding(**padding) if padding else of.no_padding()
        of.enable_truncation(**truncation) if truncation else of.no_truncation()
    save(*args, **{**options, "create_model_card": False})


def remove_dropout(model: Any) -> None:  # noqa: ANN401 - untyped library
    """Set every dropout rate to 0: the teacher's exact scores are the target, and dropout would add noise to the encoder's.

    Modules hold their rate as `p` or, for dropout in attention, as a number of their own, such as `attention_dropout`.
    The configuration, which is saved, stays.
    """
    for module in model.modules():
        if hasattr(
            module, "get_config_dict"
        ):  # a module of the library, which saves its rate; the layer inside it counts
            continue
        rates = [name for name, value in vars(module).items() if "drop" in name and isinstance(value, float)]
        for name in (*rates, *(["p"] if "Dropout" in type(module).__name__ and hasattr(module, "p") else [])):
            setattr(module, name, 0.0)


def _shorten(dimensions: int, model: object, features: object, out: dict[str, Any]) -> None:
    out["sentence_embedding"] = out["sentence_embedding"][:, :dimensions]


def _add_adapters(model: Any, rank: int, seed: int) -> None:  # noqa: ANN401 - untyped library
    """Add small matrices of this rank to every linear layer (LoRA, arXiv:2106.09685); nothing else trains."""
    if find_spec("peft") is None:
        raise ConfigError(f"train.lora_rank = {rank}: peft is not installed", "pip install 'tripletkit[lora]'")
    import torch
    from peft import LoraConfig

    torch.manual_seed(seed)  # adapters begin with random weights
    # alpha = 2 x rank is what most published settings use.
    model.add_adapter(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))


def merge_adapters(model: Any, base: EncoderFolder) -> Any:  # noqa: ANN401 - untyped library
    """A model like ``base`` with the adapters added to its weights: it loads without peft."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
    weights = {
        name.replace(".base_layer.", "."): value for name, value in model.state_dict().items() if ".lora_" not in name
    }
    plain = load_model(base)
    plain.load_state_dict(weights)
    return plain


def save(model: Any, base: EncoderFolder, target: Path, recipe: Mapping[str, Any], steps: int) -> None:  # noqa: ANN401 - untyped library
    """Write a draft beside ``target``, then rename it. The library's own card quotes training texts, so it is not written."""
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(str(draft), create_model_card=False)
    note = {"base": base.base, "base_fingerprint": base.fingerprint, "steps": steps, "recipe": recipe}
    (draft / "tripletkit.json").write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
    (draft / "README.md").write_text(model_card(base, recipe, steps), encoding="utf-8")
    replace_folder(draft, target)


def model_card(base: EncoderFolder, recipe: Mapping[str, Any], steps: int) -> str:
    """The encoder's README: base encoder, training settings and use, without any training text. ``recipe``: as in its note."""
    adapters = f", LoRA of rank {recipe['lora_rank']}, merged" if recipe["lora_rank"] else ""
    return f"""---
base_model: {base.base}
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- feature-extraction
- tripletkit
---
# {base.base} fine-tuned on textbooks

Fine-tuned by tripletkit from `{base.base}` (fingerprint `{base.fingerprint}`) with {describe_training(recipe, steps)}{adapters}.

{describe_text(recipe)}

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("FOLDER")
passages, terms = encoder.encode_document(["a passage"]), encoder.encode_query(["a term"])
similarities = encoder.similarity(passages, terms)
```

{base.use_in_words()}
"""
