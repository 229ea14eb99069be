"""Which of several processes this is: torchrun and accelerate launch say so in the environment. Nothing here imports torch."""

from __future__ import annotations

import os


def process_count() -> int:
    """Processes that train together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this one writes and prints; the others only compute."""
    return os.environ.get("RANK", "0") == "0"
