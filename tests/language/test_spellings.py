"""Spellings that are one word, and those that are not, in the tagger, the merging of terms and the guard of mining."""

from __future__ import annotations

import pytest

from tests.mining.pools import term_row
from tripletkit.language.normalise import fold
from tripletkit.language.spellings import one_text, spellings
from tripletkit.mining.relations import mentioned_in
from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.terms.concepts import TermCandidate, merge

CONTEXT = Context(load_rules())
#: A term, and what a text may write for it.
ONE = [
    ("naive Bayes", "naïve Bayes"),
    ("naive Bayes", "nai\u0308ve Bayes"),  # the accent behind its letter
    ("Erdős number", "Erdos number"),
    ("Poincaré map", "Poincare map"),
    ("Schrödinger equation", "Schroedinger equation"),
    ("Schroedinger equation", "Schrödinger equation"),
    ("Schrödinger equation", "Schrodinger equation"),
    ("alpha-helix", "α-helix"),
    ("α-helix", "alpha helix"),
    ("λ-calculus", "lambda calculus"),
    ("Γ function", "gamma function"),
    ("Type I error", "type 1 errors"),
    ("type 1 error", "Type I error"),
    ("World War II", "World War 2"),
    ("basis", "bases"),
    ("base", "bases"),
    ("axis", "axes"),
    ("datum", "data"),
    ("vertex", "vertices"),
    ("phenomenon", "phenomena"),
    ("equilibrium", "equilibria"),
    ("U.S. census", "US census"),
    ("US census", "U.S. census"),
    ("US", "U.S."),
    ("field of fractions", "ﬁeld of fractions"),
    ("Bayes’ theorem", "Bayes' theorem"),
    ("Euler’s constant", "Eulerʼs constant"),
    ("dataset", "data-sets"),
    ("R²", "R2"),
]
OTHER = [
    ("US", "us"),
    ("US", "U S"),
    ("IT", "it"),
    ("Type I error", "type i error"),
    ("Type I error", "Type II error"),
    ("basis", "base"),
    ("axe", "axis"),
    ("C", "c"),
    ("pH", "ph"),
    ("p̂", "p"),
    ("strict", "non-strict"),
    ("ofstream", "end-of-stream"),
    ("operator=", "operator=="),
    ("acyclic graph", "a cyclic graph"),
]


def tagged(term: str, text: str) -> bool:
    (found,) = Tagger(Matcher([Form("t", term, canonical=True)]), CONTEXT).tag([f"Here {text} stands"])
    return bool(found.mentions)


@pytest.mark.parametrize(("term", "text"), ONE)
def test_one_word_is_found_in_each_spelling(term: str, text: str) -> None:
    assert tagged(term, text)


@pytest.mark.parametrize(("term", "text"), OTHER)
def test_another_word_is_not(term: str, text: str) -> None:
    assert not tagged(term, text)


@pytest.mark.parametrize(("term", "text"), [*ONE, ("dataset", "data sets"), ("data set", "datasets"), ("US", "us")])
def test_what_may_be_said_is_no_negative(term: str, text: str) -> None:
    (found,) = mentioned_in([f"Here {text} stands"], [term_row("0", term)])
    assert found.tolist() == [0]


def test_but_a_guard_can_rule_out_another_word() -> None:
    (found,) = mentioned_in(["Here a base stands"], [term_row("0", "basis")])
    assert found.tolist() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("naive Bayes", "naïve Bayes", True),
        ("Schrödinger equation", "Schroedinger equation", True),
        ("α-helix", "alpha helix", True),
        ("Type I error", "Type 1 error", True),
        ("U.S.", "US", True),
        ("vertex", "vertices", True),
        ("US", "us", False),
        ("basis", "base", False),
        ("Type I error", "Type II error", False),
        ("IT", "it", False),
    ],
)
def test_two_entries_in_two_spellings_are_one_term(one: str, other: str, same: bool) -> None:
    concepts, _, _ = merge([TermCandidate([one], "index"), TermCandidate([other], "index")], lambda _: 1)
    assert (len(concepts) == 1) == same
    if same:
        assert {one, other} <= set(concepts[0].forms)


@pytest.mark.parametrize(
    ("word", "folded"),
    [
        ("Naïve", "naive"),
        ("α", "alpha"),
        ("Λ", "lambda"),
        ("Straße", "strasse"),
        ("Øre", "ore"),
        ("ŷ", "ŷ"),
        ("x", "x"),
    ],
)
def test_folding(word: str, folded: str) -> None:
    assert fold(word) == folded


def test_numbers_and_full_stops() -> None:
    assert one_text("Type IV error of the U.S. I know") == "Type 4 error of the US 1 know"
    assert one_text("I, Robot of type V") == "I, Robot of type V"


def test_a_form_without_words_has_no_spelling() -> None:
    assert spellings("≤") == []
