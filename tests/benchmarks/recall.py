"""Which of the words that pdftotext (poppler-utils) finds in PDFs stand in the table `lines`.

    python tests/benchmarks/recall.py BOOK.pdf [BOOK.pdf …] [--below 0.97] [--words 12]

Words are runs of two letters or more, in small letters, and count as often as they stand on a page. Prints each file's share of them, from
the lowest, and for files with a smaller share than --below the pages and the words that miss most.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tripletkit.pdf.workers import BookTables, BookTask, Bounds, Failure, PassageLimits, WorkerFunction, read_books
from tripletkit.rules import load_rules

READ: WorkerFunction[BookTask, BookTables | str] = WorkerFunction("tripletkit.pdf.book_tables:read_book_task")
_WORD = re.compile(r"[^\W\d_]{2,}")
#: A file with fewer words, or with fewer on a page, is drawings.
LEAST_WORDS, LEAST_WORDS_A_PAGE = 500, 50


@dataclass(frozen=True)
class Recall:
    """Of one file: how many words pdftotext finds, and which of them are not in the lines, by page."""

    words: int
    missing: dict[int, Counter[str]]

    @property
    def share(self) -> float:
        """Share of pdftotext's words that are in the lines."""
        return 1 - sum(found.total() for found in self.missing.values()) / self.words


def words_of(text: str) -> Counter[str]:
    """The words of a text, in small letters, ligatures and accents as letters; hyphens part them."""
    return Counter(word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", text)))


def pages_by_pdftotext(path: Path) -> list[str]:
    """The text of each page, words cut at a line's end left cut; nothing if pdftotext cannot read the file."""
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, timeout=600)
    return done.stdout.decode("utf-8", "replace").split("\f")[:-1]


def recalls(paths: Sequence[Path]) -> Iterator[tuple[Path, Recall | str]]:
    """Each file with its recall, or with why it has none."""
    rules, limits = load_rules(), PassageLimits(120, 80, 10)
    with tempfile.TemporaryDirectory() as folder:
        tasks = [
            BookTask(path, "b", Path(folder, str(n)), None, limits, rules, "pdfium") for n, path in enumerate(paths)
        ]
        bounds = Bounds(seconds=600, memory_mb=2048)
        for n, outcome in read_books(READ, tasks, workers=1, bounds=bounds):
            yield paths[n], _recall(paths[n], outcome)


def _recall(path: Path, outcome: BookTables | str | Failure) -> Recall | str:
    pages = [words_of(text) for text in pages_by_pdftotext(path)]
    total = sum(page.total() for page in pages)
    if total < LEAST_WORDS or total < LEAST_WORDS_A_PAGE * len(pages):
        return "little text"
    if not isinstance(outcome, BookTables):
        return outcome.why if isinstance(outcome, Failure) else outcome.splitlines()[0]
    texts: dict[int, list[str]] = defaultdict(list)
    for number, text in zip(outcome.lines["page"], outcome.lines["text"], strict=True):
        texts[int(str(number))].append(str(text))
    missing = {number: page - words_of("\n".join(texts[number])) for number, page in enumerate(pages, 1)}
    return Recall(total, {number: words for number, words in missing.items() if words})


def describe(recall: Recall, most: int) -> str:
    """The pages and the words that miss most."""
    pages = sorted(recall.missing.items(), key=lambda item: -item[1].total())[:most]
    words: Counter[str] = sum(recall.missing.values(), Counter())
    told = " ".join(f"{number}:{found.total()}" for number, found in pages)
    return f"       pages {told}\n       words {' '.join(f'{word}:{n}' for word, n in words.most_common(2 * most))}"


def main() -> None:
    """Print the recalls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path, nargs="+")
    parser.add_argument("--below", type=float, default=0.97)
    parser.add_argument("--words", type=int, default=12)
    of = parser.parse_args()
    found = dict(recalls(of.books))
    for path, why in found.items():
        if isinstance(why, str):
            print(f"   -    {path}: {why}")  # noqa: T201
    read = [(path, recall) for path, recall in found.items() if isinstance(recall, Recall)]
    for path, recall in sorted(read, key=lambda item: item[1].share):
        print(f"{recall.share:7.4f} {path}: {recall.words:,} words")  # noqa: T201
        if recall.share < of.below:
            print(describe(recall, of.words))  # noqa: T201
    low = sum(recall.share < of.below for _, recall in read)
    print(f"{len(read)} files, {low} below {of.below}")  # noqa: T201


if __name__ == "__main__":
    main()
