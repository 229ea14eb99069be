"""What people decided about terms, on rows of ``terms``: joined, split, kept or dropped. Ids of terms that stay do not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tripletkit.ids import stable_id
from tripletkit.reviews import DROP, Decisions
from tripletkit.terms.concepts import Row, dropped_row, texts_in
from tripletkit.terms.forms import form_key

DROPPED = "dropped, by review"
JOINED = "a name of another term, by review"


def with_decisions(rows: Sequence[Row], reviews: Decisions) -> tuple[list[Row], list[Row]]:
    """The rows as decided, sorted by id, and rows of ``dropped`` for terms that are now names of another."""
    by_id = {str(row["term_id"]): dict(row) for row in rows}
    for term_id, form in reviews.splits:
        if term_id in by_id and (new := _split(by_id[term_id], form)):
            by_id.setdefault(str(new["term_id"]), new)
    dropped = [_join(by_id, term_id, reviews.current(term_id)) for term_id in reviews.joins if term_id in by_id]
    for term_id, verdict in reviews.kept_or_dropped.items():
        if term_id in by_id:
            kept = verdict != DROP
            by_id[term_id] |= {"kept": kept, "reason": None if kept else DROPPED}
    return [by_id[term_id] for term_id in sorted(by_id)], [row for row in dropped if row]


def _split(row: Row, form: str) -> Row | None:
    """A term of its own for a form, which the row loses in every spelling. None if it has no such form beside others."""
    key, forms = form_key(form), texts_in(row["forms"])
    left = [one for one in forms if form_key(one) != key]
    if form_key(str(row["term"])) == key or len(left) == len(forms):
        return None
    row["forms"] = left
    term_id = stable_id("term", str(row["book_id"] or ""), form)
    own = [form, *(one for one in forms if form_key(one) == key and one != form)]
    new: Row = {"term_id": term_id, "term": form, "forms": own, "sources": ["user"], "definition": None}
    new |= {"locators": [], "parent_id": None, "see_also": [], "kept": True, "reason": None}
    return {**new, "book_id": row["book_id"]}


def _join(by_id: dict[str, Row], term_id: str, other_id: str) -> Row | None:
    """Make a term a name of the other. Of two books each keeps its term, and the two share a form."""
    one, other = by_id[term_id], by_id.get(other_id)
    if other is None or one is other:
        return None
    if one["book_id"] != other["book_id"] and other["book_id"] is not None:
        one["forms"] = [*texts_in(one["forms"]), str(other["term"])]
        return None
    other |= _united(one, other)
    del by_id[term_id]
    for row in by_id.values():
        row["parent_id"] = _instead(row["parent_id"], term_id, other_id, row)
        links = {_instead(link, term_id, other_id, row) for link in texts_in(row["see_also"])}
        row["see_also"] = sorted(str(link) for link in links if link is not None)
    return dropped_row(term_id, other_id, JOINED, str(one["term"]))


def _united(one: Mapping[str, object], other: Mapping[str, object]) -> Row:
    """The columns of ``other`` that change when it takes the forms, pages and definition of ``one``."""
    places = {
        (locator["label"], locator["page"]): locator
        for row in (one, other)
        for locator in (row["locators"] if isinstance(row["locators"], list) else [])
    }
    kept = bool(one["kept"] or other["kept"])
    return {
        "forms": list(dict.fromkeys([*texts_in(other["forms"]), *texts_in(one["forms"])])),
        "sources": sorted({*texts_in(one["sources"]), *texts_in(other["sources"])}),
        "definition": other["definition"] or one["definition"],
        "locators": list(places.values()),
        "see_also": [*texts_in(other["see_also"]), *texts_in(one["see_also"])],
        "kept": kept,
        "reason": None if kept else other["reason"],
    }


def _instead(link: object, term_id: str, other_id: str, row: Mapping[str, object]) -> object:
    """The link, to the other term where it led to the one; None where it would lead to the row itself."""
    led = other_id if link == term_id else link
    return None if led == row["term_id"] else led
