"""Half precision where the hardware is faster with it (see docs/design-decisions.md). Imports torch."""

from __future__ import annotations

import torch

from tripletkit.errors import ConfigError


def choose_precision(wanted: str) -> str:
    """float32, bfloat16 or float16: as ``wanted``, or for "auto" the half precision for which GPU or CPU has instructions.

    float16 is for GPUs without bfloat16. Raises ConfigError if float16 is wanted without a GPU: training needs its loss scaled,
    which works on GPUs only.
    """
    cuda = torch.cuda.is_available()
    if wanted == "float16" and not cuda:
        raise ConfigError(
            "precision = 'float16' needs an NVIDIA or AMD GPU, and this machine has none",
            "Set precision to auto, float32 or bfloat16.",
        )
    if wanted != "auto":
        return wanted
    if cuda:
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if torch.backends.mps.is_available():
        return "float32"
    # Private, but there is no public way to ask; a torch without them computes in float32.
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bfloat16" if any(ask() for ask in asked if ask is not None) else "float32"


def autocast(device: str, precision: str) -> torch.autocast:
    """Matrix products in this precision; the weights stay in float32."""
    half = precision != "float32"
    return torch.autocast(device, getattr(torch, precision) if half else None, enabled=half)
