"""A small book from its lines to its rows."""

from __future__ import annotations

import pytest

from tests.terms.layout import harvested, page
from tripletkit import schemas
from tripletkit.schemas import make_table
from tripletkit.terms.harvest import Harvest, merge_user_terms
from tripletkit.user_rows import UserTerm

TEXT = (
    "The binomial distribution has two parameters. A distribution sums to one.\n"
    "Principal component analysis (PCA) is linear. An interface is abstract."
)
INDEX = (
    "abstract data type, see interface\nAbel, Niels Henrik, 3\ndistribution, 2\n"
    "    binomial, 2–4\n    definition of, 1\nexample, 5\n"
    "interface, 3, see also distribution\nPCA, 4\nx, 2"
)
GLOSSARY = "# Glossary\n*distribution* how values are\n    spread\n*interface* what a type offers\n*parameter* a number"


@pytest.fixture(scope="module")
def small() -> Harvest:
    pages = {1: page(1, TEXT), 6: page(6, GLOSSARY), 7: page(7, INDEX)}
    return harvested(pages, {6: "glossary", 7: "index"}, last=7)


def row(found: Harvest, term: str) -> dict[str, object]:
    return next(row for row in found.terms if row["term"] == term)


def test_rows_fit_the_tables_and_equal_each_other_on_a_second_run(small: Harvest) -> None:
    terms = make_table(schemas.TERMS, small.terms)
    assert terms.height == len(small.terms) == 8
    make_table(schemas.DROPPED, small.dropped)
    again = harvested({1: page(1, TEXT), 6: page(6, GLOSSARY), 7: page(7, INDEX)}, {6: "glossary", 7: "index"}, last=7)
    assert again == small


def test_every_source_is_joined(small: Harvest) -> None:
    distribution, interface, pca = (
        row(small, term) for term in ("distribution", "interface", "Principal component analysis")
    )
    assert (distribution["sources"], distribution["definition"]) == (["glossary", "index"], "how values are spread")
    assert [locator["label"] for locator in distribution["locators"]] == ["2", "1"]  # type: ignore[attr-defined]
    assert "abstract data type" in interface["forms"]  # type: ignore[operator]
    assert interface["see_also"] == [distribution["term_id"]]
    assert (pca["forms"], pca["sources"]) == (["Principal component analysis", "PCA"], ["acronym", "index"])


def test_a_subentry_is_said_with_its_head_and_points_to_it(small: Harvest) -> None:
    binomial = row(small, "binomial distribution")
    assert binomial["parent_id"] == row(small, "distribution")["term_id"]
    assert binomial["locators"] == [{"label": label, "page": int(label), "range_end": "4"} for label in ("2", "3", "4")]


def test_filtered_terms_stay_with_their_reason(small: Harvest) -> None:
    reasons = {str(row["term"]): row["reason"] for row in small.terms if not row["kept"]}
    assert reasons == {"Abel, Niels Henrik": "person name", "example": "too general", "x": "single character"}


def test_what_is_missing_is_said() -> None:
    nothing = harvested({1: page(1, TEXT)}, {}, last=1)
    assert [line.split(":")[0] for line in nothing.sought if "none found" in line] == ["index", "glossary"]


def test_a_users_terms_join_rows_or_stand_alone(small: Harvest) -> None:
    both = merge_user_terms(
        small,
        [
            UserTerm("distributions", ("law",), "mine", "a:1"),
            UserTerm("entropy", (), None, "a:2"),
            UserTerm("example", (), None, "a:3"),
        ],
        ["b"],
    )
    distribution, entropy = row(both, "distribution"), row(both, "entropy")
    assert (distribution["definition"], distribution["sources"]) == ("mine", ["glossary", "index", "user"])
    assert "law" in distribution["forms"]  # type: ignore[operator]
    assert (entropy["book_id"], entropy["sources"], entropy["kept"]) == (None, ["user"], True)
    assert row(both, "example")["kept"]  # the user wants it


CODE_INDEX = "# Index\n\nalgorithm, 3\nbinary tree, 5\n`hash(x), 7`\n`TreeMap, 9`\nqueue, 17\nzero, 19"


def test_index_entries_in_code_type_have_their_own_source() -> None:
    found = {str(row["term"]): row for row in harvested({400: page(400, CODE_INDEX)}, {400: "index"}).terms}
    assert found["TreeMap"]["sources"] == ["index_code"]
    assert found["TreeMap"]["reason"] == "name from program code"
    assert found["queue"]["sources"] == ["index"]
