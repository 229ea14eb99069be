"""Which forms are one term, and acronyms where a text introduces them."""

from __future__ import annotations

from collections import Counter

import pytest

from tripletkit.terms.forms import Pair, find_pairs, form_key, own_forms, own_pair, unambiguous


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("demand curves", "Demand curve"),
        ("message-passing", "message passing"),
        ("optimisation", "optimization"),
        ("Bayes’ rule", "Bayes' rules"),
    ],
)
def test_variants_share_a_key(one: str, other: str) -> None:
    assert form_key(one) == form_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("B*-tree", "B-tree"), ("C++", "C"), ("AIDS", "aids"), ("∀", "∃"), ("type 1 error", "type 2 error")],
)
def test_what_tells_terms_apart_stays_in_the_key(one: str, other: str) -> None:
    assert form_key(one) != form_key(other)


def test_own_forms() -> None:
    assert own_forms("principal component analysis (PCA)") == [
        "principal component analysis",
        "PCA",
        "principal component analysis (PCA)",
    ]
    assert own_forms("budget constraint (or budget line)")[:2] == ["budget constraint", "budget line"]
    assert own_forms("closure, of a set")[1] == "closure of a set"
    assert own_forms("Abel, Niels Henrik")[1] == "Niels Henrik Abel"
    assert own_forms("contradiction (of TFL)") == ["contradiction (of TFL)"]


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("We use principal component analysis (PCA) here.", "PCA", "principal component analysis"),
        ("Here PCA (principal component analysis) is used.", "PCA", "principal component analysis"),
        ("the sum of squares total (SST) is", "SST", "sum of squares total"),
        ("the Herfindahl-Hirschman Index (HHI)", "HHI", "Herfindahl-Hirschman Index"),
        ("use convolutional neural networks (CNNs) often", "CNNs", "convolutional neural networks"),
        ("and information and communications technology (ICT)", "ICT", "information and communications technology"),
        ("the World Wide Fund’s (WWF) work", "WWF", "World Wide Fund"),
        ("the area under the curve (AUC; higher is better)", "AUC", "area under the curve"),
        ("“random access memory” (RAM) and", "RAM", "random access memory"),
        ("die „GUID Partition Table“ (GPT) ist", "GPT", "GUID Partition Table"),
        ("the United Nations (“UN”) and", "UN", "United Nations"),
        ("a “RAM” (‘random access memory’) is", "RAM", "random access memory"),
    ],
)
def test_pairs(text: str, short: str, long: str) -> None:
    assert list(find_pairs([text])) == [Pair(short, long)]


@pytest.mark.parametrize(
    "text",
    [
        "as shown before (see Figure 2)",
        "the Macintosh (tm) line",
        "in the year (AD) 1066 or so",
        "values f(abc) and (ab)",
        "we met Bob (UK)",
    ],
)
def test_other_brackets_are_none(text: str) -> None:
    assert not find_pairs([text])


def test_own_pair() -> None:
    assert own_pair("degrees of freedom (df)") == Pair("df", "degrees of freedom")
    assert own_pair("contradiction (of TFL)") is None


def test_an_acronym_of_two_rivals_is_left_out() -> None:
    pairs = Counter(
        {
            Pair("ML", "machine learning"): 4,
            Pair("ML", "maximum likelihood"): 3,
            Pair("MLE", "maximum likelihood estimate"): 1,
        }
    )
    assert unambiguous(pairs) == [(Pair("MLE", "maximum likelihood estimate"), 1)]
