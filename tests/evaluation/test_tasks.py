from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.evaluation.make import heaps, mentions, passages, term
from tripletkit.encoding.encoder import Vectors
from tripletkit.evaluation.gold import build_gold
from tripletkit.evaluation.metrics import mean_metrics
from tripletkit.evaluation.tasks import (
    HIDDEN,
    RetrievalTask,
    TrainingContent,
    build_tasks,
    encoder_scores,
    quoting,
    score,
    seen_subsets,
    training_content,
)
from tripletkit.language.normalise import term_key
from tripletkit.reviews import Decisions, Review


@pytest.fixture
def tasks() -> dict[str, RetrievalTask]:
    return {task.name: task for task in build_tasks(heaps())}


def asked(task: RetrievalTask) -> dict[str, list[int]]:
    return {query: np.flatnonzero(row).tolist() for query, row in zip(task.queries, task.relevant, strict=True)}


def test_the_tasks_and_their_relevant_candidates(tasks: dict[str, RetrievalTask]) -> None:
    assert list(tasks) == [
        "term→passage",
        "term→passage, masked",
        "term→passage, no mention",
        "passage→term",
        "passage→term, masked",
        "definition→term",
        "definition→passage",
    ]
    assert asked(tasks["term→passage"]) == {"heap": [0, 2], "queue": [1]}
    assert list(asked(tasks["passage→term"]).values()) == [[0], [1], [0]]  # d answers nothing and is not asked


def test_no_mention_looks_for_pages_without_a_mention_and_ignores_the_others(tasks: dict[str, RetrievalTask]) -> None:
    task = tasks["term→passage, no mention"]
    assert asked(task) == {"heap": [2]}
    assert np.flatnonzero(task.ignored[0]).tolist() == [0]


def test_a_masked_text_mentions_no_query_term(tasks: dict[str, RetrievalTask]) -> None:
    task = tasks["term→passage, masked"]
    assert task.candidates[1] == f"The {HIDDEN} serves who came first, as {HIDDEN} do not."
    assert "tree" in task.candidates[0]  # has no answer, so nobody is asked for it
    assert not task.mentioned().any()
    assert tasks["term→passage"].mentioned().tolist() == [[True, True, False, False], [False, True, False, False]]


def test_a_definition_is_masked_and_searched_among_all_mentioned_terms(tasks: dict[str, RetrievalTask]) -> None:
    task = tasks["definition→term"]
    assert task.candidates == ("heap", "queue", "tree")
    assert asked(task) == {f"A {HIDDEN} is a tree in order.": [0], "Nodes, none of which has two parents.": [2]}
    assert task.chapters == (("x", "Trees"), ("x", "Trees"))


def test_a_definition_is_searched_for_among_the_passages_that_quote_none(tasks: dict[str, RetrievalTask]) -> None:
    task = tasks["definition→passage"]
    assert (task.query_ids, task.candidate_ids) == (("heap",), ("a", "b", "c", "d"))
    assert asked(task) == {f"A {HIDDEN} is a tree in order.": [0, 2]}  # the index does not cite "tree"
    assert not task.mentioned().any()
    told = "In short: a HEAP is a tree in order. More below."
    gold = build_gold(
        passages(("a", told, 1, "c"), ("b", "Heaps are trees.", 1, "c"), ("z", "Of a tree in order.", 2, "c")),
        term("heap", [1], definition="A heap is a tree in order; also called a pile."),
        mentions(("a", "heap"), ("b", "heap")),
    )
    task = build_tasks(gold)[-1]
    assert (task.name, task.candidate_ids, task.relevant.tolist()) == (
        "definition→passage",
        ("b", "z"),
        [[True, False]],
    )


def test_a_definition_whose_only_passage_quotes_it_is_not_asked() -> None:
    quoted = term("heap", [1], definition="A tree that is in order.")
    gold = build_gold(passages(("a", "A heap: a tree that is in order.", 1, "c")), quoted, mentions(("a", "heap")))
    assert "definition→passage" not in {task.name for task in build_tasks(gold)}


def test_ids_follow_queries_and_candidates(tasks: dict[str, RetrievalTask]) -> None:
    assert (tasks["term→passage"].query_ids, tasks["term→passage"].candidate_ids) == (("heap", "queue"), tuple("abcd"))
    assert (tasks["passage→term"].query_ids, tasks["passage→term"].candidate_ids) == (tuple("abc"), ("heap", "queue"))
    assert tasks["definition→term"].query_ids == ("heap", "tree")


def test_only_a_definition_of_four_words_counts_as_quoted() -> None:
    assert quoting(["it is a tree, in order"], ["a tree in order"]).tolist() == [True]
    assert quoting(["it is a tree, in order"], ["in order", "a tree in an order", ""]).tolist() == [False]


def test_a_task_without_a_query_is_left_out() -> None:
    gold = build_gold(passages(("a", "One.", 1, "c")), term("one"), mentions(("a", "one")))
    assert not {"term→passage, no mention", "definition→term"} & {task.name for task in build_tasks(gold)}


