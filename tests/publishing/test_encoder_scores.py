from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.publishing.trained import score, trained
from tripletkit.publishing.encoder_scores import read_scores


@pytest.mark.parametrize(
    "changes",
    [
        {"encoders": {"/home/ann/a": {}, "/home/ann/b": {}}},  # somebody's comparison
        {"encoders": {"base": {}, "fine-tuned": {"fingerprint": "another"}}},
    ],
)
def test_scores_of_another_encoder_are_not_shown(tmp_path: Path, changes: dict[str, Any]) -> None:
    store = trained(tmp_path)
    score(store)
    assert read_scores(store) is not None
    score(store, **changes)
    assert read_scores(store) is None


def test_names_of_earlier_versions_are_read_too(tmp_path: Path) -> None:
    store = trained(tmp_path)
    score(store)
    scores, path = read_scores(store), tmp_path / "scores.json"
    path.write_text(path.read_text().replace('"base"', '"untouched"').replace('"fine-tuned"', '"tuned"'))
    assert scores is not None
    assert read_scores(store) == scores
