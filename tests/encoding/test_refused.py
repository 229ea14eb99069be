"""Folders that are no encoder, or a damaged one: each is refused in one line that names it and says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_tiny_cross_encoder, make_tiny_encoder
from tests.encoding.layouts import change_json, loaded, plain_transformer, router, saved_again
from tripletkit.encoding.loading import check_encoder
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import EncoderError
from tripletkit.settings import PromptSettings


def cross_encoder(folder: Path) -> Path:
    shutil.rmtree(folder)
    return make_tiny_cross_encoder(folder, seed=0)


def saved_cross_encoder(folder: Path) -> Path:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(cross_encoder(folder)))
    shutil.rmtree(folder)
    model.save_pretrained(str(folder))
    return folder


def token_classifier(folder: Path) -> Path:
    change_json(plain_transformer(folder) / "config.json", architectures=["BertForTokenClassification"])
    return folder


def sparse(folder: Path) -> Path:
    change_json(folder / "config_sentence_transformers.json", model_type="SparseEncoder")
    return folder


def sparse_by_its_modules(folder: Path) -> Path:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.sparse_encoder.modules.SpladePooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def multi_vector(folder: Path) -> Path:
    change_json(
        folder / "config_sentence_transformers.json", model_type="MultiVectorEncoder", similarity_fn_name="maxsim"
    )
    return folder


def module_of_its_own(folder: Path) -> Path:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def architecture_of_its_own(folder: Path) -> Path:
    names = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    change_json(folder / "config.json", model_type="own", architectures=["OwnModel"], auto_map=names)
    return folder


def word_embeddings(folder: Path) -> Path:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "sentence_transformers.models.WordEmbeddings"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def not_a_number(folder: Path) -> Path:
    def spoil(model: Any) -> None:  # noqa: ANN401
        next(model.parameters()).data[0, 0] = float("nan")

    return saved_again(folder, spoil)


def limit_beyond_the_positions(folder: Path) -> Path:
    change_json(folder / "sentence_bert_config.json", max_seq_length=256)
    return folder


def no_pooling(folder: Path) -> Path:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:1]))
    return folder


def router_without_queries(folder: Path) -> Path:
    path = router(folder) / "router_config.json"
    text = path.read_text().replace('"query": [', '"question": [')
    path.write_text(text)
    return folder


def dot_product_of_any_length(folder: Path) -> Path:
    change_json(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
    return folder


def broken_configuration(folder: Path) -> Path:
    (folder / "modules.json").write_text("[{")
    return folder


def no_modules(folder: Path) -> Path:
    (folder / "modules.json").write_text("[]")
    return folder


def broken_tokenizer(folder: Path) -> Path:
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cross_encoder, "BertForSequenceClassification, which is no encoder.*--cross-encoder"),
        (saved_cross_encoder, "is a CrossEncoder.*--cross-encoder"),
        (token_classifier, "BertForTokenClassification"),
        (sparse, "is a SparseEncoder"),
        (sparse_by_its_modules, "is a SparseEncoder"),
        (multi_vector, "is a MultiVectorEncoder"),
        (module_of_its_own, r"custom_st\.Transformer needs Python code .*trust_remote_code"),
        (architecture_of_its_own, "needs Python code .*trust_remote_code"),
        (word_embeddings, "first module is a WordEmbeddings"),
        (not_a_number, "hold NaN"),
        (limit_beyond_the_positions, "limit of 256 tokens is higher than the 128 positions.*max_seq_length = 128"),
        (no_pooling, "cannot encode a query"),
        (router_without_queries, "no route for 'query'"),
        (dot_product_of_any_length, "similarity is 'dot'.*similarity_fn_name='cosine'"),
        (broken_configuration, "configuration file .* cannot be read"),
        (no_modules, "configuration file .* cannot be read .*names no module"),
        (broken_tokenizer, "cannot be loaded"),
    ],
)
def test_a_folder_that_is_no_sound_encoder_is_refused(tmp_path: Path, spoil: Callable[[Path], Path], why: str) -> None:
    folder = spoil(make_tiny_encoder(tmp_path / "encoder", seed=1))
    with pytest.raises(EncoderError, match=f"(?s){why}") as refused:
        check_encoder(resolve_encoder(str(folder)))
    assert str(folder) in str(refused.value)
    assert "\n" not in refused.value.problem
    assert refused.value.hint


def test_prompts_are_chosen_by_name_or_by_text(tmp_path: Path) -> None:
    folder = make_tiny_encoder(tmp_path / "encoder", seed=1)
    change_json(folder / "config_sentence_transformers.json", prompts={"query": "query: ", "passage": "passage: "})
    own = resolve_encoder(str(folder))
    assert (own.prompt("query"), own.prompt("document")) == ("query: ", "")
    chosen = resolve_encoder(str(folder), PromptSettings(query="find ", document="passage"))
    assert (chosen.prompt("query"), chosen.prompt("document")) == ("find ", "passage: ")
    assert chosen.fingerprint != own.fingerprint
    assert resolve_encoder(str(folder), PromptSettings(query="query")).fingerprint == own.fingerprint


def test_a_prompt_takes_its_tokens_from_those_of_a_passage(tmp_path: Path) -> None:
    folder = make_tiny_encoder(tmp_path / "encoder", seed=1)
    own = resolve_encoder(str(folder))
    with_prompt = resolve_encoder(str(folder), PromptSettings(document="a layer of "))
    assert own.max_tokens == loaded(folder).max_seq_length == 128
    assert with_prompt.max_tokens == 125
    assert with_prompt.tokenizer_fingerprint != own.tokenizer_fingerprint
    with pytest.raises(EncoderError, match="leaves 8 for a passage"):
        _ = resolve_encoder(str(folder), PromptSettings(document="layer " * 120)).max_tokens
