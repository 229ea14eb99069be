"""Any encoders, on anybody's passages and terms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.book import CHAPTERS
from tests.conftest import HashEncoder, make_tiny_encoder
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError, EncoderError, SourceError
from tripletkit.evaluation.compare import evaluate_encoders

#: Every second passage mentions its term, the others do not.
DEFINED = [(term, what) for terms in CHAPTERS.values() for term, what in terms.items()]
TERMS = [term for term, _ in DEFINED]
TEXTS = [f"The {term} {what}." if i % 2 else f"It {what}." for i, (term, what) in enumerate(DEFINED)]


@pytest.fixture(scope="module")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("other") / "tiny", seed=1)


def test_lists_of_texts_and_terms(tiny_encoder: Path, other_encoder: Path) -> None:
    report = evaluate_encoders([str(tiny_encoder), str(other_encoder)], TEXTS, TERMS)
    assert list(report.encoders) == [str(tiny_encoder), str(other_encoder)]
    assert report.gold == "mentions"
    assert report.passages == len(TEXTS)
    assert report.baselines["exact match"].scores["term→passage"]["MRR@10"] == 1
    assert {"term→passage, masked", "passage→term", "passage→term, masked"} < set(report.resampling)
    difference = report.differences[str(other_encoder)][str(tiny_encoder)]["term→passage"]["nDCG@10"]
    assert difference.interval is not None
    assert report.encoders[str(tiny_encoder)].fingerprint == resolve_encoder(str(tiny_encoder)).fingerprint
    assert "term→passage (9 queries)" in str(report)
    assert "half and half, as no validation split chose a weight" in str(report)
    assert set(report.maxsim) == set(report.encoders)


def test_an_object_scores_as_its_folder_does(tiny_encoder: Path, other_encoder: Path) -> None:
    model = load_model(resolve_encoder(str(tiny_encoder)))
    report = evaluate_encoders({"folder": str(other_encoder), "object": model, "path": tiny_encoder}, TEXTS, TERMS)
    by_object, by_path = report.encoders["object"], report.encoders["path"]
    for task, scores in by_object.scores.items():
        assert scores == pytest.approx(by_path.scores[task], abs=0.02), task
    unnamed = evaluate_encoders([model], TEXTS, TERMS)
    assert list(unnamed.encoders) == ["encoder 1"]
    assert not unnamed.verdicts
    assert "gain over encoder 1" in str(unnamed)


def test_any_object_that_encodes_can_be_scored(hash_encoder: HashEncoder) -> None:
    report = evaluate_encoders({"hash": hash_encoder}, [*TEXTS, TEXTS[0]], TERMS)
    assert report.passages == len(TEXTS)  # equal texts without ids are one
    assert "term→passage" in report.encoders["hash"].scores
    assert report.left_out["hash MaxSim"] == "the encoder has no token vectors"
    assert not report.maxsim


def test_frames_bring_ids_chapters_forms_and_definitions(tiny_encoder: Path) -> None:
    passages = pl.DataFrame(
        {
            "passage_id": range(len(TEXTS)),
            "text": TEXTS,
            "section": [f"Chapter {i // 3}" for i in range(len(TEXTS))],
        }
    )
    terms = pl.DataFrame(
        {
            "term_id": [f"t{i}" for i in range(len(TERMS))],
            "term": TERMS,
            "forms": [[term.upper()] for term in TERMS],
            "definition": [what for _, what in DEFINED],
        }
    )
    gold = [(i, f"t{i}") for i in range(len(TERMS))]
    report = evaluate_encoders([str(tiny_encoder)], passages, terms, gold=gold)
    assert report.gold == "given pairs"
    assert report.terms == len(TERMS)
    assert report.resampling["term→passage"].by == "chapters"
    assert report.resampling["definition→term"].queries == len(TERMS)
    assert report.baselines["exact match"].scores["term→passage"]["MRR@10"] < 1  # half of the passages have no mention


def test_pairs_by_text(tiny_encoder: Path) -> None:
    report = evaluate_encoders([str(tiny_encoder)], TEXTS, TERMS, gold=zip(TEXTS, TERMS, strict=True))
    assert report.terms == len(TERMS)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"encoders": []}, ConfigError, "no encoder is given"),
        ({"encoders": ["./nowhere"]}, EncoderError, "no such folder"),
        ({"passages": pl.DataFrame({"body": ["a"]})}, SourceError, r"passages: row 0: no text \(it has 'body'"),
        (
            {"passages": pl.DataFrame({"text": ["a", "b"], "passage_id": [1, 1]})},
            SourceError,
            "passage_id '1' occurs twice",
        ),
        ({"terms": ["no such term"]}, SourceError, r"none of the 1 terms has a relevant passage"),
        ({"gold": [("nothing", TERMS[0])]}, SourceError, "unknown passage 'nothing'"),
        ({"gold": [(TEXTS[0], "nothing")]}, SourceError, "unknown term 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tiny_encoder: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments: dict[str, Any] = {"encoders": [str(tiny_encoder)], "passages": TEXTS, "terms": TERMS}
    with pytest.raises(error, match=message):
        evaluate_encoders(**(arguments | changes))


def test_an_encoder_given_twice_is_refused(tiny_encoder: Path) -> None:
    with pytest.raises(ConfigError, match="is given twice"):
        evaluate_encoders([str(tiny_encoder)] * 2, TEXTS, TERMS)


@pytest.mark.slow
def test_it_works_in_a_script_without_a_main_guard(tiny_encoder: Path, tmp_path: Path) -> None:
    script = tmp_path / "compare.py"
    script.write_text(
        "from tripletkit.evaluation.compare import evaluate_encoders\n"
        f"report = evaluate_encoders([{str(tiny_encoder)!r}], {TEXTS!r}, {TERMS!r})\n"
        "print(report.passages)\n"
    )
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert done.stdout == f"{len(TEXTS)}\n"
    assert done.stderr == ""
