"""How long a library takes, and what memory and storage it needs: extrapolated from a few books measured on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tripletkit.books import is_passage_file
from tripletkit.calibration import (
    ENCODED,
    EncodingRate,
    Sample,
    SearchRate,
    choose_books,
    measure_book,
    measure_encoding,
    measure_search,
    peak_bytes,
)
from tripletkit.errors import SourceError
from tripletkit.mining.search import BLOCK_PAIRS
from tripletkit.pipeline import Tools
from tripletkit.progress import Progress
from tripletkit.settings import Settings

#: An interval goes from the cheapest sampled book or text to the dearest, and by this factor further on both sides: other books,
#: and cores that share caches and memory.
FURTHER = 1.5
#: Peak of a GPU of 2020 in bfloat16 (NVIDIA A100), and the shares of it that encoding may reach. Arithmetic, not a measurement.
GPU_FLOPS, GPU_SHARES = 312e12, (0.1, 0.5)
#: The driver holds the tables of a stage, sorts and writes them.
COPIES_IN_DRIVER = 3
#: A row of the table triplets on disk, compressed: its anchor is repeated, which costs little.
BYTES_PER_TRIPLET = 150
#: Share of passages in the largest split.
TRAIN_SHARE = 0.6


@dataclass(frozen=True)
class Library:
    """What is planned for: books, pages of each, cores and GPUs."""

    books: int
    pages: float
    cores: int
    gpus: int


@dataclass(frozen=True)
class StagePlan:
    """Least and most hours; bytes of memory of one worker, or of the process that was started; bytes on disk."""

    stage: str
    hours: tuple[float, float]
    memory_bytes: int
    disk_bytes: int
    rests_on: str

    def line(self) -> str:
        """A line of the plan."""
        low, high = map(_hours, self.hours)
        memory, disk = _size(self.memory_bytes), _size(self.disk_bytes)
        return f"{self.stage:9} {f'{low} to {high}':18} {memory:>9} {disk:>9}   {self.rests_on}"


@dataclass(frozen=True)
class Plan:
    """The plan, stage by stage."""

    library: Library
    stages: tuple[StagePlan, ...]

    def rows(self) -> list[dict[str, Any]]:
        """The same for --json."""
        return [{**asdict(stage), "hours": list(stage.hours)} for stage in self.stages]

    def lines(self) -> Iterator[str]:
        """The same as text."""
        of = self.library
        gpus = f", {of.gpus} GPU{'s' * (of.gpus > 1)}" if of.gpus else ""
        yield f"{of.books:,} book{'s' * (of.books > 1)} of {of.pages:,.0f} pages on {of.cores} core{'s' * (of.cores > 1)}{gpus}"
        yield f"{'stage':9} {'time':18} {'memory':>9} {'disk':>9}   rests on"
        yield from (stage.line() for stage in self.stages)
        low, high = (sum(stage.hours[i] for stage in self.stages) for i in (0, 1))
        yield f"{'all':9} {f'{_hours(low)} to {_hours(high)}':18} {'':9} {_size(sum(s.disk_bytes for s in self.stages)):>9}"
        yield "Memory is that of one worker; for split and teach, of the process that was started."
        yield "Not included: train and evaluate. Times are those of busy cores that are as fast as this machine's."


def make_plan(
    settings: Settings, books: int, pages: float | None, *, cores: int, gpus: int, progress: Progress
) -> Plan:
    """Measure some of the settings' books (else of those that the output folder was made from), and extrapolate.

    ``pages`` of a book; None for the mean of the measured ones. Raises SourceError without a book, and the stages' errors.
    """
    found = [path for path in Tools(settings, progress=progress).books if not is_passage_file(path)]
    if not found:
        raise SourceError("plan: no PDF was given", "Name a few typical books: `tripletkit plan 1000 BOOK.pdf …`.")
    place = Tools(settings, progress=progress).base_encoder
    samples, chosen = list[Sample](), choose_books(found, settings.seed)
    with progress.bar("measuring", len(chosen) + 2, "parts") as advance:
        for path in chosen:
            samples.append(measure_book(path, settings))
            advance(1)
        here, reader = peak_bytes()
        encoding = measure_encoding(place, [text for of in samples for text in of.texts][:ENCODED], settings)
        advance(1)
        search = measure_search(encoding.dimensions)
        advance(1)
    library = Library(books, pages or sum(s.pages for s in samples) / len(samples), cores, gpus)
    memory = Memory(reader=reader, here=here, encoder=peak_bytes()[0])
    return Plan(library, tuple(Estimate(library, samples, encoding, search, memory, settings).stages()))


@dataclass(frozen=True)
class Memory:
    """Most bytes that a process has had that reads a book, that harvests and tags one, and that encodes."""

    reader: int
    here: int
    encoder: int


@dataclass(frozen=True)
class Estimate:
    """All that a plan is worked out from."""

    library: Library
    samples: Sequence[Sample]
    encoding: EncodingRate
    search: SearchRate
    memory: Memory
    settings: Settings

    def stages(self) -> Iterator[StagePlan]:
        """The stages in order."""
        books = f"{len(self.samples)} book{'s' * (len(self.samples) > 1)} measured"
        tables = self.mean(lambda book: book.disk_bytes)
        yield self._by_book("extract", self.memory.reader, tables, f"CPU, memory and tables of {books}")
        for stage in ("glossary", "tag"):
            yield self._by_book(stage, self.memory.here, 0, f"CPU and memory of {books}")
        driver = self.memory.here + COPIES_IN_DRIVER * self.mean(lambda book: book.table_bytes)
        hours = self._hours(lambda book: book.seconds["split"], 1)
        yield StagePlan("split", hours, int(driver), 0, f"CPU and tables of {books}; one process")
        yield self._encode()
        yield self._mine()
        if self.settings.train.teacher == "self":
            hours = self._encoding_hours(os.cpu_count() or 1, int(bool(self.library.gpus)))
            why = "as encoding, once to twice: token vectors of every text; one process"
            yield StagePlan("teach", (hours[0], 2 * hours[1]), int(driver), 0, why)

    def mean(self, of: Callable[[Sample], float]) -> float:
        """The whole library's amount, at the mean amount of a page."""
        pages = sum(book.pages for book in self.samples)
        return sum(map(of, self.samples)) / pages * self.library.books * self.library.pages

    def _hours(self, seconds: Callable[[Sample], float], cores: int) -> tuple[float, float]:
        rates = [seconds(book) / book.pages for book in self.samples]
        whole = self.library.books * self.library.pages / cores / 3600
        return min(rates) / FURTHER * whole, max(rates) * FURTHER * whole

    def _by_book(self, stage: str, memory: int, disk: float, why: str) -> StagePlan:
        hours = self._hours(lambda book: book.seconds[stage], min(self.library.cores, self.library.books))
        return StagePlan(stage, hours, memory, int(disk), why)

    def _encoding_hours(self, cores: int, gpus: int) -> tuple[float, float]:
        tokens = self.mean(lambda book: book.tokens)
        if gpus:
            flops = 2 * self.encoding.weight_bytes / 4 * tokens / gpus / 3600
            return flops / GPU_FLOPS / GPU_SHARES[1], flops / GPU_FLOPS / GPU_SHARES[0]
        rates, whole = self.encoding.seconds_per_token, tokens / cores / 3600
        return min(rates) / FURTHER * whole, max(rates) * FURTHER * whole

    def _encode(self) -> StagePlan:
        of, texts = self.library, self.mean(lambda book: book.passages + book.terms)
        arithmetic = (
            f"arithmetic, no measurement: {GPU_SHARES[0]:.0%} to {GPU_SHARES[1]:.0%} of {GPU_FLOPS / 1e12:.0f} TFLOP/s"
        )
        why = (
            arithmetic
            if of.gpus
            else f"CPU for {min(sum(len(book.texts) for book in self.samples), ENCODED)} passages, measured"
        )
        disk = int(texts * self.encoding.dimensions * 4)
        return StagePlan("encoding", self._encoding_hours(of.cores, of.gpus), self.memory.encoder, disk, why)

    def _mine(self) -> StagePlan:
        """Each worker finds the near-synonyms of all terms; the driver builds the pool; the blocks of anchors are shared."""
        pairs, terms = self.mean(lambda book: book.pairs), TRAIN_SHARE * self.mean(lambda book: book.terms)
        workers = min(self.library.cores, 1 + int(pairs / BLOCK_PAIRS))
        pool, rate = self._hours(lambda book: book.seconds["pool"], 1), self.search
        searched = (pairs * (rate.per_pair + terms * rate.per_cosine) / workers + rate.per_two_terms * terms**2) / 3600
        hours = pool[0] + searched / FURTHER, pool[1] + searched * FURTHER
        vectors = int(terms * self.encoding.dimensions * 8 + self.mean(lambda book: book.table_bytes) * TRAIN_SHARE)
        memory = self.memory.here + vectors + (self.settings.mine.memory_mb << 20)
        why = f"a synthetic search measured; {pairs:,.0f} pairs × {terms:,.0f} terms on {workers:,} core{'s' * (workers > 1)}"
        return StagePlan("mine", hours, memory, int(pairs * self.settings.mine.negatives * BYTES_PER_TRIPLET), why)


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.2g} s"
    return f"{hours * 60:.2g} min" if hours < 1 else f"{hours:,.3g} h" if hours < 1000 else f"{hours:,.0f} h"


def _size(size: int) -> str:
    return (
        f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB" if size < 1e12 else f"{size / 1e12:,.1f} TB"
    )
