"""Retrieval tasks: passages by term, terms by passage, the same with the terms masked, and terms or passages by definition.

Each can be split into seen and unseen terms or books: gains on seen ones alone suggest memorisation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.encoding.properties import TASKS, Task
from tripletkit.evaluation.gold import Chapter, Gold, Term, build_matcher, mentioned
from tripletkit.evaluation.metrics import ENOUGH_UNITS, Mask, Metrics, ScoreMatrix, mean_metrics
from tripletkit.evaluation.report import (
    DEFINITION,
    DEFINITION_TO_PASSAGE,
    DIRECTIONS,
    MASKED,
    NO_MENTION,
    PASSAGE_TO_TERM,
    SUBSETS,
    TERM_TO_PASSAGE,
)
from tripletkit.language.normalise import term_key
from tripletkit.mining.pool import hide, hide_matches

#: Stands for a masked term until it is replaced by an encoder's own mask token; not a letter, so that no string match sees it.
HIDDEN = "\ufffc"
#: Definitions of fewer words occur in a text by chance. The shortest of 474 in three glossaries have four.
DEFINITION_WORDS = 4


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
    """Queries and candidates, of which one side are terms with these ``forms`` and the other side are texts.

    A definition that is searched with counts as a term whose only form it is. Ids are those of terms and passages.
    """

    name: str
    query_ids: tuple[str, ...]
    candidate_ids: tuple[str, ...]
    queries: tuple[str, ...]
    candidates: tuple[str, ...]
    relevant: Mask
    ignored: Mask
    chapters: tuple[Chapter, ...]
    forms: tuple[tuple[str, ...], ...]
    by_term: bool  # whether the queries are the terms

    def subset(self, name: str, relevant: Mask) -> QuerySubset:
        """The queries with a candidate in ``relevant``. Other relevant candidates of the task are ignored."""
        rows = np.flatnonzero(relevant.any(axis=1))
        ignored = self.ignored | (self.relevant & ~relevant)
        return QuerySubset(name, self.name, rows, relevant[rows], ignored[rows], tuple(self.chapters[i] for i in rows))

    @property
    def direction(self) -> str:
        """One of DIRECTIONS."""
        return DIRECTIONS[0 if self.by_term else 1]

    @property
    def terms_and_texts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The two sides, whichever of them are the queries."""
        return (self.queries, self.candidates) if self.by_term else (self.candidates, self.queries)

    def by_query(self, scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Shape (terms, texts) → (queries, candidates)."""
        return scores if self.by_term else scores.T

    def mentioned(self) -> Mask:
        """bool, shape (queries, candidates): whether the text has the term, in any form."""
        return self.by_query(mentioned(self.forms, self.terms_and_texts[1]))


def build_tasks(gold: Gold) -> list[RetrievalTask]:
    """Every task that has a query. A definition, in which its term is masked, is searched among all terms of these passages."""
    masked = mask_terms(gold.texts, [term.forms for term in gold.terms])
    terms = (*gold.terms, *gold.mentioned_only)
    definitions = [hide(term.definition or "", term.forms, HIDDEN) for term in terms]
    defined = np.diag(np.array([bool(term.definition) for term in terms], dtype=bool))
    ids, term_ids = gold.passage_ids, [term.term_id for term in terms]
    elsewhere = (gold.relevant | gold.ignored) & ~gold.no_mention
    tasks = [
        _task(TERM_TO_PASSAGE, gold.terms, ids, gold.texts, gold.relevant, ignored=gold.ignored),
        _task(f"{TERM_TO_PASSAGE}, {MASKED}", gold.terms, ids, masked, gold.relevant, ignored=gold.ignored),
        _task(f"{TERM_TO_PASSAGE}, {NO_MENTION}", gold.terms, ids, gold.texts, gold.no_mention, ignored=elsewhere),
        *(
            _task(name, gold.terms, ids, texts, gold.relevant.T, gold.chapters, ignored=gold.ignored.T)
            for name, texts in ((PASSAGE_TO_TERM, gold.texts), (f"{PASSAGE_TO_TERM}, {MASKED}", masked))
        ),
        _task(DEFINITION, terms, term_ids, definitions, defined, [term.chapter for term in terms]),
        _definition_to_passage(gold),
    ]
    return [task for task in tasks if task.queries]


def _definition_to_passage(gold: Gold) -> RetrievalTask:
    """Passages by a definition in which its term is masked. A passage that quotes a definition is no candidate."""
    written = [term.definition or "" for term in gold.terms]
    asked = [
        replace(term, name=hide(text, term.forms, HIDDEN), forms=(text,))
        for term, text in zip(gold.terms, written, strict=True)
    ]
    kept = np.flatnonzero(~quoting(gold.texts, written)).tolist()
    relevant = gold.relevant[:, kept] & np.array([bool(text) for text in written], dtype=bool)[:, None]
    ids, texts = ([of[j] for j in kept] for of in (gold.passage_ids, gold.texts))
    return _task(DEFINITION_TO_PASSAGE, asked, ids, texts, relevant, ignored=gold.ignored[:, kept])


def quoting(texts: Sequence[str], definitions: Iterable[str]) -> npt.NDArray[np.bool_]:
    """bool, shape (texts,): whether the text has one of the definitions, up to its first semicolon, word for word."""
    by_start: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for definition in definitions:
        if len(key := term_key(definition.partition(";")[0])) >= DEFINITION_WORDS:
            by_start[key[:DEFINITION_WORDS]].append(key)

    def quotes(words: tuple[str, ...]) -> bool:
        starts = ((at, by_start.get(words[at : at + DEFINITION_WORDS], ())) for at in range(len(words)))
        return any(words[at : at + len(key)] == key for at, keys in starts for key in keys)

    return np.array([quotes(term_key(text)) for text in texts], dtype=bool)


def mask_terms(texts: Sequence[str], forms: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The texts with every form of every term masked, so that only the context tells which term it is."""
    matcher = build_matcher(forms)
    return tuple(hide_matches(text, matcher, HIDDEN) for text in texts)


def _task(
    name: str,
    terms: Sequence[Term],
    ids: Sequence[str],
    texts: Sequence[str],
    relevant: Mask,
    chapters: Sequence[Chapter] | None = None,
    *,
    ignored: Mask | None = None,
) -> RetrievalTask:
    """Texts are searched by term or, given the ``chapters`` of the texts, terms by text. Queries without an answer are left out."""
    sides, by_term = [([term.term_id for term in terms], [term.name for term in terms]), (ids, texts)], chapters is None
    (query_ids, queries), (candidate_ids, candidates) = sides if by_term else reversed(sides)
    asked: list[int] = np.flatnonzero(relevant.any(axis=1)).tolist()
    places = [term.chapter for term in terms] if chapters is None else chapters
    return RetrievalTask(
        name=name,
        query_ids=tuple(query_ids[i] for i in asked),
        candidate_ids=tuple(candidate_ids),
        queries=tuple(queries[i] for i in asked),
        candidates=tuple(candidates),
        relevant=relevant[asked],
        ignored=np.zeros_like(relevant[asked]) if ignored is None else ignored[asked],
        chapters=tuple(places[i] for i in asked),
        forms=tuple(terms[i].forms for i in (asked if by_term else range(len(terms)))),
        by_term=by_term,
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
    terms = encoder.encode([term.name for term in gold.terms], "terms", "query")
    cosines = terms @ encoder.encode(gold.texts, "passages").T
    answered = gold.relevant.any(axis=0)
    return {
        TERM_TO_PASSAGE: mean_metrics(cosines, gold.relevant, gold.ignored),
        PASSAGE_TO_TERM: mean_metrics(cosines.T[answered], gold.relevant.T[answered], gold.ignored.T[answered]),
    }


@dataclass(frozen=True)
class TrainingContent:
    """The training content: terms, as the normalised words of each form, and book ids."""

    terms: Set[tuple[str, ...]]
    books: Set[str]


def training_content(
    passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, trained: pl.DataFrame
) -> TrainingContent:
    """Terms mentioned in the passages ``trained``, by words, as books may share terms, and these passages' books."""
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
    found = list[QuerySubset]()
    for names, seen in ((SUBSETS[:2], terms[:, None] if task.by_term else terms), (SUBSETS[2:], books[:, None])):
        masks = (task.relevant & seen, task.relevant & ~seen)
        pair = [task.subset(f"{task.name}, {name}", mask) for name, mask in zip(names, masks, strict=True)]
        found += pair if all(len(subset.rows) >= ENOUGH_UNITS for subset in pair) else []
    return found
