"""Definitions that look for terms and terms that look for passages: what the guards ask, and the search beside a plain one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mining.test_miner import at, term_row
from tests.mining.test_scores import Case, cases, cosine, off_by_what_is_allowed, some_numbers
from tests.tagging.rows import matcher_of, mentions_in
from tripletkit.mining import miner, scores, shortlist
from tripletkit.mining.guards import GUARDS
from tripletkit.mining.miner import Anchors, Mined, by_lot, mine
from tripletkit.mining.pool import Numbers, Pool, build_pool, numbers
from tripletkit.mining.scores import Scores, Vectors, on_grid
from tripletkit.mining.views import (
    OF_PASSAGES,
    definition_pool,
    hidden_definition,
    passages_beside,
    term_pool,
    term_settings,
)
from tripletkit.schemas import MENTIONS, TERMS, make_table
from tripletkit.settings import MineSettings

# Terms that look for passages


@st.composite
def turned_cases(draw: st.DrawFn) -> tuple[Case, list[tuple[int, int]], list[Numbers]]:
    """A random pool, some of its (passage, term) pairs, and which passages stand beside which; some texts are equal."""
    case = draw(cases())
    rng = Random(draw(st.integers(0, 2**32)))
    passages = len(case.pool.texts)
    texts = tuple(f"text {'abcdefgh'[rng.randrange(8)]}" for _ in range(passages))
    pairs = [(c.passage, c.term) for c in case.pool.candidates if rng.random() < 0.7]
    beside = [numbers({i, *some_numbers(rng, passages, 0.1)}) for i in range(passages)]
    return replace(case, pool=replace(case.pool, texts=texts)), pairs, beside


def turned(case: Case, pairs: list[tuple[int, int]], beside: list[Numbers], memory_mb: float) -> Mined:
    held = term_pool(case.pool, pairs, beside)
    chosen = term_settings(case.settings).model_copy(update={"memory_mb": memory_mb})
    anchors = Anchors(case.terms, {i: i for i in range(len(case.terms))})
    return mine(held, held.candidates, anchors, case.anchors, chosen, 0, lambda _: None)


Found = tuple[int, int, int, float, float, float, int]


def plain(case: Case, pairs: list[tuple[int, int]], beside: list[Numbers]) -> list[Found]:
    """(term, its passage, another passage, cosines, rank) by the definition: pair by pair, passage by passage."""
    pool, chosen = case.pool, case.settings
    terms, passages = on_grid(case.terms).tolist(), on_grid(case.anchors).tolist()
    held = term_pool(pool, pairs, beside)
    order = by_lot(held, held.candidates, 0)  # the lots are shared; what they decide is not
    first = {c.passage: -i for i, c in reversed(list(enumerate(order)))}
    used: Counter[int] = Counter()
    cap = max(1, int(max(chosen.negative_cap, 1 / len(passages)) * len(pairs)))
    found = []
    for pair in sorted(order, key=lambda c: -first[c.passage]):
        term, positive = pair.passage, pair.term
        cos = [cosine(terms[term], p) for p in passages]
        bound = np.float32(cos[positive] - (1 - chosen.relative_bound) * abs(cos[positive]))
        legal = [
            p
            for p in range(len(passages))
            if pool.texts[p] != pool.texts[positive]
            and not any(term in pool.said[q] for q in {p, *beside[p].tolist()})
            and term not in pool.cited[p]
            and term not in pool.hinted[p]
            and cosine(passages[positive], passages[p]) < np.float32(chosen.synonym_bound)
            and cos[p] <= bound
            and used[p] < cap
        ]
        if legal:
            best = min(legal, key=lambda p: (-cos[p], pool.passage_ids[p]))
            used[best] += 1
            between = cosine(passages[positive], passages[best])
            found.append((term, positive, best, cos[positive], cos[best], between, 1 + sum(c > cos[best] for c in cos)))
    return found


@settings(max_examples=150, deadline=None)
@given(turned_cases())
def test_the_search_for_passages_is_the_plain_one(given_: tuple[Case, list[tuple[int, int]], list[Numbers]]) -> None:
    """In one block; in blocks of few pairs with few passages ranked; by rough cosines. Ties included, to the last bit."""
    case, pairs, beside = given_
    if not pairs:
        return
    wanted = plain(case, pairs, beside)
    whole = turned(case, pairs, beside, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(miner, "SMALL", 0)
        patch.setattr(miner, "SPARE", 1)
        patch.setattr(miner, "SLACK", 0)
        patch.setattr(scores, "SMALL", 0)
        patch.setattr(shortlist, "MORE", 2)
        tiny = turned(case, pairs, beside, 0.002)  # MB
        patch.setattr(scores, "EXACT", 0)
        patch.setattr(Scores, "of", off_by_what_is_allowed)
        rough = turned(case, pairs, beside, 0.002)
    assert [tuple(t)[:7] for t in whole.triplets] == wanted
    assert {(t.passage, t.positive) for t in whole.triplets} | {(c.passage, c.term) for c in whole.barren} == {
        (term, passage) for passage, term in pairs
    }
    assert whole == tiny == rough


def rows(*angles: float) -> Vectors:
    return np.array([at(a) for a in angles], dtype=np.float32)


def said(*passages: tuple[int, ...]) -> tuple[Numbers, ...]:
    return tuple(map(numbers, passages))


#: Term 0 looks along x. It is said in passage 0, at 20° (.940, so a negative may reach .893: 26.8°); 1 to 3 are others.
NOTHING = said((), (), (), ())
POOL = Pool(
    ("p0", "p1", "p2", "p3"),
    ("one", "two", "three", "four"),
    ("t0", "t1"),
    ("term", "other"),
    (),
    said((0,), (1,), (), ()),
    NOTHING,
    said((0,), (1,)),
    said((), ()),
    NOTHING,
    numbers((0,)).repeat(4),
    numbers((0,)).repeat(2),
    NOTHING,
)
ALONE = said((0,), (1,), (2,), (3,))


def looked(held: Pool = POOL, beside: tuple[Numbers, ...] = ALONE, **chosen: Any) -> Mined:  # noqa: ANN401
    asked = MineSettings(**{"hard_negatives": True, "negative_cap": 1, "synonym_bound": 0.999, **chosen})
    turned_ = term_pool(held, [(0, 0)], beside)
    anchors = Anchors(rows(0, 90), {0: 0, 1: 1})
    return mine(turned_, turned_.candidates, anchors, rows(20, 40, -50, 70), term_settings(asked), 0, lambda _: None)


@pytest.mark.parametrize(
    ("mined", "guard"),
    [
        (looked(replace(POOL, said=said((0,), (0, 1), (), ()))), "said in the passage"),
        (looked(replace(POOL, cited=said((), (0,), (), ()))), "cited on its pages"),
        (looked(replace(POOL, hinted=said((), (0,), (), ()))), "in its headings, or akin to its words"),
        (looked(beside=said((0, 1), (0, 1), (2,), (3,))), "in its headings, or akin to its words"),
        (looked(replace(POOL, texts=("one", "one", "three", "four"))), "one family with the positive"),
        (looked(synonym_bound=0.9), "near-synonym of the positive"),  # passage 1 is 20° from the positive: .940
        (looked(relative_bound=0.7), "too near the anchor"),  # .658: 48.9°
    ],
)
def test_each_guard_refuses_a_passage_and_is_counted(mined: Mined, guard: str) -> None:
    assert [t.negative for t in looked().triplets] == [1]
    assert [(t.passage, t.positive, t.negative, t.rank) for t in mined.triplets] == [(0, 0, 2, 3)]
    assert mined.refused[guard] == looked().refused[guard] + 1
    assert set(OF_PASSAGES) == set(GUARDS) == set(mined.refused)


def test_one_negative_the_nearest_whatever_is_asked_for_triplets() -> None:
    (triplet,) = looked(negatives=4, strategy="weighted").triplets
    assert (triplet.rule, triplet.negative) == ("nearest", 1)
    assert (triplet.cos_ap, triplet.cos_an, triplet.cos_pn) == pytest.approx(
        (math.cos(math.radians(20)), math.cos(math.radians(40)), math.cos(math.radians(20)))
    )


def test_no_passage_is_the_negative_of_more_than_its_share() -> None:
    """Eight terms, each said in a passage of its own, look along x; of two other passages one is nearer. Ten share eight."""
    count = 8
    held = Pool(
        tuple(f"p{i}" for i in range(count + 2)),
        tuple(f"text number {'abcdefghij'[i]}" for i in range(count + 2)),
        tuple(f"t{i}" for i in range(count)),
        tuple(f"term {i}" for i in range(count)),
        (),
        said(*(tuple(range(count)) for _ in range(count)), (), ()),
        said(*((),) * (count + 2)),
        said(*((i,) for i in range(count))),
        said(*((),) * count),
        said(*((),) * (count + 2)),
        numbers((0,)).repeat(count + 2),
        numbers((0,)).repeat(count),
        said(*((),) * (count + 2)),
    )
    pairs = [(i, i) for i in range(count)]
    beside = said(*((i,) for i in range(count + 2)))
    turned_ = term_pool(held, pairs, beside)
    anchors = Anchors(rows(*(0,) * count), {i: i for i in range(count)})
    passages = rows(*(10,) * count, 40, 50)
    for cap, wanted in ((0.5, [4, 4]), (1, [8, 0]), (0.25, [2, 2])):
        chosen = term_settings(MineSettings(hard_negatives=True, negative_cap=cap, synonym_bound=1))
        mined = mine(turned_, turned_.candidates, anchors, passages, chosen, 0, lambda _: None)
        taken = Counter(t.negative for t in mined.triplets)
        assert [taken[count], taken[count + 1]] == wanted
        assert len(mined.barren) == count - sum(wanted)


def test_passages_beside_share_the_section_and_stand_near() -> None:
    place: dict[str, Any] = {"book_id": "b", "section": "1 Trees"}
    held = [
        {**place, "page_first": 1, "page_last": 2},
        {**place, "page_first": 3, "page_last": 3},
        {**place, "page_first": 5, "page_last": 6},
        {**place, "section": None, "page_first": 3, "page_last": 3},
        {**place, "book_id": "c", "page_first": 3, "page_last": 3},
    ]
    assert [near.tolist() for near in passages_beside(held, 1)] == [[0, 1], [0, 1], [2], [3], [4]]
    assert [near.tolist() for near in passages_beside(held, 2)] == [[0, 1], [0, 1, 2], [1, 2], [3], [4]]


# Definitions that look for terms


def defined(term_id: str, name: str, definition: str | None, *forms: str) -> dict[str, object]:
    return {**term_row(term_id, name), "definition": definition, "forms": [name, *forms]}


@pytest.mark.parametrize(
    ("definition", "hidden"),
    [
        ("a kind of tree, kept in order", "a kind of tree, kept in order"),
        ("Heaps are trees; a priority queue is often a heap.", "[MASK] are trees; a [MASK] is often a [MASK]."),
        ("another name of the priority queue", "another name of the [MASK]"),
        ("a priority queue (PQ)", None),
        ("= 2 * 3", None),
        ("", None),
    ],
)
def test_a_definition_hides_its_term_and_must_say_more(definition: str, hidden: str | None) -> None:
    term = defined("1", "heap", definition, "priority queue")
    assert hidden_definition(term, "[MASK]") == hidden


TERM_ROWS = [
    defined("1", "heap", "a tree that keeps its least item on top, independently"),
    defined("2", "tree", "a graph without cycles"),
    {**defined("3", "forest", "a graph without cycles", "woods"), "see_also": ["4"]},
    defined("4", "stack", None),
    defined("5", "independent", None),
]


def definitions() -> Pool:
    """Of heap and tree, in a book whose one passage says all the terms."""
    text = " ".join(f"{row['term']}." for row in TERM_ROWS)
    passages = pl.DataFrame(
        {"passage_id": ["p"], "book_id": ["b"], "text": [text], "page_first": [1], "page_last": [1]}
    )
    terms = make_table(TERMS, TERM_ROWS)
    mentions = make_table(MENTIONS, list(mentions_in("p", text, matcher_of(terms))))
    held = build_pool(passages, terms, mentions, page_margin=0)
    return definition_pool(held, terms.to_dicts(), {0: "a tree …", 1: "a graph …"})


def test_a_pool_of_definitions() -> None:
    held = definitions()
    assert held.passage_ids == ("1", "2")
    assert held.texts == ("a tree …", "a graph …")
    assert [(c.passage, c.term) for c in held.candidates] == [(0, 0), (1, 1)]
    assert [row.tolist() for row in held.said] == [[1], []]  # as printed, not as hidden
    assert [row.tolist() for row in held.cited] == [[], []]
    assert 4 in held.hinted[0]  # "independently" is of its family
    assert [row.tolist() for row in held.related] == [[0], [1, 2], [1, 2, 3], [2, 3], [4]]  # one definition, one thing


def test_definitions_get_legal_terms_of_every_rule() -> None:
    """The definition looks along x; tree (at 40°) is said in it, independent (at 45°) hinted at, so forest at 50° is next."""
    anchors = Anchors(rows(0, 0), {0: 0, 1: 1})
    chosen = MineSettings(hard_negatives=True, negatives=2, negative_cap=1, synonym_bound=0.999, other_books=0)
    held = definitions()
    mined = mine(held, held.candidates, anchors, rows(20, 40, 50, 60, 45), chosen, 0, lambda _: None)
    of_heap = [(t.negative, t.rule) for t in mined.triplets if t.positive == 0]
    of_tree = [(t.negative, t.rule) for t in mined.triplets if t.positive == 1]
    assert of_heap == [(2, "nearest"), (3, "nearest")]
    assert of_tree == [(4, "nearest"), (3, "nearest")]  # not heap, which is nearer, nor forest, which is the same thing


def test_a_users_definition_is_at_home_in_every_book() -> None:
    held = definitions()
    anchors = Anchors(rows(0, 0), {0: 0, 1: 1})
    chosen = MineSettings(hard_negatives=True, negatives=1, negative_cap=1, synonym_bound=0.999, other_books=0)
    books = replace(
        held,
        passage_books=np.array([-1, 0], dtype=np.int32),
        term_books=np.array([-1, 0, 1, 0, 0], dtype=np.int32),
    )
    mined = mine(books, books.candidates, anchors, rows(20, 40, 50, 60, 45), chosen, 0, lambda _: None)
    assert [(t.positive, t.negative, t.rule) for t in mined.triplets] == [(0, 2, "nearest"), (1, 4, "nearest")]
