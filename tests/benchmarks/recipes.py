"""Compare recipes on unseen text: the base encoder, the model card's, `mine_hard_negatives` with the model card's loss, tripletkit's.

    python tests/benchmarks/recipes.py BOOKS SCORE --judge openintro-statistics deep-learning-101 [--steps 300]

BOOKS has a folder per book (book.pdf, gold_index.jsonl), SCORE the scorer `retrieval.py`. Case (a): train on the first two thirds of a
book, score its last third. Case (b): train on all the other books, score the whole book. Results stay under --output, so that an
interrupted run continues. Intervals: 95 %, bootstrap over blocks of ten pages. "general" is the Spearman correlation on graded
everyday sentences that `tripletkit evaluate` also prints.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

#: By recipe: the flags of `mine` and of `train`. `mine_hard_negatives` takes three negatives by default.
RECIPES: dict[str, tuple[list[str], list[str]]] = {
    "model card": (["--random-negatives", "--set", "mine.negatives=3"], ["--recipe", "model-card"]),
    "mine_hard_negatives, model card loss": ([], ["--recipe", "model-card"]),  # mined by tests/benchmarks/mining.py
    "tripletkit": (["--hard-negatives"], []),
}
METRICS = {
    "ndcg": "term→page nDCG@10",
    "unsaid": "unsaid nDCG@10",
    "map": "page→term MAP",
    "masked": "masked page→term MAP",
    "general": "general",
}
BLOCK = 10  # pages that are resampled together, as neighbours share their subject
RESAMPLES = 1000


@dataclass(frozen=True)
class Case:
    """A case by its name, a or b, the book that is scored, and the other books."""

    name: str
    judge: str
    others: tuple[str, ...]


@dataclass
class Judge:
    """The pages and index of a book, as `retrieval.py` reads them."""

    scorer: Any
    pages: list[tuple[str, str]]
    index: dict[str, set[str]]

    def values(self, encoder: Any) -> dict[str, dict[int, tuple[float, int]]]:  # noqa: ANN401 - untyped library
        """By metric and query: the value, and the page that the bootstrap resamples it with."""
        s, labels = self.scorer, {label: i for i, (label, _) in enumerate(self.pages)}
        texts = [text for _, text in self.pages]
        flat = [s.normal(text) for text in texts]
        names = sorted(self.index)
        relevant = [{labels[p] for p in self.index[name] if p in labels} for name in names]
        vectors = encoder.encode(names, normalize_embeddings=True, batch_size=64)
        similarity = s.best_window(encoder, texts, vectors)
        asked = [i for i, found in enumerate(relevant) if found]
        by_page = [{i for i in asked if page in relevant[i]} for page in range(len(texts))]
        told = [page for page, terms in enumerate(by_page) if terms]
        hidden = []
        for page in told:
            longest_first = sorted((names[i] for i in by_page[page]), key=lambda name: -len(name))
            hidden.append(re.sub("(?i)" + "|".join(map(re.escape, longest_first)), "[MASK]", flat[page]))
        blind = s.best_window(encoder, hidden, vectors)
        ndcg = {i: (s.ndcg(similarity[i], relevant[i]), min(relevant[i])) for i in asked}
        said = {i for i in asked if any(names[i] in flat[page] for page in relevant[i])}
        return {
            "ndcg": ndcg,
            "unsaid": {i: value for i, value in ndcg.items() if i not in said},
            "map": {page: (s.average_precision(similarity[:, page], by_page[page]), page) for page in told},
            "masked": {
                page: (s.average_precision(blind[:, row], by_page[page]), page) for row, page in enumerate(told)
            },
        }


def read_judge(scorer: Any, folder: Path, last_third: bool) -> tuple[Judge, int]:  # noqa: ANN401
    """The pages to score, and the printed number of the last page of the first two thirds."""
    index = scorer.read_gold(folder).index
    last = max(int(label) for labels in index.values() for label in labels if label.isdigit())
    cut = last * 2 // 3
    first = cut + 1 if last_third else 1
    numbered = [(label, text) for label, text in scorer.page_texts(folder / "book.pdf", folder) if label.isdigit()]
    pages = [(label, text) for label, text in numbered if len(text.split()) > 40 and first <= int(label) <= last]
    return Judge(scorer, pages, index), cut


def tripletkit(*words: str) -> None:
    """One command of the program; its words go to stderr."""
    subprocess.run([sys.executable, "-m", "tripletkit", *words], check=True, stdout=sys.stderr)


def prepare(case: Case, books: Path, folder: Path, encoder: str, cut: int) -> None:
    """Tables up to the splits: the pages to score are in the test split, or not there at all."""
    common = ["--output", str(folder), "--encoder", encoder]
    inside = (case.judge,) if case.name == "a" else case.others
    tripletkit("extract", *(str(books / name / "book.pdf") for name in inside), *common)
    tripletkit("glossary", *common)
    tripletkit("tag", *common)
    if case.name == "b":
        tripletkit("split", *common, "--set", "split.by=book", "--set", "split.test=0")
        return
    page = json.loads((books / case.judge / "page_map.json").read_text())[str(cut)]
    ends = pl.read_parquet(folder / "passages.parquet")["page_last"].unique()
    tripletkit("split", *common, "--set", "split.by=pages", "--set", f"split.test={(ends > page).sum() / len(ends)}")
    held = pl.read_parquet(folder / "splits.parquet").join(
        pl.read_parquet(folder / "passages.parquet"), on="passage_id"
    )
    assert held.filter(pl.col("split") != "test")["page_last"].max() <= page, "a page to score is not in the test split"


def train(recipe: str, case: Case, root: Path, encoder: str, steps: int) -> tuple[Path, float]:
    """The encoder's folder, and the minutes that training took."""
    folder = root / re.sub(r"\W+", "-", recipe)
    done = folder / "minutes.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(root / "tables", folder, dirs_exist_ok=True)
        common = ["--output", str(folder), "--encoder", encoder]
        mining, training = RECIPES[recipe]
        if recipe.startswith("mine_hard_negatives"):
            command = [sys.executable, str(Path(__file__).with_name("mining.py")), str(folder), "--encoder", encoder]
            subprocess.run([*command, "--write-table", "--negatives", "3"], check=True, stdout=sys.stderr)
        else:
            tripletkit("mine", *mining, *common)
        start = time.monotonic()
        tripletkit("train", *training, "--set", f"train.max_steps={steps}", "--allow-worse", *common)
        done.write_text(json.dumps((time.monotonic() - start) / 60))
    return folder / "encoder", float(json.loads(done.read_text()))


