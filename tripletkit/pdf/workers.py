"""Read books in worker processes with limits on time and memory, so that one bad book does not affect the others.

A worker is a fresh Python that imports this module and its task function, and nothing of the program that
started it: scripts without a ``__main__`` guard, notebooks and tests can all start workers. Tasks and results cross
its standard input and output, pickled. What it or a library writes to standard error is kept in a file and shown only
when the worker dies. This module imports neither a PDF library nor polars.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from time import monotonic
from typing import IO, Generic, Literal, TypeVar, cast

from tripletkit.addresses import Address, Place
from tripletkit.errors import ConfigError, TripletkitError
from tripletkit.rules import Rules

Task = TypeVar("Task")
Result = TypeVar("Result")
Rows = list[dict[str, object]]
Columns = dict[str, list[object]]

#: The reason in `dropped` for a page that could not be read.
UNREAD_PAGE = "page not read"
#: How a fault of the program's own is described, by what and where it is.
FAULT_START = "a fault in tripletkit, not in the file"
FAULT = f"{FAULT_START} ({{}})"
#: A line of the worker's standard error that says what it does next.
_STEP = "\x1d"
#: How faulthandler's message on a step that took too long starts.
_OVERTIME = "Timeout ("
#: A worker that gave no answer has so many seconds to end, and to say how, before it is killed.
_END_S = 5.0
#: The worker's program. It has the module path of this process and does not look for modules in the current folder.
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from tripletkit.pdf.workers import serve; serve({memory_mb}, {step_seconds})"
)


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
    """One book to read: ``encoder`` is the folder whose tokenizer counts (None: words), ``part`` where the result is kept.

    ``roles`` are page roles that the user sets: first page, last page, role. ``skip`` holds steps that ended an earlier
    process, and how, such as {"page 7": "took longer than 60 s"}. ``sample`` is how many pages are read, 0 for all.
    """

    path: Place
    book_id: str
    part: Place
    encoder: Path | None
    limits: PassageLimits
    rules: Rules
    backend: str
    roles: tuple[tuple[int, int, str], ...] = ()
    raised_signs: str = "unicode"
    skip: Mapping[str, str] = field(default_factory=dict)
    sample: int = 0

    @property
    def file(self) -> Path:
        """The book's file on this machine; what is at an address has been fetched where a worker reads it."""
        assert isinstance(self.path, Path)
        return self.path


AnyBookTask = TypeVar("AnyBookTask", bound=BookTask)


@dataclass(frozen=True)
class BookTables:
    """One book's part of the tables of the same names, and its title. Lines are many: they come as columns.

    ``faults`` are tracebacks of errors in the program itself that each cost a part of the book.
    """

    title: str
    pages: Rows
    lines: Columns
    passages: Rows
    dropped: Rows
    faults: tuple[str, ...] = ()


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
    """Limits of one task: wall-clock seconds in all and for each step, and memory where the system supports it."""

    seconds: float
    memory_mb: int
    step_seconds: float = 60.0


@dataclass(frozen=True)
class Failure:
    """Why a task has no result, in words that follow its name.

    ``cause`` "fault" is an error in the function itself, "crash" one that ended its process, "killed" an end from
    outside. ``step`` is what the function said that it does next (see `begin_step`), ``traceback`` for those who mend it.
    """

    cause: Literal["time", "memory", "killed", "crash", "fault", "fetch"]
    why: str
    traceback: str = ""
    step: str = ""


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


def read_books(
    function: WorkerFunction[AnyBookTask, Result], tasks: Sequence[AnyBookTask], *, workers: int, bounds: Bounds
) -> Iterator[tuple[int, Result | Failure]]:
    """As run_bounded. A book is tried again without the step that ended its process, such as one page, within its time."""
    started = monotonic()
    open_ = dict(enumerate(tasks))
    while open_:
        again: dict[int, AnyBookTask] = {}
        indexes = list(open_)
        for place, outcome in run_bounded(function, list(open_.values()), workers=workers, bounds=bounds):
            index = indexes[place]
            shorter = _without_step(open_[index], outcome) if isinstance(outcome, Failure) else None
            if shorter is None or monotonic() - started > bounds.seconds * len(tasks):
                yield index, outcome
            else:
                again[index] = shorter
        open_ = again


def book_reader(
    function: WorkerFunction[AnyBookTask, Result], bounds: Bounds
) -> Callable[[AnyBookTask], Result | Failure]:
    """As read_books for one book after another, all in one process beside this one that ends with it."""
    worker = _Worker(function, bounds)

    def read(task: AnyBookTask) -> Result | Failure:
        started, outcome = monotonic(), worker.outcome(task)
        while isinstance(outcome, Failure) and monotonic() - started <= bounds.seconds:
            shorter = _without_step(task, outcome)
            if shorter is None:
                break
            task, outcome = shorter, worker.outcome(shorter)
        return outcome

    return read


def _without_step(task: AnyBookTask, failure: Failure) -> AnyBookTask | None:
    """The task without the step that failed; None if none is known, it was left out already, or the cause is outside."""
    if failure.cause in ("fault", "killed") or failure.step in ("", "layout", *task.skip):
        return None
    return replace(task, skip={**task.skip, failure.step: f"reading it {failure.why}"})


