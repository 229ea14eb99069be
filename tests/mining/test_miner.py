"""Small pools whose cosines are written down by hand: the anchor looks along x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tests.tagging.rows import matcher_of, mentions_in
from tripletkit.language.definitions import is_defined
from tripletkit.mining.cosines import Vectors
from tripletkit.mining.guards import GUARDS, highest_cosine
from tripletkit.mining.masking import hide
from tripletkit.mining.pool import Candidate, Pool, build_pool, in_heading
from tripletkit.mining.positives import (
    BACKED_BY_BOOK,
    FAR,
    IN_PASSING,
    Anchors,
    choose_positives,
    without_weak,
)
from tripletkit.mining.relations import numbers
from tripletkit.mining.search import Mined, search_negatives
from tripletkit.schemas import MENTIONS, PASSAGES, TERMS, make_table
from tripletkit.settings import MineSettings


def at(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def pool(
    terms: int = 5,
    *,
    mentioned: tuple[int, ...] = (0,),
    cited: tuple[int, ...] = (),
    related: tuple[int, ...] = (),
    same_head: tuple[int, ...] = (),
    in_chapter: tuple[int, ...] = (),
    other_book: tuple[int, ...] = (),
    implied: tuple[int, ...] = (),
) -> Pool:
    """One passage, positive 0; ``related`` and ``same_head`` are the positive's."""
    return Pool(
        passage_ids=("p",),
        texts=("text",),
        term_ids=tuple(f"t{i}" for i in range(terms)),
        names=tuple(f"term {i}" for i in range(terms)),
        candidates=(Candidate(0, 0, 1.0),),
        mentioned=(numbers(mentioned),),
        cited=(numbers(cited),),
        related=(numbers((0, *related)), *(numbers([i]) for i in range(1, terms))),
        same_head=(numbers(same_head), *(numbers([]) for _ in range(1, terms))),
        in_chapter=(numbers(in_chapter),),
        passage_books=numbers([0]),
        term_books=np.array([int(i in other_book) for i in range(terms)], dtype=np.int32),
        implied=(numbers(implied),),
    )


# The positive at 20°: cosine .940, so a negative may reach .893, that is 26.8°.
ANGLES = (20, 25, 40, 60, -80)
ANCHOR = np.array(at(0), dtype=np.float32)


def run(held: Pool, angles: tuple[float, ...] = ANGLES, **settings: Any) -> Mined:  # noqa: ANN401
    terms = np.array([at(a) for a in angles], dtype=np.float32)
    chosen = MineSettings(
        **{
            "other_books": 0,
            "negatives": 1,
            "max_negative_share": 1,
            "synonym_threshold": 0.999,
            **settings,
        }
    )
    return mined_at_anchor(held, terms, chosen)


def mined_at_anchor(held: Pool, terms: Vectors, settings: MineSettings) -> Mined:
    """Every passage looks along x."""
    pairs = choose_positives(held, settings, 0)
    anchors = Anchors(np.stack([ANCHOR] * len(held.texts)), {i: i for i in range(len(held.texts))})
    return search_negatives(held, pairs, anchors, terms, settings)


def test_the_nearest_allowed_term_is_taken() -> None:
    mined = run(pool())
    assert [(t.positive, t.negative, t.rule, t.rank) for t in mined.triplets] == [(0, 2, "nearest", 3)]
    triplet = mined.triplets[0]
    assert (triplet.cos_ap, triplet.cos_an, triplet.cos_pn) == pytest.approx(
        (math.cos(math.radians(20)), math.cos(math.radians(40)), math.cos(math.radians(20)))
    )


@pytest.mark.parametrize(
    ("held", "settings", "guard", "negative"),
    [
        (pool(mentioned=(0, 2)), {}, "mentioned in the passage", 3),
        (pool(cited=(2,)), {}, "cited by the index for these pages", 3),
        (pool(implied=(2,)), {}, "in a section heading, or shares a word stem with the passage", 3),
        (pool(related=(2,)), {}, "related to the positive", 3),
        (pool(), {"synonym_threshold": 0.9}, "near-synonym of the positive", 3),  # 2 is 20° from the positive: .940
        (pool(), {"relative_margin": 0.5}, "too close to the passage", 4),  # half of .940 is .470: 62°
    ],
)
def test_each_guard_rejects_and_is_counted(held: Pool, settings: dict[str, Any], guard: str, negative: int) -> None:
    mined = run(held, **settings)
    assert [t.negative for t in mined.triplets] == [negative]
    assert mined.rejected[guard] >= 1


