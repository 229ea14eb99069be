"""What this machine needs for a few typical books: CPU seconds, memory and bytes, from which `tripletkit plan` extrapolates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from tripletkit.addresses import Place
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.encoding.tokens import token_counter
from tripletkit.errors import TableError
from tripletkit.ids import rng_for
from tripletkit.language.normalise import normalised_by
from tripletkit.memory import largest_kb
from tripletkit.mining.pool import Anchors, Candidate, Pool, build_pool
from tripletkit.mining.search import search_negatives
from tripletkit.pipeline import Runner, Tools, find_stage
from tripletkit.progress import Progress
from tripletkit.settings import MineSettings, Settings
from tripletkit.store import Store, write_atomically

#: Books that are measured at most.
SAMPLED_BOOKS = 3
#: Stages that are run for each of them.
MEASURED = ("extract", "glossary", "tag", "split")
#: Passages that are encoded, in two halves, so that the halves show how far a rate varies.
ENCODED = 64
#: Numbers of terms with which the search is measured, and of passages.
FEW_TERMS, MORE_TERMS, SEARCHED = 1_000, 4_000, 64


@dataclass(frozen=True)
class Sample:
    """One book, measured. ``seconds``: CPU seconds by stage, "pool" for the relations of its passages and terms."""

    name: str
    pages: int
    seconds: dict[str, float]
    table_bytes: int  # of its tables in memory
    disk_bytes: int  # of its tables and its part of the cache
    passages: int
    tokens: int  # of all passages and terms
    terms: int  # mentioned
    anchors: int  # passages in which a triplet can begin
    pairs: int  # of anchors and positives
    texts: tuple[str, ...]  # some of its passages


@dataclass(frozen=True)
class EncodingRate:
    """Of the base encoder: CPU seconds per token of each half of a sample, and what its vectors and weights take."""

    seconds_per_token: tuple[float, ...]
    dimensions: int
    weight_bytes: int


@dataclass(frozen=True)
class SearchRate:
    """CPU seconds of the search for negatives: per pair, per pair and term, and per two terms (near-synonyms)."""

    per_pair: float
    per_cosine: float
    per_two_terms: float


def choose_books(books: Sequence[Place], seed: int) -> list[Place]:
    """At most SAMPLED_BOOKS of them, drawn with the seed."""
    drawn = rng_for(seed, "plan").sample(range(len(books)), min(len(books), SAMPLED_BOOKS))
    return [books[i] for i in sorted(drawn)]


def measure_book(path: Place, settings: Settings) -> Sample:
    """Read, harvest, tag and split one book in a temporary folder. Raises the errors of these stages."""
    with TemporaryDirectory(prefix="tripletkit-plan-") as folder:
        runner = _runner(path, Path(folder), settings)
        seconds = dict(_run_stages(runner))
        tables = {
            name: runner.store.read(name) for name in ("books", "pages", "lines", "passages", "terms", "mentions")
        }
        seconds["pool"] = _pool_seconds(runner, tables)
        anchors = tables["passages"].filter(pl.col("kind").is_in(settings.mine.kinds)).select("passage_id")
        mentioned = tables["mentions"].select("passage_id", "term_id").unique()
        terms = tables["terms"].join(mentioned, on="term_id", how="semi")
        held = mentioned.join(anchors, on="passage_id", how="semi")["passage_id"].value_counts()["count"]
        of_terms = sum(token_counter(runner.tools.base_encoder.tokenizer_folder)(terms["term"].to_list()))
        return Sample(
            name=path.name,
            pages=tables["pages"].height,
            seconds=seconds,
            table_bytes=int(sum(table.estimated_size() for table in tables.values())),
            disk_bytes=sum(file.stat().st_size for file in Path(folder).rglob("*.parquet")),
            passages=tables["passages"].height,
            tokens=int(tables["passages"]["n_tokens"].sum()) + of_terms,
            terms=terms.height,
            anchors=len(held),
            pairs=int(held.clip(upper_bound=settings.mine.positives).sum()),
            texts=_drawn(tables["passages"]["text"].to_list(), settings.seed),
        )


def _drawn(texts: Sequence[str], seed: int) -> tuple[str, ...]:
    return tuple(rng_for(seed, "plan", "texts").sample(list(texts), min(len(texts), ENCODED)))


def _runner(path: Place, folder: Path, settings: Settings) -> Runner:
    """A runner for this book alone, in one process, that does not load an encoder to check it."""
    mine = settings.mine.model_copy(update={"cross_encoder": None})
    train = settings.train.model_copy(update={"teacher": "none"})
    own = {"books": (path,), "output": folder, "workers": 1, "cluster": None, "mine": mine, "train": train}
    runner = Runner(tools=Tools(settings.model_copy(update=own), progress=Progress(quiet=True)), store=Store(folder))
    write_atomically(folder / "cache" / "encoders" / runner.tools.base_encoder.fingerprint, b"")
    return runner


def _run_stages(runner: Runner) -> Iterator[tuple[str, float]]:
    for name in MEASURED:
        started = _cpu_seconds()
        # A short book may have too little text to split.
        with suppress(*((TableError,) if name == "split" else ())):
            runner.run_stage(find_stage(name))
        yield name, _cpu_seconds() - started


def _pool_seconds(runner: Runner, tables: dict[str, pl.DataFrame]) -> float:
    started = time.process_time()
    with normalised_by(runner.tools.rules):
        build_pool(tables["passages"], tables["terms"], tables["mentions"], page_margin=1)
    return time.process_time() - started


def _cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def measure_encoding(place: EncoderFolder, texts: Sequence[str], settings: Settings) -> EncodingRate:
    """Encode the texts in two halves, after a few that warm it up. Raises EncoderError as the encoder does."""
    from tripletkit.encoding.encoder import SentenceEncoder

    encoder = SentenceEncoder(place, cache=None, progress=Progress(quiet=True), precision=settings.precision)
    dimensions = encoder.encode(["a text to begin with"] * 2).shape[1]
    halves = [half for half in (texts[::2], texts[1::2]) if half]
    rates = []
    for half in halves:
        started = time.process_time()
        encoder.encode(half)
        rates.append((time.process_time() - started) / max(sum(token_counter(place.tokenizer_folder)(half)), 1))
    # A folder may hold its weights in both formats.
    weights = max(sum(file.stat().st_size for file in place.folder.rglob(kind)) for kind in ("*.safetensors", "*.bin"))
    return EncodingRate(tuple(rates), int(dimensions), weights)


def measure_search(dimensions: int) -> SearchRate:
    """Search synthetic passages among few and more synthetic terms."""
    few, more = (_search_seconds(terms, dimensions) for terms in (FEW_TERMS, MORE_TERMS))
    per_cosine = max(more[0] - few[0], 0.0) / SEARCHED / (MORE_TERMS - FEW_TERMS)
    per_pair = max(few[0] / SEARCHED - per_cosine * FEW_TERMS, 0.0)
    return SearchRate(per_pair, per_cosine, more[1] / MORE_TERMS**2)


def _search_seconds(terms: int, dimensions: int) -> tuple[float, float]:
    """CPU seconds of a search, without what it does once for all its terms, and of that."""
    rows = np.random.default_rng(0).normal(size=(SEARCHED + terms, dimensions)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pool, settings = _synthetic_pool(terms), MineSettings()
    anchors = Anchors(rows[:SEARCHED], {i: i for i in range(SEARCHED)})
    started = time.process_time()
    search_negatives(pool, [], anchors, rows[SEARCHED:], settings)
    once = time.process_time() - started
    search_negatives(pool, pool.candidates, anchors, rows[SEARCHED:], settings)
    return max(time.process_time() - started - 2 * once, 0.0), once


def _synthetic_pool(terms: int) -> Pool:
    """SEARCHED passages with a positive each, and nothing else that is related."""
    none = np.empty(0, dtype=np.int32)
    return Pool(
        passage_ids=tuple(f"p{i}" for i in range(SEARCHED)),
        texts=("",) * SEARCHED,
        term_ids=tuple(f"t{i}" for i in range(terms)),
        names=("",) * terms,
        candidates=tuple(Candidate(i, i % terms, 1.0) for i in range(SEARCHED)),
        mentioned=(none,) * SEARCHED,
        cited=(none,) * SEARCHED,
        related=(none,) * terms,
        same_head=(none,) * terms,
        in_chapter=(none,) * SEARCHED,
        passage_books=np.zeros(SEARCHED, dtype=np.int32),
        term_books=np.arange(terms, dtype=np.int32) % 2,
        implied=(none,) * SEARCHED,
    )


def peak_bytes() -> tuple[int, int]:
    """The most memory that this process has had, and that a process it started has had."""
    return largest_kb("RUSAGE_SELF") * 1024, largest_kb("RUSAGE_CHILDREN") * 1024
