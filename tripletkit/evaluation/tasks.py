"""What an encoder is asked: terms for passages, passages for terms, the same with the words hidden, definitions for terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tripletkit.encoding.encoder import Encoder, Vectors
from tripletkit.evaluation.baselines import build_matcher, said
from tripletkit.evaluation.gold import Chapter, Gold
from tripletkit.evaluation.metrics import Mask, Metrics, Scores, mean_metrics
from tripletkit.mining.masking import hide, hide_matches

#: Stands for a hidden term until an encoder puts its own mask token there; no letter, so that no string match sees it.
HIDDEN = "\ufffc"


@dataclass(frozen=True)
class Part:
    """Some of a task's queries, and what is right for each. Rows of masks are queries, columns all the task's candidates."""

    name: str
    task: str
    rows: npt.NDArray[np.intp]  # which of the task's queries
    relevant: Mask
    ignored: Mask  # neither right nor wrong
    chapters: tuple[Chapter, ...]  # of each query


@dataclass(frozen=True)
class Task:
    """Queries and candidates. One side are terms, whose ``forms`` these are; the other side are texts."""

    name: str
    queries: tuple[str, ...]
    candidates: tuple[str, ...]
    relevant: Mask
    ignored: Mask
    chapters: tuple[Chapter, ...]
    forms: tuple[tuple[str, ...], ...]
    by_term: bool  # the queries are the terms

    @property
    def whole(self) -> Part:
        """All its queries."""
        return self.part(self.name, self.relevant)

    def part(self, name: str, relevant: Mask) -> Part:
        """The queries that have an answer in ``relevant``. The task's other answers are ignored: right, but not asked for."""
        rows = np.flatnonzero(relevant.any(axis=1))
        ignored = self.ignored | (self.relevant & ~relevant)
        return Part(name, self.name, rows, relevant[rows], ignored[rows], tuple(self.chapters[i] for i in rows))

    def said(self) -> Mask:
        """Queries x candidates: whether the text holds the term, in any form."""
        return said(self.forms, self.candidates) if self.by_term else said(self.forms, self.queries).T


def build_tasks(gold: Gold) -> list[Task]:
    """Every task that has a query."""
    texts = gold.texts
    masked = hide_terms(texts, [term.forms for term in gold.terms])
    tasks = [
        _by_term("term→passage", gold, texts, gold.relevant),
        _by_term("term→passage, masked", gold, masked, gold.relevant),
        _by_term("term→passage, unsaid", gold, texts, gold.unsaid),
        _by_passage("passage→term", gold, texts),
        _by_passage("passage→term, masked", gold, masked),
        _by_definition(gold),
    ]
    return [task for task in tasks if task.queries]


def hide_terms(texts: Sequence[str], forms: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Every form of every term hidden in every text: what is left to go by is what the text says of it."""
    matcher = build_matcher(forms)
    return tuple(hide_matches(text, matcher, HIDDEN) for text in texts)


def _by_term(name: str, gold: Gold, texts: tuple[str, ...], relevant: Mask) -> Task:
    asked = np.flatnonzero(relevant.any(axis=1))
    terms = [gold.terms[i] for i in asked]
    return Task(
        name,
        tuple(term.name for term in terms),
        texts,
        relevant[asked],
        (gold.relevant & ~relevant)[asked],
        tuple(term.home for term in terms),
        tuple(term.forms for term in terms),
        by_term=True,
    )


def _by_passage(name: str, gold: Gold, texts: tuple[str, ...]) -> Task:
    asked = np.flatnonzero(gold.relevant.any(axis=0))
    relevant = gold.relevant.T[asked]
    return Task(
        name,
        tuple(texts[j] for j in asked),
        gold.names,
        relevant,
        np.zeros_like(relevant),
        tuple(gold.chapters[j] for j in asked),
        tuple(term.forms for term in gold.terms),
        by_term=False,
    )


def _by_definition(gold: Gold) -> Task:
    """A term by its definition, in which it is hidden, among all the terms that the held-out passages say or answer."""
    candidates = (*gold.terms, *gold.others)
    defined = [(i, term, term.definition) for i, term in enumerate(candidates) if term.definition]
    relevant = np.eye(len(candidates), dtype=bool)[[i for i, *_ in defined], :]
    return Task(
        "definition→term",
        tuple(hide(definition, term.forms, HIDDEN) for _, term, definition in defined),
        tuple(term.name for term in candidates),
        relevant,
        np.zeros_like(relevant),
        tuple(term.home for _, term, _ in defined),
        tuple(term.forms for term in candidates),
        by_term=False,
    )


def encoder_scores(tasks: Sequence[Task], encoder: Encoder, mask_token: str) -> dict[str, Scores]:
    """Cosines by task, queries x candidates. All texts are encoded in one go."""
    texts = [text.replace(HIDDEN, mask_token) for task in tasks for text in (*task.queries, *task.candidates)]
    vectors = encoder.encode(texts, "held-out texts")
    scores, start = {}, 0
    for task in tasks:
        middle, end = start + len(task.queries), start + len(task.queries) + len(task.candidates)
        scores[task.name] = vectors[start:middle] @ vectors[middle:end].T
        start = end
    return scores


def score(gold: Gold, encoder: Encoder) -> dict[str, Metrics]:
    """Mean metrics of term→passage and passage→term, over queries with an answer."""
    terms = encoder.encode(gold.names, "held-out terms")
    passages = encoder.encode(gold.texts, "held-out passages")
    return score_vectors(gold, terms, passages)


def score_vectors(gold: Gold, terms: Vectors, passages: Vectors) -> dict[str, Metrics]:
    """Mean metrics by the cosines of unit rows."""
    cosines = terms @ passages.T
    told = gold.relevant.any(axis=0)
    return {
        "term→passage": mean_metrics(cosines, gold.relevant),
        "passage→term": mean_metrics(cosines.T[told], gold.relevant.T[told]),
    }
