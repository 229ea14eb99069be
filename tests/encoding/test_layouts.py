"""Every layout of an encoder's folder, compared with what sentence-transformers itself makes of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import make_tiny_encoder
from tests.encoding.layouts import LAYOUTS, loaded
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.loading import check_encoder, encode, load_model
from tripletkit.encoding.precision import autocast
from tripletkit.encoding.properties import TASKS
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.encoding.tokens import token_counter
from tripletkit.progress import Progress

TEXTS = ["roots", "a layer of porous rock", "the flat land that a river covers when it rises " * 20]


@pytest.fixture(scope="module", params=LAYOUTS, ids=lambda layout: layout.__name__)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EncoderFolder:
    layout: Callable[[Path], Path] = request.param
    folder = make_tiny_encoder(tmp_path_factory.mktemp(layout.__name__) / "encoder", seed=1)
    return resolve_encoder(str(layout(folder)))


def test_the_configuration_says_what_the_library_says(place: EncoderFolder) -> None:
    model, found = loaded(place.folder), place.properties
    limit = model.max_seq_length
    assert (found.max_tokens or 10**6) == min(limit, 10**6)
    assert found.prompts == model.prompts
    assert found.default_prompt == model.default_prompt_name
    assert found.similarity == model.similarity_fn_name
    assert list(found.modules) == [type(module).__name__ for module in model]
    assert place.mask_token == (getattr(model.tokenizer, "mask_token", None) or "[MASK]")


def test_tokens_are_counted_as_the_library_makes_them(place: EncoderFolder) -> None:
    model, limit = loaded(place.folder), place.properties.readers["document"].max_tokens
    counts = token_counter(place.tokenizer_folder)(TEXTS[:2])
    features = [model.preprocess([text], task="document") for text in TEXTS[:2]]
    special = 2 if limit is None else 0  # a static embedding adds none
    assert counts == [int(one["input_ids"].numel()) + special for one in features]


def test_vectors_are_those_of_the_library(place: EncoderFolder) -> None:
    theirs = loaded(place.folder).float()
    ours = load_model(place, "cpu")
    assert {values.dtype for values in ours.state_dict().values() if values.is_floating_point()} == {torch.float32}
    expected = {"query": theirs.encode_query(TEXTS), "document": theirs.encode_document(TEXTS)}
    for task in TASKS:
        found = encode(ours, TEXTS, task).numpy()
        if "dense" in place.folder.parent.name:  # the library rounds the later module to the type of the first
            np.testing.assert_allclose(found, expected[task], atol=1e-3)
        else:
            np.testing.assert_array_equal(found, expected[task])
    assert check_encoder(place) == found.shape[1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_encoded_texts_and_their_cosines_are_those_of_the_library(
    place: EncoderFolder, precision: str, tmp_path: Path
) -> None:
    theirs = loaded(place.folder).float()
    for task in TASKS:
        call = theirs.encode_query if task == "query" else theirs.encode_document
        encoder = SentenceEncoder(place, cache=tmp_path, progress=Progress(quiet=True), precision=precision)
        found = encoder.encode(TEXTS, task=task)
        again = SentenceEncoder(place, cache=tmp_path, progress=Progress(quiet=True), precision=precision)
        assert (again.encode(TEXTS, task=task) == found).all()
        with autocast("cpu", precision):
            expected = call(TEXTS, convert_to_tensor=True).float().numpy()
        unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        exact = precision == "float32" and "dense" not in place.folder.parent.name
        np.testing.assert_allclose(found, unit, rtol=0, atol=0 if exact else 1e-3)
