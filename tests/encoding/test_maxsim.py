"""MaxSim against its definition, token by token."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.encoding.layouts import LAYOUTS
from tripletkit.encoding.encoder import ScoreCache, SentenceEncoder
from tripletkit.encoding.loading import load_model
from tripletkit.encoding.maxsim import max_similarities
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.progress import Progress
from tripletkit.settings import PromptSettings

QUERIES = ["hash table", "tree", "a binary search tree", ""]
DOCUMENTS = ["A hash table maps keys to values.", "Trees are searched from the root down.", "table", ""]


def by_definition(model: Any, queries: Sequence[str], documents: Sequence[str]) -> np.ndarray:  # noqa: ANN401
    """The mean over a query's tokens of the best cosine, for one text at a time and without padding."""

    def tokens(text: str) -> torch.Tensor:
        ids = model.tokenizer(text, return_tensors="pt")
        rows = model[0].model(**ids).last_hidden_state[0]
        return torch.nn.functional.normalize(rows[1:-1] if len(rows) > 2 else rows, dim=-1)

    with torch.no_grad():
        texts = [[tokens(text) for text in side] for side in (queries, documents)]
        return np.array([[float((q @ d.T).max(dim=1).values.mean()) for d in texts[1]] for q in texts[0]])


def test_the_mean_over_query_tokens_of_the_best_document_token(tiny_encoder: Path) -> None:
    model = load_model(resolve_encoder(str(tiny_encoder)), "cpu")
    done: list[int] = []
    found = max_similarities(model, QUERIES, DOCUMENTS * 20, "float32", done.append)
    assert found is not None
    assert found.dtype == np.float32
    assert sum(done) == 80
    assert np.allclose(found, by_definition(model, QUERIES, DOCUMENTS * 20), atol=1e-5)


def test_prompts_are_no_tokens_to_match(tiny_encoder: Path) -> None:
    """With a prompt a text of one word still has one token to match, so a word found as it is has a score of nearly 1."""
    place = resolve_encoder(str(tiny_encoder), PromptSettings(query="find this: ", document="text: "))
    model = load_model(place, "cpu")
    for one in ("query", "document"):
        assert model.prompts[one]
    found = max_similarities(model, ["table"], ["this"], "float32")
    model.prompts["query"] = ""
    assert found is not None
    assert found[0, 0] < 0.999, "the prompt's own 'this' was matched"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda of: of.__name__)
def test_every_layout_gives_scores_or_none(layout: Callable[[Path], Path], tiny_encoder: Path, tmp_path: Path) -> None:
    folder = layout(Path(shutil.copytree(tiny_encoder, tmp_path / "encoder")))
    found = max_similarities(load_model(resolve_encoder(str(folder)), "cpu"), QUERIES, DOCUMENTS, "float32")
    if "static" in layout.__name__ or layout.__name__ == "router":
        assert found is None
    else:
        assert found is not None
        assert np.isfinite(found).all()
        assert (np.abs(found) <= 1 + 1e-5).all()


def test_scores_are_kept_by_texts_and_weights(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def encoder() -> SentenceEncoder:
        return SentenceEncoder(
            resolve_encoder(str(tiny_encoder)), cache=tmp_path, progress=Progress(quiet=True), precision="float32"
        )

    first = encoder().max_similarities(QUERIES, DOCUMENTS)
    with monkeypatch.context() as patch:
        patch.setattr(SentenceEncoder, "_model", None)
        again = encoder().max_similarities(QUERIES, DOCUMENTS)
        assert first is not None
        assert again is not None
        assert np.array_equal(first, again)
    (file,) = tmp_path.rglob("*.npy")
    assert encoder().fingerprint in file.parent.name
    file.write_bytes(file.read_bytes()[:-3])
    with caplog.at_level(logging.WARNING):
        again = encoder().max_similarities(QUERIES, DOCUMENTS)
    assert again is not None
    assert np.array_equal(first, again)
    assert "damaged" in caplog.text


def test_a_file_with_nan_is_not_used(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    cache.add(["a", "b"], np.array([[np.nan]], dtype=np.float32))
    assert cache.load(["a", "b"], (1, 1)) is None


class Fixed:
    """A model whose texts have these tokens: one-hot vectors by id, with a mask and the length of the prompt."""

    tokenizer = type("Tokenizer", (), {"all_special_ids": ()})
    device = torch.device("cpu")

    def __init__(self, **texts: tuple[list[int], list[int], int]) -> None:
        self.texts = texts

    def encode_query(self, texts: list[str], **_: object) -> list[dict[str, Any]]:
        found = []
        for ids, mask, length in (self.texts[text] for text in texts):
            tokens = {"input_ids": torch.tensor(ids, dtype=torch.long), "attention_mask": torch.tensor(mask).long()}
            found.append({**tokens, "prompt_length": length, "token_embeddings": torch.eye(9)[tokens["input_ids"]]})
        return found

    encode_document = encode_query


def test_padding_may_stand_before_the_prompt() -> None:
    model = Fixed(left=([0, 5, 6, 7], [0, 1, 1, 1], 2), right=([5, 6, 7, 0], [1, 1, 1, 0], 2), text=([7], [1], 0))
    found = max_similarities(model, ["left", "right"], ["text"], "float32")
    assert found is not None
    assert found[:, 0].tolist() == [1, 1], "5 and 6 are the prompt"


def test_a_text_without_tokens_matches_nothing() -> None:
    """A tokenizer that adds no special tokens makes nothing of an empty text."""
    model = Fixed(empty=([], [], 0), tree=([3], [1], 0))
    found = max_similarities(model, ["empty", "tree"], ["empty", "tree"], "float32")
    assert found is not None
    assert found.tolist() == [[0, 0], [0, 1]]