class _Worker(Generic[Task, Result]):
    """One process at a time: started with the first task, and again after a task that ended it."""

    def __init__(self, function: WorkerFunction[Task, Result], bounds: Bounds) -> None:
        self._function, self._bounds = function, bounds
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the worker

    def outcome(self, task: Task) -> Result | Failure:
        """The result of the task, or why it has none. A book at an address is fetched first."""
        if not (isinstance(task, BookTask) and isinstance(task.path, Address)):
            return self._outcome(task)
        with tempfile.TemporaryDirectory(prefix="tripletkit-") as folder:
            copy = Path(folder) / task.path.name
            try:
                task.path.fetch(copy)
            except (OSError, TripletkitError) as error:
                return Failure("fetch", f"failed, as it could not be fetched ({str(error).splitlines()[0]})")
            outcome = self._outcome(replace(task, path=copy))
            told = outcome.replace(str(copy), str(task.path)) if isinstance(outcome, str) else outcome
            return cast(Result | Failure, told)

    def _outcome(self, task: Task) -> Result | Failure:
        process = self._process = self._process or self._started()
        ends = monotonic() + self._bounds.seconds
        timer = Timer(self._bounds.seconds, process.kill)
        timer.start()
        self._said.seek(0)  # where the process writes next: it shares the place
        self._said.truncate()
        try:
            tasks, results = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            pickle.dump(pickle.dumps((self._function, task)), tasks)
            tasks.flush()
            answer = cast(Result | Failure, pickle.load(results))
            return replace(answer, step=self._last()[0]) if isinstance(answer, Failure) else answer
        except (EOFError, OSError, pickle.UnpicklingError):
            self.end(_END_S)
            return self._ended(process.returncode, in_time=monotonic() < ends)
        finally:
            timer.cancel()
            if monotonic() >= ends:  # perhaps the timer killed it just after the answer
                self.end()

    def _ended(self, code: int, *, in_time: bool) -> Failure:
        """Why the process ended without an answer."""
        step, said = self._last()
        if not in_time:  # perhaps no single step is too long
            return Failure("time", f"took longer than {self._bounds.seconds:g} s", said)
        if said.startswith(_OVERTIME):
            return Failure("time", f"took longer than {self._bounds.step_seconds:g} s", said, step)
        how = {-number: number.name for number in signal.Signals}.get(code, f"exit code {code}")
        killed = code == -getattr(signal, "SIGKILL", 0)
        return Failure("killed" if killed else "crash", f"ended its process ({how})", said, step)

    def _last(self) -> tuple[str, str]:
        """The last step that the process began, and what it wrote to standard error after that."""
        self._said.seek(0)
        _, mark, last = self._said.read().decode("utf-8", "replace").rpartition(_STEP)
        step, _, said = last.partition("\n") if mark else ("", "", last)
        return step, said.strip()

    def _started(self) -> subprocess.Popen[bytes]:
        bounds = {"memory_mb": self._bounds.memory_mb, "step_seconds": self._bounds.step_seconds}
        program = _PROGRAM.format(path=list(map(str, sys.path)), **bounds)
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=self._said)

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


def serve(memory_mb: int, step_seconds: float) -> None:
    """Run a worker process: read tasks and write results until the input is closed."""
    global _step_seconds
    _step_seconds = step_seconds
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process is one core's work: the tokenizer would start a thread for every core.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    tasks, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no result
    faulthandler.enable()
    _limit_memory(memory_mb)
    while True:
        try:
            job = pickle.load(tasks)
        except EOFError:
            return
        answer = _answer(job, memory_mb)
        faulthandler.cancel_dump_traceback_later()
        with suppress(BrokenPipeError):
            results.write(answer)
            results.flush()


#: Limit of a step's time in a worker process; 0 in any other process.
_step_seconds = 0.0


def begin_step(step: str, *, timed: bool = True) -> None:
    """Say what this worker process does next; it ends, from the C code of a library too, where a timed step takes too long.

    Does nothing in a process that is no worker.
    """
    if not _step_seconds:
        return
    os.write(2, f"{_STEP}{step}\n".encode())
    if timed:
        faulthandler.dump_traceback_later(_step_seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


def describe_fault(error: Exception) -> str:
    """What an unexpected error is, and where in the program it is from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "tripletkit" in Path(frame.filename).parts] or frames
    place = f"{Path(own[-1].filename).parent.name}/{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{type(error).__name__}: {error}, at {place}"


def _answer(job: bytes, memory_mb: int) -> bytes:
    """The pickled result of the task or its Failure."""
    try:
        function, task = pickle.loads(job)
        return pickle.dumps(function.load()(task))
    except MemoryError:
        return pickle.dumps(Failure("memory", f"needs more than {memory_mb:,} MB of memory"))
    except Exception as error:  # an error in one task is no reason to lose the others
        return pickle.dumps(Failure("fault", describe_fault(error), traceback.format_exc()))


def _limit_memory(memory_mb: int) -> None:
    """Make allocations over the limit fail. RLIMIT_DATA, not RLIMIT_AS: libraries reserve much address space."""
    with suppress(ImportError, OSError, ValueError):
        resource = importlib.import_module("resource")
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory_mb << 20 if hard == resource.RLIM_INFINITY else min(memory_mb << 20, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
