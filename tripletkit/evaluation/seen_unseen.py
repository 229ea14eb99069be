"""Parts of a task by what training has met: the term, or the query's book. Small gains there and none elsewhere is learning by heart."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from tripletkit.evaluation.bootstrap import ENOUGH_UNITS
from tripletkit.evaluation.metrics import Mask
from tripletkit.evaluation.tasks import Part, Task
from tripletkit.language.normalise import term_key

Key = tuple[str, ...]


def seen_keys(terms: pl.DataFrame, mentions: pl.DataFrame, trained: pl.DataFrame) -> set[Key]:
    """Every form, as words are compared, of the terms that the training passages say: a triplet's positive is always one.

    By words and not by id, as two books may teach one term.
    """
    said = mentions.join(trained, on="passage_id", how="semi")["term_id"].unique()
    forms = terms.filter(pl.col("term_id").is_in(said.to_list())).select("term", "forms").iter_rows()
    return {term_key(form) for name, others in forms for form in (name, *others)}


def seen_parts(task: Task, keys: Collection[Key], books: Collection[str]) -> list[Part]:
    """The task's queries by seen and unseen terms and books; nothing where one of the two groups would hold too few to judge.

    A passage that answers with both kinds of term is in both groups, each time asked for the one kind only.
    """
    terms = np.array([any(term_key(form) in keys for form in forms) for forms in task.forms], dtype=bool)
    homes = np.array([book in books for book, _ in task.chapters], dtype=bool)
    by_term = terms[:, None] if task.by_term else terms[None, :]
    return [*_split(task, "terms", task.relevant & by_term), *_split(task, "books", task.relevant & homes[:, None])]


def _split(task: Task, what: str, seen: Mask) -> Sequence[Part]:
    groups = (
        task.part(f"{task.name}, seen {what}", seen),
        task.part(f"{task.name}, unseen {what}", task.relevant & ~seen),
    )
    return groups if all(len(group.rows) >= ENOUGH_UNITS for group in groups) else ()
