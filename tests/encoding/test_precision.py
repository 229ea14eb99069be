"""The choice of precision by the hardware."""

import pytest
import torch

from tripletkit.encoding.precision import autocast, choose_precision
from tripletkit.errors import ConfigError


def gpu(monkeypatch: pytest.MonkeyPatch, *, there: bool, bfloat16: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)


@pytest.mark.parametrize(("bfloat16", "chosen"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_uses_the_half_precision_that_it_supports(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, chosen: str
) -> None:
    gpu(monkeypatch, there=True, bfloat16=bfloat16)
    assert choose_precision("auto") == chosen
    assert choose_precision("float16") == "float16"
    assert choose_precision("float32") == "float32"


def test_float16_without_a_gpu_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, there=False)
    with pytest.raises(ConfigError, match="needs an NVIDIA or AMD GPU") as raised:
        choose_precision("float16")
    assert "auto" in str(raised.value.hint)


def test_auto_never_chooses_float16_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, there=False)
    assert choose_precision("auto") in {"float32", "bfloat16"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_autocast_computes_products_in_the_precision(precision: str) -> None:
    with autocast("cpu", precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, precision)
