"""The rankers that an encoder is up against, each as scores of shape (queries, candidates) by task.

The term is the query of BM25 and MaxSim in both directions: a term has few words or tokens, which are looked for in the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.gold import Gold
from tripletkit.evaluation.metrics import METRICS, Mask, ScoreMatrix, metric_values
from tripletkit.evaluation.report import LEADING_METRIC, PASSAGE_TO_TERM, TERM_TO_PASSAGE
from tripletkit.evaluation.tasks import HIDDEN, RetrievalTask, build_tasks, encoder_scores
from tripletkit.language.lexical import bm25

Scores = Mapping[str, ScoreMatrix]
#: Where no validation split can choose the weight of the vector.
EQUAL_WEIGHTS = 0.5
#: Weights that are tried, those nearest to EQUAL_WEIGHTS first.
WEIGHTS = sorted((step / 20 for step in range(21)), key=lambda weight: abs(weight - EQUAL_WEIGHTS))


def exact_scores(tasks: Sequence[RetrievalTask]) -> dict[str, ScoreMatrix]:
    """1 where the text has the term in any form, else 0."""
    return {task.name: task.mentioned().astype(np.float32) for task in tasks}


def bm25_scores(tasks: Sequence[RetrievalTask]) -> dict[str, ScoreMatrix]:
    """BM25 of the terms over the texts; transposed where texts are the queries."""
    return {task.name: task.by_query(bm25(*task.terms_and_texts)) for task in tasks}


def maxsim_scores(
    tasks: Sequence[RetrievalTask], encoder: Encoder, mask_token: str, what: str = "evaluation texts"
) -> dict[str, ScoreMatrix] | None:
    """MaxSim of the terms over the texts; transposed where texts are the queries. None without token vectors.

    Each text is encoded once for all tasks.
    """
    sides = {
        task.name: [[text.replace(HIDDEN, mask_token) for text in side] for side in task.terms_and_texts]
        for task in tasks
    }
    terms, texts = (
        {text: number for number, text in enumerate(dict.fromkeys(text for of in sides.values() for text in of[side]))}
        for side in (0, 1)
    )
    found = encoder.max_similarities(list(terms), list(texts), what)
    if found is None:
        return None
    places = {name: np.ix_([terms[one] for one in of[0]], [texts[one] for one in of[1]]) for name, of in sides.items()}
    return {task.name: task.by_query(found[places[task.name]]) for task in tasks}


def min_max(scores: ScoreMatrix) -> ScoreMatrix:
    """Each query's scores over its candidates as 0 (lowest) to 1 (highest); 0 where all are equal."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    scaled: ScoreMatrix = (scores - low) / np.where(high > low, high - low, 1)
    return scaled


def fuse(vectors: ScoreMatrix, words: ScoreMatrix, weight: float) -> ScoreMatrix:
    """Convex combination of min-max scores (Bruch et al., arXiv:2210.11934); ``weight`` is that of the vectors, 0 to 1."""
    fused: ScoreMatrix = weight * min_max(vectors) + (1 - weight) * min_max(words)
    return fused


def best_weight(vectors: ScoreMatrix, words: ScoreMatrix, relevant: Mask, ignored: Mask | None = None) -> float:
    """The weight of the vectors with the highest mean nDCG@10, or one nearer to EQUAL_WEIGHTS that is as good.

    As good is a mean within one standard error of the best, by the paired differences of the queries (the rule by which
    Breiman et al., 1984, prune trees). So no single query moves the weight. ``ignored`` as in `metric_values`.
    """
    leading = METRICS.index(LEADING_METRIC)
    fused = (fuse(vectors, words, weight) for weight in WEIGHTS)
    values = np.stack([metric_values(scores, relevant, ignored)[:, leading] for scores in fused])
    below = values[values.mean(axis=1).argmax()] - values
    as_good = below.mean(axis=1) <= below.std(axis=1) / np.sqrt(max(below.shape[1] - 1, 1)) + 1e-9
    return WEIGHTS[int(as_good.argmax())]


def fusion_weights(validation: Gold, encoder: Encoder, mask_token: str) -> dict[str, float]:
    """By direction (see RetrievalTask), the weight of the vectors that is best on validation queries."""
    tasks = [task for task in build_tasks(validation) if task.name in (TERM_TO_PASSAGE, PASSAGE_TO_TERM)]
    vectors, words = encoder_scores(tasks, encoder, mask_token), bm25_scores(tasks)
    return {
        task.direction: best_weight(vectors[task.name], words[task.name], task.relevant, task.ignored) for task in tasks
    }
