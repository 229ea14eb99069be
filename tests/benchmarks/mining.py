"""tripletkit's miner beside sentence-transformers' `mine_hard_negatives`: yield, false negatives, time, memory.

    python tests/benchmarks/mining.py OUTPUT [--encoder embedded]     an output folder that `tripletkit split` has reached
    python tests/benchmarks/mining.py OUTPUT --write-table            OUTPUT/triplets.parquet as `mine_hard_negatives` chooses them
    python tests/benchmarks/mining.py --synthetic [--sizes 10000x2500,200000x50000] [--anchors 20000]

Both get the same encoder (in float32), texts, candidates and limits to the pairs; the peer runs with the relative margin of 0.05
that its documentation recommends, and without our guards. Each measurement is a child process by itself. Time is CPU time of
all threads; a book's searches run on one, as threads that wait for each other count too. Memory is the child's peak, the
libraries' own weight included.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from tripletkit.mining import miner
from tripletkit.mining.cosines import TermCosines, Vectors
from tripletkit.mining.pool import Anchors, Candidate, Pool, build_pool, choose_positives, without_weak
from tripletkit.mining.relations import cited_pages, numbers
from tripletkit.mining.search import Mined, Triplet, search_negatives
from tripletkit.settings import MineSettings

SPLITS = ("train", "validation", "test")
say = sys.stdout.write


def main() -> None:
    """Print the figures of one book, or of synthetic sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--write-table", action="store_true", help="write the peer's triplets into OUTPUT and stop")
    parser.add_argument("--negatives", type=int, default=MineSettings().negatives, help="of each pair, in that table")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--sizes", default="10000x2500,50000x12500,100000x25000,200000x50000")
    parser.add_argument("--anchors", type=int, default=0, help="mine for so many of the passages only (0: all)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print_child(given.child)
    elif given.synthetic:
        compare_sizes([tuple(map(int, size.split("x"))) for size in given.sizes.split(",")], given.anchors)
    elif given.output is not None and given.write_table:
        write_table(given.output, given.encoder, given.negatives)
    elif given.output is not None:
        compare_on_a_book(given.output, given.encoder)
    else:
        parser.error("name an output folder, or --synthetic")


def child(task: str, **given: object) -> dict[str, Any]:
    """What a task measures in a process of its own, with that process's wall time and peak memory."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "--child", json.dumps({"task": task, **given}, default=str)]
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **(alone if task in ENGINES.values() else {})}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**found, "wall": time.perf_counter() - start, "cpu": cpu}


def print_child(text: str) -> None:
    """Run one task and print its figures."""
    given = json.loads(text)
    found = TASKS[given.pop("task")](**given)
    say(json.dumps({**found, "peak_mb": peak_mb()}) + "\n")


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# The peer

#: The rule that its triplets carry.
PEER = "sentence-transformers"


class KnownVectors:
    """What `mine_hard_negatives` asks of a model, answered from vectors that are there already."""

    def __init__(self, vectors: Mapping[str, Vectors]) -> None:
        import torch

        self.device, self._vectors = torch.device("cpu"), vectors

    def encode_query(self, texts: Sequence[str], **_: object) -> Vectors:
        """The texts' rows."""
        return np.stack([self._vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, queries: Any, documents: Any) -> Any:  # noqa: ANN401 - arrays or tensors
        """Cosines of all with all."""
        import torch

        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries: Any, documents: Any) -> Any:  # noqa: ANN401
        """Cosines row by row."""
        import torch

        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(-1)


class Rows(Mapping[str, Vectors]):
    """Vectors by "p7" or "t7", so that the peer's texts cost nothing more."""

    def __init__(self, passages: Vectors, terms: Vectors) -> None:
        self._of = {"p": passages, "t": terms}

    def __getitem__(self, text: str) -> Vectors:
        row: Vectors = self._of[text[0]][int(text[1:])]
        return row

    def __iter__(self) -> Any:  # noqa: ANN401 - never asked
        raise NotImplementedError

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))


