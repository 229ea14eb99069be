"""What each page of the review shows: rows of the tables as plain values for the templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
from markupsafe import Markup, escape

from tripletkit.errors import ConfigError
from tripletkit.mining.miner import NEAREST_REJECTED, REJECTED
from tripletkit.mining.pool import FAR, IN_PASSING
from tripletkit.mining.search import highest_cosine
from tripletkit.review.folder import OutputFolder, Row
from tripletkit.review.order import Filters, find_place, judged, key_of, proposals, rejections, triplet_order
from tripletkit.review.paper import page_list
from tripletkit.review.why import explain_rows, explain_triplet, mine_settings
from tripletkit.reviews import (
    BAD_POSITIVE,
    FALSE_NEGATIVE,
    GOOD,
    TRIVIAL,
    VERDICTS,
    Review,
    agreement,
    rates,
)
from tripletkit.schemas import SECTION_MARK
from tripletkit.summaries import ranges

Values = dict[str, Any]
#: Rows of a page of a list.
ROWS = 40
#: Key, verdict and what it means.
KEYS = (
    ("1", GOOD, "the passage is about the positive and not about the negative"),
    ("2", FALSE_NEGATIVE, "the passage is about the negative, too"),
    ("3", TRIVIAL, "the negative is so far off that it teaches nothing"),
    ("4", BAD_POSITIVE, "the passage is not about the positive"),
)
#: A sitting judges so many triplets blind.
SITTING = 200
#: Characters of a passage in a list.
EXCERPT = 280


# Triplets.


def triplet_page(folder: OutputFolder, wanted: Filters, who: str, *, at: str, after: str) -> Values:
    """One triplet of the queue with all that is known of it, and how far the review is."""
    if wanted.term and wanted.term not in folder.terms:
        wanted = replace(wanted, term=folder.find_term(wanted.term, wanted.book or None)["term_id"])
    order, done = triplet_order(folder, wanted), judged(folder.reviews, who, blind=wanted.blind)
    place = find_place(order, done, wanted.state, at=at, after=after)
    shown = None if place.row is None else _triplet(folder, place.row, who, blind=wanted.blind)
    return {
        "filters": wanted,
        "term_name": _name(folder, wanted.term),
        "choices": _choices(folder),
        "place": place,
        "triplet": shown,
        "keys": KEYS,
        "progress": _progress(folder, who, place.total, blind=wanted.blind),
    }


def _choices(folder: OutputFolder) -> Values:
    """What the filters offer."""
    rules = lambda: folder.scan("triplets").select(pl.col("rule").unique().sort()).collect()["rule"].to_list()  # noqa: E731
    return {
        "books": [(row["book_id"], row["title"]) for row in folder.books.values()],
        "rules": folder.remember("rules", ["triplets.parquet"], rules),
        "splits": ("train", "validation", "test"),
    }


def _triplet(folder: OutputFolder, row: Mapping[str, Any], who: str, *, blind: bool) -> Values:
    passage = folder.passage(row["passage_id"])
    found = folder.rows("triplets", **{name: row[name] for name in ("passage_id", "positive_id", "negative_id")})[0]
    positive, negative = (_term(folder, found[f"{name}_id"], found[name]) for name in ("positive", "negative"))
    own = [
        one
        for one in folder.reviews
        if one.thing == ("triplet", *map(str, (row[n] for n in ("passage_id", "positive_id", "negative_id"))))
    ]
    bound = float(highest_cosine(found["cos_ap"], mine_settings(folder).relative_margin))
    return {
        "key": key_of(dict(row)),
        "row": found,
        "bound": bound,
        "passage": passage,
        "where": folder.where(passage),
        "text": marked_text(folder, passage, {found["positive_id"]: "positive"}),
        "positive": positive,
        "negative": negative,
        "worth": [] if blind else list(_worth(row, bound - found["cos_an"])),
        "mine": next((one.verdict for one in own if one.who == who), ""),
        "others": [] if blind else [(one.who, one.verdict) for one in own if one.who != who],
        "pages": page_list(folder, passage),
    }


def _term(folder: OutputFolder, term_id: str, name: str) -> Row:
    """The row of a term; its name alone where it is gone from the table since."""
    gone: Row = {"term_id": term_id, "term": name, "forms": [], "definition": None, "book_id": None}
    return folder.terms.get(term_id, gone)


def _worth(row: Mapping[str, Any], below: float) -> Iterator[str]:
    """Why the queue shows it."""
    if row["near"] > 0.5:
        yield f"the negative is only {below:.3f} below the highest cosine allowed"
    if row["used"] > 0.5:
        yield "the negative is among those used most"
    if row["teacher"]:
        yield "the teacher ranks the negative above the positive"
    if row["far"] > 0.75:
        yield "the positive is far from its passage"


def marked_text(folder: OutputFolder, passage: Row, special: Mapping[str, str] | None = None) -> Markup:
    """The passage's text with its mentions marked; those of terms in ``special`` get that class. All text is escaped."""
    special, parts, end, text = special or {}, list[Markup](), 0, passage["text"]
    for row in _apart(folder.rows("mentions", passage_id=passage["passage_id"]), special):
        name, kind = _name(folder, row["term_id"]), special.get(row["term_id"], "other")
        parts.append(escape(text[end : row["start"]]))
        parts.append(
            Markup('<mark class="{}" title="{}">{}</mark>').format(kind, name, text[row["start"] : row["end"]])
        )
        end = row["end"]
    return Markup("").join([*parts, escape(text[end:])])


