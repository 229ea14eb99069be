"""The mining pool of one split: its passages, terms, how they are related, and its candidate positives."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.language.definitions import is_defined
from tripletkit.language.normalise import term_key
from tripletkit.mining import relations
from tripletkit.mining.cosines import TermCosines, Vectors
from tripletkit.mining.relations import Numbers, Span, Values, cited_in, forms_of, numbers, outermost
from tripletkit.reviews import Decisions, Pair
from tripletkit.settings import MineSettings
from tripletkit.tagging.matcher import Form, Matcher

Hashes = npt.NDArray[np.uint64]

#: A positive is far from its passage if it is not among this share of the terms nearest to it.
NEAR_SHARE = 0.2
#: A positive's rank among all terms is estimated from this many terms, the first by id, which act as a random sample.
RANKED_AMONG = 1000
#: A positive among this many nearest terms is near, however few terms there are.
FEW_TERMS = 10
#: Why a term that is mentioned in a passage is not its positive.
FAR, IN_PASSING = "positive too far from its passage", "positive mentioned only in passing"
BAD_POSITIVE = "bad positive, by review"
#: The salience of a positive that the index cites on these pages, or that is defined or first mentioned there and rare elsewhere.
BACKED_BY_BOOK = 2.0


@dataclass(frozen=True)
class Candidate:
    """A kept term mentioned in a passage, with how much the passage is about it."""

    passage: int
    term: int
    salience: float
    passing: bool = False  # a single word, mentioned once
    confirmed: bool = False  # a reviewer took it back from the weak ones


#: A positive that is rejected: its cosine with the passage, and the reason.
Weak = tuple[Candidate, float, str]


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
    forms: tuple[tuple[str, ...], ...] = ()  # per term: its name and all other forms; needed to mask positives only
    known: Mapping[int, Numbers] = field(default_factory=dict)  # by passage: positives of it, by review
    allowed: Mapping[int, Numbers] = field(
        default_factory=dict
    )  # by passage: terms taken back from uncertain guards, by review
    bad: tuple[Candidate, ...] = ()  # mentioned terms that are not its positives, by review

    @cached_property
    def has_many_books(self) -> bool:
        """Whether some term is of another book than some passage."""
        return len({*self.passage_books.tolist(), *self.term_books.tolist()} - {-1}) > 1

    @cached_property
    def _hashes(self) -> tuple[Hashes, Hashes]:
        return _hashes_of(self.passage_ids), _hashes_of(self.term_ids)

    def blocks(self, count: int) -> list[int]:
        """A number below ``count`` per passage, by its id alone."""
        numbers: list[int] = (_mixed(self._hashes[0]) % np.uint64(count)).tolist()
        return numbers

    def random_draws(self, pairs: Sequence[Candidate], count: int, seed: int, purpose: str) -> npt.NDArray[np.float64]:
        """``count`` numbers in [0, 1) per pair, which depend on its ids, ``seed`` and ``purpose`` only.

        By SplitMix64 (Steele, Lea and Flood, 2014): a generator object per pair would be slower than the search.
        """
        state = np.repeat(_hashes_of([f"{seed} {purpose}"]), len(pairs))
        of_passages, of_terms = self._hashes
        for part in (of_passages[[pair.passage for pair in pairs]], of_terms[[pair.term for pair in pairs]]):
            state = _mixed(state ^ part)
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mixed(state[:, None] + steps) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53


def build_pool(
    passages: pl.DataFrame,
    terms: pl.DataFrame,
    mentions: pl.DataFrame,
    *,
    page_margin: int,
    reviews: Decisions | None = None,
) -> Pool:
    """The pool of ``passages``. Its terms are the kept ones that have at least one tagged mention in them.

    The frames have the columns of the tables of these names; terms cited within ``page_margin`` pages count as cited.
    ``reviews``: what people decided.
    """
    reviews = reviews or Decisions()
    passages = passages.sort("passage_id")
    mentions = mentions.join(passages.select("passage_id"), on="passage_id", how="semi")
    terms = terms.filter("kept").join(mentions.select("term_id").unique(), on="term_id", how="semi").sort("term_id")
    term_rows, rows = terms.to_dicts(), passages.to_dicts()
    books = {book: i for i, book in enumerate(dict.fromkeys(p["book_id"] for p in rows))} | {None: -1}
    texts = tuple(p["text"] for p in rows)
    mentioned = relations.mentioned_in(texts, term_rows)
    spans = mention_spans(rows, term_rows, mentions)
    ids, term_ids = (tuple(row[name] for row in of) for of, name in ((rows, "passage_id"), (term_rows, "term_id")))
    candidates, bad = _reviewed(_candidates(rows, term_rows, spans), ids, term_ids, reviews)
    return Pool(
        passage_ids=ids,
        texts=texts,
        term_ids=term_ids,
        names=tuple(t["term"] for t in term_rows),
        candidates=candidates,
        mentioned=mentioned,
        cited=cited_in(rows, term_rows, page_margin),
        related=relations.related_terms(term_rows, relations.same_thing_pairs(texts, spans)),
        same_head=relations.same_head_terms(term_rows),
        in_chapter=relations.in_chapter(rows, mentioned),
        passage_books=np.array([books[p["book_id"]] for p in rows], dtype=np.int32),
        term_books=np.array([books.get(t["book_id"], len(books)) for t in term_rows], dtype=np.int32),
        implied=relations.implied_in(rows, term_rows),
        forms=tuple(map(forms_of, term_rows)),
        known=_by_passage(reviews.known_positives, ids, term_ids),
        allowed=_by_passage(reviews.allowed_negatives, ids, term_ids),
        bad=bad,
    )


def _by_passage(pairs: Iterable[Pair], passage_ids: Sequence[str], term_ids: Sequence[str]) -> dict[int, Numbers]:
    """Numbers of terms by number of the passage; pairs of other passages and terms are left out."""
    passages, terms = ({id_: i for i, id_ in enumerate(ids)} for ids in (passage_ids, term_ids))
    found: dict[int, list[int]] = defaultdict(list)
    for passage_id, term_id in pairs:
        if passage_id in passages and term_id in terms:
            found[passages[passage_id]].append(terms[term_id])
    return {passage: numbers(of) for passage, of in found.items()}


def _reviewed(
    candidates: Sequence[Candidate], passage_ids: Sequence[str], term_ids: Sequence[str], reviews: Decisions
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """The candidates without the bad positives, and these."""
    if not (reviews.bad_positives or reviews.allowed_positives):
        return tuple(candidates), ()
    kept, bad = list[Candidate](), list[Candidate]()
    for candidate in candidates:
        pair = passage_ids[candidate.passage], term_ids[candidate.term]
        held = replace(candidate, confirmed=True) if pair in reviews.allowed_positives else candidate
        (bad if pair in reviews.bad_positives else kept).append(held)
    return tuple(kept), tuple(bad)


def mention_spans(passages: Sequence[Values], terms: Sequence[Values], mentions: pl.DataFrame) -> dict[int, list[Span]]:
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
    """Positives with their salience. A term mentioned only inside a longer one ("tree" in "binary tree") is not one.

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
    # A term of signs alone has no word that a heading could hold.
    return bool(key) and any(heading[i : i + len(key)] == key for i in range(len(heading) - len(key) + 1))


