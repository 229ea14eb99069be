"""Work on a Ray cluster, by a pool of actors. The only module that imports Ray.

An actor is made once and serves item after item. What was lost with an actor is done again: an item whose actor ended is
tried once more when nothing else runs, and then refused; one that was lost with its node does not count as tried.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeAlias

import tripletkit
from tripletkit.cluster.mapper import AUTO, LOCAL, Item, Result, Setup, Work
from tripletkit.errors import ConfigError, TripletkitError
from tripletkit.pdf.workers import Failure
from tripletkit.progress import Progress

#: Ray has no types: itself, an actor and a reference to a result that is to come.
Ray: TypeAlias = Any
Actor: TypeAlias = Any
Reference: TypeAlias = Any

log = logging.getLogger(__name__)

#: How often an item is tried that ends the actor it is given to.
TRIES = 2
#: After so many seconds without a free actor, the user is told what the cluster lacks.
PATIENCE_S = 30.0
#: If so many actors end before they are ready, none will be.
MOST_FAILED_STARTS = 20
#: Shared memory of a cluster of this machine alone: items and results are small, and few at a time.
OBJECT_STORE_MB = 256


class RayMapper:
    """Applies functions on the cluster that ``address`` names: local, auto or ray://HOST:PORT.

    ``workers`` bounds the actors, and is the number of CPUs of a local cluster; 0 for as many as there are cores.
    """

    def __init__(self, address: str, *, workers: int, progress: Progress) -> None:
        self._address, self._workers, self._progress = address, workers, progress
        self._kept: tuple[Work[Any, Any, Any], _Pool] | None = None  # what the workers did last, and they

    def map(
        self, work: Work[Setup, Item, Result], items: Iterable[Item], *, total: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        """As Mapper.map. Raises ConfigError without Ray, without the cluster, and if no actor can be started."""
        if not total:
            return
        pool = self._pool(self._connected(), work)
        try:
            yield from pool.outcomes(iter(enumerate(items)), most=min(self._workers or total, total))
        except BaseException:  # also where the caller asks for no more results
            self.release()
            raise

    def release(self) -> None:
        """As Mapper.release."""
        if self._kept is not None:
            self._kept[1].end()
        self._kept = None

    def _pool(self, ray: Ray, work: Work[Any, Any, Any]) -> _Pool:
        """The workers for this work: those that are there if they have the CPUs and GPU for it, else new ones."""
        gpus = int(work.gpu and ray.cluster_resources().get("GPU", 0) >= 1)
        room = {"CPU": work.cpus} | ({"GPU": 1.0} if gpus else {})
        if self._kept is not None and self._kept[1].room == room:
            before, pool = self._kept
            if not (work.keep and before.keep and before == work):
                pool.turn_to(ray.put(work))
            self._kept = work, pool
            return pool
        self.release()  # they hold CPUs that this work needs
        size = min(int(ray.cluster_resources().get(name, 0) / amount) for name, amount in room.items())
        options = {"num_cpus": work.cpus, "num_gpus": gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        actor = ray.remote(**options)(_Actor)
        self._kept = work, _Pool(ray, actor, ray.put(work), room, max(1, size), self._progress)
        return self._kept[1]

    def _connected(self) -> Ray:
        """Ray, connected to the cluster: to one that this process is connected to already, if there is one."""
        if importlib.util.find_spec("ray") is None:
            raise ConfigError(f"cluster = {self._address!r}: Ray is not installed", "pip install 'tripletkit[ray]'")
        prepare_environment(local=self._address == LOCAL)
        import ray

        if ray.is_initialized():
            return ray
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
        if self._address == LOCAL:
            options |= {"num_cpus": self._workers or os.cpu_count() or 1, "include_dashboard": False}
            options |= {"_node_ip_address": "127.0.0.1", "object_store_memory": OBJECT_STORE_MB << 20}
        # "local" starts a cluster even where the environment names another one.
        try:
            ray.init(address=self._address, **options)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            cure = "Start one with `ray start --head`, or use --cluster local." if self._address == AUTO else ""
            cure = cure or "Check the address, and that a Ray of the same version runs there."
            raise ConfigError(f"cluster = {self._address!r}: no connection ({reason})", cure) from error
        return ray


def prepare_environment(*, local: bool) -> None:
    """Variables that Ray reads when it is imported: nothing is reported, and a local cluster listens to this machine only."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if local:
        # Named after systems whose firewalls ask about other addresses; it makes 127.0.0.1 the address on all.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


class _Actor:
    """A process of the cluster that serves item after item."""

    def start(self, work: Work[Any, Any, Any], folder: str) -> tuple[str, str, TripletkitError | None]:
        """Make the function. Returns this node's id, the package's version, and an error that the user can put right.

        ``folder`` becomes the working directory: paths are relative to that of the process that hands out the work.
        """
        import ray

        error = None
        try:
            _enter(folder)
            self._apply: Callable[[Any], Any] = work.function()
        except TripletkitError as raised:
            error = raised
        return ray.get_runtime_context().get_node_id(), tripletkit.__version__, error

    def apply(self, item: object) -> object:
        """The item's result or Failure, or the error that ends the work."""
        try:
            return self._apply(item)
        except TripletkitError as error:
            return error


@dataclass(frozen=True)
class _Task(Generic[Item]):
    """An item with its number, and how often its actor ended on it."""

    number: int
    item: Item
    ended: int = 0


