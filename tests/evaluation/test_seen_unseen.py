import polars as pl

from tests.evaluation.make import mentions, passages, term
from tripletkit.evaluation.gold import build_gold
from tripletkit.evaluation.seen_unseen import TrainingContent, seen_subsets, training_content
from tripletkit.evaluation.tasks import build_tasks
from tripletkit.language.normalise import term_key


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
