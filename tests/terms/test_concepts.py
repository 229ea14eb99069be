"""One concept, one term; and which terms are kept."""

from __future__ import annotations

import pytest

from tripletkit.rules import load_rules
from tripletkit.terms.book_text import Corpus
from tripletkit.terms.concepts import Concept, TermCandidate, concept_ids, form_key, merge, objection, own_forms


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
