import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.evaluation.make import mentions, passages, term
from tripletkit.encoding.encoder import Vectors
from tripletkit.errors import TableError
from tripletkit.evaluation.gold import build_gold
from tripletkit.evaluation.report import (
    Difference,
    EvaluationReport,
    Figure,
    ValidationScores,
    few_terms,
    not_better,
    read_report,
    read_validation,
)
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.evaluation.tasks import TrainingContent
from tripletkit.language.normalise import term_key

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "inlet", "joule", "kelp", "loam"]


class Blind(HashEncoder):
    """Every text the same."""

    def encode(self, texts: Sequence[str], what: str = "texts", task: object = "document") -> Vectors:
        return np.ones((len(texts), 1), dtype=np.float32)


NAMED = "a/fine-tuned/encoder"


def make_report(names: Sequence[str] = ("base", NAMED)) -> EvaluationReport:
    """Twelve terms, each mentioned in one passage of its own chapter; first an encoder that is blind, then one that reads."""
    gold = build_gold(
        passages(*((f"p{i:02}", f"We speak of {word} here.", i, f"chapter {i}") for i, word in enumerate(WORDS))),
        pl.concat([term(word, [i]) for i, word in enumerate(WORDS)]),
        mentions(*((f"p{i:02}", word) for i, word in enumerate(WORDS))),
    )
    encoders = [
        NamedEncoder(name, of, "[MASK]", name) for name, of in zip(names, (Blind(), HashEncoder()), strict=True)
    ]
    training = TrainingContent({term_key(word) for word in WORDS[:6]}, {"x"})
    return score_encoders(gold, encoders, split="test", seed=0, training=training)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return make_report()


def test_baselines_find_what_is_mentioned_and_only_chance_what_is_masked(report: EvaluationReport) -> None:
    for name, ranker in (*report.baselines.items(), (NAMED, report.encoders[NAMED])):
        assert ranker.scores["term→passage"]["MRR@10"] == 1, name
    for ranker in report.baselines.values():
        assert ranker.scores["term→passage, masked"]["MRR@10"] < 0.5


def test_everything_is_in_the_json(report: EvaluationReport) -> None:
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["resampling"]["term→passage"] == {"queries": 12, "by": "chapters", "units": 12}
    assert found["encoders"]["base"]["scores"]["term→passage"]["queries"] == 12
    low, high = found["encoders"]["base"]["intervals"]["term→passage"]["MAP"]
    assert low < found["encoders"]["base"]["scores"]["term→passage"]["MAP"] < high
    difference = found["differences"][NAMED]
    assert difference["from"] == "base"
    assert difference["term→passage"]["nDCG@10"]["interval"][0] > 0
    assert set(found["baselines"]) == {"exact match", "BM25"}
    assert found["encoders"]["base"]["general"]["value"] == 0
    assert found["encoders"]["base"]["fingerprint"] == "hash-256"
    assert found["better"] is True


def test_a_written_report_is_read_as_it_was(report: EvaluationReport, tmp_path: Path) -> None:
    report.write(tmp_path / "scores.json")
    again = read_report(tmp_path / "scores.json")
    assert again.to_dict() == report.to_dict()
    assert str(again) == str(report)
    scores = report.encoders[NAMED].scores
    ValidationScores(base=scores, fine_tuned={}).write(tmp_path / "validation.json")
    assert read_validation(tmp_path / "validation.json") == ValidationScores(base=scores, fine_tuned={})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"untouched": {}, "tuned": {}}'])
def test_a_file_of_another_kind_or_version_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(
        TableError, match=r"scores\.json: cannot be read, or was written by an earlier version.*\n.*`tripletkit ev"
    ):
        read_report(path)
    with pytest.raises(TableError, match=r"earlier version.*\n.*`tripletkit train`"):
        read_validation(path)


def test_a_report_with_the_names_of_an_earlier_version_is_refused(report: EvaluationReport, tmp_path: Path) -> None:
    text = json.dumps(report.to_dict()).replace('"exact match"', '"exact string"')
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(TableError, match="earlier version"):
        read_report(tmp_path / "scores.json")


def test_the_table_fits_a_terminal_and_marks_what_is_significant(report: EvaluationReport) -> None:
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line.startswith(" ") for line in lines)
    row = next(line for line in lines if line.startswith(" term→passage  "))
    assert row.endswith("*")
    assert row.split()[1:3] == ["12", "nDCG@10"]
    assert f"  B = {NAMED}" in lines  # too long for a column's head
    assert [line.split()[:3] for line in lines if "seen terms" in line] == [
        ["seen", "terms", "6"],
        ["unseen", "terms", "6"],
        ["seen", "terms", "6"],
        ["unseen", "terms", "6"],
    ]


def test_the_columns_have_the_names_of_the_field() -> None:
    head = next(line for line in str(make_report(("base", "fine-tuned"))).splitlines() if "metric" in line)
    assert head.split() == ["queries", "metric", "exact", "match", "BM25", "base", "fine-tuned", "difference"]


def test_the_verdict_says_whether_the_gain_is_significant(report: EvaluationReport) -> None:
    assert report.verdict(NAMED).startswith("term→passage nDCG@10 rises by 0.")
    assert "significant (95 % interval, bootstrap over 12 chapters)" in report.verdict(NAMED)
    assert "not significant" not in report.verdict(NAMED)
    same = report.model_copy(update={"differences": {NAMED: zero(report.differences[NAMED])}})
    assert "does not change, not significant" in same.verdict(NAMED)


def zero(difference: Difference) -> Difference:
    return difference.model_copy(
        update={task: dict.fromkeys(of, Figure(0.0, (0.0, 0.0))) for task, of in difference.tasks.items()}
    )


def test_scores_over_few_terms_have_a_note() -> None:
    assert few_terms(50, "test") == ()
    assert "only 13 terms have a relevant passage in test: differences this small" in few_terms(13, "test")[0]


@pytest.mark.parametrize(
    ("queries", "after", "fails"),
    [(100, 0.51, False), (100, 0.50, True), (100, 0.49, True), (16, 0.42, False), (16, 0.41, True), (16, 0.05, True)],
)
def test_a_drop_over_few_terms_must_exceed_the_standard_error(queries: int, after: float, fails: bool) -> None:
    """The standard error over 16 terms is .35 / 4 = .0875."""
    scores = [{"term→passage": {"nDCG@10": value, "queries": float(queries)}} for value in (0.5, after)]
    assert (not_better(scores[0], scores[1], "test") is not None) is fails