def _apart(mentions: Sequence[Row], special: Mapping[str, str]) -> list[Row]:
    """Mentions that do not overlap, in order: the special and the longest win."""
    chosen = list[Row]()
    for row in sorted(
        mentions, key=lambda one: (one["term_id"] not in special, one["start"] - one["end"], one["start"])
    ):
        if all(row["end"] <= other["start"] or other["end"] <= row["start"] for other in chosen):
            chosen.append(row)
    return sorted(chosen, key=lambda row: row["start"])


def _name(folder: OutputFolder, term_id: object) -> str:
    return str(folder.terms[str(term_id)]["term"]) if term_id in folder.terms else str(term_id or "")


def _progress(folder: OutputFolder, who: str, total: int, *, blind: bool) -> Values:
    """How many triplets the reviewer has judged, and the rates so far, of all reviewers."""
    rows = [row for row in folder.reviews if row.about == "triplet" and row.blind >= blind]
    found = rates(rows)
    return {
        "mine": judged(rows, who, blind=blind).height,
        "goal": min(SITTING, total) if blind else total,
        "rates": found.shares if found else {},
        "judged": found.triplets if found else 0,
        "reviewers": len({row.who for row in rows}),
        "agreement": None if found is None else agreement(rows),
    }


def _span(start: int, more: bool) -> Values:
    """Where a page of a list begins, and whether another follows."""
    return {"start": max(start, 0), "more": more, "step": ROWS}


# Rejections.


def refused_page(folder: OutputFolder, stage: str, reason: str, passage: str, start: int) -> Values:
    """Rows of `dropped`, and how each can be taken back."""
    rows = rejections(folder, stage, reason, passage)
    kinds = folder.scan("dropped").group_by("stage", "reason").len().sort("stage", "reason").collect().rows()
    held = rows.slice(max(start, 0), ROWS + 1).collect().to_dicts()
    return {
        "rows": [_refused(folder, row) for row in held[:ROWS]],
        "more": len(held) > ROWS,
        "start": start,
        "step": ROWS,
        "stage": stage,
        "reason": reason,
        "passage": passage,
        "kinds": kinds,
        "stages": sorted({kind[0] for kind in kinds}),
    }


def _refused(folder: OutputFolder, row: Row) -> Values:
    about, given = _way_back(row)
    held = next((one for one in folder.reviews if about and one.thing == Review(who="-", **given).thing), None)
    text = folder.passage(row["item"])["text"] if about and about != "term" else ""
    cut = text[:EXCERPT] + ("…" if len(text) > EXCERPT else "")
    about_term = row["item"] if about == "term" else row["related"]
    shown = {
        "excerpt": cut,
        "term": _name(folder, about_term),
        "term_id": about_term if about_term in folder.terms else "",
    }
    return {**row, **shown, "verdict": given, "held": held}


