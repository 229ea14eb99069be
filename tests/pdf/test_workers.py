"""Fakes that a process can import by name: slow, hungry, dying, faulty."""

import os
import signal
import sys
import time

import pytest

from tripletkit.pdf.workers import Bounds, Failure, run_bounded

ENOUGH = Bounds(seconds=60, memory_mb=4096)


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
    return f"{task} done"


def outcomes(tasks: list[str], *, workers: int = 1, bounds: Bounds = ENOUGH) -> dict[str, str | Failure]:
    return {tasks[i]: outcome for i, outcome in run_bounded(work, tasks, workers=workers, bounds=bounds)}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals, no bound of memory")
@pytest.mark.parametrize("workers", [1, 2])
def test_what_ends_one_task_leaves_the_others(workers: int) -> None:
    found = outcomes(["a", "dying", "b", "hungry", "faulty", "c"], workers=workers)
    assert [found[name] for name in "abc"] == ["a done", "b done", "c done"]
    assert found["dying"] == Failure("ended its process (SIGKILL)")
    assert found["hungry"] == Failure("needs more than 4,096 MB of memory")
    assert found["faulty"] == Failure("met a fault in tripletkit (KeyError: 'fonts')")


def test_a_slow_task_is_stopped_by_the_clock() -> None:
    start = time.monotonic()
    found = outcomes(["slow", "a"], bounds=Bounds(seconds=4, memory_mb=4096))
    assert found == {"slow": Failure("took longer than 4 s"), "a": "a done"}
    assert time.monotonic() - start < 30


def test_no_tasks_take_no_process() -> None:
    assert outcomes([]) == {}
    assert len(outcomes(["a"], workers=8)) == 1
