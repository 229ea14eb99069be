"""What one split offers to the miner: its passages, its terms, and which terms a passage mentions, cites or implies."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.language.definitions import is_defined
from tripletkit.language.normalise import term_key
from tripletkit.mining.relations import (
    Numbers,
    Span,
    Values,
    cited_in,
    implied_in,
    in_chapter,
    mentioned_in,
    outermost,
    related_terms,
    same_head_terms,
    same_thing_pairs,
)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Candidate:
    """A kept term mentioned in a passage, with how much the passage is about it."""

    passage: int
    term: int
    salience: float
    passing: bool = False  # a single word, mentioned once


@dataclass(frozen=True)
class Pool:
    """One split. Passages and terms are numbered in the order of their ids."""

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    term_ids: tuple[str, ...]
    names: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    mentioned: tuple[Numbers, ...]  # per passage: terms with any form in it, in any case
    cited: tuple[Numbers, ...]  # per passage: terms that the index cites on its pages, or near them
    related: tuple[Numbers, ...]  # per term: itself, other names, parent and children, see also
    same_head: tuple[Numbers, ...]  # per term: terms with its head word or its parent
    in_chapter: tuple[Numbers, ...]  # per passage: terms mentioned in its chapter
    passage_books: Numbers  # per passage; -1: none
    term_books: Numbers  # per term; -1 for a user's term, which belongs to every book
    implied: tuple[Numbers, ...]  # per passage: terms in its headings, or with a word stem in common

    @cached_property
    def has_many_books(self) -> bool:
        """Whether some term is of another book than some passage."""
        return len({*self.passage_books.tolist(), *self.term_books.tolist()} - {-1}) > 1

    @cached_property
    def _hashes(self) -> tuple[Hashes, Hashes]:
        return _hashes_of(self.passage_ids), _hashes_of(self.term_ids)

    def random_draws(self, pairs: Sequence[Candidate], count: int, seed: int, purpose: str) -> npt.NDArray[np.float64]:
        """``count`` numbers in [0, 1) per pair, fixed by its ids, the seed and the purpose, not by what was drawn before.

        SplitMix64 (Steele, Lea and Flood, 2014): a generator of its own for each of a million pairs would take longer than the
        search.
        """
        state = np.repeat(_hashes_of([f"{seed} {purpose}"]), len(pairs))
        of_passages, of_terms = self._hashes
        for part in (of_passages[[pair.passage for pair in pairs]], of_terms[[pair.term for pair in pairs]]):
            state = _mixed(state ^ part)
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mixed(state[:, None] + steps) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53


def build_pool(passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, *, page_margin: int) -> Pool:
    """The pool of ``passages``. Its terms are the kept ones that have at least one tagged mention in them.

    The frames have the columns of the tables of these names; terms cited within ``page_margin`` pages count as cited.
    """
    passages = passages.sort("passage_id")
    mentions = mentions.join(passages.select("passage_id"), on="passage_id", how="semi")
    terms = terms.filter("kept").join(mentions.select("term_id").unique(), on="term_id", how="semi").sort("term_id")
    term_rows, rows = terms.to_dicts(), passages.to_dicts()
    books = {book: i for i, book in enumerate(dict.fromkeys(p["book_id"] for p in rows))}
    texts = tuple(p["text"] for p in rows)
    mentioned = mentioned_in(texts, term_rows)
    spans = _spans(rows, term_rows, mentions)
    return Pool(
        passage_ids=tuple(p["passage_id"] for p in rows),
        texts=texts,
        term_ids=tuple(t["term_id"] for t in term_rows),
        names=tuple(t["term"] for t in term_rows),
        candidates=_candidates(rows, term_rows, spans),
        mentioned=mentioned,
        cited=cited_in(rows, term_rows, page_margin),
        related=related_terms(term_rows, same_thing_pairs(texts, spans)),
        same_head=same_head_terms(term_rows),
        in_chapter=in_chapter(rows, mentioned),
        passage_books=np.array([books[p["book_id"]] for p in rows], dtype=np.int32),
        term_books=np.array(
            [-1 if t["book_id"] is None else books.get(t["book_id"], len(books)) for t in term_rows], dtype=np.int32
        ),
        implied=implied_in(rows, term_rows),
    )


def _spans(passages: Sequence[Values], terms: Sequence[Values], mentions: pl.DataFrame) -> dict[int, list[Span]]:
    """By passage: start, end and term of each mention, first to last."""
    passage_number = {p["passage_id"]: i for i, p in enumerate(passages)}
    term_number = {t["term_id"]: i for i, t in enumerate(terms)}
    spans: dict[int, list[Span]] = defaultdict(list)
    for passage_id, term_id, start, end in mentions.select("passage_id", "term_id", "start", "end").iter_rows():
        if term_id in term_number:
            spans[passage_number[passage_id]].append((start, end, term_number[term_id]))
    return {passage: sorted(found) for passage, found in spans.items()}


def _candidates(
    passages: Sequence[Values], terms: Sequence[Values], spans: Mapping[int, Sequence[Span]]
) -> tuple[Candidate, ...]:
    """Positives with their salience. A term mentioned only inside a longer one ("tree" in "binary tree") is none.

    The weights follow how often a passage lies on a page that the index cites for the term: see docs/design-decisions.md.
    """
    counts = Counter((passage, term) for passage, found in spans.items() for _, _, term in outermost(found))
    passages_of = np.bincount(np.array([term for _, term in counts], dtype=np.intp), minlength=len(terms))
    rarity = np.log((1 + len(passages)) / (1 + passages_of)) / np.log(1 + max(len(passages), 1))
    first: dict[tuple[str, int], int] = {}  # by book and term: the first page of the split that mentions it
    for p, t in counts:
        book, page = passages[p]["book_id"], passages[p]["page_first"]
        first[book, t] = min(page, first.get((book, t), page))
    cited = [set(of_passage.tolist()) for of_passage in cited_in(passages, terms, 0)]
    candidates = []
    for (p, t), n in sorted(counts.items()):
        passage, name = passages[p], terms[t]["term"]
        about = 2.0 * (t in cited[p]) + 1.5 * (passage["page_first"] == first[passage["book_id"], t])
        about += 1.5 * is_defined(passage["text"], [(a, b) for a, b, other in spans[p] if other == t])
        about += 0.5 * in_heading(passage.get("section"), name)
        salience = float(about + 0.1 * min(n, 3) + 0.5 * rarity[t])
        candidates.append(Candidate(p, t, salience, n == 1 and len(name.split()) == 1))
    return tuple(candidates)


def in_heading(section: str | None, term: str) -> bool:
    """Whether the section's own heading, the last step of its path, holds the term."""
    heading, key = term_key((section or "").split(" › ")[-1]), term_key(term)
    return any(heading[i : i + len(key)] == key for i in range(len(heading) - len(key) + 1))


def _hashes_of(ids: Iterable[str]) -> Hashes:
    """64 bits of each id."""
    return np.frombuffer(
        b"".join(hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id_ in ids),
        dtype="<u8",
    )


def _mixed(state: Hashes) -> Hashes:
    """The output function of SplitMix64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = state ^ (state >> np.uint64(31))
    return mixed