def peer_search(
    model: Any,  # noqa: ANN401 - a SentenceTransformer, or what answers like one
    rows: Sequence[tuple[str, str]],
    corpus: Sequence[str],
    negatives: int,
) -> list[tuple[str, str, str]]:
    """(anchor, positive, negative) texts by `mine_hard_negatives` for rows of anchor and positive."""
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    given = datasets.Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]})
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its bars
        mined = mine_hard_negatives(
            given,
            model,
            corpus=list(corpus),
            relative_margin=0.05,
            num_negatives=negatives,
            sampling_strategy="top",
            output_format="triplet",
            verbose=False,
        )
    return list(zip(mined["anchor"], mined["positive"], mined["negative"], strict=True))


def mine_by_peer(
    pool: Pool, pairs: Sequence[Candidate], anchors: Anchors, terms: Vectors, settings: MineSettings, **_: object
) -> Mined:
    """The peer in the place of `search_negatives`. Terms of one name are one to it: the first stands for all."""
    first = {name: i for i, name in reversed(list(enumerate(pool.names)))}
    key = {(f"p{anchors.row(p)}", f"t{first[pool.names[p.term]]}"): p for p in reversed(pairs)}
    corpus = [f"t{i}" for i in sorted(first.values())]
    model = KnownVectors(Rows(anchors.vectors, terms))
    negatives: dict[Candidate, list[int]] = {pair: [] for pair in pairs}
    for anchor, positive, negative in peer_search(model, list(reversed(key)), corpus, settings.negatives):
        negatives[key[anchor, positive]].append(int(negative[1:]))
    cosines, mined = TermCosines(terms, settings.memory_mb), Mined()
    for pair, found in negatives.items():
        row = cosines.of(anchors.vectors[[anchors.row(pair)]])[0]
        for n in found:
            (cos_pn,) = cosines.between(pair.term, np.array([n])).tolist()
            rank = 1 + int((row > row[n]).sum())
            mined.triplets.append(
                Triplet(pair.passage, pair.term, n, float(row[pair.term]), float(row[n]), cos_pn, rank, PEER)
            )
        mined.without_negatives += [] if found else [pair]
    return mined


def write_table(output: Path, encoder: str, negatives: int) -> None:
    """Run the mine stage with the peer's search in the place of ours."""
    from tripletkit.cli import main as tripletkit

    miner.search_negatives = mine_by_peer  # type: ignore[attr-defined]
    settings = ("--set", f"mine.negatives={negatives}")
    tripletkit(["mine", "--output", str(output), "--encoder", encoder, *settings, "--force"])


# One book

#: The peer with as many negatives as we take, and with as many as it takes if not told.
ENGINES = {"tripletkit": "own", "mine_hard_negatives": "peer", "mine_hard_negatives, 3 each": "peer_of_three"}


def compare_on_a_book(output: Path, encoder: str) -> None:
    """Cold runs with encoding, then each engine on the vectors that are there, then another margin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child("warm", encoder=encoder)  # so that neither pays for reading the weights from disk
        colds: dict[str, list[dict[str, Any]]] = {"tripletkit": [], "mine_hard_negatives": []}
        for turn in range(2):  # in turn, so that a busy moment is not one engine's
            kept = folder / str(turn)
            kept.mkdir()
            colds["tripletkit"].append(child("own_cold", output=output, encoder=encoder, folder=kept))
            colds["mine_hard_negatives"].append(child("peer_cold", output=output, encoder=encoder))
        cold = {engine: min(runs, key=lambda run: float(run["cpu"])) for engine, runs in colds.items()}
        known = {
            f"{engine}{', every positive' if every else ''}": child(
                task, output=output, folder=folder / "0", every=every
            )
            for every in (False, True)
            for engine, task in ENGINES.items()
        }
    say(
        f"{output}, encoder {encoder}\n{'':44}  triplets  passages  mentioned  cited  search s  peak MB  cold s (by the clock)\n"
    )
    for engine, found in known.items():
        whole = f"{cold[engine]['cpu']:7.1f} ({cold[engine]['wall']:.1f})" if engine in cold else ""
        say(
            f"{engine:44} {found['triplets']:9,} {found['passages']:9,} {found['mentioned']:10.1%} {found['cited']:6.1%} "
            f"{found['seconds']:9.3f} {found['peak_mb']:8.0f} {whole}\n"
        )
    own = cold["tripletkit"]
    say(
        f"mined again with another margin, vectors cached: {own['again']:.2f} s, {own['again'] / own['cpu']:.1%} of cold "
        f"(of it {known['tripletkit']['pooling']:.2f} s for finding which passage mentions what)\n"
    )


def pools(output: Path | str) -> dict[str, Pool]:
    """The pool of each split, as the mine stage makes it."""
    import polars as pl

    from tripletkit.store import Store

    store = Store(Path(output))
    passages = store.read("passages").filter(kind="prose").join(store.read("splits"), on="passage_id")
    return {
        split: build_pool(
            passages.filter(pl.col("split") == split), store.read("terms"), store.read("mentions"), page_margin=1
        )
        for split in SPLITS
    }


def warm(encoder: str) -> dict[str, float]:
    """Load what both load."""
    load(encoder)
    return {}


def load(encoder: str) -> Any:  # noqa: ANN401 - untyped library
    """The model behind an encoder's name."""
    from tripletkit.encoding.loading import load_model
    from tripletkit.encoding.resolve import resolve_encoder

    return load_model(resolve_encoder(encoder))


