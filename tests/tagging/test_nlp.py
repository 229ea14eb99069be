"""The optional part-of-speech pipeline: its errors, and what a tagger's word changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy

from tripletkit.errors import ConfigError
from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.nlp import load_parser


def test_a_missing_pipeline_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tag\.nlp = 'xx_no_such': no such spaCy pipeline"):
        load_parser("xx_no_such")


def test_a_pipeline_without_a_tagger_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ConfigError, match="the pipeline has no tagger, only nothing"):
        load_parser(str(tmp_path / "blank"))


def test_verbs_are_rejected(tmp_path: Path) -> None:
    """A tagger of one example, so that nothing is downloaded: every "markets" is a verb, every other word a noun."""
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    docs = [("Kim markets trees", ["NNP", "VBZ", "NNS"]), ("trees", ["NNS"])]
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "tiny")
    matcher = Matcher([Form("market", "market", canonical=True), Form("tree", "tree", canonical=True)])
    (tagged,) = Tagger(matcher, Context(load_rules()), load_parser(str(tmp_path / "tiny"))).tag(["Kim markets trees"])
    assert [match.form.text for match in tagged.mentions] == ["tree"]
    assert [rejection.reason for rejection in tagged.rejected] == ["tagged as a verb by spaCy"]
