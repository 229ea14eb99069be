import json
from pathlib import Path

import pytest

from tripletkit.training.callbacks import (
    best_step,
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


def test_the_first_of_equal_scores_is_the_best() -> None:
    assert best_step(HISTORY) == 50
    assert best_step([]) is None
    assert validation_runs(HISTORY)[0] == (25, 0.5)


@pytest.mark.parametrize(("patience", "stops"), [(0, False), (1, True), (2, True), (3, False)])
def test_patience_counts_validation_runs_since_the_best(patience: int, stops: bool) -> None:
    assert out_of_patience(HISTORY, patience) is stops
    assert not out_of_patience(HISTORY[:4], max(patience, 1))


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
