"""Verbs by part of speech: which mentions are looked at, and how a pipeline is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.training import Example

from tripletkit.errors import ConfigError
from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Match, Matcher
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.part_of_speech import VerbFinder, find_pipeline

CONTEXT = Context(load_rules())


def save(nlp: Any, folder: Path) -> str:  # noqa: ANN401 - spaCy has no types here
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tagger of few examples, so that nothing is downloaded: every "markets" is a verb, every other word a noun."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    docs = [("Kim markets trees", ["NNP", "VBZ", "NNS"]), ("trees and fires", ["NNS", "CC", "NNS"])]
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return save(nlp, tmp_path_factory.mktemp("tiny"))


def finder(name: str) -> VerbFinder:
    pipeline = find_pipeline(name)
    assert pipeline is not None
    return VerbFinder(pipeline)


def test_verbs_are_rejected(tiny: str) -> None:
    matcher = Matcher([Form("market", "market", canonical=True), Form("tree", "tree", canonical=True)])
    (tagged,) = Tagger(matcher, CONTEXT, finder(tiny)).tag(["Kim markets trees"])
    assert [match.form.text for match in tagged.mentions] == ["tree"]
    assert [rejection.reason for rejection in tagged.rejected] == ["tagged as a verb by spaCy"]


def test_what_is_joined_to_a_noun_is_one(tiny: str) -> None:
    found = finder(tiny).verbs([("Kim markets trees", 4), ("trees and markets", 10), ("Kim markets trees", 12)])
    assert found == [True, False, False]


@pytest.mark.parametrize(
    ("text", "form", "asked"),
    [
        ("one set runs on", "run", True),
        ("one set runs.", "run", False),
        ("labor market", "market", False),
        ("firms exit", "exit", True),
        ("and exit", "exit", False),
        ("and exit the market", "exit", True),
        ("the run", "run", False),  # the word before it settles it
        ("in sets of", "set", False),
        ("Sets the", "set", False),
        ("Set the", "set", True),
        ("SETS of", "set", False),
        ("one vertex is", "vertex", False),  # no verb at all
        ("one data set is", "data set", False),
    ],
)
def test_only_ambiguous_mentions_are_looked_at(text: str, form: str, asked: bool) -> None:
    (match,) = Matcher([Form("t", form, canonical=True)]).matches(text)
    assert isinstance(match, Match)
    assert CONTEXT.is_ambiguous(text, match) == asked


def test_the_words_around_decide_and_not_the_whole_text(tiny: str) -> None:
    """A long text is cut to a few words on each side, so that its length costs nothing."""
    long = "trees " * 5000 + "Kim markets trees" + " trees" * 5000
    verbs = finder(tiny)
    assert verbs.verbs([(long, long.index("markets"))]) == [True]
    assert max(len(text) for text, _ in verbs._known) < 100


def test_a_missing_pipeline_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tag\.nlp = 'xx_no_such': no such spaCy pipeline"):
        find_pipeline("xx_no_such")


def test_none_turns_it_off() -> None:
    assert find_pipeline("none") is None


def test_auto_takes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletkit.tagging.part_of_speech.KNOWN", ("xx_no_such",))
    assert find_pipeline("auto") is None


def test_a_pipeline_has_its_version(tiny: str) -> None:
    assert str(find_pipeline(tiny)) == f"{tiny} 0.0.0"


def test_a_pipeline_without_a_tagger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the pipeline has no tagger, only nothing"):
        finder(save(spacy.blank("en"), tmp_path)).verbs([("a tree", 2)])


def test_a_tagger_without_verbs_is_refused(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("tree"), {"tags": ["NN"]})])
    with pytest.raises(ConfigError, match="its tagger knows no verbs"):
        finder(save(nlp, tmp_path)).verbs([("a tree", 2)])
