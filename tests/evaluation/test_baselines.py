import numpy as np

from tripletkit.evaluation.baselines import bm25, mentioned


def test_a_term_is_mentioned_in_any_of_its_forms() -> None:
    texts = ["Search Trees are sorted.", "The BST is one.", "A tree, a search.", ""]
    assert mentioned([("search tree", "BST"), ("sort",)], texts).tolist() == [
        [True, True, False, False],
        [False, False, False, False],
    ]


def test_bm25_prefers_the_rarer_word_and_matches_plurals() -> None:
    texts = ["the tree and the heap", "the tree and the list", "the tree and the tree"]
    scores = bm25(["heaps of trees", "graph", "!?"], texts)
    assert scores[0].argmax() == 0
    assert (scores[0] > 0).all()
    assert (scores[1:] == 0).all()


def test_bm25_of_empty_texts_is_zero() -> None:
    assert np.array_equal(bm25(["a tree"], ["", "…"]), [[0, 0]])