def own_cold(output: str, encoder: str, folder: str) -> dict[str, float]:
    """The whole of it with nothing cached, then again with another margin. The vectors are kept for the other children."""
    from tripletkit.encoding.encoder import SentenceEncoder
    from tripletkit.encoding.resolve import resolve_encoder
    from tripletkit.progress import Progress

    def run(settings: MineSettings) -> None:
        model = SentenceEncoder(
            resolve_encoder(encoder), cache=Path(folder) / "cache", progress=Progress(quiet=True), precision="float32"
        )
        for split, pool in pools(output).items():
            passages = sorted({pair.passage for pair in pool.candidates})
            vectors, terms = model.encode([pool.texts[p] for p in passages]), model.encode(pool.names)
            np.savez(Path(folder) / f"{split}.npz", passages=passages, vectors=vectors, terms=terms)
            anchors = Anchors(vectors, {p: row for row, p in enumerate(passages)})
            pool, _ = without_weak(pool, anchors, terms, settings)
            pairs = choose_positives(pool, settings, 0)
            search_negatives(pool, pairs, anchors, terms, settings)

    run(MineSettings())
    start = time.process_time()
    run(MineSettings(relative_margin=0.1))
    return {"again": time.process_time() - start}


def peer_cold(output: str, encoder: str) -> dict[str, float]:
    """The peer with the encoder itself."""
    model = load(encoder)
    for pool in pools(output).values():
        pairs = choose_positives(pool, MineSettings(), 0)
        peer_search(
            model, [(pool.texts[p.passage], pool.names[p.term]) for p in pairs], pool.names, MineSettings().negatives
        )
    return {}


def settings_for(every: bool) -> MineSettings:
    """The defaults, or with ``every`` no limit to the positives of a passage and the passages of a positive."""
    without = {"positives": 1_000, "passages_per_term": 1_000_000} if every else {}
    return MineSettings.model_validate(without)


def own(output: str, folder: str, *, every: bool) -> dict[str, float]:
    """The search alone, on vectors that are there. Its imports are left out, as the peer's are: numpy loads one late."""
    import numpy.ma  # noqa: F401

    settings = settings_for(every)
    start = time.process_time()
    held = pools(output)
    pooling, seconds = time.process_time() - start, 0.0
    found: list[tuple[Pool, list[tuple[int, int]]]] = []
    for split, pool in held.items():
        anchors, terms = known_vectors(folder, split)
        start = time.process_time()
        pool, _ = without_weak(pool, anchors, terms, settings)
        pairs = choose_positives(pool, settings, 0)
        mined = search_negatives(pool, pairs, anchors, terms, settings)
        seconds += time.process_time() - start
        found.append((pool, [(t.passage, t.negative) for t in mined.triplets]))
    return {"seconds": seconds, "pooling": pooling, **faults(output, found)}


