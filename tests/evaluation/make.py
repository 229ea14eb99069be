"""Small tables of passages, terms and mentions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tripletkit.evaluation.gold import Gold, build_gold
from tripletkit.schemas import MENTIONS, PASSAGES, TERMS, make_table


def passages(*rows: tuple[str, str, int, str], book: str = "x") -> pl.DataFrame:
    """A table of passages from (id, text, page, chapter)."""
    return make_table(
        PASSAGES,
        [
            {
                "passage_id": passage_id,
                "book_id": book,
                "section": chapter,
                "page_first": page,
                "page_last": page,
                "label_first": str(page),
                "label_last": str(page),
                "kind": "prose",
                "text": text,
                "n_tokens": len(text.split()),
                "boxes": [],
            }
            for passage_id, text, page, chapter in rows
        ],
    )


def term(
    name: str, pages: Sequence[int] = (), *, forms: Sequence[str] = (), definition: str | None = None
) -> pl.DataFrame:
    """A table with one kept term of book x, whose id is its name."""
    locators = [{"label": str(page), "page": page, "range_end": None} for page in pages]
    return make_table(
        TERMS,
        [
            {
                "term_id": name,
                "book_id": "x",
                "term": name,
                "forms": [name, *forms],
                "sources": ["index"],
                "definition": definition,
                "parent_id": None,
                "see_also": [],
                "locators": locators,
                "kept": True,
                "reason": None,
            }
        ],
    )


def mentions(*pairs: tuple[str, str]) -> pl.DataFrame:
    """A table of mentions from (passage, term)."""
    return make_table(
        MENTIONS,
        [{"passage_id": p, "term_id": t, "start": 0, "end": 1, "surface": "x", "match": "exact"} for p, t in pairs],
    )


def heaps() -> Gold:
    """Two chapters; the index cites "heap" on pages 1 and 3, where page 3 does not mention it, and "queue" on 2."""
    return build_gold(
        passages(
            ("a", "A heap is a tree with an order.", 1, "Trees"),
            ("b", "The queue serves who came first, as heaps do not.", 2, "Lists"),
            ("c", "Its smallest item is at the root.", 3, "Trees"),
            ("d", "Nothing of the kind is said here.", 9, "Lists"),
        ),
        pl.concat(
            [
                term("heap", [1, 3], definition="A heap is a tree in order."),
                term("queue", [2]),
                term("tree", definition="Nodes, none of which has two parents."),
            ]
        ),
        mentions(("a", "heap"), ("a", "tree"), ("b", "queue"), ("b", "heap")),
    )
