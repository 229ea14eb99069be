"""Importing or calling tripletkit leaves the process as it was; only the command line quietens the libraries."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import transformers.utils.logging as transformers_logging
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from tests.book import CHAPTERS
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.quiet import hidden_progress_bars
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.evaluation.compare import evaluate_encoders
from tripletkit.progress import Progress
from tripletkit.settings import TrainSettings
from tripletkit.training.batches import triplet_data
from tripletkit.training.trainer import Validation, train

QUIET = Progress(quiet=True)
TERMS = [(f"The {term} {what}.", term) for terms in CHAPTERS.values() for term, what in terms.items()]


def state() -> dict[str, object]:
    """What others would notice if it changed."""
    return {
        "transformers": transformers_logging.is_progress_bar_enabled(),
        "datasets": datasets.is_progress_bar_enabled(),
        "hub": are_progress_bars_disabled(),
        "threads": torch.get_num_threads(),
        "handlers": list(logging.getLogger().handlers),
        "level": logging.getLogger().level,
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index] # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
    }


@pytest.fixture(autouse=True)
def bars_are_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without the variable, which an earlier test of the command line may have set before the library was loaded."""
    monkeypatch.setattr(sys.modules["huggingface_hub.utils.tqdm"], "HF_HUB_DISABLE_PROGRESS_BARS", None)


@pytest.fixture
def unchanged(bars_are_the_users: None) -> Iterator[None]:
    """Bars are shown and torch has one thread before; all is the same afterwards."""
    threads = torch.get_num_threads()
    transformers_logging.enable_progress_bar()
    torch.set_num_threads(1)
    before = state()
    yield
    after = state()
    torch.set_num_threads(threads)
    for name, value in before.items():
        assert after[name] == value, name


@pytest.mark.usefixtures("unchanged")
def test_encoding_changes_nothing(tiny_encoder: Path) -> None:
    SentenceEncoder(resolve_encoder(str(tiny_encoder)), cache=None, progress=QUIET).encode(["roots"])


@pytest.mark.usefixtures("unchanged")
def test_training_changes_nothing(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = TrainSettings(teacher="none", max_steps=1, batch_size=4)
    train(
        triplet_data([(text, term, TERMS[i - 1][1]) for i, (text, term) in enumerate(TERMS)], settings, seed=7),
        resolve_encoder(str(tiny_encoder)),
        tmp_path / "encoder",
        settings,
        seed=7,
        progress=QUIET,
        validation=Validation(lambda encoder: float(encoder.encode(["roots"]).sum()), None, "key"),
    )


@pytest.mark.usefixtures("unchanged")
def test_evaluating_changes_nothing(tiny_encoder: Path) -> None:
    evaluate_encoders([str(tiny_encoder)], [text for text, _ in TERMS], [term for _, term in TERMS])


def test_hidden_bars_stay_as_the_user_set_them() -> None:
    transformers_logging.enable_progress_bar()
    disable_progress_bars()
    with hidden_progress_bars():
        assert not transformers_logging.is_progress_bar_enabled()
    assert transformers_logging.is_progress_bar_enabled()
    assert are_progress_bars_disabled()
    enable_progress_bars()


@pytest.mark.slow
def test_the_command_line_hides_bars_and_uses_every_core() -> None:
    code = (
        "from tripletkit.encoding.quiet import quiet_libraries\n"
        "import os, sys\n"
        "quiet_libraries()\n"
        "assert 'torch' not in sys.modules and 'datasets' not in sys.modules\n"
        "import datasets, torch, transformers\n"
        "cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()\n"
        "print(datasets.is_progress_bar_enabled(), transformers.utils.logging.is_progress_bar_enabled(),\n"
        "      torch.get_num_threads() == max(1, cores // int(os.environ.get('LOCAL_WORLD_SIZE', '1'))))\n"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    for more in ({}, {"LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", code], env=clean | more, check=True, capture_output=True, text=True
        )
        assert done.stdout.split() == ["False", "False", "True"]
