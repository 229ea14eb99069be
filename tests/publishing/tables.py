"""Two small books as tables: one trains, the other is judged; figures that a reader can count."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tests.evaluation.reports import make_report
from tripletkit.ids import stable_id
from tripletkit.publishing.dataset_folder import CardDetails
from tripletkit.schemas import TABLES, make_table

DETAILS = CardDetails(
    "Two small books", "0.1", "tiny-encoder", "f00d", settings={"mine.negatives": 2, "mine.hard_negatives": True}
)
SCORES = make_report()
#: Every configuration of a dataset.
CONFIGURATIONS = (
    "triplet",
    "n-tuple",
    "pairs",
    "labelled-pairs",
    "definitions",
    "corpus",
    "terms",
    "mentions",
    "full",
)
TERMS = ("gradient", "loss function", "epoch", "layer", "kernel")


@dataclass(frozen=True)
class Book:
    """A book of passages, each saying one of TERMS; ``word`` stands in every passage, so that one can search for it."""

    name: str
    word: str
    license: str | None
    splits: tuple[str, ...]  # of its passages, in turn

    @property
    def book_id(self) -> str:
        return stable_id("book", self.name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Strings of the book's text that no redacted file may hold."""
        return (self.word, "Chapter of", *(f"{term} {self.word}" for term in TERMS))


ALPHA = Book("alpha", "xylophone", "CC BY 4.0", ("train",) * 8 + ("validation",) * 2)
BETA = Book("beta", "quicksilver", "CC BY-SA 4.0", ("test",) * 5)
GAMMA = Book("gamma", "zephyr", "CC BY 4.0", ("train",) * 4)

Rows = list[dict[str, Any]]


def small_tables(*books: Book) -> dict[str, pl.DataFrame]:
    """Tables of ``books`` (ALPHA and BETA if none are named).

    Per passage one positive with two negatives, and a masked twin with one.
    """
    chosen = books or (ALPHA, BETA)
    names = ("books", "pages", "passages", "terms", "mentions", "splits", "triplets", "dropped")
    rows: dict[str, Rows] = {name: [] for name in names}
    for book in chosen:
        _add_book(rows, book)
        for number, split in enumerate(book.splits):
            _add_passage(rows, book, number, split)
    rows["dropped"] = [
        {"stage": "mine", "item": f"t{n}", "related": "p", "reason": "said in the passage", "detail": None}
        for n in range(3)
    ] + [{"stage": "glossary", "item": "the", "related": None, "reason": "stop term", "detail": None}]
    return {name: make_table(TABLES[name], rows[name]) for name in names}


def unlicensed(book: Book, license_: str | None = None) -> Book:
    """``book`` under another licence, or none."""
    return replace(book, license=license_)


def _add_book(rows: dict[str, Rows], book: Book) -> None:
    rows["books"].append(
        {
            "book_id": book.book_id,
            "path": f"/home/someone/{book.name}.pdf",
            "title": f"The {book.name} book",
            "pages": len(book.splits),
            "license": book.license,
        }
    )
    rows["terms"] += [
        {
            "term_id": _term_id(book, name),
            "book_id": book.book_id,
            "term": _term(book, name),
            "forms": [_term(book, name), f"{name}s {book.word}"],
            "sources": ["index"],
            "definition": f"A {name} as the {book.word} has it." if name != "kernel" else None,
            "parent_id": None,
            "see_also": [],
            "locators": [{"label": "1", "page": 1, "range_end": None}],
            "kept": True,
            "reason": None,
        }
        for name in TERMS
    ]


def _add_passage(rows: dict[str, Rows], book: Book, number: int, split: str) -> None:
    name, term = TERMS[number % len(TERMS)], _term(book, TERMS[number % len(TERMS)])
    text = f"In part {number} the {term} is explained: one can see how {term} works with example {number * 7}."
    passage_id = stable_id("passage", book.book_id, text)
    page = number + 1
    rows["pages"].append(
        {"book_id": book.book_id, "page": page, "label": str(page), "role": "body", "chars": len(text)}
    )
    rows["passages"].append(
        {
            "passage_id": passage_id,
            "book_id": book.book_id,
            "section": f"Chapter of {book.word}",
            "page_first": page,
            "page_last": page,
            "label_first": str(page),
            "label_last": str(page),
            "kind": "prose",
            "text": text,
            "n_tokens": 20 + number,
            "boxes": [],
        }
    )
    rows["splits"].append({"passage_id": passage_id, "split": split})
    places = [text.index(term), text.rindex(term)]
    rows["mentions"] += [
        {
            "passage_id": passage_id,
            "term_id": _term_id(book, name),
            "start": at,
            "end": at + len(term),
            "surface": term,
            "match": "exact",
        }
        for at in places
    ]
    negatives = [other for other in TERMS if other != name][:2]
    rows["triplets"] += [_triplet(book, passage_id, text, (name, negative), split) for negative in negatives]
    rows["triplets"].append(_triplet(book, passage_id, text.replace(term, "[MASK]"), (name, negatives[0]), split))


def _triplet(book: Book, passage_id: str, anchor: str, pair: tuple[str, str], split: str) -> dict[str, Any]:
    positive, negative = pair
    masked = "[MASK]" in anchor
    # Any number will do that is fixed by the row and between 0 and 1.
    chance = hashlib.sha256(f"{anchor}{negative}".encode()).digest()[0] / 512
    return {
        "triplet_id": stable_id("triplet", passage_id, positive, negative, str(masked)),
        "passage_id": passage_id,
        "positive_id": _term_id(book, positive),
        "negative_id": _term_id(book, negative),
        "anchor": anchor,
        "positive": _term(book, positive),
        "negative": _term(book, negative),
        "cos_ap": 0.5 + chance,
        "cos_an": chance,
        "cos_pn": 0.25,
        "rank": 3,
        "rule": "nearest" if negative == "gradient" else "sibling",
        "masked": masked,
        "split": split,
        "round": 0,
        "encoder": "f00d",
    }


def _term(book: Book, name: str) -> str:
    return f"{name} {book.word}"


def _term_id(book: Book, name: str) -> str:
    return stable_id("term", book.book_id, name)
