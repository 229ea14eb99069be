"""The whole `tripletkit extract` beside pdfplumber's bare words: CPU time a page, wall time by workers, peak memory.

    python tests/benchmarks/extraction.py BOOK.pdf [--every 5]

pdfplumber reads every fifth page, half of them before and half after, so that a busy machine slows both alike. The command runs
from compiled modules, as when installed, whatever the environment says.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU and by the clock, and the peak memory of the biggest process, in MB."""

    cpu: float
    wall: float
    peak_mb: float


def plumber_cpu(book: Path, numbers: Sequence[int]) -> float:
    """CPU seconds that pdfplumber takes for the words of these pages, its start left out."""
    import pdfplumber

    with pdfplumber.open(book) as document:
        pages = document.pages
        start = time.process_time()
        for number in numbers:
            pages[number].extract_words(x_tolerance_ratio=0.15)
            pages[number].close()
        return time.process_time() - start


def count_pages(book: Path) -> int:
    """Pages as pdfplumber counts them."""
    import pdfplumber

    with pdfplumber.open(book) as document:
        return len(document.pages)


def extract(books: Sequence[Path], folder: Path, *, workers: int = 1) -> Cost:
    """What the command costs, Python's start included. The peak is that of the process that read a book.

    Compiled modules lie beside ``folder``.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder.parent / "compiled")
    command = [sys.executable, "-m", "tripletkit", "extract", *map(str, books), "--output", str(folder), "--force"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command += ["--encoder", "embedded", "--quiet", "--set", f"workers={workers}"]
    subprocess.run(command, check=True, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, after.ru_maxrss / 1024)


def copies(book: Path, folder: Path, count: int) -> list[Path]:
    """The book as different files: a comment after its end changes nothing but its hash."""
    paths = [folder / f"{book.stem}-{i}.pdf" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(book.read_bytes() + b"\n%% copy %d\n%%%%EOF\n" % i)
    return paths


def main() -> None:
    """Print the figures of one book."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("book", type=Path)
    parser.add_argument("--every", type=int, default=5, help="pdfplumber reads every so many pages")
    given = parser.parse_args()
    pages = count_pages(given.book)
    sample = range(0, pages, given.every)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extract([given.book], folder / "one")  # compiles
        first = plumber_cpu(given.book, sample[::2])
        whole = extract([given.book], folder / "one")
        plumber = (first + plumber_cpu(given.book, sample[1::2])) / len(sample) * pages
        two = copies(given.book, folder, 2)
        alone, pair = (extract(two, folder / f"two-{n}", workers=n) for n in (1, 2))
    say = sys.stdout.write
    say(f"{given.book}: {pages:,} pages\n")
    say(f"  pdfplumber, words only   {1000 * plumber / pages:7.1f} ms CPU a page ({len(sample):,} pages read)\n")
    say(f"  tripletkit extract       {1000 * whole.cpu / pages:7.1f} ms CPU a page, start included\n")
    say(f"  pdfplumber / tripletkit  {plumber / whole.cpu:7.1f}\n")
    say(f"  peak memory of a process {whole.peak_mb:7.0f} MB\n")
    say(f"  two books, one worker    {alone.wall:7.1f} s\n")
    say(f"  two books, two workers   {pair.wall:7.1f} s, {alone.wall / pair.wall:.2f} times as fast\n")


if __name__ == "__main__":
    main()
