"""The whole flow with encoders that take queries and documents in different ways: by prompts, or by a Router's routes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_tiny_encoder
from tests.encoding.layouts import PROMPTS, loaded, prompts, router
from tests.stages.test_run import FLAGS, main_ok
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.properties import TASKS
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.progress import Progress

pytestmark = pytest.mark.slow
IN_WORDS = "query 'roots of ', document 'a layer of '"
TEXTS = ["roots", "a layer of porous rock"]


@pytest.mark.parametrize("layout", [prompts, router])
def test_the_saved_encoder_is_what_was_mined_trained_and_judged(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: Callable[[Path], Path]
) -> None:
    base, output = layout(make_tiny_encoder(tmp_path / "base", seed=1)), tmp_path / "output"
    main_ok(["run", str(book), "--output", str(output), "--encoder", str(base), *FLAGS, "--set", "precision=float32"])
    mined = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mine "))
    assert f"prompts: {IN_WORDS}" in mined
    card = (output / "encoder" / "README.md").read_text(encoding="utf-8")
    assert IN_WORDS in card
    before, after = loaded(base), loaded(output / "encoder")
    assert after.prompts == before.prompts == PROMPTS
    assert after.max_seq_length == before.max_seq_length
    assert after.similarity_fn_name == before.similarity_fn_name
    assert [type(module) for module in after] == [type(module) for module in before]
    place = resolve_encoder(str(output / "encoder"))
    scores = json.loads((output / "scores.json").read_text(encoding="utf-8"))["encoders"]
    assert scores["fine-tuned"]["fingerprint"] == place.fingerprint != scores["base"]["fingerprint"]
    assert place.fingerprint in card
    judged = SentenceEncoder(
        place, cache=output / "cache" / "vectors", progress=Progress(quiet=True), precision="float32"
    )
    for task in TASKS:
        theirs = (after.encode_query if task == "query" else after.encode_document)(TEXTS)
        unit = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
        np.testing.assert_array_equal(judged.encode(TEXTS, task=task), unit)
