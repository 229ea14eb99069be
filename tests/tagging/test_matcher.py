import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Match, Matcher
from tripletkit.tagging.mentions import Context, Tagger

MATCHER = Matcher(
    [
        Form("bst", "binary search tree", True),
        Form("tree", "tree", True),
        Form("cnn", "convolutional neural network", True),
        Form("cnn", "CNN", False),
        Form("set", "SET", True),
        Form("kmeans", "k-means", True),
    ]
)


CONTEXT = Context(load_rules())


def mentions_in(text: str, matcher: Matcher = MATCHER) -> list[Match]:
    (tagged,) = Tagger(matcher, CONTEXT).tag([text])
    return tagged.mentions


def surfaces(text: str) -> list[tuple[str, str, str]]:
    return [(m.form.term_id, text[m.start : m.end], m.match) for m in mentions_in(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A tree.", [("tree", "tree", "exact")]),
        ("Binary search trees grow.", [("bst", "Binary search trees", "variant"), ("tree", "trees", "variant")]),
        ("the binary-search tree", [("bst", "binary-search tree", "variant"), ("tree", "tree", "exact")]),
        ("a CNN, two CNNs, no cnn", [("cnn", "CNN", "form"), ("cnn", "CNNs", "form")]),
        ("a set of rules", []),  # the acronym SET is told by case
        ("a street, a treehouse", []),  # never inside another word
        ("binary search, tree", [("tree", "tree", "exact")]),  # never across a comma
        ("binary search\ntree", [("tree", "tree", "exact")]),  # nor across a paragraph
        ("K-means and k means", [("kmeans", "K-means", "exact"), ("kmeans", "k means", "variant")]),
    ],
)
def test_what_is_found(text: str, found: list[tuple[str, str, str]]) -> None:
    assert surfaces(text) == found


@given(
    st.lists(
        st.sampled_from(["binary", "search", "tree", "trees", ", ", "x", "CNN", "k-means", "\n", "-"]), max_size=20
    ).map(" ".join)
)
def test_every_mention_is_what_stands_there(text: str) -> None:
    for mention in mentions_in(text):
        assert 0 <= mention.start < mention.end <= len(text)
        exact = text[mention.start : mention.end].casefold() == mention.form.text.casefold()
        assert exact == (mention.match == "exact") or not mention.form.canonical


@pytest.mark.parametrize(
    ("form", "text", "surface"),
    [
        ("dataset", "two data-sets", "data-sets"),
        ("dataset", "two data sets", None),  # written together, no two words known
        ("data set", "two datasets", "datasets"),
        ("nonlinear", "a non-linear map", "non-linear"),
        ("sub-graph", "all subgraphs", "subgraphs"),
        ("GPU", "many GPUs", "GPUs"),
        ("mAP", "a map of it", None),
        ("TF-IDF", "by TF–IDF", "TF–IDF"),
        ("B*-tree", "a B-tree", None),
        ("B*-tree", "a B*-tree", "B*-tree"),
        ("tree", "the tree's root", "tree"),
        ("Euler’s constant", "by Euler's constant", "Euler's constant"),
        ("95% interval", "a 95% interval", "95% interval"),
        ("economics", "an economic use", None),
        ("metrics", "one metric", "metric"),
        ("normalisation", "the ‘normalization’ of it", "normalization"),
    ],
)
def test_spellings(form: str, text: str, surface: str | None) -> None:
    found = [text[m.start : m.end] for m in mentions_in(text, Matcher([Form("t", form, canonical=True)]))]
    assert found == ([surface] if surface else [])


def test_an_acronym_is_not_the_word() -> None:
    matcher = Matcher([Form("posterior", "MAP", canonical=False), Form("map", "map", canonical=True)])
    assert [m.form.term_id for m in mentions_in("A MAP is no map.", matcher)] == ["posterior", "map"]
