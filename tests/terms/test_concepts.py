"""One concept, one term; which terms are kept, and which names are proposed or accepted as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terms.layout import harvested, page
from tripletkit.rules import Rules, load_rules
from tripletkit.terms.book_text import Corpus
from tripletkit.terms.concepts import (
    Alias,
    Concept,
    TermCandidate,
    concept_ids,
    merge,
    objection,
    propose_aliases,
    unknown_aliases,
)
from tripletkit.terms.forms import own_forms


def merged(*candidates: TermCandidate) -> list[Concept]:
    return merge(candidates, lambda phrase: 1)[0]


@pytest.mark.parametrize(
    ("name", "target"),
    [("Pca", TermCandidate(["PCA"], "index")), ("e number", TermCandidate(["e number"], "index", kind="symbols"))],
)
def test_a_reference_names_an_acronym_or_an_entry_of_another_index(name: str, target: TermCandidate) -> None:
    assert len(merged(TermCandidate(["source"], "index", refers=(name,)), target)) == 1


def test_plural_case_and_acronym_become_one_row_with_all_pages() -> None:
    page = {"label": "1", "page": 1, "range_end": None}
    (concept,) = merged(
        TermCandidate(["Principal components analyses"], "index", locators=[page]),
        TermCandidate(own_forms("principal components analysis (PCA)"), "glossary", "a method"),
        TermCandidate(["PCA"], "index"),
    )
    assert (concept.term, concept.sources, concept.definition, concept.locators) == (
        "principal components analysis",
        ["glossary", "index"],
        "a method",
        [page],
    )
    assert set(concept.forms) == {
        "principal components analysis",
        "Principal components analyses",
        "PCA",
        "principal components analysis (PCA)",
    }


def test_a_see_reference_joins_its_target_under_any_wording() -> None:
    (concept,) = merged(
        TermCandidate(["ADT"], "index", refers=("types, abstract",)), TermCandidate(["abstract types"], "index")
    )
    assert (concept.term, concept.forms) == ("abstract types", ["abstract types", "ADT", "types, abstract"])


def test_a_target_that_is_no_entry_names_the_concept() -> None:
    (concept,) = merged(TermCandidate(["df"], "index", refers=("degrees of freedom",)))
    assert (concept.term, concept.forms) == ("degrees of freedom", ["degrees of freedom", "df"])


def test_several_targets_are_near_not_the_same() -> None:
    assert (
        len(
            merged(
                TermCandidate(["charts"], "index", refers=("bar chart", "pie chart")),
                TermCandidate(["bar chart"], "index"),
                TermCandidate(["pie chart"], "index"),
            )
        )
        == 3
    )


def test_a_qualifier_is_left_off_only_if_that_is_unambiguous() -> None:
    (momentum,) = merged(TermCandidate(["momentum (optimization)"], "glossary", "x"))
    assert (momentum.term, momentum.forms[1:]) == ("momentum", ["momentum (optimization)"])
    two = merged(
        TermCandidate(["contradiction (in FOL)"], "glossary", "x"),
        TermCandidate(["contradiction (in TFL)"], "glossary", "y"),
    )
    assert [concept.forms for concept in two] == [["contradiction (in FOL)"], ["contradiction (in TFL)"]]


def test_indexes_of_names_do_not_mix_with_subjects() -> None:
    concepts = merged(TermCandidate(["Bayes"], "index", kind="names"), TermCandidate(["Bayes"], "index"))
    assert len(concepts) == len(set(concept_ids(concepts, "b"))) == 2


# --- Which are kept -------------------------------------------------------------------------------------------------


def judged(
    term: str, corpus: Corpus | None = None, *, source: str = "index", kind: str = "subject", mono: bool = False
) -> str | None:
    """Why a concept of one form, which an index cites on a page but for its heads, is not kept."""
    cited: list[dict[str, object]] = [] if source == "index_head" else [{"label": "1", "page": 1, "range_end": None}]
    concept = Concept([0], term, [term], [source], None, cited, kind, mono)
    return objection(concept, corpus or Corpus(["A text."]), load_rules())


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        ("p", "single character"),
        ("von Neumann, John", "person name"),
        ("Hamming, R. W.", "person name"),
        ("std::copy", "name from program code"),
        ("read_csv", "name from program code"),
        ("compare(x, y)", "name from program code"),
        ("https://x.org", "web address"),
        ("9-1-1", "no letters"),
        ("project goals", "too general"),
        ("mean, median", None),
        ("AlexNet", None),
        ("Markov chain", None),
        ("k-means", None),
    ],
)
def test_filters(term: str, reason: str | None) -> None:
    assert judged(term) == reason


def test_filters_by_where_a_term_stands() -> None:
    assert judged("Turing", kind="names") == "person name"
    assert judged("Treap", mono=True) == "name from program code"
    everywhere = Corpus(["The data."] * 60 + ["Nothing."] * 40)
    assert judged("data", everywhere) == "on more than half of the pages"
    assert judged("data", everywhere, source="glossary") is None
    assert judged("hapax", everywhere, source="index_head") == "not found in the text"
    assert judged("solution", source="glossary") is None  # this book defines it


@pytest.mark.parametrize("text", ["A type 1 error.", "A Type I error."])
def test_a_term_that_the_text_spells_otherwise_is_in_the_text(text: str) -> None:
    assert judged("Type I error", Corpus([text]), source="index_head") is None
    assert judged("Type II error", Corpus([text]), source="index_head") == "not found in the text"


def test_a_greek_letter_is_a_symbol_and_its_name_a_term() -> None:
    assert judged("α β") == "symbol"
    assert judged("alpha") is None


# --- Which names may be one concept ---------------------------------------------------------------------------------

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
