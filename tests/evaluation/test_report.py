import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.evaluation.make import mentions, passages, term
from tests.evaluation.reports import make_report as small_report
from tripletkit.encoding.encoder import Vectors
from tripletkit.errors import TableError
from tripletkit.evaluation.gold import build_gold
from tripletkit.evaluation.report import (
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


#: Twelve terms, each mentioned in one passage of its own chapter.
GOLD = build_gold(
    passages(*((f"p{i:02}", f"We speak of {word} here.", i, f"chapter {i}") for i, word in enumerate(WORDS))),
    pl.concat([term(word, [i]) for i, word in enumerate(WORDS)]),
    mentions(*((f"p{i:02}", word) for i, word in enumerate(WORDS))),
)
NAMED = "a/fine-tuned/encoder"


def make_report(names: Sequence[str] = ("base", NAMED)) -> EvaluationReport:
    """On GOLD, first an encoder that is blind, then one that reads."""
    encoders = [
        NamedEncoder(name, of, "[MASK]", name) for name, of in zip(names, (Blind(), HashEncoder()), strict=True)
    ]
    training = TrainingContent({term_key(word) for word in WORDS[:6]}, {"x"})
    return score_encoders(GOLD, encoders, split="test", seed=0, training=training)


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
    rankers = {"exact match", "BM25", "base + BM25", NAMED, f"{NAMED} + BM25"}
    assert set(found["differences"]) == rankers
    assert found["differences"][NAMED]["base"]["term→passage"]["nDCG@10"]["interval"][0] > 0
    assert set(found["differences"]["BM25"]) == {"base", NAMED}
    assert set(found["differences"][f"{NAMED} + BM25"]) == {"base", "base + BM25"}
    assert set(found["fused"]) == {"base", NAMED}
    assert found["fusion"] == {
        "weights": {name: {"terms→texts": 0.5, "texts→terms": 0.5} for name in ("base", NAMED)},
        "chosen_on": "",
    }
    assert found["maxsim"] == {}
    assert found["left_out"]["base MaxSim"] == "the encoder has no token vectors"
    assert {(of["task"], of["use"], of["outcome"]) for of in found["verdicts"]} >= {
        ("term→passage", "you search passages by term, vectors alone", "better"),
        ("passage→term", "you tag passages with terms, vectors alone", "better"),
    }
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
    assert max(map(len, lines)) <= 104
    assert all(not line or line.startswith(" ") for line in lines)
    assert f"  B = {NAMED}" in lines  # too long for a line's head
    at = next(i for i, line in enumerate(lines) if "term→passage (12 queries)" in line)
    assert "passage→term (12 queries)" in lines[at]
    assert lines[at + 1].split() == ["nDCG@10", "MAP", "gain", "over", "A"] * 2
    heads = ["exact match", "BM25", "A", "A + BM25", "B", "B + BM25"]
    assert [line[1:21].strip() for line in lines[at + 2 : at + 8]] == heads
    assert lines[at + 6].split()[:3] == ["B", "1.000", "1.000"]
    assert lines[at + 6].endswith("*")
    subsets = [line.split("(")[0].strip() for line in lines if "seen terms" in line]
    assert subsets == [f"{task}, {which}" for task in ("term→passage", "passage→term") for which in SEEN]


SEEN = ("seen terms", "unseen terms")


def test_one_encoder_alone_is_compared_with_its_rivals() -> None:
    report = score_encoders(GOLD, [NamedEncoder("blind", Blind(), "[MASK]")], split="", seed=0)
    assert report.verdicts == ()
    assert report.better
    assert {of.ranker for of in report.ahead} == {"exact match", "BM25", "blind + BM25"}
    assert " Ahead of blind with vectors alone:" in str(report).splitlines()


def test_a_verdict_says_what_a_use_gains_and_whether_that_is_chance() -> None:
    report = small_report(fused=Figure(0.005, (-0.01, 0.02)))
    assert [str(of) for of in report.verdicts][:2] == [
        "you search passages by term, vectors alone: 0.500 → 0.612, +0.112 [+0.012 +0.212]*, better",
        "you search passages by term, fused with BM25: 0.720 → 0.725, +0.005 [-0.010 +0.020], not significant",
    ]
    line = next(line for line in str(report).splitlines() if "you search passages by term, fused" in line)
    assert line.split("BM25")[1].split() == [
        "0.720",
        "→",
        "0.725",
        "+0.005",
        "[-0.010",
        "+0.020]",
        "not",
        "significant",
    ]
    assert report.better
    assert report.failure("fine-tuned") is None


def test_what_is_significantly_worse_in_one_use_is_not_better() -> None:
    report = small_report(fused=Figure(-0.02, (-0.03, -0.01)))
    assert [of.outcome for of in report.verdicts] == ["better", "worse"] * 2
    assert not report.better
    assert report.to_dict()["better"] is False
    failure = report.failure("fine-tuned")
    assert failure is not None
    assert (
        "worse than the base encoder where you search passages by term, fused with BM25: 0.720 → 0.700"
        in failure.problem
    )
    assert "--allow-worse" in failure.hint


def test_what_has_too_few_queries_for_an_interval_is_no_verdict() -> None:
    report = small_report(fused=Figure(-0.02))
    assert [of.outcome for of in report.verdicts] == ["better", "not significant"] * 2
    assert report.better
    assert "-0.020 [few queries]" in str(report)


def test_rivals_that_are_ahead_are_named() -> None:
    report = small_report()
    assert {(of.ranker, of.task) for of in report.ahead} == {
        (name, task) for name in ("BM25", "base + BM25") for task in ("term→passage", "passage→term")
    }
    first, second, *_ = map(str, report.ahead)
    assert first == (
        "BM25 alone is ahead of fine-tuned with vectors alone in term→passage: 0.700 against 0.612, "
        "+0.088 [-0.012 +0.188], not significant"
    )
    assert second.startswith("base + BM25 is ahead")


def test_the_promise_is_the_first_line() -> None:
    report = small_report()
    assert str(report).splitlines()[0] == (
        " unseen text: training has seen neither the text of these passages nor their labels"
    )
    own = report.model_copy(update={"promise": "own corpus"})
    assert str(own).startswith(" own corpus: training has seen the text of these passages, but no label of theirs")


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
