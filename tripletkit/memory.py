"""The most memory that this process, or one that it started, has held for a while."""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")


class PeakMemory:
    """Begins when it is made. On Linux the peak is that since then, elsewhere that since the process began."""

    def __init__(self) -> None:
        with suppress(OSError):
            (_PROCESS / "clear_refs").write_text("5")  # begins the peak anew (proc(5), clear_refs)
        self._children = largest_kb("RUSAGE_CHILDREN")

    def megabytes(self) -> int:
        """Resident memory (MB of 2**20 bytes) of the largest process; 0 where the system does not say."""
        children = largest_kb("RUSAGE_CHILDREN")
        own = _since_cleared() or largest_kb("RUSAGE_SELF")
        return max(own, children if children > self._children else 0) // 1024


def _since_cleared() -> int:
    """In KB; 0 on other systems."""
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+)", (_PROCESS / "status").read_text()):
            return int(found[1])
    return 0


def largest_kb(whose: str) -> int:
    """The largest, in KB of 2**10 bytes, that this process or a child that has ended ever was; 0 where the system does not say."""
    with suppress(ImportError):
        resource = importlib.import_module("resource")
        most = int(resource.getrusage(getattr(resource, whose)).ru_maxrss)
        return most // 1024 if sys.platform == "darwin" else most
    return 0
