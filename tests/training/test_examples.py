from typing import Any

import pytest

from tripletkit.errors import ConfigError
from tripletkit.settings import TrainSettings, load_settings
from tripletkit.training.examples import Example, examples, planned_steps, validation_steps


@pytest.mark.parametrize(
    ("triplets", "settings", "steps"),
    [
        (160, {}, 40),
        (161, {}, 44),
        (800, {}, 150),
        (4000, {}, 250),
        (160, {"epochs": 1}, 10),
        (161, {"epochs": 1}, 11),
        (160, {"epochs": 3}, 30),
        (160, {"epochs": 0.5}, 5),
        (160, {"max_steps": 4}, 4),
        (3, {"epochs": 1}, 1),
        (160, {"gradient_accumulation_steps": 4, "epochs": 1}, 3),
        (160, {"batch_size": 8, "epochs": 2}, 40),
    ],
)
def test_steps(triplets: int, settings: dict[str, Any], steps: int) -> None:
    assert planned_steps(triplets, TrainSettings(**settings)) == steps
    assert planned_steps(triplets * 2, TrainSettings(**settings), processes=2) == steps


@pytest.mark.parametrize(
    ("steps", "settings", "apart"), [(93, {}, 25), (1000, {}, 250), (10, {}, 25), (93, {"eval_steps": 7}, 7)]
)
def test_four_validation_runs_but_not_too_close(steps: int, settings: dict[str, Any], apart: int) -> None:
    assert validation_steps(steps, TrainSettings(**settings)) == apart


def test_a_row_holds_a_pair_with_all_its_negatives() -> None:
    triplets = [("A", "p", "x"), ("B", "q", "z"), ("A", "p", "y"), ("A", "q", "x")]
    known = [frozenset({"k"}), frozenset[str](), frozenset({"l"}), frozenset[str]()]
    found = examples(triplets, known, ["1", "2", "1", "1"], TrainSettings())
    assert found == [
        Example("A", "p", ("x", "y"), frozenset({"k", "l"}), "1"),
        Example("B", "q", ("z", "z"), frozenset(), "2"),
        Example("A", "q", ("x", "x"), frozenset(), "1"),
    ]
    alone = examples(triplets, None, None, TrainSettings(in_batch_negatives=False))
    assert [(e.anchor, e.positive, *e.negatives) for e in alone] == triplets


@pytest.mark.parametrize("name", ["train.learning_rate", "train.batch_size", "train.epochs", "seed", "mine.mask"])
def test_true_is_not_a_number(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} = true: input should be a valid (number|integer)"):
        load_settings(None, {name: True})
    assert load_settings(None, {"train.keep_best": True}).train.keep_best
