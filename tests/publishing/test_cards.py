from __future__ import annotations

from pathlib import Path

import pytest

from tests.publishing.trained import score, trained
from tripletkit.errors import TableError
from tripletkit.evaluation import report as reports
from tripletkit.evaluation.report import TermScore
from tripletkit.publishing.cards import read_scores


@pytest.mark.parametrize(
    ("names", "fingerprint"),
    [
        (("/home/ann/a", "/home/ann/b"), ""),  # somebody's comparison
        (("base", "fine-tuned"), "another"),
    ],
)
def test_scores_of_another_encoder_are_not_shown(tmp_path: Path, names: tuple[str, str], fingerprint: str) -> None:
    store = trained(tmp_path)
    score(store)
    assert read_scores(store) is not None
    score(store, names, fingerprint)
    assert read_scores(store) is None


def test_scores_of_an_earlier_version_are_named_with_the_way_on(tmp_path: Path) -> None:
    store = trained(tmp_path)
    (tmp_path / "scores.json").write_text('{"encoders": {"untouched": {}, "tuned": {}}}')
    with pytest.raises(TableError, match=r"scores\.json: .*\n  Make it again with `tripletkit evaluate`"):
        read_scores(store)


def test_names_of_terms_stay_out_of_what_is_published(tmp_path: Path) -> None:
    """A redacted dataset holds the scores of its card and no text of the book."""
    store = trained(tmp_path)
    score(store)
    path = store.local("scores.json")
    one = TermScore(term_id="t", term="xylophone", score=0.5, rank=1, relevant_id="p", preferred_id="p")
    reports.read_report(path).model_copy(update={"term_scores": {"base": (one,)}}).write(path)
    report = read_scores(store)
    assert report is not None
    assert report.term_scores == {}