def test_every_guard_is_asked() -> None:
    assert set(run(pool()).rejected) == set(GUARDS)


def test_the_bound_is_per_positive_and_searched_over_all_terms() -> None:
    """A weak positive leaves far terms legal, which a window of the top ranks would never reach."""
    mined = run(pool(), angles=(75, 5, 10, 15, 80))
    assert [(t.negative, t.rank) for t in mined.triplets] == [(4, 5)]


def test_negative_cosines_keep_the_bound_below_the_positive() -> None:
    assert highest_cosine(np.float32(-0.2), 0.05) == pytest.approx(-0.21)
    terms = [at(angle) for angle in (101.5, 101.9, 107)]  # cosines -.199, -.206, -.292: at most -.209
    mined = mined_at_anchor(
        pool(3),
        np.array(terms, dtype=np.float32),
        MineSettings(negatives=2, max_negative_share=1, synonym_threshold=1, other_books=0),
    )
    assert [t.negative for t in mined.triplets] == [2]


def test_that_no_term_is_allowed_is_told_not_padded() -> None:
    mined = run(pool(3, mentioned=(0, 1, 2)), angles=(20, 40, 60))
    assert mined.triplets == []
    assert [c.term for c in mined.without_negatives] == [0]


def test_the_nearest_rejected_term_is_kept_for_review() -> None:
    pair, other, guard, cos_ap, cos_an = run(pool()).review[0]
    assert (pair.term, other, guard) == (0, 1, "too close to the passage")
    assert cos_an / cos_ap == pytest.approx(math.cos(math.radians(25)) / math.cos(math.radians(20)))


def many(held: Pool, passages: int) -> Pool:
    """The passage so many times."""
    return replace(
        held,
        passage_ids=tuple(f"p{i}" for i in range(passages)),
        texts=held.texts * passages,
        candidates=tuple(Candidate(i, 0, 1.0) for i in range(passages)),
        mentioned=held.mentioned * passages,
        cited=held.cited * passages,
        in_chapter=held.in_chapter * passages,
        passage_books=np.zeros(passages, dtype=np.int32),
        implied=held.implied * passages,
    )


def test_in_a_small_pool_the_largest_share_is_the_even_one() -> None:
    """One per cent of sixteen triplets would be none; an even share of eight terms is two."""
    vectors = np.array([at(a) for a in (10, 40, 45, 50, 55, 60, 65, 70)], dtype=np.float32)
    settings = MineSettings(negatives=1, max_negative_share=0.01, synonym_threshold=1, other_books=0)
    mined = mined_at_anchor(many(pool(8), 16), vectors, settings)
    counts = np.bincount([t.negative for t in mined.triplets], minlength=8)
    assert counts.tolist() == [0, 2, 2, 2, 2, 2, 2, 2]


def test_no_negative_takes_more_than_its_share() -> None:
    passages, terms = 10, 8
    held = many(pool(terms), passages)
    vectors = np.array([at(a) for a in (10, 40, 45, 50, 55, 60, 65, 70)], dtype=np.float32)
    settings = MineSettings(negatives=1, max_negative_share=0.3, synonym_threshold=1, other_books=0)
    mined = mined_at_anchor(held, vectors, settings)
    counts = np.bincount([t.negative for t in mined.triplets], minlength=terms)
    assert counts.tolist() == [0, 3, 3, 3, 1, 0, 0, 0]


def test_random_negatives_are_seeded_and_allowed() -> None:
    one, two = (
        run(pool(mentioned=(0, 2)), hard_negatives=False, negatives=2),
        run(pool(mentioned=(0, 2)), hard_negatives=False, negatives=2),
    )
    assert one.triplets == two.triplets
    assert {t.negative for t in one.triplets} == {3, 4}
    assert {t.rule for t in one.triplets} == {"random"}


def test_positives_are_capped_by_passage_and_by_term() -> None:
    held = pool()
    candidates = tuple(Candidate(p, t, float(t)) for p in range(4) for t in range(3))
    held = replace(held, passage_ids=tuple(f"p{i}" for i in range(4)), texts=held.texts * 4, candidates=candidates)
    chosen = choose_positives(held, MineSettings(positives=2, passages_per_term=3), 0)
    assert all(sum(c.passage == p for c in chosen) <= 2 for p in range(4))
    counts = np.bincount([c.term for c in chosen])
    assert counts[2] == counts[1] == 3  # the salient first
    assert 1 <= counts[0] <= 2  # where there is room left


