"""Subsets of a task's queries by what training has seen: the term, or the query's book.

Gains on seen terms or books only mean that the encoder has memorised them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import polars as pl

from tripletkit.evaluation.bootstrap import ENOUGH_UNITS
from tripletkit.evaluation.metrics import Mask
from tripletkit.evaluation.report import SUBSETS
from tripletkit.evaluation.tasks import QuerySubset, RetrievalTask
from tripletkit.language.normalise import term_key


@dataclass(frozen=True)
class TrainingContent:
    """What training has seen: terms, as the normalised words of each form, and book ids."""

    terms: Set[tuple[str, ...]]
    books: Set[str]


def training_content(
    passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, trained: pl.DataFrame
) -> TrainingContent:
    """The terms mentioned in the passages ``trained`` (a triplet's positive always is), and the books of these passages.

    Terms are compared by words and not by id, as two books may teach the same term.
    """
    seen = mentions.join(trained, on="passage_id", how="semi").select("term_id").unique()
    forms = terms.join(seen, on="term_id", how="semi").select("term", "forms").iter_rows()
    keys = {term_key(form) for name, others in forms for form in (name, *others)}
    return TrainingContent(keys, set(passages.join(trained, on="passage_id", how="semi")["book_id"]))


def seen_subsets(task: RetrievalTask, training: TrainingContent) -> list[QuerySubset]:
    """The task's queries by seen and unseen terms and books; none where one of two subsets would have too few queries.

    A passage that is relevant to both kinds of term is in both subsets; in each, only that kind counts as relevant.
    """
    terms = np.array([any(term_key(form) in training.terms for form in forms) for forms in task.forms], dtype=bool)
    books = np.array([book in training.books for book, _ in task.chapters], dtype=bool)
    by_term = terms[:, None] if task.by_term else terms[None, :]
    return [*_split(task, SUBSETS[:2], by_term), *_split(task, SUBSETS[2:], books[:, None])]


def _split(task: RetrievalTask, names: Sequence[str], seen: Mask) -> Sequence[QuerySubset]:
    masks = (task.relevant & seen, task.relevant & ~seen)
    subsets = [task.subset(f"{task.name}, {name}", mask) for name, mask in zip(names, masks, strict=True)]
    return subsets if all(len(subset.rows) >= ENOUGH_UNITS for subset in subsets) else ()
