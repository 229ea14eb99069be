"""Sources beside index and glossary, and aliases: code entries, emphasis, statistics, what the user accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terms.layout import book, harvested, page, tables
from tripletkit.rules import Rules, load_rules
from tripletkit.terms.aliases import Alias, propose_aliases, unknown_aliases
from tripletkit.terms.automatic import c_values
from tripletkit.terms.emphasis import defined_phrases
from tripletkit.terms.harvest import harvest

INDEX = (
    "# Index\n\nalgorithm, 3\nbinary tree, 5\n`hash(x), 7`\n`TreeMap, 9`\nlogit, 11\nneural net, 13\n"
    "neural network, 15\nqueue, 17\nzero, 19"
)


def rules_with(folder: Path, **files: str) -> Rules:
    for name, text in files.items():
        (folder / f"{name}.extra.txt").write_text(text, encoding="utf-8")
    return load_rules(folder)


def test_index_entries_in_code_type_have_their_own_source() -> None:
    found = {str(row["term"]): row for row in harvested({400: page(400, INDEX)}, {400: "index"}).terms}
    assert found["TreeMap"]["sources"] == ["index_code"]
    assert found["TreeMap"]["reason"] == "code identifier"
    assert found["queue"]["sources"] == ["index"]


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


BODY = (
    "A /lattice/ is an ordered set. Such a thing is called a *complete lattice* here.\n"
    "It is /very/ useful. This method, known as *chaining,* is old. Let /x/ be a\n"
    "number. The book *Moby Dick* was read. We call this /backward induc-\n"
    "/tion/ in what follows."
)


def test_emphasised_phrases_that_are_defined() -> None:
    found = defined_phrases(book({3: page(3, BODY)}, {}))
    assert [phrase.text for phrase in found] == ["lattice", "complete lattice", "chaining", "backward induction"]


def test_bold_terms_are_asked_for() -> None:
    lines, pages = tables({3: page(3, BODY)}, {}, last=9)
    assert not harvest("b", lines, pages, load_rules()).terms
    found = harvest("b", lines, pages, load_rules(), bold=True)
    assert {str(row["term"]): row["sources"] for row in found.terms}["lattice"] == ["bold"]


def test_c_values_prefer_the_longer_phrase() -> None:
    texts = [
        "The red black tree is here. A red black tree grows; the red black tree falls. Any red black tree is a tree."
    ] * 2
    (first, *rest) = c_values(texts, load_rules())
    assert (first.term, first.score) == ("red black tree", 12.68)  # log2(3) * 8
    assert [scored.score for scored in rest] == [0.0, 0.0]  # only ever said inside it


def test_automatic_terms_only_where_there_is_no_index() -> None:
    text = "\n".join(["The hash function maps keys to slots here."] * 6)
    lines, pages = tables({3: page(3, text)}, {}, last=9)
    found = harvest("b", lines, pages, load_rules(), automatic=1)
    assert [(row["term"], row["sources"]) for row in found.terms] == [("hash function", ["automatic"])] or found.scores
    lines, pages = tables({3: page(3, text), 400: page(400, INDEX)}, {400: "index"}, last=500)
    assert not harvest("b", lines, pages, load_rules(), automatic=1).scores
