"""What a user sees while a stage works: a rich bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between plain lines when the output is no terminal.
PLAIN_EVERY_S = 15.0

Advance = Callable[[int], None]


class Progress:
    """Draws bars on standard error, so that standard output stays clean for results."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """A line of its own, above a bar if one is drawn."""
        if not self.quiet:
            sys.stderr.write(f"  {text}\n")
            sys.stderr.flush()

    @contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """A bar of ``total`` units; the yielded function moves it on by so many."""
        if self.quiet or total <= 0:
            yield lambda _: None
        elif sys.stderr.isatty():
            with _rich_bar(what, total, unit) as advance:
                yield advance
        else:
            yield _PlainBar(what, total, unit).advance


class _PlainBar:
    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done, self.start = 0, time.monotonic()
        self.said = self.start

    def advance(self, by: int) -> None:
        self.done += by
        now = time.monotonic()
        if now - self.said >= PLAIN_EVERY_S and self.done < self.total:
            self.said = now
            rate = self.done / (now - self.start)
            left = (self.total - self.done) / max(rate, 1e-9)
            sys.stderr.write(
                f"  {self.what}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.1f}/s, {left:,.0f} s left\n"
            )
            sys.stderr.flush()


@contextmanager
def _rich_bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    # rich is slow to import; a terminal that shows no bar never pays for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total, rate="")

        def advance(by: int) -> None:
            bars.advance(task, by)
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:,.1f}/s" if speed else "")

        yield advance