def _hashes_of(ids: Iterable[str]) -> Hashes:
    digests = (hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id_ in ids)
    return np.frombuffer(b"".join(digests), dtype="<u8")


def _mixed(state: Hashes) -> Hashes:
    """The output function of SplitMix64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = state ^ (state >> np.uint64(31))
    return mixed


@dataclass(frozen=True)
class Anchors:
    """One unit row per text that is an anchor: a passage, or a passage in which one positive is masked."""

    vectors: Vectors
    plain: Mapping[int, int]  # passage: its row
    masked: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (passage, positive): its row

    def row(self, pair: Candidate) -> int:
        """The row of the pair's anchor."""
        return self.masked.get((pair.passage, pair.term), self.plain[pair.passage])

    def only(self, pairs: Sequence[Candidate]) -> Anchors:
        """The anchors of these pairs, with a copy of their rows."""
        masked = {key: row for pair in pairs if (row := self.masked.get(key := (pair.passage, pair.term))) is not None}
        plain = {pair.passage: self.plain[pair.passage] for pair in pairs}
        rows = [*plain.values(), *masked.values()]
        at = {row: number for number, row in enumerate(rows)}
        return Anchors(
            self.vectors[rows], {p: at[row] for p, row in plain.items()}, {k: at[r] for k, r in masked.items()}
        )