def test_a_passage_of_frequent_terms_only_keeps_the_least_frequent() -> None:
    candidates = (*(Candidate(p, t, 9.0) for p in range(3) for t in (0, 1)), Candidate(3, 0, 2.0), Candidate(3, 1, 1.0))
    held = replace(many(pool(), 4), candidates=candidates)
    chosen = choose_positives(held, MineSettings(positives=2, passages_per_term=2), 0)
    assert {c.passage for c in chosen} == {0, 1, 2, 3}
    assert max(np.bincount([c.term for c in chosen])) <= 3


def test_a_pool_knows_what_is_mentioned_cited_and_related(hash_encoder: HashEncoder) -> None:
    passage = {"book_id": "b", "section": None, "label_first": "1", "label_last": "1", "kind": "prose", "n_tokens": 9}
    passages = make_table(
        PASSAGES,
        [
            {
                **passage,
                "passage_id": "p1",
                "page_first": 1,
                "page_last": 1,
                "text": "A binary tree is a tree. See cnn.",
            },
            {**passage, "passage_id": "p2", "page_first": 4, "page_last": 4, "text": "A heap, and a CNN."},
        ],
    )
    term = {
        "book_id": "b",
        "sources": ["index"],
        "definition": None,
        "parent_id": None,
        "see_also": [],
        "kept": True,
        "reason": None,
    }
    terms = make_table(
        TERMS,
        [
            {
                **term,
                "term_id": "1tree",
                "term": "tree",
                "forms": ["tree"],
                "locators": [{"label": "1", "page": 1, "range_end": None}],
            },
            {
                **term,
                "term_id": "2binary",
                "term": "binary tree",
                "forms": ["binary tree"],
                "locators": [],
                "parent_id": "1tree",
            },
            {
                **term,
                "term_id": "3heap",
                "term": "heap",
                "forms": ["heap"],
                "locators": [{"label": "2", "page": 2, "range_end": None}],
            },
            {**term, "term_id": "4cnn", "term": "CNN", "forms": ["CNN", "convolutional network"], "locators": []},
            {**term, "term_id": "5none", "term": "nowhere", "forms": ["nowhere"], "locators": []},
            {
                **term,
                "term_id": "6left",
                "term": "heap (left out)",
                "forms": ["heap"],
                "locators": [],
                "kept": False,
                "reason": "test",
            },
        ],
    )
    matcher = matcher_of(terms.filter("kept"))
    mentions = make_table(
        MENTIONS,
        [row for p, text in passages.select("passage_id", "text").iter_rows() for row in mentions_in(p, text, matcher)],
    )
    held = build_pool(passages, terms, mentions, page_margin=1)
    assert held.term_ids == ("1tree", "2binary", "3heap", "4cnn")  # mentioned and kept
    assert [row.tolist() for row in held.mentioned] == [[0, 1, 3], [2, 3]]  # the guard reads "cnn" too
    assert [row.tolist() for row in held.cited] == [[0, 2], []]  # page 2 is next to page 1
    assert held.related[0].tolist() == [0, 1]
    assert {(c.passage, held.term_ids[c.term]) for c in held.candidates} == {
        (0, "1tree"),
        (0, "2binary"),
        (1, "3heap"),
        (1, "4cnn"),
    }
    vectors = hash_encoder.encode(held.names)
    assert vectors.shape == (4, 256)


def term_row(term_id: str, name: str) -> dict[str, object]:
    return {
        "term_id": term_id,
        "book_id": "b",
        "term": name,
        "forms": [name],
        "sources": ["index"],
        "definition": None,
        "parent_id": None,
        "see_also": [],
        "locators": [],
        "kept": True,
        "reason": None,
    }


