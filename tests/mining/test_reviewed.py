"""What people decided about pairs, in mining: known positives, bad positives, and what they took back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from tests.mining.pools import ANCHOR, at, pool, run, term_row
from tripletkit.mining.miner import MinedPool, rescore
from tripletkit.mining.pool import BAD_POSITIVE, Anchors, Candidate, Pool, build_pool, without_weak
from tripletkit.mining.relations import numbers
from tripletkit.mining.search import GUARDS, REVIEWED, Triplet
from tripletkit.reviews import Decisions, Review
from tripletkit.schemas import MENTIONS, TERMS, make_table
from tripletkit.settings import MineSettings
from tripletkit.training.batches import known_terms

PASSAGES = pl.DataFrame({"passage_id": ["p", "q"], "text": ["A heap and a tree.", "A list, a heap."]}).with_columns(
    book_id=pl.lit("b"), page_first=1, page_last=1
)
NAMES = ("heap", "list", "tree")


def built(*rows: Review) -> Pool:
    terms = make_table(TERMS, [term_row(name, name) for name in NAMES])
    mentions = [
        {
            "passage_id": row["passage_id"],
            "term_id": name,
            "start": start,
            "end": start + 4,
            "surface": name,
            "match": "exact",
        }
        for row in PASSAGES.to_dicts()
        for name in NAMES
        if (start := row["text"].find(name)) >= 0
    ]
    return build_pool(PASSAGES, terms, make_table(MENTIONS, mentions), page_margin=0, reviews=Decisions(rows))


def said(verdict: str, passage: str, term: str, other: str) -> Review:
    return Review(who="ann", about="triplet", verdict=verdict, passage_id=passage, term_id=term, other_id=other)


def back(about: str, passage: str, term: str) -> Review:
    return Review(who="ann", about=about, verdict="take back", passage_id=passage, term_id=term)


def pairs(held: Pool) -> set[tuple[str, str]]:
    return {(held.passage_ids[c.passage], held.term_ids[c.term]) for c in held.candidates}


def test_a_known_positive_is_no_negative() -> None:
    assert {t.negative for t in run(pool(), negatives=2).triplets} == {2, 3}
    known = run(replace(pool(), known={0: numbers([2])}), negatives=2)
    assert {t.negative for t in known.triplets} == {3, 4}
    assert known.rejected[REVIEWED] == 1
    assert REVIEWED not in run(pool()).rejected  # the guard is not named where nothing was reviewed


def test_a_false_negative_reaches_the_pool_and_the_mask_of_training() -> None:
    held = built(said("false negative", "p", "heap", "list"), said("false negative", "gone", "heap", "list"))
    assert {p: terms.tolist() for p, terms in held.known.items()} == {0: [1]}
    triplets = pl.DataFrame({"passage_id": ["p", "q"], "positive_id": ["heap", "heap"], "positive": ["heap", "heap"]})
    assert "list" in known_terms(triplets, held)[0]
    assert "list" not in known_terms(triplets, built())[0]


def test_a_bad_positive_is_not_anchored_there_and_elsewhere_stays() -> None:
    held = built(said("bad positive", "p", "heap", "list"))
    assert pairs(built()) - pairs(held) == {("p", "heap")}
    assert [(c.passage, c.term) for c in held.bad] == [(0, 0)]
    found = MinedPool(held)
    assert ("p", "heap", BAD_POSITIVE, "heap") in set(found.rejections())
    assert found.rejected[BAD_POSITIVE] == 1
    assert held.mentioned[0].tolist() == built().mentioned[0].tolist()  # its words still stand there


def test_a_candidate_taken_back_passes_the_uncertain_guards_only() -> None:
    """Term 1 at 25° is above the bound; with 0.9 as threshold a near-synonym too."""
    allowed = {0: numbers([1])}
    for cause in ({"cited": (1,)}, {"implied": (1,)}, {}):
        first = run(replace(pool(**cause), allowed=allowed)).triplets[0]  # type: ignore[arg-type]
        assert (first.negative, first.rule) == (1, "nearest")
        assert run(pool(**cause)).triplets[0].negative != 1  # type: ignore[arg-type]
    assert run(replace(pool(), allowed=allowed), synonym_threshold=0.9).triplets[0].negative == 1
    for certain in ({"mentioned": (0, 1)}, {"related": (1,)}):
        mined = run(replace(pool(**certain), allowed=allowed))
        assert mined.triplets[0].negative != 1
    assert mined.rejected[GUARDS[3]] == 1
    both = run(replace(pool(), allowed=allowed, known=allowed))
    assert both.triplets[0].negative != 1


def test_a_weak_positive_taken_back_stays() -> None:
    count = 30
    held = replace(
        pool(count), candidates=(Candidate(0, 0, 1.0, passing=True), Candidate(0, 1, 1.0, passing=True, confirmed=True))
    )
    terms = np.array([at(5), at(60), *(at(10 + i) for i in range(count - 2))], dtype=np.float32)
    anchors = Anchors(ANCHOR[None, :], {0: 0})
    kept, weak = without_weak(held, anchors, terms, MineSettings(weak_positives=False))
    assert ({c.term for c in kept.candidates}, weak) == ({0, 1}, [])
    assert built(back("positive", "p", "tree")).candidates[1].confirmed


def test_the_cross_encoder_leaves_what_was_taken_back() -> None:
    class Model:
        def predict(self, pairs: list[tuple[str, str]], *, show_progress_bar: bool) -> list[float]:
            return [float(len(text)) for _, text in pairs]

    mined = run(pool())
    mined = replace(mined, triplets=[Triplet(0, 0, 1, 0.9, 0.5, 0.4, 2, "nearest")])
    texts = [("a", "xx", "yyy")]
    assert rescore(mined, texts, Model(), 0.0).triplets == []
    assert rescore(mined, texts, Model(), 0.0, {0: numbers([1])}).triplets == mined.triplets
