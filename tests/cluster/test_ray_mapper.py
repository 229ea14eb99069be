"""The same work on a cluster of two nodes on this machine: equal bytes, and what is lost is done again."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest

from tests.cluster.functions import addresses
from tests.conftest import ANY_COSINE
from tests.library import write_generated
from tripletkit.cluster.mapper import Work
from tripletkit.cluster.ray_mapper import RayMapper, prepare_environment
from tripletkit.errors import ConfigError, SourceError
from tripletkit.pdf.workers import Failure, WorkerFunction
from tripletkit.pipeline import find_stage
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
BY_BOOK = ("extract", "glossary", "tag")
STAGES = (*BY_BOOK, "split", "mine")
TABLES = ("books", "pages", "lines", "passages", "terms", "mentions", "splits", "triplets", "dropped")
THIS_MACHINE = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
MAPPER = RayMapper("auto", workers=0, progress=Progress(quiet=True))


def functions(name: str) -> WorkerFunction[Path, Any]:
    return WorkerFunction(f"tests.cluster.functions:{name}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one CPU each, bound to this machine. No process is left behind, whatever a test or the start does."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    patch.setenv("RAY_AUTH_MODE", "disabled")
    prepare_environment(local=True)
    import ray
    from ray import cluster_utils

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 80 << 20}
    before = set(psutil.Process().children(recursive=True))
    started = cluster_utils.Cluster()
    try:
        started.add_node(**node)
        started.add_node(**node)
        patch.setenv("RAY_ADDRESS", started.address)
        ray.init(address=started.address, log_to_driver=False, logging_level="error", configure_logging=False)
        started.node = node
        yield started
    finally:
        ours = set(psutil.Process().children(recursive=True)) - before
        ray.shutdown()
        started.shutdown()
        patch.undo()
        for process in psutil.wait_procs(ours, timeout=5)[1]:
            process.kill()


@pytest.fixture(autouse=True)
def free_workers() -> Iterator[None]:
    """The workers of one test take no CPU from the next."""
    yield
    MAPPER.release()


def test_all_is_bound_to_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    assert len(list(MAPPER.map(Work(functions("doubler"), tmp_path), range(4), total=4))) == 4
    assert set() < addresses() <= THIS_MACHINE


def test_a_local_cluster_is_bound_to_this_machine(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.cluster.local_cluster", str(tmp_path)],
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY")},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    results, ours = json.loads(said.stdout.splitlines()[-1])
    assert results == [[0, 0], [1, 2], [2, 4]]
    assert set() < set(ours) <= THIS_MACHINE


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


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four small books, and a file that is none."""
    folder = tmp_path_factory.mktemp("library")
    books = [write_generated(folder / f"{seed}.pdf", seed=seed, pages=7) for seed in range(4)]
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 no book")
    return [*books, folder / "broken.pdf"]


def run_stages(output: Path, books: list[Path], encoder: Path, *stages: str, **settings: str) -> None:
    """One file is no book."""
    options: dict[str, Any] = {**ANY_COSINE, "split.by": "chapter", **settings}
    project = Project(output, books=books, encoder=encoder, **options)
    broken = pytest.raises(SourceError, match="1 of the books") if "extract" in stages else nullcontext()
    with broken:
        list(project.stages(*stages))


def hashes(output: Path) -> list[str]:
    return [Store(output).sha(f"{name}.parquet") for name in TABLES]


@pytest.fixture(scope="module")
def here(books: list[Path], tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder that was made without a cluster."""
    output = tmp_path_factory.mktemp("here")
    run_stages(output, books, tiny_encoder, *STAGES)
    return output


@pytest.fixture
def output(here: Path, tmp_path: Path) -> Path:
    """Another one, which knows that the encoder is sound: it takes seconds to load."""
    shutil.copytree(here / "cache" / "encoders", tmp_path / "cache" / "encoders")
    return tmp_path


def test_a_cluster_makes_the_same_tables(
    cluster: Cluster, books: list[Path], here: Path, output: Path, tiny_encoder: Path
) -> None:
    assert all(hashes(here))
    run_stages(output, books, tiny_encoder, *STAGES, cluster="auto")
    assert hashes(output) == hashes(here)


def test_a_lost_node_and_killed_workers_lose_no_book(
    cluster: Cluster, books: list[Path], here: Path, output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node goes while books are read, a worker in each step after that. Tables by book: nodes write them."""
    (other,) = cluster.worker_nodes
    faults = iter([lambda: cluster.remove_node(other, allow_graceful=False), *[kill_a_worker] * 4])
    really = RayMapper.map

    def faulty(self: RayMapper, work: Work[Any, Any, Any], items: Iterable[object], *, total: int) -> Iterator[Any]:
        outcomes = really(self, work, items, total=total)
        yield next(outcomes)
        next(faults)()
        yield from outcomes

    monkeypatch.setattr(RayMapper, "map", faulty)
    run_stages(output, books, tiny_encoder, *BY_BOOK, cluster="auto", tables="by_book")
    assert next(faults, None) is None
    for name in TABLES[:6]:
        assert Store(output).read(name).equals(Store(here).read(name)), name
    cluster.add_node(**cluster.node)


def kill_a_worker() -> None:
    workers = [one for one in psutil.Process().children(recursive=True) if one.name().startswith("ray::_Actor")]
    workers[0].kill()


@pytest.mark.parametrize(
    ("stage", "parts", "left"),
    [("extract", "books/*/done", 4), ("tag", "by_book/tag/*/*/*.json", 3)],  # the broken book is tried again
)
def test_a_killed_driver_leaves_what_is_done(
    stage: str,
    parts: str,
    left: int,
    cluster: Cluster,
    books: list[Path],
    here: Path,
    output: Path,
    tiny_encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if stage == "tag":
        run_stages(output, books, tiny_encoder, "extract", "glossary")
    program = [sys.executable, "-m", "tests.cluster.stalled", stage, str(output), str(tiny_encoder), *map(str, books)]
    driver = subprocess.Popen(program, cwd=ROOT)
    try:
        while not (done := list((output / "cache").glob(parts))):
            assert driver.poll() is None
            time.sleep(0.05)
    finally:
        driver.kill()
        driver.wait()
    assert Store(output).manifest(stage) is None
    asked = list[int]()
    really = RayMapper.map

    def watched(self: RayMapper, work: Work[Any, Any, Any], items: Iterable[object], *, total: int) -> Iterator[Any]:
        asked.append(total)
        return really(self, work, items, total=total)

    monkeypatch.setattr(RayMapper, "map", watched)
    run_stages(output, books, tiny_encoder, stage, cluster="auto")
    assert (asked, len(done)) == ([left], 1)
    made = find_stage(stage).writes
    assert [Store(output).sha(f"{name}.parquet") for name in made] == [
        Store(here).sha(f"{name}.parquet") for name in made
    ]


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
