"""What people decided about terms, on the rows of the table."""

from __future__ import annotations

from typing import Any

from tripletkit.ids import stable_id
from tripletkit.reviews import Decisions, Review
from tripletkit.schemas import TERMS, make_table
from tripletkit.terms.decided import DROPPED, JOINED, with_decisions


def row(name: str, **more: Any) -> dict[str, object]:  # noqa: ANN401 - of any column
    plain: dict[str, object] = {"term_id": name, "book_id": "b", "term": name, "forms": [name], "sources": ["index"]}
    plain |= {"definition": None, "parent_id": None, "see_also": [], "locators": [], "kept": True, "reason": None}
    return plain | more


def on_term(verdict: str, term: str, **more: str) -> Review:
    return Review(who="ann", about="term", verdict=verdict, term_id=term, term=term, **more)


def join(one: str, other: str) -> Review:
    return Review(who="ann", about="terms", verdict="join", term_id=one, other_id=other)


def decided(
    rows: list[dict[str, object]], *reviews: Review
) -> tuple[dict[str, dict[str, Any]], list[dict[str, object]]]:
    held, dropped = with_decisions(rows, Decisions(reviews))
    make_table(TERMS, held)  # the table takes them
    return {str(one["term_id"]): one for one in held}, dropped


def page(number: int) -> dict[str, object]:
    return {"label": str(number), "page": number, "range_end": None}


def test_terms_are_kept_and_dropped() -> None:
    rows = [row("heap"), row("Knuth", kept=False, reason="person name"), row("tree")]
    held, dropped = decided(rows, on_term("drop", "heap"), on_term("keep", "Knuth"), on_term("drop", "gone"))
    assert {name: (one["kept"], one["reason"]) for name, one in held.items()} == {
        "heap": (False, DROPPED),
        "Knuth": (True, None),
        "tree": (True, None),
    }
    assert dropped == []
    assert rows[0]["kept"]  # what was given is not changed


def test_a_joined_term_gives_its_forms_pages_and_links_to_the_other() -> None:
    rows = [
        row("binary tree", forms=["binary tree", "binary trees"], locators=[page(3), page(4)], definition="A tree."),
        row(
            "tree, binary",
            locators=[page(4), page(9)],
            sources=["glossary"],
            kept=False,
            reason="not found",
            see_also=["leaf"],
        ),
        row("node", parent_id="tree, binary"),
        row("leaf", see_also=["tree, binary", "binary tree"]),
    ]
    held, dropped = decided(rows, join("tree, binary", "binary tree"))
    one = held["binary tree"]
    assert [*held] == ["binary tree", "leaf", "node"]
    assert one["forms"] == ["binary tree", "binary trees", "tree, binary"]
    assert sorted(locator["page"] for locator in one["locators"]) == [3, 4, 9]
    assert (one["sources"], one["definition"], one["kept"]) == (["glossary", "index"], "A tree.", True)
    assert (held["node"]["parent_id"], held["leaf"]["see_also"]) == ("binary tree", ["binary tree"])
    assert one["see_also"] == ["leaf"]
    assert [(d["item"], d["related"], d["reason"], d["detail"]) for d in dropped] == [
        ("tree, binary", "binary tree", JOINED, "tree, binary")
    ]


def test_joins_lead_on_to_the_last_term_in_any_order() -> None:
    rows = [row(name) for name in "abc"]
    for joins in ([join("a", "b"), join("b", "c")], [join("b", "c"), join("a", "b")]):
        held, _ = decided(rows, *joins)
        assert [*held] == ["c"]
        assert sorted(held["c"]["forms"]) == ["a", "b", "c"]


def test_a_term_under_the_one_it_is_joined_to_is_not_its_own_parent() -> None:
    held, _ = decided([row("tree"), row("trees of nodes", parent_id="tree")], join("tree", "trees of nodes"))
    assert held["trees of nodes"]["parent_id"] is None


def test_terms_of_two_books_share_a_form_and_stay() -> None:
    held, dropped = decided([row("heap"), row("priority queue", book_id="c")], join("priority queue", "heap"))
    assert held["priority queue"]["forms"] == ["priority queue", "heap"]
    assert held["heap"]["forms"] == ["heap"]
    assert dropped == []
    held, _ = decided([row("heap", book_id=None), row("priority queue")], join("priority queue", "heap"))
    assert [*held] == ["heap"]  # a user's own term belongs to every book


def test_a_form_becomes_a_term_of_its_own() -> None:
    rows = [row("field", forms=["field", "fields", "plot", "plots"])]
    held, _ = decided(rows, on_term("split", "field", other="plot"))
    new = held[stable_id("term", "b", "plot")]
    assert held["field"]["forms"] == ["field", "fields"]
    assert (new["term"], new["forms"], new["kept"], new["book_id"]) == ("plot", ["plot", "plots"], True, "b")
    for form in ("field", "meadow"):  # its own name, and no form of it
        assert decided(rows, on_term("split", "field", other=form))[0] == {"field": rows[0]}
