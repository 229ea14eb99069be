"""LoRA (arXiv:2106.09685): train small matrices beside the weights, then add them to the weights. Needs peft."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from tripletkit.encoding.loading import load_model
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError


def add_adapters(model: Any, rank: int) -> None:  # noqa: ANN401 - untyped library
    """Add adapters of this rank to every linear layer, in place; nothing else trains. Raises ConfigError without peft."""
    if find_spec("peft") is None:
        raise ConfigError(f"train.lora_rank = {rank}: peft is not installed", "pip install 'tripletkit[lora]'")
    from peft import LoraConfig

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