def peer_of_three(output: str, folder: str, *, every: bool) -> dict[str, float]:
    """`peer` with its own default."""
    return peer(output, folder, every=every, negatives=3)


def peer(output: str, folder: str, *, every: bool, negatives: int = MineSettings().negatives) -> dict[str, float]:
    """The peer's search alone, its imports left out."""
    from sentence_transformers.util import mine_hard_negatives  # noqa: F401

    seconds = 0.0
    found: list[tuple[Pool, list[tuple[int, int]]]] = []
    for split, pool in pools(output).items():
        anchors, terms = known_vectors(folder, split)
        pairs = choose_positives(pool, settings_for(every), 0)
        number = {text: i for i, text in enumerate(pool.texts)} | {name: i for i, name in enumerate(pool.names)}
        vectors = {name: terms[i] for i, name in enumerate(pool.names)}
        vectors |= {pool.texts[passage]: anchors.vectors[row] for passage, row in anchors.plain.items()}
        start = time.process_time()
        rows = [(pool.texts[p.passage], pool.names[p.term]) for p in pairs]
        mined = peer_search(KnownVectors(vectors), rows, pool.names, negatives)
        seconds += time.process_time() - start
        found.append((pool, [(number[anchor], number[negative]) for anchor, _, negative in mined]))
    return {"seconds": seconds, **faults(output, found)}


def known_vectors(folder: str, split: str) -> tuple[Anchors, Vectors]:
    """What `own_cold` kept."""
    with np.load(Path(folder) / f"{split}.npz") as kept:
        rows = {int(passage): row for row, passage in enumerate(kept["passages"])}
        return Anchors(kept["vectors"], rows), kept["terms"]


def faults(output: str, found: Iterable[tuple[Pool, Sequence[tuple[int, int]]]]) -> dict[str, float]:
    """Yield, and shares of negatives that the passage says (by a plain search, not by our guard) or that the index cites there."""
    from tripletkit.store import Store

    store = Store(Path(output))
    terms = {row["term_id"]: row for row in store.read("terms").to_dicts()}
    places = {row["passage_id"]: row for row in store.read("passages").to_dicts()}
    triplets = mentioned = cited = passages = 0
    for pool, negatives in found:
        passages += len({passage for passage, _ in negatives})
        for passage, negative in negatives:
            term, place = terms[pool.term_ids[negative]], places[pool.passage_ids[passage]]
            triplets += 1
            mentioned += any(is_mentioned(form, place["text"]) for form in {term["term"], *term["forms"]})
            pages = range(place["page_first"], place["page_last"] + 1)
            cited += term["book_id"] == place["book_id"] and not cited_pages(term).isdisjoint(pages)
    return {"triplets": triplets, "passages": passages, "mentioned": mentioned / triplets, "cited": cited / triplets}


def is_mentioned(form: str, text: str) -> bool:
    """Whether the form stands in the text, in any case and number."""
    words = [re.escape(word) for word in re.sub(r"s$", "", form.casefold()).replace("-", " ").split()]
    return re.search(r"(?<!\w)" + r"[\s-]+".join(words) + r"(e?s)?(?!\w)", text.casefold()) is not None


# Synthetic sizes


def compare_sizes(sizes: Sequence[tuple[int, ...]], anchors: int) -> None:
    """How time and memory grow. Our bound: what vectors and pool take before, a copy of the terms, the budget, the triplets."""
    say(
        f"{'passages x terms':>20} {'mined':>9} {'engine':20} {'triplets':>10} {'CPU s':>8} {'ms a pass.':>10} {'peak MB':>8} "
        f"{'start MB':>8} {'bound MB':>8}\n"
    )
    for passages, terms in sizes:
        mined = anchors or passages
        for engine in ("synthetic_own", "synthetic_peer"):
            found = child(engine, passages=passages, terms=terms, mined=mined)
            bound = found["start_mb"] + (8 * 384 * terms + 330 * found["triplets"]) / 2**20 + MineSettings().memory_mb
            say(
                f"{passages:>11,} x {terms:6,} {mined:9,} "
                f"{'tripletkit' if engine == 'synthetic_own' else 'mine_hard_negatives':20} {found['triplets']:10,} "
                f"{found['seconds']:8.1f} {1000 * found['seconds'] / mined:10.2f} {found['peak_mb']:8.0f} {found['start_mb']:8.0f} "
                f"{bound if engine == 'synthetic_own' else float('nan'):8.0f}\n"
            )
            sys.stdout.flush()


