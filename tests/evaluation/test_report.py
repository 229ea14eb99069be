import json
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.evaluation.make import mentions, passages, term
from tripletkit.encoding.encoder import Vectors
from tripletkit.evaluation import build_gold
from tripletkit.evaluation.panel import Judged, Panel, judge
from tripletkit.evaluation.report import as_json, table_lines, verdict
from tripletkit.evaluation.tasks import build_tasks

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "inlet", "joule", "kelp", "loam"]


class Blind(HashEncoder):
    """Every text the same."""

    def encode(self, texts: Sequence[str], what: str = "texts") -> Vectors:
        return np.ones((len(texts), 1), dtype=np.float32)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Twelve terms, each said in one passage of its own chapter; first an encoder that is blind, then one that reads."""
    gold = build_gold(
        passages(*((f"p{i:02}", f"We speak of {word} here.", i, f"chapter {i}") for i, word in enumerate(WORDS))),
        pl.concat([term(word, [i]) for i, word in enumerate(WORDS)]),
        mentions(*((f"p{i:02}", word) for i, word in enumerate(WORDS))),
    )
    tasks = build_tasks(gold)
    encoders = [Judged("untouched", Blind(), "[MASK]"), Judged("a/tuned/encoder", HashEncoder(), "[MASK]")]
    return judge(encoders, tasks, [task.whole for task in tasks], seed=0)


def test_the_strings_find_what_is_said_and_only_chance_what_is_hidden(panel: Panel) -> None:
    for name in ("exact string", "BM25", "a/tuned/encoder"):
        assert panel.metrics(name)["term→passage"]["MRR@10"] == 1, name
    for name in ("exact string", "BM25"):
        assert panel.metrics(name)["term→passage, masked"]["MRR@10"] < 0.5


def test_everything_is_in_the_json(panel: Panel) -> None:
    report = json.loads(json.dumps(as_json(panel), allow_nan=False))
    assert report["resampling"]["term→passage"] == {"queries": 12, "by": "chapters", "units": 12}
    assert report["encoders"]["untouched"]["scores"]["term→passage"]["queries"] == 12
    low, high = report["encoders"]["untouched"]["intervals"]["term→passage"]["MAP"]
    assert low < report["encoders"]["untouched"]["scores"]["term→passage"]["MAP"] < high
    difference = report["differences"]["a/tuned/encoder"]
    assert difference["from"] == "untouched"
    assert difference["term→passage"]["nDCG@10"]["interval"][0] > 0
    assert set(report["baselines"]) == {"exact string", "BM25"}
    assert report["encoders"]["untouched"]["general"]["value"] == 0


def test_the_table_fits_a_terminal_and_marks_what_is_beyond_chance(panel: Panel) -> None:
    lines = list(table_lines(panel))
    assert max(map(len, lines)) <= 100
    assert all(line.startswith(" ") for line in lines)
    (row,) = (line for line in lines if line.startswith(" term→passage  "))
    assert row.endswith("*")
    assert row.split()[1:3] == ["12", "nDCG@10"]
    assert "  B = a/tuned/encoder" in lines  # too long for a column's head


def test_the_verdict_says_whether_the_gain_is_beyond_chance(panel: Panel) -> None:
    assert verdict(panel, "a/tuned/encoder").startswith("term→passage nDCG@10, a gain of 0.")
    assert "beyond chance (95 % interval, bootstrap over 12 chapters)" in verdict(panel, "a/tuned/encoder")
    assert "no difference, within chance" in verdict(panel, "untouched")