def choose_positives(pool: Pool, settings: MineSettings, seed: int) -> list[Candidate]:
    """Choose the most salient pairs within the limits on positives per passage and passages per positive.

    A passage left with none, because it mentions only frequent terms, keeps its least frequent positive.
    """
    per_passage, per_term = Counter[int](), Counter[int]()
    chosen, left = [], defaultdict[int, list[Candidate]](list)
    for candidate in by_salience(pool, pool.candidates, seed):
        p, t = candidate.passage, candidate.term
        if per_passage[p] < settings.positives and per_term[t] < settings.passages_per_term:
            per_passage[p] += 1
            per_term[t] += 1
            chosen.append(candidate)
        elif not per_passage[p]:
            left[p].append(candidate)
    for passage, candidates in left.items():
        if not per_passage[passage]:
            chosen.append(min(candidates, key=lambda c: per_term[c.term]))
            per_term[chosen[-1].term] += 1
    return sorted(chosen, key=lambda c: (c.passage, c.term))


def by_salience(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The most salient first, ties in a seeded order."""
    return sorted(in_random_order(pool, candidates, seed), key=lambda c: -c.salience)


def in_random_order(pool: Pool, candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """A seeded random order, so that negatives do not run out at one end of the book first."""
    order = np.argsort(pool.random_draws(candidates, 1, seed, "order")[:, 0], kind="stable")
    return [candidates[i] for i in order.tolist()]


def without_weak(pool: Pool, anchors: Anchors, terms: Vectors, settings: MineSettings) -> tuple[Pool, list[Weak]]:
    """The pool without weak positives, and the weak positives.

    Weak: far (not among the share NEAR_SHARE of terms nearest to the passage) or in passing (one word, mentioned once).
    A positive that the book or a reviewer backs stays, as does the nearest of a passage. ``anchors`` are the unmasked passages.
    """
    if settings.weak_positives:
        return pool, []
    measured = list(_measured(pool.candidates, anchors, terms, settings.memory_mb))
    nearest: dict[int, float] = {}
    for candidate, cosine, _ in measured:
        nearest[candidate.passage] = max(cosine, nearest.get(candidate.passage, -1.0))
    kept, weak = list[Candidate](), list[Weak]()
    for candidate, cosine, far in measured:
        backed = candidate.salience >= BACKED_BY_BOOK or candidate.confirmed
        stays = backed or cosine >= nearest[candidate.passage]
        if stays or not (far or candidate.passing):
            kept.append(candidate)
        else:
            weak.append((candidate, cosine, FAR if far else IN_PASSING))
    return replace(pool, candidates=tuple(kept)), weak


def _measured(
    candidates: Sequence[Candidate], anchors: Anchors, terms: Vectors, memory_mb: float
) -> Iterator[tuple[Candidate, float, bool]]:
    sample, whole = TermCosines(terms[:RANKED_AMONG], memory_mb), TermCosines(terms, memory_mb)
    few = max(FEW_TERMS, NEAR_SHARE * min(len(terms), RANKED_AMONG))
    for start in range(0, len(candidates), sample.texts_at_once):
        part = candidates[start : start + sample.texts_at_once]
        passages, at = np.unique([c.passage for c in part], return_inverse=True)
        vectors = anchors.vectors[[anchors.plain[p] for p in passages.tolist()]]
        cosines = whole.of_pairs(vectors[at], np.array([c.term for c in part]))
        nearer = (sample.of(vectors)[at] > cosines[:, None]).sum(axis=1)
        yield from zip(part, cosines.tolist(), (nearer >= few).tolist(), strict=True)


def hide(text: str, forms: Iterable[str], mask_token: str) -> str:
    """``text`` with every form of one term, in any case and number, replaced by the encoder's mask token."""
    return hide_matches(text, Matcher(Form("masked", form, canonical=True) for form in forms), mask_token)


def hide_matches(text: str, matcher: Matcher, mask_token: str) -> str:
    """``text`` with all that ``matcher`` finds replaced, the longest first where matches overlap."""
    parts, end = [], 0
    for match in matcher.matches(text):  # by start, longest first
        if match.start >= end:
            parts += [text[end : match.start], mask_token]
            end = match.end
    return "".join([*parts, text[end:]])
