"""What one split offers to the miner: its passages, its terms, and who says, cites or relates to what."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.language.definitions import is_defined
from tripletkit.language.normalise import term_key
from tripletkit.mining.seeded_random import Hashes, hashes, lots
from tripletkit.tagging.matcher import Form, Matcher

Mask = npt.NDArray[np.bool_]
_WORD = re.compile(r"[^\W\d_]+")
#: Words of one family share their beginning: all but so many last letters, and this many at least.
ENDING, STEM = 3, 6
#: Each word of a longer term may share less, as all of them must be there.
STEM_OF_MANY = 4
#: What stands between two names of one thing. Neither "or" nor a mere "called": of 287 pairs of terms that these join in seven
#: books, most are two things ("stack or queue") or one under the other ("a binary tree called a heap").
ALSO_CALLED = re.compile(
    r"[”’\")]*,? (?:\(|(?:is|are|which is|which are) )?"
    r"(?:(?:also|often|sometimes|commonly|usually|otherwise) (?:called|termed)|(?:also |often |sometimes |commonly |better )*"
    r"(?:known as|referred to as)|abbreviated(?: as)?|a\.?k\.?a\.?|i\.e\.,?)(?: an?| the)? ?[“‘\"(]?"
)
OPENED, CLOSED = re.compile(r"[”’\"]* \([“‘\"]?"), re.compile(r"[”’\"]?\)")
#: Terms (or other things) by number, ascending.
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Candidate:
    """A kept term said in a passage, with how much the passage is about it."""

    passage: int
    term: int
    salience: float
    passing: bool = False  # a single word, said once


@dataclass(frozen=True)
class Pool:
    """One split. Who says, cites and relates to what is kept as a list of terms per passage (or term).

    A table of passages x terms would take 10 GB for 200,000 passages and 50,000 terms.
    """

    passage_ids: tuple[str, ...]
    texts: tuple[str, ...]
    term_ids: tuple[str, ...]
    names: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    said: tuple[Numbers, ...]  # per passage: any form, in any case
    cited: tuple[Numbers, ...]  # per passage: the index cites the term on the passage's pages, or near
    related: tuple[Numbers, ...]  # per term: itself, one concept, parent or child, see also, named as one in a passage
    kin: tuple[Numbers, ...]  # per term: one head word ("random variable", "dummy variable") or one parent
    near: tuple[Numbers, ...]  # per passage: said in its chapter
    passage_books: Numbers  # per passage; -1 for a user's definition
    term_books: Numbers  # per term; -1 for a user's term, which is at home in every book
    hinted: tuple[Numbers, ...]  # per passage: named in a heading above, or by a word of its family

    @cached_property
    def has_many_books(self) -> bool:
        """Whether some term is from home for some passage."""
        return len({*self.passage_books.tolist(), *self.term_books.tolist()} - {-1}) > 1

    @cached_property
    def _hashes(self) -> tuple[Hashes, Hashes]:
        return hashes(self.passage_ids), hashes(self.term_ids)

    def lots(self, pairs: Sequence[Candidate], count: int, seed: int, purpose: str) -> npt.NDArray[np.float64]:
        """So many numbers in [0, 1) per pair, fixed by its ids, the seed and the purpose."""
        of_passages, of_terms = self._hashes
        parts = of_passages[[pair.passage for pair in pairs]], of_terms[[pair.term for pair in pairs]]
        return lots(parts, count, seed, purpose)


def numbers(values: Iterable[int]) -> Numbers:
    """Distinct numbers, ascending."""
    return np.array(sorted(set(values)), dtype=np.int32)


def build_pool(passages: pl.DataFrame, terms: pl.DataFrame, mentions: pl.DataFrame, *, page_margin: int) -> Pool:
    """The pool of the passages given. Its terms are the kept ones that are said in them, by at least one tagged mention."""
    passages = passages.sort("passage_id")
    mentions = mentions.join(passages.select("passage_id"), on="passage_id", how="semi")
    terms = terms.filter("kept").join(mentions.select("term_id").unique(), on="term_id", how="semi").sort("term_id")
    rows, held = terms.to_dicts(), passages.to_dicts()
    books = {book: i for i, book in enumerate(dict.fromkeys(str(p["book_id"]) for p in held))}
    said = said_in(held, rows)
    places = _places(held, rows, mentions)
    return Pool(
        tuple(p["passage_id"] for p in held),
        tuple(p["text"] for p in held),
        tuple(t["term_id"] for t in rows),
        tuple(t["term"] for t in rows),
        _candidates(held, rows, places, _cited(held, rows, 0)),
        said,
        _cited(held, rows, page_margin),
        _related(rows, _named_as_one(held, places)),
        _kin(rows),
        _near(held, said),
        np.array([books[str(p["book_id"])] for p in held], dtype=np.int32),
        np.array(
            [-1 if t["book_id"] is None else books.get(str(t["book_id"]), len(books)) for t in rows], dtype=np.int32
        ),
        hinted_in(held, rows),
    )


def said_in(passages: Sequence[Mapping[str, str]], terms: Sequence[Mapping[str, object]]) -> tuple[Numbers, ...]:
    """Any form of any term, in any case and in any word's plural: a guard errs on the side of refusing."""
    return _forms_in([passage["text"] for passage in passages], terms)