def test_terms_in_headings_or_with_a_word_stem_in_common_are_no_negatives() -> None:
    names = ("independent", "sorting algorithm", "heap", "statistic")
    passages = pl.DataFrame(
        [
            {"passage_id": "p", "text": "The independence of two heaps.", "section": "2 Sorting algorithms › 2.1 Why"},
            {"passage_id": "q", "text": "A hash is independently drawn.", "section": None},
        ]
    ).with_columns(book_id=pl.lit("b"), page_first=1, page_last=1)
    terms = make_table(
        TERMS,
        [term_row(f"{i}", name) for i, name in enumerate(names)],
    )
    everywhere = make_table(
        MENTIONS,
        [
            {"passage_id": "p", "term_id": f"{i}", "start": i, "end": i + 1, "surface": "x", "match": "exact"}
            for i in range(len(names))
        ],
    )
    held = build_pool(passages, terms, everywhere, page_margin=1)
    assert [row.tolist() for row in held.implied] == [[0, 1], [0]]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Values are hashed by a function.", [0]),
        ("Values are hashed.", []),
        ("A function of two values.", []),
    ],
)
def test_a_term_spelled_out_word_by_word_is_no_negative(text: str, refused: list[int]) -> None:
    assert pool_of([text], ("hash function", "linear map")).implied[0].tolist() == refused


@pytest.mark.parametrize(
    ("sentence", "one"),
    [
        ("Tabulation, also known as memoization, is old.", True),
        ("We use tabulation (memoization) here.", True),
        ("Tabulation is sometimes called a memoization.", True),
        ("Use tabulation or memoization.", False),
        ("Tabulation called memoization.", False),
        ("We use tabulation (a memoization of sorts) here.", False),
        ("Tabulation. Memoization is also known.", False),
    ],
)
def test_terms_named_as_one_in_a_passage_are_one_in_all(sentence: str, one: bool) -> None:
    held = pool_of([sentence, "Only tabulation."], ("tabulation", "memoization"))
    assert [row.tolist() for row in held.related] == ([[0, 1], [0, 1]] if one else [[0], [1]])


def test_a_longer_term_is_named_and_not_the_one_inside_it() -> None:
    held = pool_of(["A sampling error, also called noise, is an error."], ("error", "noise", "sampling error"))
    assert [row.tolist() for row in held.related] == [[0], [1, 2], [1, 2]]


def pool_of(texts: list[str], names: tuple[str, ...]) -> Pool:
    """Passages with these texts, and one more that mentions all terms."""
    texts = [*texts, " ".join(f"{name}." for name in names)]
    passages = pl.DataFrame({"passage_id": [f"p{i}" for i in range(len(texts))], "text": texts}).with_columns(
        book_id=pl.lit("b"), page_first=1, page_last=1
    )
    terms = make_table(TERMS, [term_row(f"{i}", name) for i, name in enumerate(names)])
    matcher = matcher_of(terms)
    found = [
        row for p, text in passages.select("passage_id", "text").iter_rows() for row in mentions_in(p, text, matcher)
    ]
    return build_pool(passages, terms, make_table(MENTIONS, found), page_margin=0)


def test_a_term_mentioned_only_inside_a_longer_one_is_no_positive() -> None:
    passages = pl.DataFrame(
        {"passage_id": ["p"], "book_id": ["b"], "text": ["A binary tree."], "page_first": [1], "page_last": [1]}
    )
    terms = make_table(
        TERMS,
        [term_row(t, name) for t, name in (("1", "tree"), ("2", "binary tree"))],
    )
    mentions = make_table(MENTIONS, list(mentions_in("p", "A binary tree.", matcher_of(terms))))
    held = build_pool(passages, terms, mentions, page_margin=0)
    assert [held.names[c.term] for c in held.candidates] == ["binary tree"]


def test_the_mix_takes_its_rules_in_turn() -> None:
    """Allowed: 2, 3, 4, 5 by nearness. 4 has the positive's head word; the window is the allowed terms from rank 1 on."""
    held = pool(6, same_head=(4,))
    mined = run(held, angles=(20, 25, 40, 50, 60, 70), negatives=3, strategy="mix", window=(1, 2))
    assert [(t.negative, t.rule) for t in mined.triplets] == [(2, "nearest"), (4, "sibling"), (5, "window")]


def test_without_a_term_of_the_same_head_the_chapter_gives_the_sibling() -> None:
    held = pool(in_chapter=(3,))
    assert [(t.negative, t.rule) for t in run(held, negatives=2).triplets] == [(2, "nearest"), (3, "sibling")]


def test_a_rule_that_finds_none_leaves_its_turn_and_says_so() -> None:
    assert [(t.negative, t.rule) for t in run(pool(), negatives=2).triplets] == [(2, "nearest"), (3, "nearest")]