def interval(values: dict[int, tuple[float, int]], base: dict[int, tuple[float, int]]) -> tuple[float, float, float]:
    """Relative change of the mean against ``base``, per cent, with its 95 % interval; the same queries on both sides."""
    blocks: dict[int, list[int]] = {}
    for query, (_, page) in values.items():
        blocks.setdefault(page // BLOCK, []).append(query)
    sums = np.array([[sum(side[q][0] for q in queries) for side in (values, base)] for queries in blocks.values()])
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    after, before = sums[drawn].sum(axis=1).T
    some = before > 0  # few queries can all score nothing
    low, high = np.percentile(100 * (after[some] / before[some] - 1), [2.5, 97.5])
    after, before = sums.sum(axis=0)
    return 100 * (after / before - 1), float(low), float(high)


def scores(path: Path, judge: Judge, encoder: str) -> dict[str, dict[int, tuple[float, int]]]:
    """By metric, the value of every query; kept in ``path``."""
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        from tripletkit.encoding.encoder import SentenceEncoder
        from tripletkit.encoding.resolve import resolve_encoder
        from tripletkit.evaluation.general import general_similarity
        from tripletkit.progress import Progress

        found = judge.values(SentenceTransformer(encoder, device="cpu"))
        alone = SentenceEncoder(resolve_encoder(encoder), cache=None, progress=Progress(quiet=True))
        found["general"] = {0: (float(general_similarity(alone, 0).point[0]), 0)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    held = json.loads(path.read_text())
    return {metric: {int(query): (v, page) for query, (v, page) in of.items()} for metric, of in held.items()}


def row(name: str, found: dict[str, Any], base: dict[str, Any] | None, note: str = "") -> str:
    """A line of the table."""
    cells = []
    for metric in METRICS:
        if not found[metric]:
            cells.append("–")
            continue
        cell = f"{np.mean([value for value, _ in found[metric].values()]):.3f}"
        if base is not None:
            change, low, high = interval(found[metric], base[metric])
            cell += f" ({change:+.1f} %)" if metric == "general" else f" ({change:+.0f} %, {low:+.0f} to {high:+.0f})"
        cells.append(cell)
    return f"| {name} | " + " | ".join(cells) + f" | {note} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path)
    parser.add_argument("score", type=Path)
    parser.add_argument("--judge", nargs="+", required=True, help="folders of the books to score")
    parser.add_argument("--cases", default="ab")
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--output", type=Path, default=Path("output/recipes"))
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--steps", type=int, default=300, help="most steps, for every recipe alike")
    given = parser.parse_args()
    sys.path.insert(0, str(given.score))
    scorer = importlib.import_module("retrieval")
    from tripletkit.encoding.resolve import resolve_encoder

    base_folder = str(resolve_encoder(given.encoder).folder)
    names = sorted(path.parent.name for path in given.books.glob("*/book.pdf"))
    say = sys.stdout.write
    for kind in given.cases:
        for name in given.judge:
            case = Case(kind, name, tuple(other for other in names if other != name))
            root = given.output / f"{kind}-{name}"
            judge, cut = read_judge(scorer, given.books / name, last_third=kind == "a")
            if not (root / "tables" / "splits.parquet").exists():
                prepare(case, given.books, root / "tables", given.encoder, cut)
            what = (
                "trained on its first two thirds, scored on its last third"
                if kind == "a"
                else "trained on all other books"
            )
            say(f"\n**({kind}) {name}**: {what}\n\n")
            say(f"| recipe | {' | '.join(METRICS.values())} | training |\n|---|" + "---|" * (len(METRICS) + 1) + "\n")
            base = scores(root / "base.json", judge, base_folder)
            say(row("base encoder", base, None) + "\n")
            for recipe in given.recipes:
                encoder, minutes = train(recipe, case, root, given.encoder, given.steps)
                found = scores(root / f"{encoder.parent.name}.json", judge, str(encoder))
                say(row(recipe, found, base, f"{minutes:.0f} min") + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
