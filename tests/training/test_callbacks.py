import json
from pathlib import Path

import pytest

from tripletkit.training.callbacks import (
    chosen_step,
    describe_validation,
    mean_loss,
    out_of_patience,
    validation_runs,
    write_log,
)

HISTORY = [
    {"step": 10, "loss": 0.4, "cosine_margin": 0.1, "violation_rate": 0.9, "epoch": 0.1, "learning_rate": 1e-5},
    {"step": 25, "eval_ndcg": 0.5, "eval_runtime": 3.2},
    {"step": 30, "loss": 0.1, "cosine_margin": 0.2, "violation_rate": 0.6},
    {"step": 50, "eval_ndcg": 0.6},
    {"step": 75, "eval_ndcg": 0.6},
    {"step": 80, "eval_ndcg": 0.55},
    {"step": 80, "train_loss": 9.0, "train_runtime": 100.0},
]


@pytest.mark.parametrize(("error", "step"), [(0.0, 75), (0.04, 75), (0.06, 80)])
def test_the_last_run_within_one_standard_error_of_the_best_is_chosen(error: float, step: int) -> None:
    """Scores .5, .6, .6, .55."""
    assert chosen_step(HISTORY, error) == step
    assert chosen_step([], error) is None
    assert validation_runs(HISTORY)[0] == (25, 0.5)


def test_a_better_run_replaces_earlier_ones_that_were_near_the_best() -> None:
    runs = [{"step": step, "eval_ndcg": score} for step, score in enumerate([0.50, 0.48, 0.55, 0.47])]
    assert [chosen_step(runs[:n], 0.03) for n in (1, 2, 3, 4)] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("patience", "error", "stops"),
    [(0, 0.0, False), (1, 0.0, True), (2, 0.0, False), (1, 0.06, False), (2, 0.06, False)],
)
def test_patience_counts_runs_below_the_best_by_more_than_the_error(patience: int, error: float, stops: bool) -> None:
    assert out_of_patience(HISTORY, patience, error) is stops
    assert not out_of_patience(HISTORY[:4], max(patience, 1), error)


def test_mean_loss_weighs_by_steps() -> None:
    assert mean_loss(HISTORY) == pytest.approx((10 * 0.4 + 20 * 0.1) / 30)
    assert mean_loss([]) == 0


def test_the_log_has_step_0_and_no_times(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", HISTORY, 0.45)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[0] == {"step": 0, "eval_ndcg": 0.45}
    assert rows[1]["cosine_margin"] == 0.1
    assert rows[2] == {"step": 25, "eval_ndcg": 0.5}
    assert len(rows) == 7 - 1 + 1  # the closing entry holds only times
    assert "runtime" not in (tmp_path / "log.jsonl").read_text()


def test_a_validation_run_is_shown_with_the_batches_before_it() -> None:
    line = describe_validation(HISTORY[:4], 0.45)
    assert line == (
        "step 50: validation nDCG@10 0.600 (base encoder 0.450), loss 0.1000, "
        "mean cos(pos) − cos(neg) 0.200, 60% of triplets violate the margin"
    )
