"""Compare encoders on one's own passages and terms, with exact match and BM25 beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.given_encoder import given_encoder, mask_token_of
from tripletkit.errors import ConfigError, SourceError
from tripletkit.evaluation.gold import Rows, make_gold, mentioned
from tripletkit.evaluation.metrics import Mask
from tripletkit.evaluation.report import EvaluationReport
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.user_rows import Given, PassageRow, TermRow, read_rows, with_ids


def evaluate_encoders(
    encoders: Sequence[Given] | Mapping[str, Given],
    passages: Given,
    terms: Given,
    *,
    gold: Iterable[tuple[object, object]] | None = None,
    seed: int = 0,
) -> EvaluationReport:
    """Compare encoders by how they retrieve your passages for your terms, and your terms for your passages.

    The first encoder is the one that the others are compared with. Exact match and BM25 are scored beside them, every
    value has a 95 % bootstrap interval (from five queries on), and each task is repeated with the terms masked.

    Args:
        encoders: SentenceTransformer objects (or others with ``encode``), folders or Hub ids; at least one. A mapping
            names them in the report.
        passages: Texts, or rows (dictionaries or a frame) with ``text`` and, if you have them, ``passage_id``,
            ``book_id`` and ``section``: intervals are then taken over whole books or chapters.
        terms: Terms, or rows with ``term`` and, if you have them, ``term_id``, ``forms`` (other ways to write it) and
            ``definition`` (which adds the tasks of finding a term, and its passages, by its definition).
        gold: Pairs of a passage and a term that is relevant to it, each given by its id or, without ids, its text.
            Without pairs every passage that mentions a term is relevant to it; exact match then wins by construction, so
            look at the masked tasks.
        seed: For the bootstrap and for the order of ties.

    Returns:
        The report that ``tripletkit evaluate`` makes, too. Printed, it is a table; ``to_dict()`` is for JSON.

    Raises:
        ConfigError: No encoder is given, or one is given twice.
        EncoderError: An encoder cannot be loaded.
        SourceError: A row is bad, an id occurs twice, a pair is unknown, or no term has a relevant passage.

    """
    named = _named(encoders)
    texts = _with_ids(read_rows(passages, PassageRow, "passages"), "text", "passage_id")
    names = _with_ids(read_rows(terms, TermRow, "terms"), "term", "term_id")
    said = mentioned([(row["term"], *row["forms"]) for row in names], [row["text"] for row in texts])
    relevant = said if gold is None else _relevant(texts, names, gold)
    if not relevant.any():
        raise SourceError(
            f"evaluate_encoders: none of the {len(names)} terms has a relevant passage",
            "Give passages that mention the terms, or pairs of passage and term in gold=.",
        )
    found = make_gold(texts, names, relevant, said, source="mentions" if gold is None else "given pairs")
    return score_encoders(found, named, split="", seed=seed)


def _named(encoders: Sequence[Any] | Mapping[str, Any]) -> list[NamedEncoder]:
    if isinstance(encoders, Mapping):
        labelled = list(encoders.items())
    else:
        labelled = [(str(of) if isinstance(of, str | Path) else f"encoder {n}", of) for n, of in enumerate(encoders, 1)]
    labels = [label for label, _ in labelled]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice or not labels:
        problem = f"encoder {twice[0]!r} is given twice" if twice else "no encoder is given"
        raise ConfigError(f"evaluate_encoders: {problem}", "Give each encoder once, the base encoder first.")
    loaded = [given_encoder(of) for _, of in labelled]
    return [
        NamedEncoder(
            label, of, mask_token_of(of) or "[MASK]", of.place.name if isinstance(of, SentenceEncoder) else label
        )
        for label, of in zip(labels, loaded, strict=True)
    ]


def _with_ids(rows: pl.DataFrame, column: str, key: str) -> list[dict[str, Any]]:
    """Rows with their id, which is the text itself where there is none; equal texts without ids are one."""
    rows = rows.filter(pl.col("id").is_not_null() | pl.col(column).is_first_distinct())
    return with_ids(rows, key, pl.col(column)).with_columns(book_id=pl.col("book").fill_null("")).to_dicts()


def _relevant(passages: Rows, terms: Rows, pairs: Iterable[tuple[object, object]]) -> Mask:
    columns = {row["passage_id"]: j for j, row in enumerate(passages)}
    rows = {row["term_id"]: i for i, row in enumerate(terms)}
    relevant = np.zeros((len(rows), len(columns)), dtype=bool)
    for passage, term in pairs:
        for kind, of, known in (("passage", passage, columns), ("term", term, rows)):
            if str(of) not in known:
                raise SourceError(
                    f"evaluate_encoders: gold names the unknown {kind} {of!r}",
                    "Each pair is (passage, term), by id where the rows have ids, else by text.",
                )
        relevant[rows[str(term)], columns[str(passage)]] = True
    return relevant
