"""Small pools whose cosines are written down by hand: the anchor is the x axis."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from tests.tagging.rows import matcher_of, mentions_in
from tripletkit.mining.cosines import Vectors
from tripletkit.mining.pool import (
    Anchors,
    Candidate,
    Pool,
    build_pool,
    choose_positives,
)
from tripletkit.mining.relations import numbers
from tripletkit.mining.search import Mined, search_negatives
from tripletkit.schemas import MENTIONS, TERMS, make_table
from tripletkit.settings import MineSettings


def at(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def pool(
    terms: int = 5,
    *,
    mentioned: tuple[int, ...] = (0,),
    cited: tuple[int, ...] = (),
    related: tuple[int, ...] = (),
    same_head: tuple[int, ...] = (),
    in_chapter: tuple[int, ...] = (),
    other_book: tuple[int, ...] = (),
    implied: tuple[int, ...] = (),
) -> Pool:
    """One passage, positive 0; ``related`` and ``same_head`` are the positive's."""
    return Pool(
        passage_ids=("p",),
        texts=("text",),
        term_ids=tuple(f"t{i}" for i in range(terms)),
        names=tuple(f"term {i}" for i in range(terms)),
        candidates=(Candidate(0, 0, 1.0),),
        mentioned=(numbers(mentioned),),
        cited=(numbers(cited),),
        related=(numbers((0, *related)), *(numbers([i]) for i in range(1, terms))),
        same_head=(numbers(same_head), *(numbers([]) for _ in range(1, terms))),
        in_chapter=(numbers(in_chapter),),
        passage_books=numbers([0]),
        term_books=np.array([int(i in other_book) for i in range(terms)], dtype=np.int32),
        implied=(numbers(implied),),
    )


# The positive at 20°: cosine .940, so a negative may reach .893, that is 26.8°.
ANGLES = (20, 25, 40, 60, -80)


ANCHOR = np.array(at(0), dtype=np.float32)


def run(held: Pool, angles: tuple[float, ...] = ANGLES, **settings: Any) -> Mined:  # noqa: ANN401
    terms = np.array([at(a) for a in angles], dtype=np.float32)
    chosen = MineSettings(
        **{
            "other_books": 0,
            "negatives": 1,
            "max_negative_share": 1,
            "synonym_threshold": 0.999,
            **settings,
        }
    )
    return mined_at_anchor(held, terms, chosen)


def mined_at_anchor(held: Pool, terms: Vectors, settings: MineSettings) -> Mined:
    """Every passage looks along x."""
    pairs = choose_positives(held, settings, 0)
    anchors = Anchors(np.stack([ANCHOR] * len(held.texts)), {i: i for i in range(len(held.texts))})
    return search_negatives(held, pairs, anchors, terms, settings)


def many(held: Pool, passages: int) -> Pool:
    """The passage so many times."""
    return replace(
        held,
        passage_ids=tuple(f"p{i}" for i in range(passages)),
        texts=held.texts * passages,
        candidates=tuple(Candidate(i, 0, 1.0) for i in range(passages)),
        mentioned=held.mentioned * passages,
        cited=held.cited * passages,
        in_chapter=held.in_chapter * passages,
        passage_books=np.zeros(passages, dtype=np.int32),
        implied=held.implied * passages,
    )


def term_row(term_id: str, name: str) -> dict[str, object]:
    return {
        "term_id": term_id,
        "book_id": "b",
        "term": name,
        "forms": [name],
        "sources": ["index"],
        "definition": None,
        "parent_id": None,
        "see_also": [],
        "locators": [],
        "kept": True,
        "reason": None,
    }


def pool_of(texts: list[str], names: tuple[str, ...]) -> Pool:
    """Passages with these texts, and one more that mentions all terms."""
    texts = [*texts, " ".join(f"{name}." for name in names)]
    passages = pl.DataFrame({"passage_id": [f"p{i}" for i in range(len(texts))], "text": texts}).with_columns(
        book_id=pl.lit("b"), page_first=1, page_last=1
    )
    terms = make_table(TERMS, [term_row(f"{i}", name) for i, name in enumerate(names)])
    matcher = matcher_of(terms)
    found = [
        row for p, text in passages.select("passage_id", "text").iter_rows() for row in mentions_in(p, text, matcher)
    ]
    return build_pool(passages, terms, make_table(MENTIONS, found), page_margin=0)