def _way_back(row: Row) -> tuple[str, dict[str, Any]]:
    """What the verdict that takes a row of `dropped` back is about, and its columns; "" where none can."""
    reason, pair = row["reason"], {"passage_id": row["item"], "term_id": row["related"]}
    if row["stage"] == "mine" and reason.startswith((NEAREST_REJECTED, REJECTED)):
        return "negative", {"about": "negative", "verdict": "take back", **pair}
    if row["stage"] == "mine" and reason in (FAR, IN_PASSING):
        return "positive", {"about": "positive", "verdict": "take back", **pair}
    if row["stage"] == "glossary" and row["item"].startswith("term_") and row["related"]:
        return "term", {"about": "term", "verdict": "keep", "term_id": row["item"], "term": row["related"]}
    return "", {}


# Terms.


def terms_page(folder: OutputFolder, q: str, book: str, kept: str, start: int) -> Values:
    """Terms in alphabetical order, those that hold ``q`` in a form."""
    sought = q.casefold()
    rows = [
        row
        for row in folder.terms.values()
        if (not sought or any(sought in form.casefold() for form in (row["term"], *row["forms"])))
        and (not book or row["book_id"] == book)
        and (not kept or row["kept"] == (kept == "yes"))
    ]
    rows.sort(key=lambda row: (row["term"].casefold(), row["term_id"]))
    shown = [_listed(folder, row) for row in rows[max(start, 0) : start + ROWS]]
    more = {"more": len(rows) > start + ROWS, "start": start, "step": ROWS, "total": len(rows)}
    chosen = {"q": q, "book": book, "kept": kept, "books": _choices(folder)["books"]}
    return {"rows": shown, **more, **chosen}


def _listed(folder: OutputFolder, row: Row) -> Values:
    labels = dict.fromkeys(locator["label"] for locator in row["locators"])
    return {**row, "pages": ", ".join(ranges(list(labels))), "held": _held(folder, row["term_id"])}


def _held(folder: OutputFolder, term_id: str) -> Review | None:
    """The verdict on the term that its row does not show yet, or shows."""
    return folder.decisions.last.get(("term", term_id)) or next(
        (
            row
            for row in folder.decisions.rows
            if row.about == "terms" and row.verdict == "join" and row.term_id == term_id
        ),
        None,
    )


def term_page(folder: OutputFolder, term_id: str) -> Values:
    """One term with its forms, definition, cited pages and passages."""
    if term_id not in folder.terms:
        raise ConfigError(
            f"no term has the id {term_id!r}", "It may have been joined to another since; see the list of terms."
        )
    row = folder.terms[term_id]
    mentions = (
        folder.scan("mentions")
        .filter(term_id=term_id)
        .group_by("passage_id")
        .len("times")
        .sort("times", descending=True)
    )
    found = mentions.head(ROWS).join(folder.scan("passages"), on="passage_id", how="left").collect().to_dicts()
    uses = folder.scan("triplets").select(
        positive=(pl.col("positive_id") == term_id).sum(), negative=(pl.col("negative_id") == term_id).sum()
    )
    links = (row["parent_id"], *row["see_also"])
    splits = {form for at, form in folder.decisions.splits if at == term_id}
    return {
        "term": _listed(folder, row),
        "passages": [{**one, "where": folder.where(one)} for one in found if one["text"] is not None],
        "uses": uses.collect().row(0, named=True),
        "links": [(one, _name(folder, one)) for one in links if one in folder.terms],
        "splits": splits,
        "has_entry": bool(row["locators"]),
    }


def _open_proposals(folder: OutputFolder) -> list[Values]:
    """Proposed pairs on which nobody has decided."""
    decided = folder.decisions.last
    return [
        {"one": one, "other": other, "score": score}
        for one, other, score in proposals(folder)
        if ("terms", *sorted((one["term_id"], other["term_id"]))) not in decided
    ]


def proposals_page(folder: OutputFolder, start: int) -> Values:
    """Pairs of terms that may be one."""
    rows = _open_proposals(folder)
    return {
        "rows": rows[max(start, 0) : start + ROWS],
        "more": len(rows) > start + ROWS,
        "start": start,
        "step": ROWS,
        "total": len(rows),
    }


# Passages.


