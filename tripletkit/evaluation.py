"""Retrieval of passages by terms and terms by passages, on held-out text: the only judge of an encoder here.

Accuracy on self-mined triplets is 1.0 by construction and says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder, Vectors
from tripletkit.mining.pool import cited_pages

Scores = npt.NDArray[np.float32]
Metrics = dict[str, float]


@dataclass(frozen=True)
class Gold:
    """Terms, passages, and which is about which. ``source`` says by whose word: index, mentions, or both (by book)."""

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    term_ids: tuple[str, ...]
    names: tuple[str, ...]
    relevant: npt.NDArray[np.bool_]  # terms x passages
    source: str


def build_gold(passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame) -> Gold:
    """Gold for the passages given. By the index's locators in books that have them, by mentions in others.

    On a cited page those passages count that say the term; where none says it, every passage that touches the page.
    """
    passages = passages.sort("passage_id")
    said = defaultdict(set)
    for passage_id, term_id in mentions.select("passage_id", "term_id").unique().iter_rows():
        said[term_id].add(passage_id)
    indexed = {t["book_id"] for t in terms.filter("kept").to_dicts() if cited_pages(t)}
    by_page: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in passages.to_dicts():
        for page in range(row["page_first"], row["page_last"] + 1):
            by_page[row["book_id"], page].append(row["passage_id"])
    held = set(passages["passage_id"])
    answers: dict[str, set[str]] = {}
    for term in terms.filter("kept").sort("term_id").to_dicts():
        found = (
            _by_index(term, by_page, said[term["term_id"]])
            if term["book_id"] in indexed
            else said[term["term_id"]] & held
        )
        if found:
            answers[term["term_id"]] = found
    names = dict(terms.select("term_id", "term").iter_rows())
    ids = tuple(passages["passage_id"])
    relevant = np.array([[p in answers[t] for p in ids] for t in answers], dtype=bool).reshape(len(answers), len(ids))
    books = set(passages["book_id"])
    source = "index" if books <= indexed else "mentions" if not books & indexed else "index and mentions"
    return Gold(ids, tuple(passages["text"]), tuple(answers), tuple(names[t] for t in answers), relevant, source)


def _by_index(term: Mapping[str, object], by_page: Mapping[tuple[str, int], Sequence[str]], said: set[str]) -> set[str]:
    found: set[str] = set()
    for page in cited_pages(term):
        on_page = set(by_page.get((str(term["book_id"]), page), ()))
        found |= on_page & said or on_page
    return found


def score(gold: Gold, encoder: Encoder) -> dict[str, Metrics]:
    """nDCG@10, MRR@10, MAP and recall@10 of term→passage and passage→term, each the mean over queries with an answer."""
    terms = encoder.encode(gold.names, "held-out terms")
    passages = encoder.encode(gold.texts, "held-out passages")
    return score_vectors(gold, terms, passages)


def score_vectors(gold: Gold, terms: Vectors, passages: Vectors) -> dict[str, Metrics]:
    """Metrics by the cosines of unit rows."""
    cosines = terms @ passages.T
    told = gold.relevant.any(axis=0)
    return {
        "term→passage": mean_metrics(cosines, gold.relevant),
        "passage→term": mean_metrics(cosines.T[told], gold.relevant.T[told]),
    }


def mean_metrics(scores: Scores, relevant: npt.NDArray[np.bool_], k: int = 10) -> Metrics:
    """Each metric's mean over the queries (rows)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    gains = np.take_along_axis(relevant, order, axis=1)
    rows = {
        f"nDCG@{k}": [ndcg(row, k) for row in gains],
        f"MRR@{k}": [reciprocal_rank(row, k) for row in gains],
        "MAP": [average_precision(row) for row in gains],
        f"recall@{k}": [float(row[:k].sum() / row.sum()) for row in gains],
    }
    return {
        "queries": float(len(gains)),
        **{name: float(np.mean(values)) if values else 0.0 for name, values in rows.items()},
    }


def ndcg(gains: npt.NDArray[np.bool_], k: int) -> float:
    """Binary gains in ranked order; the ideal puts all relevant ones first (Järvelin & Kekäläinen 2002)."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = discounts[: min(int(gains.sum()), k)].sum()
    return float((gains[:k] * discounts[: len(gains[:k])]).sum() / ideal) if ideal else 0.0


def reciprocal_rank(gains: npt.NDArray[np.bool_], k: int) -> float:
    """1 / rank of the first relevant one among the first k, else 0."""
    hits = np.flatnonzero(gains[:k])
    return float(1 / (hits[0] + 1)) if len(hits) else 0.0


def average_precision(gains: npt.NDArray[np.bool_]) -> float:
    """Mean of the precision at each relevant one, over the whole ranking."""
    ranks = np.flatnonzero(gains) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks)) if len(ranks) else 0.0