def hinted_in(passages: Sequence[Mapping[str, str]], terms: Sequence[Mapping[str, object]]) -> tuple[Numbers, ...]:
    """What the passage is about without saying it: terms in the headings above it, one-word terms that share all but their last
    letters with one of its words ("independent" where it speaks of independence), and longer ones each of whose words does
    ("hash function" where values are hashed by a function).

    Of 200 triplets labelled by hand before there was such a guard, the first two refuse 3 of 31 false negatives and none of 144
    good ones, the third 3 more and 4.
    """
    stems: dict[str, list[int]] = defaultdict(list)
    spelled: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for i, term in enumerate(terms):
        name = str(term["term"]).casefold()
        words = _WORD.findall(name)
        if name.isalpha() and len(name) > STEM:
            stems[name[: max(STEM, len(name) - ENDING)]].append(i)
        elif len(words) > 1:
            beginnings = tuple(word[: max(STEM_OF_MANY, len(word) - ENDING)] for word in words)
            spelled[max(beginnings, key=len)].append((i, beginnings))
    paths = dict.fromkeys(str(passage.get("section") or "") for passage in passages)
    above = dict(zip(paths, _forms_in(list(paths), terms), strict=True))
    return tuple(
        numbers(
            (
                *above[str(passage.get("section") or "")].tolist(),
                *_of_family(passage["text"], stems),
                *_spelled_out(passage["text"], spelled),
            )
        )
        for passage in passages
    )


def _spelled_out(text: str, by_longest: Mapping[str, Sequence[tuple[int, tuple[str, ...]]]]) -> Iterator[int]:
    """Terms each of whose words begins as one in the text does."""
    words = set(_WORD.findall(text.casefold()))
    beginnings = words | {word[:end] for word in words for end in range(STEM_OF_MANY, len(word))}
    for longest in beginnings & by_longest.keys():
        yield from (term for term, its in by_longest[longest] if beginnings.issuperset(its))


def _of_family(text: str, stems: Mapping[str, Sequence[int]]) -> set[int]:
    words = {word for word in _WORD.findall(text.casefold()) if len(word) >= STEM}
    return {i for word in words for end in range(STEM, len(word) + 1) for i in stems.get(word[:end], ())}


def _forms_in(texts: Sequence[str], terms: Sequence[Mapping[str, object]]) -> tuple[Numbers, ...]:
    """Per text, the terms of which a form stands in it."""
    number = {str(term["term_id"]): i for i, term in enumerate(terms)}
    matcher = Matcher(
        Form(str(t["term_id"]), way, canonical=True)
        for t in terms
        for form in (str(t["term"]), *_strings(t["forms"]))
        for way in _with_and_without_s(form)
    )
    return tuple(numbers(number[match.form.term_id] for match in matcher.matches(text)) for text in texts)


def _with_and_without_s(form: str) -> tuple[str, ...]:
    """Numbers that the shared normaliser keeps apart: "economics" and "economic", "ER" and "ers"."""
    return tuple(dict.fromkeys((form, form.casefold() + "s", re.sub(r"(?<=[^\Wsui])s$", "", form.casefold()))))


def _cited(
    passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]], margin: int
) -> tuple[Numbers, ...]:
    citing: dict[tuple[str, int], list[int]] = defaultdict(list)
    for j, term in enumerate(terms):
        for page in cited_pages(term):
            citing[str(term["book_id"]), page].append(j)
    return tuple(
        numbers(
            term
            for page in range(_int(passage["page_first"]) - margin, _int(passage["page_last"]) + margin + 1)
            for term in citing.get((str(passage["book_id"]), page), ())
        )
        for passage in passages
    )


def cited_pages(term: Mapping[str, object]) -> set[int]:
    """Physical pages that the index cites for a row of the terms table."""
    locators = term["locators"]
    return {loc["page"] for loc in locators if loc["page"] is not None} if isinstance(locators, list) else set()


Places = Mapping[int, Sequence[tuple[int, int, int]]]


