"""The same work on a cluster of two nodes on this machine: equal bytes, and what is lost is done again."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.book import write_book
from tests.conftest import ANY_COSINE
from tripletkit.cluster.mapper import Work
from tripletkit.cluster.ray_mapper import RayMapper, prepare_environment
from tripletkit.errors import ConfigError, SourceError
from tripletkit.pdf.workers import Failure, WorkerFunction
from tripletkit.progress import Progress
from tripletkit.project import Project
from tripletkit.store import Store

# Not importorskip: Ray reads variables when it is imported.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is an extra"),
]
#: Of Ray, which has no types.
Cluster: TypeAlias = Any
ROOT = Path(__file__).parents[2]
TABLES = ("books", "pages", "lines", "passages", "terms", "mentions", "splits", "triplets", "dropped")
MAPPER = RayMapper("auto", workers=0, progress=Progress(quiet=True))


def functions(name: str) -> WorkerFunction[Path, Any]:
    return WorkerFunction(f"tests.cluster.functions:{name}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one CPU each, bound to this machine."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    patch.setenv("RAY_AUTH_MODE", "disabled")
    prepare_environment(local=True)
    import ray
    from ray import cluster_utils

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 80 << 20}
    started = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
    started.add_node(**node)
    patch.setenv("RAY_ADDRESS", started.address)
    ray.init(address=started.address, log_to_driver=False, logging_level="error", configure_logging=False)
    started.node = node
    yield started
    ray.shutdown()
    started.shutdown()
    patch.undo()


def listening() -> set[str]:
    """The addresses at which processes of Ray listen."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = [line.split()[3] for line in lines if any(name in line for name in ("ray", "gcs_server"))]
    return {address.rpartition(":")[0] for address in ours}


def test_all_is_bound_to_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    assert len(list(MAPPER.map(Work(functions("doubler"), tmp_path), range(4), total=4))) == 4
    assert listening() <= {"127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"}
    assert listening()


def test_a_killed_worker_costs_the_item_that_kills_it_twice(cluster: Cluster, tmp_path: Path) -> None:
    found = dict(MAPPER.map(Work(functions("breaker"), tmp_path / "log"), range(12), total=12))
    lost = {number: outcome for number, outcome in found.items() if isinstance(outcome, Failure)}
    assert {number: outcome for number, outcome in found.items() if number not in lost} == {
        number: 2 * number for number in range(12) if number not in (3, 5)
    }
    assert lost.keys() == {3, 5}
    assert lost[3].cause == "fault"
    assert lost[5].cause == "killed"
    assert "2 times" in lost[5].why
    assert len((tmp_path / "log" / "5").read_text().split()) == 2


def test_an_error_that_the_user_can_put_right_comes_back_whole(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        list(MAPPER.map(Work(functions("refuser"), tmp_path), range(3), total=3))
    assert (raised.value.problem, raised.value.hint) == ("no such rule", "Write it.")


def test_a_lost_node_loses_no_item(cluster: Cluster, tmp_path: Path) -> None:
    (other,) = cluster.worker_nodes
    seen = Counter[int]()
    for number, outcome in MAPPER.map(Work(functions("doubler"), tmp_path / "log"), range(60), total=60):
        seen[number] += 1
        assert outcome == 2 * number
        if sum(seen.values()) == 10:
            cluster.remove_node(other, allow_graceful=False)
    assert seen == Counter(range(60))
    cluster.add_node(**cluster.node)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("library")
    return [write_book(folder / f"{name}.pdf", title=name) for name in ("one", "two", "three")]


def run_stages(output: Path, books: list[Path], encoder: Path, cluster: str | None = None) -> dict[str, str]:
    """The hashes of all tables."""
    options: dict[str, Any] = {**ANY_COSINE, "cluster": cluster}
    project = Project(output, books=books, encoder=encoder, **options)
    list(project.stages("extract", "glossary", "tag", "split", "mine"))
    return {name: Store(output).sha(f"{name}.parquet") for name in TABLES}


def test_a_cluster_makes_the_same_tables(
    cluster: Cluster, books: list[Path], tiny_encoder: Path, tmp_path: Path
) -> None:
    here = run_stages(tmp_path / "here", books, tiny_encoder)
    there = run_stages(tmp_path / "there", books, tiny_encoder, cluster="auto")
    assert there == here


def test_a_killed_driver_leaves_what_is_done(
    cluster: Cluster, books: list[Path], tiny_encoder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    program = "import sys; from tripletkit.cli import main; main(sys.argv[1:])"
    options = ["--output", str(output), "--encoder", str(tiny_encoder), "--cluster", "auto", "--set", "workers=1"]
    driver = subprocess.Popen([sys.executable, "-c", program, "extract", *map(str, books), *options])
    while not (done := list(output.glob("cache/books/*/done"))):
        assert driver.poll() is None
        time.sleep(0.01)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    before = {mark: mark.stat().st_mtime_ns for mark in done}
    Project(output, books=books, encoder=tiny_encoder, cluster="auto").extract()
    assert {mark: mark.stat().st_mtime_ns for mark in done} == before
    Project(tmp_path / "here", books=books, encoder=tiny_encoder).extract()
    for name in ("books", "pages", "lines", "passages", "dropped"):
        assert Store(output).sha(f"{name}.parquet") == Store(tmp_path / "here").sha(f"{name}.parquet")


def test_without_a_cluster_there_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(
        ConfigError, match=r"cluster = 'auto': no connection \(Could not find any.*\n.*ray start --head"
    ):
        list(MAPPER.map(Work(functions("doubler"), Path()), [1], total=1))


def test_without_ray_there_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"Ray is not installed\n.*pip install 'tripletkit\[ray\]'"):
        list(MAPPER.map(Work(functions("doubler"), Path()), [1], total=1))
