"""Progress of a running stage: a bar on a terminal, plain lines elsewhere, nothing when quiet; and which process shows it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between plain lines when the output is not a terminal.
PLAIN_EVERY_S = 15.0

Advance = Callable[[int], None]


class Progress:
    """Draws bars on standard error, so that standard output stays clean for results."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Print a line, above the bar if one is drawn."""
        if not self.quiet:
            sys.stderr.write(f"  {text}\n")
            sys.stderr.flush()

    @contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Show a bar of ``total`` units; call the yielded function with the number of units just done."""
        if self.quiet or total <= 0:
            yield lambda _: None
        elif sys.stderr.isatty():
            with _rich_bar(what, total, unit) as advance:
                yield advance
        else:
            yield self._plain_lines(what, total, unit)

    def _plain_lines(self, what: str, total: int, unit: str) -> Advance:
        done, start = 0, time.monotonic()
        said = start

        def advance(by: int) -> None:
            nonlocal done, said
            done, now = done + by, time.monotonic()
            if now - said >= PLAIN_EVERY_S and done < total:
                said, rate = now, done / (now - start)
                left = (total - done) / max(rate, 1e-9)
                self.say(f"{what}: {done:,} of {total:,} {unit}, {rate:,.1f}/s, {left:,.0f} s left")

        return advance


@contextmanager
def _rich_bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    # rich is slow to import, so it is imported only when a bar is drawn.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    row = ("{task.description}", BarColumn(), MofNCompleteColumn(), unit, "{task.fields[rate]}", TimeRemainingColumn())
    with RichProgress(*row, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total, rate="")

        def advance(by: int) -> None:
            bars.advance(task, by)
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:,.1f}/s" if speed else "")

        yield advance


def process_count() -> int:
    """Number of processes that train together, as torchrun and accelerate set it in the environment; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process writes and prints. The other processes only compute."""
    return os.environ.get("RANK", "0") == "0"
