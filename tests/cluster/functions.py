"""What workers do in tests: each maker is given a folder and gives the function of a number."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tripletkit.errors import SourceError


def doubler(folder: Path) -> Callable[[int], int]:
    """Doubles; writes a line for each number that it is given, with its process."""
    folder.mkdir(exist_ok=True)

    def double(number: int) -> int:
        with (folder / f"{number}").open("a") as log:
            log.write(f"{os.getpid()}\n")
        time.sleep(0.05)
        return 2 * number

    return double


def breaker(folder: Path) -> Callable[[int], int]:
    """3 is an error in the function, 5 ends the process, 7 only the first time."""
    double = doubler(folder)

    def work(number: int) -> int:
        done = double(number)
        if number == 3:
            raise ValueError("three is too many")
        if number == 5 or (number == 7 and len((folder / "7").read_text().split()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return work


def refuser(_: Path) -> Callable[[int], int]:
    """Cannot be made."""
    raise SourceError("no such rule", "Write it.")


def addresses() -> set[str]:
    """Where this process, and all that it started, listen, are connected from or to."""
    found = set[str]()
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):  # it ended meanwhile
            for socket in process.net_connections():
                found |= {place.ip for place in (socket.laddr, socket.raddr) if place}
    return found
