"""What a match must not stand in: code, an idiom, a verb's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagged, Tagger

WORDS = ("set", "sort", "tree", "run", "term", "number", "order", "price", "stack")


def tag(text: str, context: Context | None = None) -> Tagged:
    matcher = Matcher(Form(word, word, canonical=True) for word in WORDS)
    (tagged,) = Tagger(matcher, context or Context(load_rules())).tag([text])
    return tagged


@pytest.mark.parametrize(
    "text",
    ["foo.tree", "tree.root", "tree(x)", "tree[i + 1]", "max_tree", "tree_size", "std::tree", "\\tree", "@tree", "tree=3",
     "<tree>", "run it with --tree now", "/a/b/tree", "x.org/b/tree", "p->tree"],
)  # fmt: skip
def test_not_in_code(text: str) -> None:
    assert "tree" not in [match.form.text for match in tag(text).mentions]
    assert ("tree", "part of code") in [
        (rejection.match.form.text, rejection.reason) for rejection in tag(text).rejected
    ]


@pytest.mark.parametrize(
    "text",
    [
        "the tree.",
        "tree(s)",
        "(tree)",
        "tree [12]",
        "tree[12]",
        "“tree”",
        "tree: a",
        "tree/leaf",
        "tree—or",
        "sub-tree",
    ],
)
def test_but_in_prose(text: str) -> None:
    assert [match.form.text for match in tag(text).mentions] == ["tree"]


@pytest.mark.parametrize(
    "text",
    ["we run it", "they then sort them", "we must set x", "do not run it", "to sort the list", "x is set to 3", "it sorts them",
     "Sort the list.", "First. Set the value.", "you can price it", "they do not price it"],
)  # fmt: skip
def test_verbs(text: str) -> None:
    assert [rejection.reason for rejection in tag(text).rejected] == ["used as a verb"]
    assert not tag(text).mentions


@pytest.mark.parametrize(
    "text",
    ["a run of length k", "the set is", "to sets of", "a sort the user knows", "it is a set", "Price is high.",
     "added to stack S", "its set",
     "Why does price fall?", "how will price change", "Definition: Price A one"],
)  # fmt: skip
def test_nouns(text: str) -> None:
    assert len(tag(text).mentions) == 1


@pytest.mark.parametrize(
    "text", ["in terms of n", "the maximum possible number of leaves", "a sort of bag", "in order to", "We set up camp"]
)
def test_idioms(text: str) -> None:
    assert [rejection.reason for rejection in tag(text).rejected] == ["part of an idiom"]


def test_idioms_are_the_users(tmp_path: Path) -> None:
    (tmp_path / "idioms.extra.txt").write_text("family tree\n")
    context = Context(load_rules(tmp_path))
    assert not tag("my family tree", context).mentions
    assert tag("my tree", context).mentions


def among(text: str, *forms: tuple[str, str]) -> list[tuple[str, str]]:
    """Term and surface of each mention of terms, given as id and form."""
    matcher = Matcher(Form(term_id, form, canonical=True) for term_id, form in forms)
    (tagged,) = Tagger(matcher, Context(load_rules())).tag([text])
    return [(match.form.term_id, text[match.start : match.end]) for match in tagged.mentions]


def test_names_told_apart_by_case_alone() -> None:
    forms = (("class", "Set"), ("thing", "set"))
    assert among("One set, one Set of them.", *forms) == [("thing", "set"), ("class", "Set")]
    assert among("Set of all.", *forms) == [
        ("class", "Set"),
        ("thing", "Set"),
    ]  # where a sentence begins, both may be meant
    assert among("In C and c.", ("language", "C"), ("speed", "c")) == [("language", "C"), ("speed", "c")]


def test_an_acronym_in_a_longer_term_in_capitals() -> None:
    forms = (("protocol", "SET"), ("problem", "set cover"))
    assert among("THE SET COVER PROBLEM", *forms) == [("problem", "SET COVER")]
    assert among("By SET, a set cover.", *forms) == [("protocol", "SET"), ("problem", "set cover")]


def test_two_names_in_brackets_are_two_mentions() -> None:
    matcher = Matcher(Form("svm", form, canonical=form == "support vector machine") for form in
                      ("support vector machine", "SVM", "support vector machine (SVM)"))  # fmt: skip
    (tagged,) = Tagger(matcher, Context(load_rules())).tag(["A support vector machine (SVM) is one."])
    assert [match.form.text for match in tagged.mentions] == ["support vector machine", "SVM"]


def test_an_entry_turned_round_is_not_said_in_a_list() -> None:
    matcher = Matcher([Form("t", "phrasing slur", canonical=True), Form("t", "slur, phrasing", canonical=False)])
    (tagged,) = Tagger(matcher, Context(load_rules())).tag(["Ties, slurs, phrasing slurs and beams."])
    assert len(tagged.mentions) == 1


def test_a_bracket_of_the_sentence_is_no_part_of_the_term() -> None:
    assert among("(They are sentences of TFL) now", ("s", "sentence (of TFL)")) == [("s", "sentences of TFL")]
