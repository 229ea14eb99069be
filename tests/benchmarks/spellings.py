"""How many triplets have a negative that the passage says in another spelling: written apart or together, with other accents,
Greek letters, numbers, plurals or full stops.

    python tests/benchmarks/spellings.py OUTPUT [OUTPUT …]

OUTPUT is a folder in which `tripletkit mine` has run. Words are folded as everywhere (``language.spellings``), but compared
without the trie: all words of a passage and of a form are written together. Exits with 1 if there is such a triplet.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tripletkit.language.normalise import tokens
from tripletkit.language.spellings import Spelling, spellings
from tripletkit.store import Store

#: Longer forms are not looked for.
MOST_WORDS = 8


@lru_cache(maxsize=1 << 12)
def runs_of(text: str) -> dict[str, int]:
    """Up to MOST_WORDS words in a row, folded and written together, with the fewest words that make it."""
    keys = [token.key for token in tokens(text)]
    runs = [("".join(keys[i : i + n]), n) for n in range(MOST_WORDS, 0, -1) for i in range(len(keys) - n + 1)]
    return dict(runs)


@lru_cache(maxsize=1 << 14)
def ways_of(form: str) -> tuple[Spelling, ...]:
    """The form's spellings."""
    return tuple(spellings(form))


def said_as(text: str, forms: Iterable[str]) -> str | None:
    """The first form that the text says in some spelling."""
    runs = runs_of(text)
    for form in forms:
        for way in ways_of(form):
            # One word may be written as two, but "Eva Lu Ator" is no evaluator.
            together = runs.get("".join(way.key), MOST_WORDS + 1) <= min(MOST_WORDS, len(way.key) + 1)
            if together and all(_stands(word, text) for _, word in way.literal):
                return form
    return None


def _stands(word: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE if word.islower() else 0) is not None


def main(*outputs: str) -> None:
    """Print, for each folder, the triplets whose negative is said, and the first of them."""
    bad = 0
    for output in outputs:
        store = Store(Path(output))
        forms = {row["term_id"]: [row["term"], *row["forms"]] for row in store.read("terms").to_dicts()}
        triplets = store.read("triplets")
        found = [
            (row["negative"], form, row["anchor"])
            for row in triplets.select("anchor", "negative", "negative_id").to_dicts()
            if (form := said_as(row["anchor"], forms[row["negative_id"]])) is not None
        ]
        bad += len(found)
        print(f"{output}: {len(found)} of {triplets.height:,} triplets have a negative that the passage says")
        for negative, form, anchor in found[:8]:
            print(f"  {negative!r} as {form!r} in {' '.join(anchor.split())[:200]!r}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main(*sys.argv[1:])