class _Pool:
    """Actors that start, wait or work, and the items that are left.

    ``room``: what an actor takes of the cluster; ``size``: for how many there is room.
    """

    def __init__(
        self,
        ray: Ray,
        actor: Actor,
        work: Reference,
        room: dict[str, float],
        size: int,
        progress: Progress,
    ) -> None:
        self._ray, self._actor, self._work, self._size, self._progress = ray, actor, work, size, progress
        self.room = room
        self._items: Iterator[tuple[int, Any]] = iter(())
        self._starting: dict[Reference, Actor] = {}  # by the reference to what start() gives: the actor
        self._nodes: dict[Actor, str] = {}  # of actors that are ready
        self._idle: list[Actor] = []
        self._running: dict[Reference, tuple[Actor, _Task[Any]]] = {}  # by the reference to the result
        self._lost: deque[_Task[Any]] = deque()  # with their node
        self._alone: deque[_Task[Any]] = deque()  # to be tried when nothing else runs
        self._next: _Task[Any] | None = None
        self._failed_starts = 0

    def outcomes(self, items: Iterator[tuple[int, Any]], *, most: int) -> Iterator[tuple[int, Any]]:
        """(number of an item, outcome) by at most ``most`` actors, as they come."""
        self._items = items
        self._take()
        while self._next or self._lost or self._alone or self._running:
            while len(self._nodes) + len(self._starting) < min(most, self._size):
                self._start(self._actor.remote())
            self._hand_out()
            waited = [*self._starting, *self._running]
            done, _ = self._ray.wait(waited, num_returns=1, timeout=PATIENCE_S)
            if not done and not self._nodes:
                self._progress.say("the cluster has no free CPU or GPU for a worker yet; waiting (see `ray status`)")
            for reference in done:
                if reference in self._starting:
                    self._ready(reference)
                else:
                    yield from self._finished(reference)

    def turn_to(self, work: Reference) -> None:
        """Give every actor another work."""
        actors = [*self._starting.values(), *self._nodes]
        self._work, self._starting, self._nodes, self._idle, self._failed_starts = work, {}, {}, [], 0
        for actor in actors:
            self._start(actor)

    def _take(self) -> None:
        following = next(self._items, None)
        self._next = None if following is None else _Task(*following)

    def _hand_out(self) -> None:
        """Give idle actors their next item: first what a node took with it, then new ones, last what ended an actor."""
        while self._idle and (self._lost or self._next or (self._alone and not self._running)):
            if self._lost:
                task = self._lost.popleft()
            elif self._next is not None:
                task = self._next
                self._take()
            else:
                task = self._alone.popleft()
            actor = self._idle.pop()
            self._running[actor.apply.remote(task.item)] = actor, task

    def _start(self, actor: Actor) -> None:
        self._starting[actor.start.remote(self._work, str(Path.cwd()))] = actor

    def _ready(self, reference: Reference) -> None:
        actor = self._starting.pop(reference)
        try:
            node, version, error = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as raised:
            problem = f"a node of the cluster cannot run tripletkit ({_last_line(raised)})"
            raise ConfigError(problem, f"Install tripletkit {tripletkit.__version__} on every node.") from raised
        except self._ray.exceptions.RayError as raised:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                problem = f"no worker can be started on the cluster ({_last_line(raised)})"
                cure = f"Check that tripletkit {tripletkit.__version__} is on every node, and how much memory is free there."
                raise ConfigError(problem, cure) from raised
            return
        if error is not None:
            raise error
        if version != tripletkit.__version__:
            problem = f"a node of the cluster has tripletkit {version}, this machine {tripletkit.__version__}"
            raise ConfigError(problem, "Install the same version on every node: results must not depend on the node.")
        self._nodes[actor] = node
        self._idle.append(actor)

    def _finished(self, reference: Reference) -> Iterator[tuple[int, Any]]:
        actor, task = self._running.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            problem = f"a node of the cluster gave a result that cannot be read ({_last_line(error)})"
            raise ConfigError(problem, "Install the same Python and packages on every node.") from error
        except self._ray.exceptions.RayError as error:
            log.debug("a worker of the cluster ended: %s", error)
            yield from self._ended(actor, task, _last_line(error))
            return
        if isinstance(outcome, TripletkitError):
            raise outcome
        self._idle.append(actor)
        yield task.number, outcome

    def _ended(self, actor: Actor, task: _Task[Any], why: str) -> Iterator[tuple[int, Failure]]:
        node = self._nodes.pop(actor)
        with suppress(Exception):  # it may be gone
            self._ray.kill(actor)
        alive = any(one["NodeID"] == node and one["Alive"] for one in self._ray.nodes())
        if not alive:
            self._lost.append(task)
        elif task.ended + 1 < TRIES:
            self._alone.append(replace(task, ended=task.ended + 1))
        else:
            yield task.number, Failure("killed", f"ended its worker {TRIES} times ({why})")

    def end(self) -> None:
        """Kill all actors."""
        for actor in [*self._starting.values(), *self._nodes]:
            with suppress(Exception):
                self._ray.kill(actor)


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigError(
            f"a node of the cluster has no folder {folder} ({error.strerror})",
            "Start the command in a folder that is the same one on every node, as books and output must be.",
        ) from error


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
