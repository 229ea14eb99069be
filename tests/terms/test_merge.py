"""One concept, one term."""

from __future__ import annotations

import pytest

from tripletkit.terms.merge import Concept, TermCandidate, concept_ids, form_key, merge, own_forms


def merged(*candidates: TermCandidate) -> list[Concept]:
    return merge(candidates, lambda phrase: 1)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("demand curves", "Demand curve"),
        ("message-passing", "message passing"),
        ("optimisation", "optimization"),
        ("Bayes’ rule", "Bayes' rules"),
    ],
)
def test_variants_share_a_key(one: str, other: str) -> None:
    assert form_key(one) == form_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("B*-tree", "B-tree"), ("C++", "C"), ("AIDS", "aids"), ("∀", "∃"), ("type 1 error", "type 2 error")],
)
def test_what_tells_terms_apart_stays_in_the_key(one: str, other: str) -> None:
    assert form_key(one) != form_key(other)


def test_own_forms() -> None:
    assert own_forms("principal component analysis (PCA)") == [
        "principal component analysis",
        "PCA",
        "principal component analysis (PCA)",
    ]
    assert own_forms("budget constraint (or budget line)")[:2] == ["budget constraint", "budget line"]
    assert own_forms("closure, of a set")[1] == "closure of a set"
    assert own_forms("Abel, Niels Henrik")[1] == "Niels Henrik Abel"
    assert own_forms("contradiction (of TFL)") == ["contradiction (of TFL)"]


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
    assert (concept.term, concept.forms) == ("abstract types", ["abstract types", "ADT"])


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
