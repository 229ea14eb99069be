"""The fine-tuned encoder as a MultiVectorEncoder: read by the library, it scores as our MaxSim does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ANY_COSINE, make_tiny_encoder
from tests.encoding.layouts import router, static
from tripletkit import Project
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.maxsim import max_similarities
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError
from tripletkit.settings import PromptSettings, TrainSettings
from tripletkit.training.multi_vector import check_multi_vector, save_multi_vector

WANTED = TrainSettings(multi_vector=True)
QUERIES = ["crevasse", "the water table", "igneous rock"]
DOCUMENTS = [
    "A crevasse opens in the ice.",
    "Humus is dark. It rots.",
    "The water table sinks; a crevasse grows.",
    "rock",
]


def scores_of(folder: Path) -> Any:  # noqa: ANN401 - an array
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(folder), device="cpu")
    return model.similarity(model.encode_query(QUERIES), model.encode_document(DOCUMENTS)).numpy()


def test_the_library_reads_it_and_scores_as_we_do(tiny_encoder: Path, tmp_path: Path) -> None:
    place = resolve_encoder(str(tiny_encoder))
    check_multi_vector(WANTED, place)
    save_multi_vector(WANTED, place, tmp_path / "many")
    ours = max_similarities(load_model(place, "cpu"), QUERIES, DOCUMENTS, "float32")
    assert ours is not None
    assert np.allclose(scores_of(tmp_path / "many"), ours, atol=1e-5)
    assert not [path for path in tmp_path.iterdir() if path.name != "many"]
    assert "MultiVectorEncoder(" in (tmp_path / "many/README.md").read_text()
    save_multi_vector(TrainSettings(), place, tmp_path / "many")
    assert not (tmp_path / "many").exists()


def test_prompts_are_kept(tiny_encoder: Path, tmp_path: Path) -> None:
    place = resolve_encoder(str(tiny_encoder), PromptSettings(query="find ", document="text "))
    save_multi_vector(WANTED, place, tmp_path / "many")
    saved = json.loads((tmp_path / "many/config_sentence_transformers.json").read_text())
    assert saved["prompts"] == {"query": "find ", "document": "text "}
    assert "query 'find ', document 'text '; their tokens count too" in (tmp_path / "many/README.md").read_text()


@pytest.mark.parametrize("layout", [static, router])
def test_an_encoder_without_token_vectors_is_refused_before_any_work(
    layout: Callable[[Path], Path], book: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = layout(Path(shutil.copytree(tiny_encoder, tmp_path / "encoder")))
    place = resolve_encoder(str(folder))
    check_multi_vector(TrainSettings(), place)
    with pytest.raises(ConfigError, match=r"train\.multi_vector: .*no token vectors"):
        check_multi_vector(WANTED, place)
    project = Project(tmp_path / "out", books=[book], encoder=folder, train={"multi_vector": True})
    assert [check.what for check in project.checks() if not check.fine and "no token vectors" in check.what]
    with pytest.raises(ConfigError, match="no token vectors"):
        project.extract()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 2])
def test_training_saves_it_beside_the_encoder(book: Path, tmp_path: Path, rounds: int) -> None:
    settings: dict[str, Any] = {"train.max_steps": 1, "train.multi_vector": True, "rounds": rounds, **ANY_COSINE}
    encoder = make_tiny_encoder(tmp_path / "tiny", seed=1)
    project = Project(
        tmp_path / "out", books=[book], encoder=encoder, allow_worse=True, publish={"license": "CC-BY-4.0"}, **settings
    )
    project.run()
    fine_tuned = max_similarities(project.encoder(), QUERIES, DOCUMENTS, "float32")
    assert fine_tuned is not None
    assert np.allclose(scores_of(tmp_path / "out/encoder-multi-vector"), fine_tuned, atol=1e-5)
    assert all(report.fresh for report in project.run())
    shutil.rmtree(tmp_path / "out/encoder-multi-vector")
    project.run()
    assert (tmp_path / "out/encoder-multi-vector").is_dir()
