"""Retrieval tasks: passages by term, terms by passage, the same with the terms masked, and terms by definition.

Each can be split by what training has seen: gains on seen terms or books only mean that the encoder has memorised them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder, Vectors
from tripletkit.encoding.properties import TASKS, Task
from tripletkit.evaluation.baselines import build_matcher, mentioned
from tripletkit.evaluation.bootstrap import ENOUGH_UNITS
from tripletkit.evaluation.gold import Chapter, Gold, Term
from tripletkit.evaluation.metrics import Mask, Metrics, ScoreMatrix, mean_metrics
from tripletkit.evaluation.report import DEFINITION, MASKED, NO_MENTION, PASSAGE_TO_TERM, SUBSETS, TERM_TO_PASSAGE
from tripletkit.language.normalise import term_key
from tripletkit.mining.masking import hide, hide_matches

#: Stands for a masked term until it is replaced by an encoder's own mask token; not a letter, so that no string match sees it.
HIDDEN = "\ufffc"


@dataclass(frozen=True)
class QuerySubset:
    """Some queries of a task. Masks have the shape (queries of the subset, candidates of the task)."""

    name: str
    task: str
    rows: npt.NDArray[np.intp]  # positions among the task's queries
    relevant: Mask
    ignored: Mask  # neither relevant nor irrelevant
    chapters: tuple[Chapter, ...]  # of each query


@dataclass(frozen=True, kw_only=True)
class RetrievalTask:
    """Queries and candidates, of which one side are terms with these ``forms`` and the other side are texts."""

    name: str
    queries: tuple[str, ...]
    candidates: tuple[str, ...]
    relevant: Mask
    ignored: Mask
    chapters: tuple[Chapter, ...]
    forms: tuple[tuple[str, ...], ...]
    by_term: bool  # whether the queries are the terms

    @property
    def whole(self) -> QuerySubset:
        """All queries."""
        return self.subset(self.name, self.relevant)

    def subset(self, name: str, relevant: Mask) -> QuerySubset:
        """The queries with a candidate in ``relevant``. Other relevant candidates of the task are ignored."""
        rows = np.flatnonzero(relevant.any(axis=1))
        ignored = self.ignored | (self.relevant & ~relevant)
        return QuerySubset(name, self.name, rows, relevant[rows], ignored[rows], tuple(self.chapters[i] for i in rows))

    def mentioned(self) -> Mask:
        """bool, shape (queries, candidates): whether the text has the term, in any form."""
        return mentioned(self.forms, self.candidates) if self.by_term else mentioned(self.forms, self.queries).T


def build_tasks(gold: Gold) -> list[RetrievalTask]:
    """Every task that has a query."""
    masked = mask_terms(gold.texts, [term.forms for term in gold.terms])
    tasks = [
        _by_term(TERM_TO_PASSAGE, gold, gold.texts, gold.relevant),
        _by_term(f"{TERM_TO_PASSAGE}, {MASKED}", gold, masked, gold.relevant),
        _by_term(f"{TERM_TO_PASSAGE}, {NO_MENTION}", gold, gold.texts, gold.no_mention),
        _by_passage(PASSAGE_TO_TERM, gold, gold.texts),
        _by_passage(f"{PASSAGE_TO_TERM}, {MASKED}", gold, masked),
        _by_definition(gold),
    ]
    return [task for task in tasks if task.queries]


def mask_terms(texts: Sequence[str], forms: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The texts with every form of every term masked, so that only the context tells which term it is."""
    matcher = build_matcher(forms)
    return tuple(hide_matches(text, matcher, HIDDEN) for text in texts)


def _by_term(name: str, gold: Gold, texts: tuple[str, ...], relevant: Mask) -> RetrievalTask:
    rows = np.flatnonzero(relevant.any(axis=1))
    terms = [gold.terms[i] for i in rows]
    return RetrievalTask(
        name=name,
        queries=tuple(term.name for term in terms),
        candidates=texts,
        relevant=relevant[rows],
        ignored=(gold.relevant & ~relevant)[rows],
        chapters=tuple(term.chapter for term in terms),
        forms=tuple(term.forms for term in terms),
        by_term=True,
    )


def _by_passage(name: str, gold: Gold, texts: tuple[str, ...]) -> RetrievalTask:
    rows = np.flatnonzero(gold.relevant.any(axis=0))
    queries, chapters = [texts[j] for j in rows], [gold.chapters[j] for j in rows]
    return _by_text(name, queries, chapters, gold.terms, gold.relevant.T[rows])


def _by_definition(gold: Gold) -> RetrievalTask:
    """A term by its definition, in which it is masked, among all terms of these passages."""
    terms = (*gold.terms, *gold.mentioned_only)
    defined = [(i, term, term.definition) for i, term in enumerate(terms) if term.definition]
    queries = [hide(definition, term.forms, HIDDEN) for _, term, definition in defined]
    relevant = np.eye(len(terms), dtype=bool)[[i for i, *_ in defined], :]
    return _by_text(DEFINITION, queries, [term.chapter for _, term, _ in defined], terms, relevant)


def _by_text(
    name: str, queries: Sequence[str], chapters: Sequence[Chapter], terms: Sequence[Term], relevant: Mask
) -> RetrievalTask:
    return RetrievalTask(
        name=name,
        queries=tuple(queries),
        candidates=tuple(term.name for term in terms),
        relevant=relevant,
        ignored=np.zeros_like(relevant),
        chapters=tuple(chapters),
        forms=tuple(term.forms for term in terms),
        by_term=False,
    )


def encoder_scores(tasks: Sequence[RetrievalTask], encoder: Encoder, mask_token: str) -> dict[str, ScoreMatrix]:
    """Cosines by task, each of shape (queries, candidates). Terms are encoded as queries, all others as documents, in one call."""
    kinds: list[Task] = []
    for task in tasks:
        queries, candidates = TASKS if task.by_term else TASKS[::-1]
        kinds += [queries] * len(task.queries) + [candidates] * len(task.candidates)
    texts = [text.replace(HIDDEN, mask_token) for task in tasks for text in (*task.queries, *task.candidates)]
    vectors = encoder.encode(texts, "evaluation texts", kinds)
    scores, start = {}, 0
    for task in tasks:
        middle, end = start + len(task.queries), start + len(task.queries) + len(task.candidates)
        scores[task.name] = vectors[start:middle] @ vectors[middle:end].T
        start = end
    return scores


def score(gold: Gold, encoder: Encoder) -> dict[str, Metrics]:
    """Mean metrics of term→passage and passage→term; for validation, which needs neither baselines nor intervals."""
    terms = encoder.encode(gold.names, "terms", "query")
    passages = encoder.encode(gold.texts, "passages")
    return score_vectors(gold, terms, passages)


def score_vectors(gold: Gold, terms: Vectors, passages: Vectors) -> dict[str, Metrics]:
    """Mean metrics by the cosines of unit-length rows."""
    cosines = terms @ passages.T
    answered = gold.relevant.any(axis=0)
    return {
        TERM_TO_PASSAGE: mean_metrics(cosines, gold.relevant),
        PASSAGE_TO_TERM: mean_metrics(cosines.T[answered], gold.relevant.T[answered]),
    }


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
