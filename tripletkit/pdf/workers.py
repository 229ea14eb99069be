"""Read books in worker processes with limits on time and memory, so that one bad book does not affect the others.

A worker is a fresh Python that imports this module and its task function, and nothing of the program that
started it: scripts without a ``__main__`` guard, notebooks and tests can all start workers. Tasks and results cross
its standard input and output, pickled. This module imports neither a PDF library nor polars.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from time import monotonic
from typing import IO, Generic, Literal, TypeVar, cast

from tripletkit.errors import ConfigError
from tripletkit.rules import Rules

Task = TypeVar("Task")
Result = TypeVar("Result")
Rows = list[dict[str, object]]
Columns = dict[str, list[object]]

#: A worker that gave no answer has so many seconds to end, and to say how, before it is killed.
_END_S = 5.0
#: The worker's program. It has the module path of this process and does not look for modules in the current folder.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from tripletkit.pdf.workers import serve; serve({memory_mb})"


@dataclass(frozen=True)
class PassageLimits:
    """Sizes of passages in the encoder's tokens, special tokens included. Raises ConfigError if they are out of order."""

    max_tokens: int
    target_tokens: int = 160
    min_tokens: int = 24

    def __post_init__(self) -> None:
        if not 3 <= self.min_tokens <= self.target_tokens <= self.max_tokens:
            raise ConfigError(
                f"passage limits {self.min_tokens} / {self.target_tokens} / {self.max_tokens} are out of order",
                "min_tokens <= target_tokens <= max_tokens must hold, and min_tokens be at least 3.",
            )


@dataclass(frozen=True)
class BookTask:
    """One book to read: ``encoder`` is the folder whose tokenizer counts, ``part`` where what it gives is kept."""

    path: Path
    book_id: str
    part: Path
    encoder: Path
    limits: PassageLimits
    rules: Rules
    backend: str
    raised_signs: str = "unicode"


@dataclass(frozen=True)
class BookTables:
    """One book's part of the tables of the same names, and its title. Lines are many: they come as columns."""

    title: str
    pages: Rows
    lines: Columns
    passages: Rows
    dropped: Rows


@dataclass(frozen=True)
class WorkerFunction(Generic[Task, Result]):
    """A function by its place, "package.module:name": workers import it, the process that starts them does not."""

    place: str

    def load(self) -> Callable[[Task], Result]:
        """The function itself."""
        module, name = self.place.split(":")
        function: Callable[[Task], Result] = getattr(importlib.import_module(module), name)
        return function


@dataclass(frozen=True)
class Bounds:
    """Limits of one task: wall-clock seconds, and memory where the system supports it."""

    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Failure:
    """Why a task has no result, in words that follow its name; ``cause`` "fault" is an error in the function itself."""

    cause: Literal["time", "memory", "killed", "fault"]
    why: str
    traceback: str = ""


def run_bounded(
    function: WorkerFunction[Task, Result], tasks: Sequence[Task], *, workers: int, bounds: Bounds
) -> Iterator[tuple[int, Result | Failure]]:
    """(index of a task, its result or why it has none), as they come; at most ``workers`` processes at a time.

    Tasks and results must be picklable. A process serves task after task, until one of them ends it. Raises OSError if
    no process can be started.
    """
    crew = [_Worker(function, bounds) for _ in range(min(workers, len(tasks)))]
    idle: SimpleQueue[_Worker[Task, Result]] = SimpleQueue()
    for worker in crew:
        idle.put(worker)

    def served(task: Task) -> Result | Failure:
        worker = idle.get()
        try:
            return worker.outcome(task)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(max(len(crew), 1), "tripletkit-worker")
    try:
        indexes = {threads.submit(served, task): index for index, task in enumerate(tasks)}
        for done in as_completed(list(indexes)):
            yield indexes.pop(done), done.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in crew:
            worker.end()
        threads.shutdown()
        for worker in crew:  # a thread may have started one meanwhile
            worker.end()


class _Worker(Generic[Task, Result]):
    """One process at a time: started with the first task, and again after a task that ended it."""

    def __init__(self, function: WorkerFunction[Task, Result], bounds: Bounds) -> None:
        self._function, self._bounds = function, bounds
        self._process: subprocess.Popen[bytes] | None = None

    def outcome(self, task: Task) -> Result | Failure:
        """The result of the task, or why it has none."""
        process = self._process = self._process or self._started()
        ends = monotonic() + self._bounds.seconds
        timer = Timer(self._bounds.seconds, process.kill)
        timer.start()
        try:
            tasks, results = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            pickle.dump(pickle.dumps((self._function, task)), tasks)
            tasks.flush()
            return cast(Result | Failure, pickle.load(results))
        except (EOFError, OSError, pickle.UnpicklingError):
            self.end(_END_S)
            if monotonic() >= ends:
                return Failure("time", f"took longer than {self._bounds.seconds:g} s")
            signals = {-number: number.name for number in signal.Signals}
            how = signals.get(process.returncode, f"exit code {process.returncode}")
            return Failure("killed", f"ended its process ({how})")
        finally:
            timer.cancel()
            if monotonic() >= ends:  # perhaps the timer killed it just after the answer
                self.end()

    def _started(self) -> subprocess.Popen[bytes]:
        program = _PROGRAM.format(path=list(map(str, sys.path)), memory_mb=self._bounds.memory_mb)
        return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self, patience_s: float = 0.0) -> None:
        """Kill the process, if there is one and it does not end by itself in that many seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            cast(IO[bytes], process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        process.kill()
        process.wait()
        cast(IO[bytes], process.stdout).close()


def serve(memory_mb: int) -> None:
    """Run a worker process: read tasks and write results until the input is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process is one core's work: the tokenizer would start a thread for every core.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    tasks, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no result
    _limit_memory(memory_mb)
    while True:
        try:
            job = pickle.load(tasks)
        except EOFError:
            return
        with suppress(BrokenPipeError):
            results.write(_answer(job, memory_mb))
            results.flush()


def _answer(job: bytes, memory_mb: int) -> bytes:
    """The pickled result of the task or its Failure."""
    try:
        function, task = pickle.loads(job)
        return pickle.dumps(function.load()(task))
    except MemoryError:
        return pickle.dumps(Failure("memory", f"needs more than {memory_mb:,} MB of memory"))
    except Exception as error:  # an error in one task is no reason to lose the others
        return pickle.dumps(Failure("fault", f"{type(error).__name__}: {error}", traceback.format_exc()))


def _limit_memory(memory_mb: int) -> None:
    """Make allocations over the limit fail. RLIMIT_DATA, not RLIMIT_AS: libraries reserve much address space."""
    with suppress(ImportError, OSError, ValueError):
        resource = importlib.import_module("resource")
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory_mb << 20 if hard == resource.RLIM_INFINITY else min(memory_mb << 20, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