def test_top_takes_the_nearest_and_weighted_is_seeded() -> None:
    assert [t.negative for t in run(pool(), negatives=3, strategy="top").triplets] == [2, 3, 4]
    one, two = run(pool(), negatives=2, strategy="weighted"), run(pool(), negatives=2, strategy="weighted")
    assert one.triplets == two.triplets
    assert {t.rule for t in one.triplets} == {"weighted"}


def test_a_share_of_negatives_comes_from_other_books() -> None:
    held = pool(other_book=(3,))
    assert [(t.negative, t.rule) for t in run(held, other_books=1).triplets] == [(3, "nearest (other book)")]
    assert [(t.negative, t.rule) for t in run(held, other_books=0).triplets] == [(2, "nearest")]


def test_a_passage_without_negatives_gets_its_other_positives_tried() -> None:
    """Positive 0 lies at 80°, so that no term is allowed; positive 1 at 20° was not salient enough to be chosen first."""
    held = replace(pool(4, mentioned=(0, 1)), candidates=(Candidate(0, 0, 2.0), Candidate(0, 1, 1.0)))
    mined = run(held, angles=(80, 20, 40, 60), positives=1)
    assert [(t.positive, t.negative) for t in mined.triplets] == [(1, 2)]
    assert [c.term for c in mined.without_negatives] == [0]


def without(held: Pool, angles: Sequence[float]) -> list[tuple[int, int, str]]:
    """What is rejected where weak positives are: passage, term, reason."""
    terms = np.array([at(a) for a in angles], dtype=np.float32)
    anchors = Anchors(np.stack([ANCHOR, ANCHOR]), {0: 0, 1: 1})
    assert without_weak(held, anchors, terms, MineSettings())[0] is held
    near, weak = without_weak(held, anchors, terms, MineSettings(weak_positives=False))
    assert {*near.candidates, *(c for c, _, _ in weak)} == set(held.candidates)
    assert [cos for _, cos, _ in weak] == pytest.approx([math.cos(math.radians(angles[c.term])) for c, _, _ in weak])
    return [(c.passage, c.term, reason) for c, _, reason in weak]


@pytest.mark.parametrize(("terms", "far"), [(100, [20, 30]), (50, [12, 19, 20, 30]), (40, [12, 19, 20, 30])])
def test_a_positive_beyond_the_nearest_fifth_is_none_unless_it_is_the_nearest_of_its_passage(
    terms: int, far: list[int]
) -> None:
    """Terms half a degree apart. Passage 0 mentions six of them, passage 1 one that is far; ten terms are near at the least."""
    candidates = [(0, t, 0.0) for t in (0, 9, 12, 19, 20, 30)] + [(0, 31, BACKED_BY_BOOK), (1, 30, 0.0)]
    held = replace(pool(terms), candidates=tuple(Candidate(*one) for one in candidates))
    assert without(held, [1 + t / 2 for t in range(terms)]) == [(0, t, FAR) for t in far]


def test_a_word_mentioned_in_passing_is_no_positive_unless_it_is_the_nearest_or_backed_by_the_book() -> None:
    candidates = (
        Candidate(0, 0, 0.0, True),
        Candidate(0, 1, 0.0, True),
        Candidate(0, 2, 0.0),
        Candidate(0, 3, BACKED_BY_BOOK, True),
    )
    held = replace(pool(5), candidates=candidates)
    assert without(held, (10, 20, 30, 40, 50)) == [(0, 1, IN_PASSING)]


def test_masking_a_positive() -> None:
    forms = ["binary search tree", "BST"]
    assert hide("Binary search-trees (a BST) and trees.", forms, "[MASK]") == "[MASK] (a [MASK]) and trees."
    assert hide("Nothing here.", forms, "[MASK]") == "Nothing here."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A heap is a tree with an order.", True),
        ("Such a tree is called a heap.", True),
        ("It is better known as the heap.", True),
        ("We put it on the heap and go on.", False),
        ("The heap was full.", False),
    ],
)
def test_a_defining_sentence_is_told(text: str, answer: bool) -> None:
    start = text.index("heap")
    assert is_defined(text, [(start, start + 4)]) is answer


def test_a_heading_holds_a_term_by_whole_words() -> None:
    assert in_heading("1 Trees › 1.2 Binary Heaps and More", "binary heap")
    assert not in_heading("1 Binary Heaps › 1.2 More", "binary heap")
    assert not in_heading(None, "heap")