def passages_page(folder: OutputFolder, q: str, book: str, kind: str, split: str, start: int) -> Values:
    """Passages in reading order, those whose text holds ``q``."""
    wanted = [pl.col(name) == value for name, value in (("book_id", book), ("kind", kind)) if value]
    if q:
        wanted.append(pl.col("text").str.to_lowercase().str.contains(q.lower(), literal=True))
    rows = folder.scan("passages").filter(*wanted)
    if split:
        rows = rows.join(folder.scan("splits").filter(split=split), on="passage_id", how="semi")
    rows = rows.with_columns(text=pl.col("text").str.slice(0, EXCERPT)).sort("book_id", "page_first", "passage_id")
    held = rows.slice(max(start, 0), ROWS + 1).collect().to_dicts()
    kinds = folder.remember("kinds", ["passages.parquet"], lambda: _kinds(folder))
    return {
        "rows": [
            {**row, "where": folder.where(row), "split": folder.splits.get(row["passage_id"])} for row in held[:ROWS]
        ],
        **_span(start, len(held) > ROWS),
        **dict(q=q, book=book, kind=kind, split=split),  # noqa: C408 - a row of values
        **_choices(folder),
        "kinds": kinds,
    }


def _kinds(folder: OutputFolder) -> list[str]:
    return folder.scan("passages").select(pl.col("kind").unique().sort()).collect()["kind"].to_list()


def passage_page(folder: OutputFolder, passage_id: str) -> Values:
    """One passage with its mentions, triplets and page."""
    passage = folder.passage(passage_id)
    mentions = Counter(row["term_id"] for row in folder.rows("mentions", passage_id=passage["passage_id"]))
    columns = ("positive", "negative", "positive_id", "negative_id", "passage_id", "rule", "cos_ap", "cos_an")
    triplets = (
        folder.scan("triplets").filter(passage_id=passage["passage_id"]).select(columns).unique(maintain_order=True)
    )
    decided = folder.decisions
    return {
        "passage": passage,
        "where": folder.where(passage),
        "split": folder.splits.get(passage["passage_id"]),
        "text": marked_text(folder, passage),
        "mentions": [(one, _name(folder, one), times) for one, times in sorted(mentions.items())],
        "triplets": [{**row, "key": key_of(row)} for row in triplets.collect().to_dicts()],
        "sections": (passage["section"] or "").split(SECTION_MARK),
        "pages": page_list(folder, passage),
        "not_prose": decided.last.get(("passage", passage["passage_id"])),
        "not_meant": {
            row.term_id: row
            for row in decided.rows
            if row.about == "mention" and row.passage_id == passage["passage_id"]
        },
    }


# Verdicts.


def verdicts_page(folder: OutputFolder, start: int) -> Values:
    """The verdicts that hold, the newest first."""
    rows = folder.reviews[::-1]
    shown = [(row, place_of(row), _names_of(folder, row)) for row in rows[max(start, 0) : start + ROWS]]
    return {
        "rows": shown,
        "more": len(rows) > start + ROWS,
        "start": start,
        "step": ROWS,
        "total": len(rows),
        "kinds": VERDICTS,
    }


def _names_of(folder: OutputFolder, row: Review) -> str:
    names = [row.term or _name(folder, row.term_id), row.other or _name(folder, row.other_id)]
    return " · ".join(name for name in names if name)


def place_of(row: Review) -> str:
    """The page, below the token, that shows what a verdict is about."""
    if row.about == "triplet":
        return f"/triplets?at={row.passage_id}.{row.term_id}.{row.other_id}" + ("&blind=true" if row.blind else "")
    if row.about in ("negative", "positive"):
        return f"/refused?passage={row.passage_id}"
    return f"/terms/{row.term_id}" if row.about in ("term", "terms") else f"/passages/{row.passage_id}"


# Why.


def why(folder: OutputFolder, term: str, passage: str, positive: str) -> Values:
    """Why a term is what it is in a passage; with ``positive`` what the guards say of it as a negative."""
    held = folder.passage(passage)
    if positive in folder.terms and term in folder.terms:
        return {"findings": explain_triplet(folder, held, folder.terms[positive], folder.terms[term])}
    return {"findings": explain_rows(folder, held, folder.find_term(term, held["book_id"])).findings}
