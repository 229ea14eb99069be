"""Subentries as running text has them."""

from __future__ import annotations

import pytest

from tripletkit.terms.book_text import Corpus
from tripletkit.terms.subentries import category_of, subentry_forms

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