def synthetic(passages: int, terms: int, mined: int) -> tuple[Vectors, Vectors, list[list[int]]]:
    """Unit vectors of 384 dimensions: a passage leans to its three terms. The first ``mined`` passages have terms."""
    rng = np.random.default_rng(0)
    of_terms = unit(rng.standard_normal((terms, 384), dtype=np.float32))
    mentioned = rng.integers(0, terms, (passages, 3))
    vectors = rng.standard_normal((passages, 384), dtype=np.float32)
    for start in range(0, passages, 10_000):
        part = slice(start, start + 10_000)
        vectors[part] = unit(unit(vectors[part]) + 0.5 * of_terms[mentioned[part]].sum(axis=1))
    return vectors, of_terms, [sorted(set(row)) for row in mentioned[:mined].tolist()]


def unit(rows: Vectors) -> Vectors:
    """Rows of length 1."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def synthetic_own(passages: int, terms: int, mined: int) -> dict[str, float]:
    """Our miner: families of twenty terms, chapters of two hundred passages, one more term cited on each page."""
    vectors, of_terms, mentioned = synthetic(passages, terms, mined)
    same_head = [numbers(range(start, min(start + 20, terms))) for start in range(0, terms, 20)]
    chapters = [numbers(t for row in mentioned[start : start + 200] for t in row) for start in range(0, passages, 200)]
    pool = Pool(
        passage_ids=tuple(f"p{i}" for i in range(passages)),
        texts=tuple(f"text {i}" for i in range(passages)),
        term_ids=tuple(f"t{i}" for i in range(terms)),
        names=tuple(f"term {i}" for i in range(terms)),
        candidates=tuple(Candidate(p, t, 1.0) for p, row in enumerate(mentioned) for t in row),
        mentioned=(*map(numbers, mentioned), *[numbers([])] * (passages - mined)),
        cited=tuple(numbers([i % terms]) for i in range(passages)),
        related=tuple(numbers([i]) for i in range(terms)),
        same_head=tuple(same_head[i // 20] for i in range(terms)),
        in_chapter=tuple(chapters[i // 200] for i in range(passages)),
        passage_books=np.zeros(passages, dtype=np.int32),
        term_books=np.zeros(terms, dtype=np.int32),
        implied=(numbers([]),) * passages,
    )
    settings = MineSettings(passages_per_term=1_000_000)
    anchors = Anchors(vectors, {i: i for i in range(passages)})
    pairs = choose_positives(pool, settings, 0)
    before, start = peak_mb(), time.process_time()
    found = search_negatives(pool, pairs, anchors, of_terms, settings)
    return {"triplets": len(found.triplets), "seconds": time.process_time() - start, "start_mb": before}


def synthetic_peer(passages: int, terms: int, mined: int) -> dict[str, float]:
    """The peer on the same vectors and pairs."""
    from sentence_transformers.util import mine_hard_negatives  # noqa: F401

    vectors, of_terms, mentioned = synthetic(passages, terms, mined)
    rows = [(f"p{p}", f"t{t}") for p, row in enumerate(mentioned) for t in row]
    corpus = [f"t{t}" for t in range(terms)]
    model = KnownVectors(Rows(vectors, of_terms))
    before, start = peak_mb(), time.process_time()
    found = peer_search(model, rows, corpus, MineSettings().negatives)
    return {"triplets": len(found), "seconds": time.process_time() - start, "start_mb": before}


TASKS = {
    task.__name__: task for task in (warm, own_cold, peer_cold, own, peer, peer_of_three, synthetic_own, synthetic_peer)
}

if __name__ == "__main__":
    main()
