"""Two names of one concept: what is proposed, and what the user accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terms.layout import harvested, page
from tripletkit.rules import Rules, load_rules
from tripletkit.terms.aliases import Alias, propose_aliases, unknown_aliases

INDEX = "# Index\n\nalgorithm, 3\nbinary tree, 5\nlogit, 11\nneural net, 13\nneural network, 15\nqueue, 17\nzero, 19"


def rules_with(folder: Path, **files: str) -> Rules:
    for name, text in files.items():
        (folder / f"{name}.extra.txt").write_text(text, encoding="utf-8")
    return load_rules(folder)


@pytest.mark.parametrize(
    ("one", "other", "proposed"),
    [
        ("data set", "dataset", True),
        ("sigmoid activation function", "sigmoid activation", True),
        ("logit transformation", "logit transformations", False),  # one term already
        ("mariokart", "mario kart", True),
        ("L1 regularization", "L2 regularization", False),
        ("microeconomics", "macroeconomics", False),
        ("linear regression", "nonlinear regression", False),
        ("Type 1 error", "Type 2 error", False),
        ("left child", "right child", False),
    ],
)
def test_proposals(one: str, other: str, *, proposed: bool) -> None:
    assert bool(propose_aliases([one, other])) is proposed


def test_the_shorter_name_is_proposed_as_canonical() -> None:
    assert propose_aliases(["backpropagation algorithm", "backpropagation"]) == [
        Alias("backpropagation algorithm", "backpropagation", 75.0)
    ]


def test_only_an_accepted_alias_merges(tmp_path: Path) -> None:
    plain = {str(row["term"]) for row in harvested({400: page(400, INDEX)}, {400: "index"}).terms}
    assert {"neural net", "neural network"} <= plain
    rules = rules_with(tmp_path, aliases="neural net: neural network\nlogit: log-odds\nno such: thing\n")
    merged = harvested({400: page(400, INDEX)}, {400: "index"}, rules)
    found = {str(row["term"]): row for row in merged.terms}
    assert "neural net" not in found
    assert set(found["neural network"]["forms"]) == {"neural network", "neural net"}  # type: ignore[call-overload]
    assert set(found["logit"]["forms"]) == {"log-odds", "logit"}  # type: ignore[call-overload]
    assert [row["item"] for row in unknown_aliases(merged.terms, rules)] == ["no such"]