def test_the_chapter_of_a_term_has_most_of_its_relevant_passages(tasks: dict[str, RetrievalTask]) -> None:
    assert tasks["term→passage"].chapters == (("x", "Trees"), ("x", "Lists"))


def test_validation_has_the_same_scores_as_evaluation(hash_encoder: HashEncoder) -> None:
    gold = heaps()
    tasks = build_tasks(gold)
    scores = encoder_scores(tasks, hash_encoder, "[MASK]")
    for task in tasks:
        if task.name in ("term→passage", "passage→term"):
            assert mean_metrics(scores[task.name], task.relevant) == score(gold, hash_encoder)[task.name]


def test_each_encoder_gets_its_own_mask_token() -> None:
    read: list[str] = []

    class Listener(HashEncoder):
        def encode(self, texts: Sequence[str], what: str = "texts", task: object = "document") -> Vectors:
            read.extend(texts)
            return super().encode(texts, what)

    encoder_scores(build_tasks(heaps()), Listener(), "<mask>")
    assert "A <mask> is a tree in order." in read
    assert not any(HIDDEN in text for text in read)


def test_seen_terms_are_compared_by_words_across_books() -> None:
    gold = build_gold(
        passages(*((str(i), "-", i, "c") for i in range(10))),
        term_table := _terms(10),
        mentions(*((str(i), f"t{i}") for i in range(10))),
    )
    trained = passages(("z", "T1s and so on", 99, "d")).select("passage_id")
    said = mentions(*(("z", f"t{i}") for i in range(5)))
    held = passages(("z", "T1s and so on", 99, "d"))
    training = training_content(held, term_table, said, trained)
    assert training == TrainingContent({term_key(f"t{i}") for i in range(5)}, {"x"})
    by_term, _, by_passage, _ = [task for task in build_tasks(gold) if "no mention" not in task.name]
    for task in (by_term, by_passage):
        parts = seen_subsets(task, training)
        assert {part.name: part.rows.tolist() for part in parts} == {
            f"{task.name}, seen terms": [0, 1, 2, 3, 4],
            f"{task.name}, unseen terms": [5, 6, 7, 8, 9],
        }
    # All books seen, or too few unseen terms: nothing to compare.
    assert not seen_subsets(by_term, TrainingContent({term_key(f"t{i}") for i in range(6)}, {"x"}))


def test_a_passage_with_seen_and_unseen_terms_is_in_both_subsets() -> None:
    ids = [str(i) for i in range(5)]
    gold = build_gold(
        passages(*((i, "-", 1, "c") for i in ids)), _terms(2), mentions(*((i, t) for i in ids for t in ("t0", "t1")))
    )
    task = next(task for task in build_tasks(gold) if task.name == "passage→term")
    seen, unseen = seen_subsets(task, TrainingContent({term_key("t0")}, set()))
    assert seen.relevant.tolist() == [[True, False]] * 5
    assert seen.ignored.tolist() == [[False, True]] * 5
    assert unseen.relevant.tolist() == seen.ignored.tolist()


def _terms(number: int) -> pl.DataFrame:
    return pl.concat([term(f"t{i}") for i in range(number)])


def test_a_positive_that_reviewers_found_is_neither_right_nor_wrong(hash_encoder: HashEncoder) -> None:
    """Passage b is about heaps too, which no label knows; that a, which the index cites, is relevant, no review changes."""
    texts = passages(("a", "A heap.", 1, "c"), ("b", "A list in a heap.", 2, "c"), ("c", "A list.", 2, "c"))
    terms = pl.concat([term("heap", [1]), term("list", [2])])
    rows = [
        Review(who="ann", about="triplet", verdict="false negative", passage_id=p, term_id="list", other_id="heap")
        for p in ("a", "b", "gone")
    ]
    said = mentions(("a", "heap"), ("b", "list"), ("c", "list"))
    gold, plain = build_gold(texts, terms, said, Decisions(tuple(rows))), build_gold(texts, terms, said)
    assert gold.ignored.tolist() == [[False, True, False], [False, False, False]]
    assert (gold.relevant == plain.relevant).all()
    tasks = {task.name: task for task in build_tasks(gold)}
    for name in ("term→passage", "term→passage, masked"):
        assert tasks[name].ignored.tolist() == gold.ignored.tolist()
    for name in ("passage→term", "passage→term, masked"):
        assert tasks[name].ignored.tolist() == gold.ignored.T.tolist()
    assert not any(task.ignored.any() for task in build_tasks(plain))
    near = [[0.1, 0.9, 0.0], [0.0, 0.9, 0.8]]
    for held, first in ((gold, 1.0), (plain, 0.75)):
        task = {one.name: one for one in build_tasks(held)}["term→passage"]
        assert mean_metrics(np.array(near, dtype=np.float32), task.relevant, task.ignored)["MRR@10"] == first
    assert score(gold, hash_encoder)["term→passage"]["MRR@10"] >= score(plain, hash_encoder)["term→passage"]["MRR@10"]
