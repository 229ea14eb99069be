"""How the time of the glossary stage grows with the text and the number of terms.

    python tests/benchmarks/glossary.py [--pages 250] [--terms 750]

A made-up book of Zipf-distributed words with an index of phrases of its text, then twice and four times as many pages
and terms. CPU seconds of the harvest and of the search for the terms' surfaces; Python's start and the reading of the
PDF are left out.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.terms.layout import column, tables
from tripletkit.language.normalise import normalised_by
from tripletkit.rules import load_rules
from tripletkit.schemas import TERMS, make_table
from tripletkit.tagging.mentions import surfaces_of
from tripletkit.tagging.tag_texts import tag_passages
from tripletkit.terms.harvest import harvest_book

VOCABULARY, LINES_A_PAGE, WORDS_A_LINE, ENTRIES_A_PAGE = 12_000, 40, 10, 50


def words(count: int, seed: int) -> list[str]:
    """Words of a made-up vocabulary; the n-th commonest occurs 1/n as often as the first."""
    letters = random.Random(0)
    vocabulary = ["".join(letters.choices("abcdeghilmnoprtu", k=letters.randint(3, 9))) for _ in range(VOCABULARY)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    return random.Random(seed).choices(vocabulary, weights, k=count)


def index(said: list[str], terms: int, pages: int) -> list[str]:
    """Entries for phrases of the text: two or three words, some in capitals, some with a subentry."""
    draw = random.Random(1)
    entries: set[str] = set()
    while len(entries) < terms:
        at = draw.randrange(len(said) - 3)
        phrase = " ".join(said[at : at + draw.choice((2, 2, 3))])
        entries.add(phrase.capitalize() if draw.random() < 0.5 else phrase)
    subentry = f"\n    {said[0]}, 3"
    return [f"{term}, {draw.randrange(1, pages)}{subentry if draw.random() < 0.2 else ''}" for term in sorted(entries)]


def cpu_seconds(pages: int, terms: int) -> tuple[float, float, int]:
    """Seconds of the harvest and of the search for surfaces, and the terms found."""
    said = words(pages * LINES_A_PAGE * WORDS_A_LINE, seed=pages)
    lines = [" ".join(said[at : at + WORDS_A_LINE]) for at in range(0, len(said), WORDS_A_LINE)]
    texts = ["\n".join(lines[at : at + LINES_A_PAGE]) for at in range(0, len(lines), LINES_A_PAGE)]
    entries = index(said, terms, pages)
    back = ["\n".join(entries[at : at + ENTRIES_A_PAGE]) for at in range(0, len(entries), ENTRIES_A_PAGE)]
    drawn = {number: column(number, text) for number, text in enumerate([*texts, *back], 1)}
    held = tables(drawn, dict.fromkeys(range(pages + 1, pages + len(back) + 1), "index"))
    rows = [{"passage_id": str(at), "book_id": "b", "text": text.replace("\n", " ")} for at, text in enumerate(texts)]
    rules = load_rules()
    with normalised_by(rules):
        start = time.process_time()
        found = make_table(TERMS, harvest_book("b", *held, rules).terms)
        middle = time.process_time()
        surfaces_of((text, tagged.mentions) for _, text, tagged in tag_passages(pl.DataFrame(rows), found, rules))
    return middle - start, time.process_time() - middle, found.height


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=250)
    parser.add_argument("--terms", type=int, default=750)
    given = parser.parse_args()
    cpu_seconds(20, 20)  # imports and caches of patterns
    first = 0.0
    for times in (1, 2, 4):
        harvest, surfaces, terms = cpu_seconds(times * given.pages, times * given.terms)
        whole = harvest + surfaces
        first = first or whole
        print(
            f"{times}×: {times * given.pages:6,} pages {terms:6,} terms  harvest {harvest:6.2f} s  surfaces"
            f" {surfaces:6.2f} s  together {whole:6.2f} s, {whole / first:.1f} times the first"
        )


if __name__ == "__main__":
    main()
