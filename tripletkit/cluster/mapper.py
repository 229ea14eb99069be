"""Hands out the work of a stage: one function for many items, such as books, in any order, results by the item's number.

`InProcess` works here, item after item; `tripletkit.cluster.ray_mapper` on a Ray cluster. Both give equal results.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tripletkit.errors import TripletkitError
from tripletkit.pdf.workers import Failure, WorkerFunction, describe_fault

log = logging.getLogger(__name__)

Setup = TypeVar("Setup")
Item = TypeVar("Item")
Result = TypeVar("Result")
#: The settings `cluster` that stand for a cluster of this machine alone, and for the one that this machine is a node of.
LOCAL, AUTO = "local", "auto"


@dataclass(frozen=True)
class Work(Generic[Setup, Item, Result]):
    """What is done for each item: ``maker`` is called once by each worker with ``setup`` and gives the function of an item.

    Setup, items and results must be picklable. ``cpus``: cores of one worker on a cluster. ``gpu``: whether a worker has a
    GPU to itself, on a cluster that has any. ``keep``: whether the function serves the next work too that is equal to this one,
    since it is slow to make.
    """

    maker: WorkerFunction[Setup, Callable[[Item], Result]]
    setup: Setup
    cpus: float = 1.0
    gpu: bool = False
    keep: bool = False

    def function(self) -> Callable[[Item], Result | Failure]:
        """The function of an item. An error in one item is its Failure, unless the user can put it right."""
        apply = self.maker.load()(self.setup)

        def outcome(item: Item) -> Result | Failure:
            try:
                return apply(item)
            except TripletkitError:
                raise
            except MemoryError:
                return Failure("memory", "needs more memory than there is")
            except Exception as error:  # an error in one book is no reason to lose the others
                log.debug("one item failed", exc_info=True)
                return Failure("fault", describe_fault(error), traceback.format_exc())

        return outcome


class Mapper(Protocol):
    """Applies the function of a work to items."""

    def map(
        self, work: Work[Setup, Item, Result], items: Iterable[Item], *, total: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        """(number of an item, its result or why it has none), as they come.

        ``items`` are taken one by one, as workers are free; ``total``: how many there are. Raises the TripletkitError of an
        item.
        """

    def release(self) -> None:
        """End the workers, which else wait for the next work."""


class InProcess:
    """Works here, one item after another."""

    def map(
        self, work: Work[Setup, Item, Result], items: Iterable[Item], *, total: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        """As Mapper.map."""
        apply = work.function()
        for number, item in enumerate(items):
            yield number, apply(item)

    def release(self) -> None:
        """Nothing waits."""


def in_order(outcomes: Iterable[tuple[int, Any]]) -> list[Any]:
    """Outcomes in the order of their items."""
    return [outcome for _, outcome in sorted(outcomes, key=lambda numbered: numbered[0])]
