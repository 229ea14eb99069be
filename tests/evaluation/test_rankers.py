from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.evaluation.make import heaps, mentions, passages, term
from tripletkit.encoding.encoder import Vectors
from tripletkit.evaluation.gold import Gold, build_gold
from tripletkit.evaluation.rankers import best_weight, bm25_scores, fuse, maxsim_scores, min_max
from tripletkit.evaluation.report import EvaluationReport
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.evaluation.tasks import HIDDEN, build_tasks
from tripletkit.language.lexical import bm25

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord"]


def scores(*rows: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def test_fusion_by_hand() -> None:
    """Cosines .2 .6 .4 become 0 1 .5, BM25 of 8 0 2 becomes 1 0 .25; a query that no word matches keeps zeros."""
    vectors, words = scores([0.2, 0.6, 0.4], [0.1, 0.1, 0.3]), scores([8, 0, 2], [0, 0, 0])
    assert min_max(vectors) == pytest.approx(scores([0, 1, 0.5], [0, 0, 1]))
    assert min_max(words) == pytest.approx(scores([1, 0, 0.25], [0, 0, 0]))
    assert fuse(vectors, words, 0.4) == pytest.approx(scores([0.6, 0.4, 0.35], [0, 0, 0.4]))


def test_the_weight_is_the_nearest_to_one_half_that_ranks_best() -> None:
    relevant = np.eye(9, dtype=bool)
    right, wrong = np.eye(9, dtype=np.float32), np.roll(np.eye(9, dtype=np.float32), -1, axis=1)
    assert best_weight(right, wrong, relevant) == 0.55  # from .55 on, the vectors decide
    assert best_weight(wrong, right, relevant) == 0.45
    assert best_weight(right, right, relevant) == 0.5


def test_one_query_of_many_does_not_move_the_weight() -> None:
    """In 1 of 20 queries BM25 misleads: that is within one standard error. In 5 of 20 it is not."""
    relevant = np.eye(20, dtype=bool)
    right, wrong = np.eye(20, dtype=np.float32), np.roll(np.eye(20, dtype=np.float32), -1, axis=1)
    assert best_weight(right, np.vstack([right[:-1], wrong[-1:]]), relevant) == 0.5
    assert best_weight(right, np.vstack([right[:-5], wrong[-5:]]), relevant) == 0.55


class Pairs(HashEncoder):
    """The term number i and the passage that the dictionary gives for it have one vector."""

    def __init__(self, pairs: dict[str, str]) -> None:
        self.pairs = pairs

    def encode(self, texts: Sequence[str], what: str = "texts", task: object = "document") -> Vectors:
        return super().encode([self.pairs.get(text, text) for text in texts], what, task)


def cited(prefix: str, shift: int, chapter: str) -> Gold:
    """The index cites passage i for term i, but the passage mentions term i + ``shift``."""
    said = WORDS[shift:] + WORDS[:shift]
    return build_gold(
        passages(*((f"{prefix}{i}", f"{chapter} speaks of {word} here.", i, chapter) for i, word in enumerate(said))),
        pl.concat([term(word, [i]) for i, word in enumerate(WORDS)]),
        mentions(),
    )


def test_validation_alone_chooses_the_weight() -> None:
    """On validation the vectors are right and BM25 is wrong; on test it is the other way round."""
    validation, test = cited("v", 1, "First"), cited("t", 0, "Second")
    pairs = {text: WORDS[i] for i, text in enumerate(validation.texts)}
    pairs |= {text: WORDS[(i + 1) % len(WORDS)] for i, text in enumerate(test.texts)}
    encoder = NamedEncoder("pairs", Pairs(pairs), "[MASK]")

    def report(of: Gold, chosen_on: Gold | None) -> EvaluationReport:
        return score_encoders(of, [encoder], split="test", seed=0, validation=chosen_on)

    chosen = report(test, validation)
    assert chosen.fusion.chosen_on == "validation"
    assert chosen.fusion.weights["pairs"]["terms→texts"] == 0.55
    assert chosen.fused["pairs"].scores["term→passage"]["nDCG@10"] < 1
    assert report(validation, validation).fused["pairs"].scores["term→passage"]["nDCG@10"] == 1
    assert report(validation, test).fusion.weights["pairs"]["terms→texts"] == 0.45
    alone = report(test, None)
    assert alone.fusion.chosen_on == ""
    assert alone.fusion.weights["pairs"] == {"terms→texts": 0.5, "texts→terms": 0.5}


def test_the_term_is_the_query_of_bm25_in_both_directions() -> None:
    tasks = {task.name: task for task in build_tasks(heaps())}
    found = bm25_scores(list(tasks.values()))
    back = tasks["passage→term"]
    assert found["passage→term"].shape == back.relevant.shape
    assert np.array_equal(found["passage→term"], bm25(back.candidates, back.queries).T)
    there = tasks["term→passage"]
    assert np.array_equal(found["term→passage"], bm25(there.queries, there.candidates))


class Tokens(HashEncoder):
    """MaxSim is 1 where the text begins with the term's first letter, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []

    def max_similarities(  # type: ignore[override]
        self, queries: Sequence[str], documents: Sequence[str], what: str = "texts"
    ) -> npt.NDArray[np.float32]:
        self.asked.append((list(queries), list(documents)))
        return scores(*([float(text[0].lower() == query[0].lower()) for text in documents] for query in queries))


def test_maxsim_encodes_every_text_once_and_is_turned_round_for_texts() -> None:
    tasks, encoder = build_tasks(heaps()), Tokens()
    found = maxsim_scores(tasks, encoder, "[MASK]")
    assert found is not None
    ((terms, texts),) = encoder.asked
    assert len(set(terms)) == len(terms)
    assert len(set(texts)) == len(texts)
    assert not any(HIDDEN in text for text in texts)
    assert any("[MASK]" in text for text in texts)
    for task in tasks:
        expected = [
            [
                float(one.replace(HIDDEN, "[").lower()[0] == other.replace(HIDDEN, "[").lower()[0])
                for other in task.candidates
            ]
            for one in task.queries
        ]
        assert np.array_equal(found[task.name], scores(*expected)), task.name
    assert maxsim_scores(tasks, HashEncoder(), "[MASK]") is None


def test_single_terms_are_scored_as_their_mean_is(hash_encoder: HashEncoder) -> None:
    gold = heaps()
    report = score_encoders(gold, [NamedEncoder("hash", hash_encoder, "[MASK]")], split="test", seed=0)
    terms = report.term_scores["hash"]
    assert [one.term for one in terms] == [term.name for term in gold.terms]
    mean = sum(one.score for one in terms) / len(terms)
    assert mean == pytest.approx(report.encoders["hash"].scores["term→passage"]["nDCG@10"], abs=1e-6)
    heap = terms[0]
    assert (heap.rank, heap.relevant_id, heap.preferred_id) == (1, "a", "a")
    assert EvaluationReport.model_validate_json(report.model_dump_json()).term_scores == report.term_scores
