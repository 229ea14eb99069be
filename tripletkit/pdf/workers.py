"""Tasks in processes of their own, bounded in time and memory: what one of them does to itself, the others never see."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

#: A process is one core's work: libraries that would start a thread for every core are told so.
_THREAD_POOLS = ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
#: Of its last moments, a process that is told to stop gets so many seconds.
_FAREWELL_S = 5.0


@dataclass(frozen=True)
class Bounds:
    """What one task may take: seconds by the clock, and memory where the system can limit it."""

    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Failure:
    """Why a task has no result, in words that follow its name."""

    why: str


def run_bounded(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int, bounds: Bounds
) -> Iterator[tuple[int, Result | Failure]]:
    """(index of a task, its result or why it has none), as they come; at most ``workers`` processes at a time.

    ``function`` and the tasks must be picklable. A process serves task after task, until one of them ends it.
    """
    waiting = deque(enumerate(tasks))
    crew: list[_Worker[Task, Result]] = []
    try:
        while waiting or crew:
            while waiting and len(crew) < workers:
                crew.append(_Worker(function, bounds))
                crew[-1].give(*waiting.popleft())
            for worker in _ready(crew):
                index, outcome = worker.index, worker.outcome()
                # Before the result is handed on: no process waits for what is done with it.
                if waiting and worker.alive:
                    worker.give(*waiting.popleft())
                else:
                    crew.remove(worker)
                    worker.stop()
                yield index, outcome
    finally:
        for worker in crew:
            worker.stop()


class _Worker(Generic[Task, Result]):
    """A process and the task that it works on, ``index``."""

    def __init__(self, function: Callable[[Task], Result], bounds: Bounds) -> None:
        # PDFium is not thread-safe, and a forked process would share it: "spawn" gives each its own.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.bounds, self.index, self.deadline = bounds, -1, 0.0
        self.busy = self.alive = True
        self._process = context.Process(target=_serve, args=(theirs, function, bounds.memory_mb), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, index: int, task: Task) -> None:
        """Start on a task. A process that is gone already is noticed by `outcome`."""
        self.index, self.deadline, self.busy = index, time.monotonic() + self.bounds.seconds, True
        with suppress(OSError):
            self.connection.send(task)

    def outcome(self) -> Result | Failure:
        """What the task gave, or why it gave nothing; in that case the process is over."""
        try:
            if not self.connection.poll():
                self.alive = False
                return Failure(f"took longer than {self.bounds.seconds:g} s")
            found: Result | Failure = self.connection.recv()
            self.busy = False
            return found
        except (EOFError, OSError):
            self.alive = False
            self._process.join(_FAREWELL_S)
            return Failure(f"ended its process ({_exit(self._process.exitcode)})")

    def stop(self) -> None:
        """Let an idle process go, and end a busy one."""
        self.connection.close()
        if not self.busy:
            self._process.join(_FAREWELL_S)
        if self._process.exitcode is None:
            self._process.kill()
        self._process.join(_FAREWELL_S)


def _ready(crew: Sequence[_Worker[Task, Result]]) -> list[_Worker[Task, Result]]:
    """The workers that have said something, died or run out of time; waits until there is one."""
    while True:
        left = min(worker.deadline for worker in crew) - time.monotonic()
        told = wait([worker.connection for worker in crew], max(left, 0.0))
        now = time.monotonic()
        ready = [worker for worker in crew if worker.connection in told or worker.deadline <= now]
        if ready:
            return ready


def _exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _serve(connection: Connection, function: Callable[[Task], Result], memory_mb: int) -> None:
    """The life of a process: tasks in, results out, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for pool in _THREAD_POOLS:
        os.environ.setdefault(pool, "1")
    _limit_memory(memory_mb)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            gc.freeze()  # Python looks for cycles when it ends, in everything that was loaded
            return
        with suppress(BrokenPipeError):
            connection.send(_tried(function, task, memory_mb))


def _tried(function: Callable[[Task], Result], task: Task, memory_mb: int) -> Result | Failure:
    try:
        return function(task)
    except MemoryError:
        return Failure(f"needs more than {memory_mb:,} MB of memory")
    except Exception as error:  # a fault of ours in one task is no reason to lose the others
        log.debug("a task failed", exc_info=True)
        return Failure(f"met a fault in tripletkit ({type(error).__name__}: {error})")


def _limit_memory(memory_mb: int) -> None:
    """Allocations over the bound fail in this process, where the system has such a limit (Windows has none).

    RLIMIT_DATA and not RLIMIT_AS: libraries reserve gigabytes of addresses, more the more cores there are.
    """
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return
    most = memory_mb << 20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
