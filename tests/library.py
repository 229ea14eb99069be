"""A library of generated books: sentences of a seeded grammar, chapters, a glossary, and an index that cites its pages."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.pdfs import Text, write_pdf

_SYLLABLES = (
    "ba",
    "cor",
    "den",
    "fil",
    "gra",
    "hel",
    "ion",
    "jun",
    "kal",
    "lum",
    "mor",
    "nes",
    "os",
    "pel",
    "quin",
    "ra",
    "sol",
    "tur",
)
_VERBS = ("moves", "holds", "cools", "joins", "carries", "divides", "limits", "covers", "shapes", "follows")
_PLACES = (
    "in the field",
    "below the surface",
    "after the first trial",
    "near its source",
    "over a long time",
    "at low pressure",
)
LINES_ON_A_PAGE, TERMS_IN_A_CHAPTER, PAGES_IN_A_CHAPTER = 36, 6, 4


def write_library(folder: Path, books: int, *, pages: int = 20) -> list[Path]:
    """So many PDFs of about ``pages`` pages, the same for every call."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_generated(folder / f"book-{number:05}.pdf", seed=number, pages=pages) for number in range(books)]


def write_generated(path: Path, *, seed: int, pages: int = 20) -> Path:
    """One book: its seed decides its words."""
    rng = Random(seed)
    words = sorted({"".join(rng.choice(_SYLLABLES) for _ in range(3)) for _ in range(200)})
    body, cited = list[list[Text]](), dict[str, int]()
    for number in range(1, 1 + max(1, (pages - 3) // PAGES_IN_A_CHAPTER)):
        terms = [f"{rng.choice(words)} {rng.choice(words)}" for _ in range(TERMS_IN_A_CHAPTER)]
        for _ in range(PAGES_IN_A_CHAPTER):
            cited |= dict.fromkeys(terms, len(body) + 1) | cited
            body.append(_page(rng, words, terms, f"{number} The {words[number]}", len(body) + 1))
    glossary = [
        f"{term}: a {rng.choice(words)} that {rng.choice(_VERBS)} {rng.choice(_PLACES)}." for term in sorted(cited)
    ]
    index = [f"{term}, {page}" for term, page in sorted(cited.items())]
    back = [_list("Glossary", glossary, len(body) + 1), _list("Index", index, len(body) + 2)]
    return write_pdf(
        path, [[Text(120, 200, f"The {words[0]} Reader", 24, "b")], *body, *back], labels="0 <</S/r>> 1 <</S/D>>"
    )


def _page(rng: Random, words: list[str], terms: list[str], title: str, printed: int) -> list[Text]:
    lines = [Text(60, 40, title, 9, "i"), Text(205, 570, str(printed))]
    if printed % PAGES_IN_A_CHAPTER == 1:
        lines.append(Text(60, 66, title, 18, "b"))
    text = " ".join(_sentence(rng, words, terms) for _ in range(40)).split()
    rows = (" ".join(text[9 * row : 9 * row + 9]) for row in range(LINES_ON_A_PAGE))
    return [*lines, *(Text(60, 90 + 12 * row, shown) for row, shown in enumerate(rows))]


def _sentence(rng: Random, words: list[str], terms: list[str]) -> str:
    subject = rng.choice(terms) if rng.random() < 0.3 else rng.choice(words)
    return f"The {subject} {rng.choice(_VERBS)} every {rng.choice(words)} {rng.choice(_PLACES)}."


def _list(title: str, entries: list[str], printed: int) -> list[Text]:
    lines = [Text(60, 80 + 14 * row, entry, 9) for row, entry in enumerate(entries, 2)]
    return [Text(60, 80, title, 20, "b"), *lines, Text(205, 570, str(printed))]
