"""Which precision is taken, by what the hardware has."""

import pytest
import torch

from tripletkit.encoding.precision import autocast, choose_precision
from tripletkit.errors import ConfigError


def gpu(monkeypatch: pytest.MonkeyPatch, *, there: bool, bfloat16: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)


@pytest.mark.parametrize(("bfloat16", "chosen"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_computes_in_the_half_precision_that_it_has(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, chosen: str
) -> None:
    gpu(monkeypatch, there=True, bfloat16=bfloat16)
    assert choose_precision("auto") == chosen
    assert choose_precision("float16") == "float16"
    assert choose_precision("float32") == "float32"


def test_float16_without_a_gpu_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, there=False)
    with pytest.raises(ConfigError, match="needs an NVIDIA or AMD GPU") as raised:
        choose_precision("float16")
    assert "auto" in str(raised.value.hint)


def test_a_cpu_never_takes_float16_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, there=False)
    assert choose_precision("auto") in {"float32", "bfloat16"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_products_are_computed_in_it(precision: str) -> None:
    with autocast("cpu", precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, precision)
