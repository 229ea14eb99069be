"""Progress bars and threads of the libraries: set for the command line, left alone for everybody who imports tripletkit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def quiet_libraries() -> None:
    """Switch off the libraries' own progress bars and give torch every core. Only for the command line: it sets os.environ.

    The libraries read these variables when they are imported, so call this before. What the user has set is kept.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # also those of transformers
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    # Threads that wait must sleep, not spin, or they take the time of other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > 1:  # torchrun gives each process one thread, however many cores there are
        os.environ["OMP_NUM_THREADS"] = str(max(1, cores // processes))
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))


@contextmanager
def hidden_progress_bars() -> Iterator[None]:
    """Hide the bars that transformers shows while a model is loaded or saved, for which it takes no argument.

    They are shown again afterwards if they were before.
    """
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    shown, hub_shown = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    if shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
            if not hub_shown:
                disable_progress_bars()
