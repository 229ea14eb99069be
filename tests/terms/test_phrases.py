"""Line ends, and subentries as one would say them."""

from __future__ import annotations

import pytest

from tripletkit.terms.joins import Joiner, repair_accents
from tripletkit.terms.phrases import Corpus, category_of, subentry_forms

CORPUS = Corpus(
    [
        "The binomial distribution and the Euclidean algorithm. A kernel of a homomorphism is a subgroup.",
        "Machine translation is hard. Machine translation helps.",
        "A tree rooted at u is a rooted tree; machine translation.",
        "An algorithm is a list. Chatbots and denoising, as anomaly detection and drug discovery, are new.",
    ]
)


@pytest.mark.parametrize(
    ("sub", "head", "shown"),
    [
        ("binomial", "distribution", "binomial distribution"),
        ("Euclidean", "Algorithm", "Euclidean algorithm"),  # the book writes "algorithm" in small letters
        ("kernel of", "homomorphism", "kernel of a homomorphism"),
        ("of a binary tree", "traversal", "traversal of a binary tree"),
        ("atom in a", "Boolean algebra", "atom in a Boolean algebra"),
        ("weighted mean", "mean", "weighted mean"),
        ("rooted", "tree", "rooted tree"),
        ("machine translation", "topics", "machine translation"),
        ("applications", "autoencoders", "applications of autoencoders"),
        ("in-order", "number", "in-order number"),
    ],
)
def test_subentries(sub: str, head: str, shown: str) -> None:
    assert subentry_forms(sub, head, CORPUS)[0] == shown


def test_heads_that_only_gather() -> None:
    subs = ["chatbots", "denoising", "anomaly detection", "drug discovery"]
    assert category_of("applications", subs, CORPUS) == "all"
    assert category_of("applications", subs[:3], CORPUS) == ""  # too few to tell
    assert subentry_forms("chatbots", "applications", CORPUS, category="all") == ["chatbots"]


def test_no_phrase_runs_over_a_pause() -> None:
    assert (CORPUS.count("algorithm a kernel"), CORPUS.count("Binomial Distributions")) == (0, 1)


def test_hyphens_at_line_ends_are_settled_by_the_books_words() -> None:
    joiner = Joiner(["a correlation of well-known sums", "the two level trees here"])
    assert joiner.join("cor-", "relation") == "correlation"
    assert joiner.join("well-", "known") == "well-known"
    assert joiner.join("two-", "level tree") == "two-level tree"
    assert joiner.join("zym-", "urgy") == "zymurgy"
    assert joiner.join("12–", "15") == "12–15"
    assert joiner.join_all(["one", "", " two "]) == "one two"


def test_accents_set_apart_are_put_on_their_letters() -> None:
    assert [repair_accents(text) for text in ("Jordan-H ̈older", "Weil, Andr ́e", "Mart ́ınez", "Patras ̧cu")] == [
        "Jordan-Hölder",
        "Weil, André",
        "Martínez",
        "Patraşcu",
    ]


@pytest.mark.parametrize(
    ("phrase", "shown"),
    [
        ("Vector space", "vector space"),
        ("Markov chain", "Markov chain"),
        ("Great Depression", "Great Depression"),
        ("SET", "SET"),  # an acronym
        ("Go", "Go"),  # more often a name
        ("Vector bundles", "vector bundles"),  # never said, but "vector" is
        ("A*-tree", "A*-tree"),
        ("Abelian variety", "Abelian variety"),
    ],
)
def test_a_term_is_shown_as_the_text_mostly_writes_it(phrase: str, shown: str) -> None:
    text = "In a vector space. Vector spaces are many. By a Markov chain in the Great Depression, in Go we go and Go on; a set."
    assert Corpus([text]).as_written(phrase) == shown
