"""What a cluster on this machine costs beside the plain path: CPU of all processes, and the driver's peak memory.

    python -m tests.benchmarks.cluster 250 500 1000      so many generated books of 20 pages: extract, glossary and tag, tables by book

CPU is that of every process that the command started, read from /proc (Linux) as long as they run. The start of a cluster is measured with
two books, one for each worker, and subtracted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.library import write_library

TICKS = os.sysconf("SC_CLK_TCK")
say = sys.stdout.write
_PROGRAM = """
import sys
from tripletkit import Project
output, cluster, *books = sys.argv[1:]
options = {"encoder": "embedded", "workers": 2, "cluster": cluster or None, "tables": "by_book"}
list(Project(output, books=books, **options).stages("extract", "glossary", "tag"))
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> None:
    """Print a line for each number of books."""
    counts = [int(text) for text in sys.argv[1:]] or [50]
    with tempfile.TemporaryDirectory() as folder:
        books = write_library(Path(folder) / "books", max(2, *counts))
        starts = {cluster: measured(Path(folder), books[:2], cluster)[0] for cluster in ("", "local")}
        say(f"start: {starts['']:.1f} s of CPU, cluster {starts['local']:.1f} s\n")
        for count in counts:
            plain, memory = measured(Path(folder), books[:count], "")
            spread, of_driver = measured(Path(folder), books[:count], "local")
            more = (spread - starts["local"]) / (plain - starts[""]) - 1
            say(
                f"{count:5} books: {plain:7.1f} s of CPU and {memory} MB; cluster {spread:7.1f} s and {of_driver} MB: {more:+.0%}\n"
            )
            sys.stdout.flush()


def measured(folder: Path, books: list[Path], cluster: str) -> tuple[float, int]:
    """CPU seconds of all processes, and the peak of the driver in MB."""
    output = folder / f"out-{cluster}-{len(books)}"
    command = [sys.executable, "-c", _PROGRAM, str(output), cluster, *map(str, books)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    seconds: dict[tuple[int, int], float] = {}
    while process.poll() is None:
        seconds |= spent_below(process.pid)
        time.sleep(0.2)
    said = process.stdout.read() if process.stdout else ""
    return sum(seconds.values()), int(said.split()[-1])


def spent_below(root: int) -> dict[tuple[int, int], float]:
    """By process and start time: CPU seconds of all processes that descend from ``root``."""
    parents, found = dict[int, int](), dict[int, tuple[int, float]]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid], found[pid] = int(fields[1]), (int(fields[19]), (int(fields[11]) + int(fields[12])) / TICKS)

    def below(pid: int) -> bool:
        return pid == root or (pid in parents and below(parents[pid]))

    return {(pid, start): spent for pid, (start, spent) in found.items() if below(pid)}


if __name__ == "__main__":
    main()
