"""Work in this process: as the stages do it without a cluster."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tripletkit.cluster.mapper import InProcess, Work, in_order
from tripletkit.errors import ConfigError, SourceError
from tripletkit.pdf.workers import Failure, WorkerFunction

Numbers = Work[Path, int, int]


def test_results_come_with_the_number_of_their_item(tmp_path: Path) -> None:
    work: Numbers = Work(WorkerFunction("tests.cluster.functions:doubler"), tmp_path)
    found = InProcess().map(work, iter([4, 5]), total=2)
    assert [*found] == [(0, 8), (1, 10)]
    assert in_order([(1, "b"), (0, "a")]) == ["a", "b"]


def test_an_error_in_one_item_costs_that_item(tmp_path: Path) -> None:
    work: Numbers = Work(WorkerFunction("tests.cluster.functions:breaker"), tmp_path)
    (_, two), (_, three), (_, four) = InProcess().map(work, [2, 3, 4], total=3)
    assert (two, four) == (4, 8)
    assert isinstance(three, Failure)
    assert three.cause == "fault"
    assert "ValueError: three is too many" in three.why


def test_an_error_that_the_user_can_put_right_ends_the_work(tmp_path: Path) -> None:
    work: Numbers = Work(WorkerFunction("tests.cluster.functions:refuser"), tmp_path)
    found = InProcess().map(work, [1], total=1)
    with pytest.raises(SourceError, match="no such rule"):
        next(found)


def test_an_error_keeps_its_two_parts_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("workers = -1", "Give 0 or more.")))
    assert (type(error), error.problem, error.hint) == (ConfigError, "workers = -1", "Give 0 or more.")


def test_nothing_of_ray_is_imported_without_a_cluster(tmp_path: Path) -> None:
    program = (
        "import sys; from tripletkit import Project; from tripletkit.pipeline import Runner, Tools, STAGES, find_stage; "
        f"project = Project({str(tmp_path)!r}); tools = Tools(project.settings, progress=project._progress); tools.mapper; "
        "[find_stage(name) for name in STAGES]; sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