def _places(
    passages: Sequence[Mapping[str, object]], terms: Sequence[Mapping[str, object]], mentions: pl.DataFrame
) -> Places:
    """By passage: start, end and term of each mention, first to last."""
    passage_number = {str(p["passage_id"]): i for i, p in enumerate(passages)}
    term_number = {str(t["term_id"]): i for i, t in enumerate(terms)}
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for passage_id, term_id, start, end in mentions.select("passage_id", "term_id", "start", "end").iter_rows():
        if term_id in term_number:
            places[passage_number[passage_id]].append((start, end, term_number[term_id]))
    return {passage: sorted(spans) for passage, spans in places.items()}


def _outermost(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Without those inside a longer one, as "tree" in "binary tree"."""
    return [
        (start, end, term)
        for start, end, term in spans
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in spans)
    ]


def _named_as_one(passages: Sequence[Mapping[str, object]], places: Places) -> set[tuple[int, int]]:
    """Two terms that a passage says are one: "X, also called Y", "X (Y)". They are so in every other passage, too."""
    found = set()
    for passage, spans in places.items():
        text = str(passages[passage]["text"])
        for (_, end, one), (start, after, other) in pairwise(_outermost(spans)):
            between = text[end:start]
            if one != other and (
                ALSO_CALLED.fullmatch(between) or (OPENED.fullmatch(between) and CLOSED.match(text, after))
            ):
                found.add((one, other))
    return found


def _related(terms: Sequence[Mapping[str, object]], one_thing: Iterable[tuple[int, int]]) -> tuple[Numbers, ...]:
    number = {str(term["term_id"]): i for i, term in enumerate(terms)}
    related = [{i} for i in range(len(terms))]
    for first, second in one_thing:
        related[first].add(second)
        related[second].add(first)
    by_key: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        for other in (term["parent_id"], *_strings(term["see_also"])):
            if other in number:
                related[i].add(number[str(other)])
                related[number[str(other)]].add(i)
        for key in {term_key(form) for form in (str(term["term"]), *_strings(term["forms"]))}:
            by_key[key].append(i)
    for same in by_key.values():  # one concept, perhaps in two books
        for i in same:
            related[i].update(same)
    return tuple(map(numbers, related))


def _kin(terms: Sequence[Mapping[str, object]]) -> tuple[Numbers, ...]:
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        key = term_key(str(term["term"]))
        if len(key) > 1:
            families["head", key[-1]].append(i)
        if term["parent_id"] is not None:
            families["parent", str(term["parent_id"])].append(i)
    homes: list[list[Numbers]] = [[] for _ in terms]
    for family in families.values():
        shared = numbers(family)
        for i in family:
            homes[i].append(shared)
    # Most terms have one family: they share its list.
    return tuple(held[0] if len(held) == 1 else numbers(i for family in held for i in family) for held in homes)


def _near(passages: Sequence[Mapping[str, object]], said: Sequence[Numbers]) -> tuple[Numbers, ...]:
    chapters = [(str(p["book_id"]), str(p.get("section") or "").split(" › ")[0]) for p in passages]
    held: dict[tuple[str, str], set[int]] = defaultdict(set)
    for chapter, terms in zip(chapters, said, strict=True):
        held[chapter].update(terms.tolist())
    near = {chapter: numbers(terms) for chapter, terms in held.items()}  # one list for all passages of a chapter
    return tuple(near[chapter] for chapter in chapters)


def _candidates(
    passages: Sequence[Mapping[str, object]],
    terms: Sequence[Mapping[str, object]],
    places: Places,
    cited: Sequence[Numbers],
) -> tuple[Candidate, ...]:
    """Positives by salience. A term said only inside a longer one ("tree" in "binary tree") is none.

    Weights follow how often a passage lies on a page that the index cites for the term, counted in six books over 24,584
    (passage, term) pairs: 13 % of all, 72 % where a sentence defines it, 66 % where the book says it first, 24 % where it
    stands in the section's heading, 18 % where it is said three times and more.
    """
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for passage, spans in places.items():
        for _, _, term in _outermost(spans):
            counts[passage, term] += 1
    holders = np.zeros(len(terms))
    for _, term in counts:
        holders[term] += 1
    rarity = np.log((1 + len(passages)) / (1 + holders)) / np.log(1 + max(len(passages), 1))
    first = _first_pages(passages, counts)
    cited_on = [set(terms.tolist()) for terms in cited]
    found = []
    for (p, t), n in sorted(counts.items()):
        text, name = str(passages[p]["text"]), str(terms[t]["term"])
        about = 2.0 * (t in cited_on[p]) + 1.5 * (passages[p]["page_first"] == first[str(passages[p]["book_id"]), t])
        about += 1.5 * is_defined(text, [(a, b) for a, b, other in places[p] if other == t])
        about += 0.5 * in_heading(passages[p].get("section"), name)
        salience = float(about + 0.1 * min(n, 3) + 0.5 * rarity[t])
        found.append(Candidate(p, t, salience, n == 1 and len(name.split()) == 1))
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
