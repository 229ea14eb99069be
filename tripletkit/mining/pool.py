"""What one split offers to the miner: its passages, its terms, and who says, cites or relates to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.text.defining import is_defined
from tripletkit.text.normalise import term_key

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """A kept term said in a passage, with how much the passage is about it."""

    passage: int
    term: int
    salience: float


@dataclass(frozen=True)
class Pool:
    """One split. Rows of masks are passages (or terms), columns are terms, in the order of the id lists."""

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    term_ids: tuple[str, ...]
    names: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    said: Mask  # passages x terms: any form, in any case
    cited: Mask  # passages x terms: the index cites the term on the passage's pages, or near
    related: Mask  # terms x terms: one concept, parent or child, see also
    kin: Mask  # terms x terms: one head word ("random variable", "dummy variable") or one parent
    near: Mask  # passages x terms: said elsewhere in the passage's chapter
    same_book: Mask  # passages x terms


def build_pool(passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, *, page_margin: int) -> Pool:
    """The pool of the passages given. Its terms are the kept ones that are said in them, by at least one tagged mention."""
    passages = passages.sort("passage_id")
    mentions = mentions.join(passages.select("passage_id"), on="passage_id", how="semi")
    terms = terms.filter("kept").join(mentions.select("term_id").unique(), on="term_id", how="semi").sort("term_id")
    rows, held = terms.to_dicts(), passages.to_dicts()
    cited = _cited(held, rows, page_margin)
    return Pool(
        tuple(p["passage_id"] for p in held),
        tuple(p["text"] for p in held),
        tuple(t["term_id"] for t in rows),
        tuple(t["term"] for t in rows),
        _candidates(held, rows, mentions, _cited(held, rows, 0)),
        (said := _said(held, rows)),
        cited,
        _related(rows),
        _kin(rows),
        _near(held, said),
        _same_book(held, rows),
    )


def _said(passages: Sequence[Mapping[str, str]], terms: Sequence[Mapping[str, object]]) -> Mask:
    """Any form of any term, in any case and in any word's plural: a guard errs on the side of refusing."""
    number = {str(term["term_id"]): i for i, term in enumerate(terms)}
    matcher = Matcher(
        Form(str(t["term_id"]), form, canonical=True) for t in terms for form in (str(t["term"]), *_strings(t["forms"]))
    )
    said = np.zeros((len(passages), len(terms)), dtype=bool)
    for i, passage in enumerate(passages):
        for match in matcher.matches(passage["text"]):
            said[i, number[match.form.term_id]] = True
    return said


def _cited(passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]], margin: int) -> Mask:
    pages: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, passage in enumerate(passages):
        for page in range(_int(passage["page_first"]) - margin, _int(passage["page_last"]) + margin + 1):
            pages[str(passage["book_id"]), page].append(i)
    cited = np.zeros((len(passages), len(terms)), dtype=bool)
    for j, term in enumerate(terms):
        for page in cited_pages(term):
            for i in pages.get((str(term["book_id"]), page), ()):
                cited[i, j] = True
    return cited


def cited_pages(term: Mapping[str, object]) -> set[int]:
    """Physical pages that the index cites for a row of the terms table."""
    locators = term["locators"]
    return {loc["page"] for loc in locators if loc["page"] is not None} if isinstance(locators, list) else set()


def _related(terms: Sequence[Mapping[str, object]]) -> Mask:
    number = {str(term["term_id"]): i for i, term in enumerate(terms)}
    related = np.eye(len(terms), dtype=bool)
    by_key: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        for other in (term["parent_id"], *_strings(term["see_also"])):
            if other in number:
                related[i, number[str(other)]] = related[number[str(other)], i] = True
        for key in {term_key(form) for form in (str(term["term"]), *_strings(term["forms"]))}:
            by_key[key].append(i)
    for same in by_key.values():  # one concept, perhaps in two books
        related[np.ix_(same, same)] = True
    return related


def _kin(terms: Sequence[Mapping[str, object]]) -> Mask:
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        key = term_key(str(term["term"]))
        if len(key) > 1:
            families["head", key[-1]].append(i)
        if term["parent_id"] is not None:
            families["parent", str(term["parent_id"])].append(i)
    kin = np.zeros((len(terms), len(terms)), dtype=bool)
    for family in families.values():
        kin[np.ix_(family, family)] = True
    np.fill_diagonal(kin, False)
    return kin


def _near(passages: Sequence[Mapping[str, object]], said: Mask) -> Mask:
    chapters: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, passage in enumerate(passages):
        chapters[str(passage["book_id"]), str(passage.get("section") or "").split(" › ")[0]].append(i)
    near = np.zeros_like(said)
    for held in chapters.values():
        near[held] = said[held].any(axis=0)
    return near & ~said


def _same_book(passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]]) -> Mask:
    """A user's term, which has no book, is at home in all."""
    books = np.array([str(p["book_id"]) for p in passages])[:, None]
    homes = np.array([str(t["book_id"]) for t in terms])[None, :]
    mask: Mask = (books == homes) | (homes == "None")
    return mask


def _candidates(
    passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]], mentions: pl.DataFrame, cited: Mask
) -> tuple[Candidate, ...]:
    """Positives by salience. A term said only inside a longer one ("tree" in "binary tree") is none.

    Weights follow how often a passage lies on a page that the index cites for the term, counted in six books over 24,584
    (passage, term) pairs: 13 % of all, 72 % where a sentence defines it, 66 % where the book says it first, 24 % where it
    stands in the section's heading, 18 % where it is said three times and more.
    """
    passage_number = {str(p["passage_id"]): i for i, p in enumerate(passages)}
    term_number = {str(t["term_id"]): i for i, t in enumerate(terms)}
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for passage_id, term_id, start, end in mentions.select("passage_id", "term_id", "start", "end").iter_rows():
        if term_id in term_number:
            places[passage_number[passage_id]].append((start, end, term_number[term_id]))
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for passage, spans in places.items():
        for start, end, term in spans:
            if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in spans):
                counts[passage, term] += 1
    holders = np.zeros(len(terms))
    for _, term in counts:
        holders[term] += 1
    rarity = np.log((1 + len(passages)) / (1 + holders)) / np.log(1 + max(len(passages), 1))
    first = _first_pages(passages, counts)
    found = []
    for (p, t), n in sorted(counts.items()):
        text, name = str(passages[p]["text"]), str(terms[t]["term"])
        about = 2.0 * cited[p, t] + 1.5 * (passages[p]["page_first"] == first[str(passages[p]["book_id"]), t])
        about += 1.5 * is_defined(text, [(a, b) for a, b, other in places[p] if other == t])
        about += 0.5 * in_heading(passages[p].get("section"), name)
        found.append(Candidate(p, t, float(about + 0.1 * min(n, 3) + 0.5 * rarity[t])))
    return tuple(found)


def _first_pages(
    passages: Sequence[Mapping[str, object]], pairs: Iterable[tuple[int, int]]
) -> dict[tuple[str, int], int]:
    """By book and term: the first page of the split that says it."""
    first: dict[tuple[str, int], int] = {}
    for passage, term in pairs:
        key, page = (str(passages[passage]["book_id"]), term), _int(passages[passage]["page_first"])
        first[key] = min(page, first.get(key, page))
    return first


def in_heading(section: object, term: str) -> bool:
    """Whether the section's own heading, the last step of its path, holds the term."""
    heading, key = term_key(str(section or "").split(" › ")[-1]), term_key(term)
    return any(heading[i : i + len(key)] == key for i in range(len(heading) - len(key) + 1))


def _strings(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _int(value: object) -> int:
    return value if isinstance(value, int) else int(str(value))
