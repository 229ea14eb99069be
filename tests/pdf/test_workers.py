"""Fakes that a process can import by name: slow, hungry, dying, faulty."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.book import write_book
from tripletkit.pdf.workers import (
    BookTask,
    Bounds,
    Failure,
    PassageLimits,
    WorkerFunction,
    begin_step,
    read_books,
    run_bounded,
)
from tripletkit.rules import Rules

ENOUGH = Bounds(seconds=60, memory_mb=4096)
WORK: WorkerFunction[str, str] = WorkerFunction(f"{__name__}:work")
ROOT = Path(__file__).parents[2]


def work(task: str) -> str:
    """Does to its process what the task says."""
    if task == "slow":
        time.sleep(60)
    if task == "hungry":
        bytearray(64 << 30)
    if task == "dying":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "faulty":
        raise KeyError("fonts")
    if task == "printing":
        os.write(1, b"a library's message\n")
        os.write(2, b"WARNING: a library's complaint\n")
    if task == "crashing":
        begin_step("page 2")
        begin_step("page 3")
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hanging":
        begin_step("page 1")
        time.sleep(60)
    if task == "resting":
        begin_step("page 1")
        begin_step("layout", timed=False)
        time.sleep(2)
    return f"{task} done"


def read_without(task: BookTask) -> list[tuple[str, str]]:
    """Ends its process at pages 2 and 4 unless they are left out; gives the pages that it read."""
    for page in range(1, 6):
        if f"page {page}" not in task.skip:
            begin_step(f"page {page}")
            if page in (2, 4):
                os.kill(os.getpid(), signal.SIGSEGV)
    return sorted(task.skip.items())


def heavy_modules(_: str) -> str:
    """Which big libraries the process has loaded once it can read books."""
    import tripletkit.pdf.book_tables  # noqa: F401

    return " ".join(sorted({"polars", "pydantic", "torch", "typer", "numpy", "pdfplumber"} & sys.modules.keys()))


def outcomes(tasks: list[str], *, workers: int = 1, bounds: Bounds = ENOUGH) -> dict[str, str | Failure]:
    found = run_bounded(WORK, tasks, workers=workers, bounds=bounds)
    return {tasks[i]: outcome for i, outcome in found}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals, no bound of memory")
@pytest.mark.parametrize("workers", [1, 2])
def test_what_ends_one_task_leaves_the_others(workers: int) -> None:
    found = outcomes(["a", "dying", "b", "hungry", "faulty", "c"], workers=workers)
    assert [found[name] for name in "abc"] == ["a done", "b done", "c done"]
    assert found["dying"] == Failure("killed", "ended its process (SIGKILL)")
    assert found["hungry"] == Failure("memory", "needs more than 4,096 MB of memory")
    faulty = found["faulty"]
    assert isinstance(faulty, Failure)
    assert faulty.cause == "fault"
    assert re.fullmatch(r"KeyError: 'fonts', at pdf/workers.py:\d+", faulty.why)
    assert 'raise KeyError("fonts")' in faulty.traceback


@pytest.mark.slow
def test_a_slow_task_is_stopped_by_the_clock() -> None:
    found = outcomes(["slow", "a"], bounds=Bounds(seconds=2, memory_mb=4096))
    assert found == {"slow": Failure("time", "took longer than 2 s"), "a": "a done"}


def test_no_tasks_take_no_process() -> None:
    assert outcomes([]) == {}
    assert len(outcomes(["a"], workers=8)) == 1


def test_what_a_library_prints_is_no_result_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert outcomes(["printing", "a"]) == {"printing": "printing done", "a": "a done"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_crash_names_the_step_that_was_begun() -> None:
    crashed = outcomes(["printing", "crashing"])["crashing"]
    assert isinstance(crashed, Failure)
    assert (crashed.cause, crashed.why, crashed.step) == ("crash", "ended its process (SIGSEGV)", "page 3")
    assert "Segmentation fault" in crashed.traceback
    assert "complaint" not in crashed.traceback  # of an earlier task
    assert "\x00" not in crashed.traceback


def test_a_step_that_takes_too_long_ends_its_task() -> None:
    found = outcomes(["hanging", "resting", "a"], bounds=Bounds(seconds=60, memory_mb=4096, step_seconds=1))
    hanging = found.pop("hanging")
    assert isinstance(hanging, Failure)
    assert (hanging.cause, hanging.why, hanging.step) == ("time", "took longer than 1 s", "page 1")
    assert "in work" in hanging.traceback
    assert found == {"resting": "resting done", "a": "a done"}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_book_is_read_again_without_what_ended_its_process() -> None:
    function: WorkerFunction[BookTask, list[tuple[str, str]]] = WorkerFunction(f"{__name__}:read_without")
    task = BookTask(Path("a.pdf"), "a", Path("a"), None, PassageLimits(20, 20, 10), Rules({}, ""), "pdfium")
    why = "reading it ended its process (SIGSEGV)"
    known = {"page 2": "", "page 4": ""}
    running = read_books(function, [task, replace(task, skip=known)], workers=1, bounds=ENOUGH)
    assert dict(running) == {0: [("page 2", why), ("page 4", why)], 1: list(known.items())}


def test_processes_end_when_nobody_asks_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def recorded(command: list[str], **pipes: int) -> subprocess.Popen[bytes]:
        started.append(real(command, **pipes))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    running = run_bounded(WORK, ["a", "slow", "slow"], workers=2, bounds=ENOUGH)
    assert next(running) == (0, "a done")
    running.close()  # type: ignore[attr-defined]
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_a_worker_loads_no_big_library() -> None:
    function: WorkerFunction[str, str] = WorkerFunction(f"{__name__}:heavy_modules")
    found = run_bounded(function, [""], workers=1, bounds=ENOUGH)
    assert list(found) == [(0, "")]


SCRIPT = """
import sys
from tripletkit.cli import main
if {notebook}:
    del sys.modules["__main__"].__file__
try:
    main(["extract", {one!r}, {two!r}, "--output", {output!r}, "--encoder", {encoder!r}, "--set", "workers=2"])
except SystemExit as end:
    assert not end.code, end
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["script", "notebook", "pytest"])
def test_books_are_read_from_any_kind_of_program(way: str, tmp_path: Path, tiny_encoder: Path) -> None:
    """A script without a main guard, a notebook (a main module without a file) and a test start two workers each."""
    one, two = write_book(tmp_path / "one.pdf"), write_book(tmp_path / "two.pdf", title="Second")
    program = SCRIPT.format(
        notebook=way == "notebook", output=str(tmp_path / "out"), encoder=str(tiny_encoder), one=str(one), two=str(two)
    )
    if way == "pytest":
        exec(program, {})
        return
    script = tmp_path / "script.py"
    script.write_text(program, encoding="utf-8")
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 books, 42 pages" in done.stdout + done.stderr
