"""Folders of encoders with random weights, one for each layout and property that sentence-transformers knows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import make_tiny_encoder, tiny_tokenizer

PROMPTS = {"query": "roots of ", "document": "a layer of "}


def change_json(path: Path, **values: object) -> None:
    """Set keys of a JSON file; None removes one."""
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({key: value for key, value in (found | values).items() if value is not None}))


def loaded(folder: Path) -> Any:  # noqa: ANN401 - untyped library
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def saved_again(folder: Path, change: Callable[[Any], object]) -> Path:
    model = loaded(folder)
    change(model)
    shutil.rmtree(folder)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def limit_of_version_6(folder: Path) -> Path:
    def shorter(model: Any) -> None:  # noqa: ANN401
        model.max_seq_length = 64

    return saved_again(folder, shorter)


def limit_of_version_2(folder: Path) -> Path:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48, "do_lower_case": False}))
    return folder


def limit_under_the_name_of_roberta(folder: Path) -> Path:
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_roberta_config.json").write_text(json.dumps({"max_seq_length": 40, "do_lower_case": True}))
    return folder


def limit_in_the_tokenizer_arguments(folder: Path) -> Path:
    change_json(folder / "sentence_bert_config.json", max_seq_length=48, tokenizer_args={"model_max_length": 32})
    return folder


def limit_of_the_positions(folder: Path) -> Path:
    change_json(folder / "tokenizer_config.json", model_max_length=10**30)
    return folder


def limit_of_the_class(folder: Path) -> Path:
    """Nothing says a number: the class of the configuration has 512 positions."""
    import torch
    from safetensors.torch import load_file, save_file

    limit_of_the_positions(folder)
    change_json(folder / "config.json", max_position_embeddings=None)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("position_embeddings.weight"))
    weights[name] = torch.randn(512, 32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def plain_transformer(folder: Path) -> Path:
    """What transformers saves: no modules, and a limit that is not read."""
    for file in ("modules.json", "config_sentence_transformers.json"):
        (folder / file).unlink()
    shutil.rmtree(folder / "1_Pooling")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 48}))
    return folder


def transformer_in_a_folder(folder: Path) -> Path:
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [
        path
        for path in folder.iterdir()
        if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json")
    ]:
        path.rename(inner / path.name)
    change_json(inner / "sentence_bert_config.json", max_seq_length=48)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= {"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}
    modules[1]["type"] = "sentence_transformers.models.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def words_in_vocab_txt(folder: Path) -> Path:
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (folder / "tokenizer.json").unlink()
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 56})
    )
    return folder


def _static(seed: int = 0) -> Any:  # noqa: ANN401 - untyped library
    import torch
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(seed)
    return StaticEmbedding(tiny_tokenizer(), embedding_dim=32)


def static(folder: Path) -> Path:
    from sentence_transformers import SentenceTransformer

    shutil.rmtree(folder)
    SentenceTransformer(modules=[_static()], device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def static_in_a_folder(folder: Path) -> Path:
    static(folder)
    inner = folder / "0_StaticEmbedding"
    inner.mkdir(exist_ok=True)
    for name in ("model.safetensors", "tokenizer.json"):
        if (folder / name).is_file():
            (folder / name).rename(inner / name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= {"path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def router(folder: Path) -> Path:
    """Queries through a static embedding, documents through a transformer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Router

    transformer = loaded(folder)
    both = Router.for_query_document([_static()], list(transformer))
    shutil.rmtree(folder)
    SentenceTransformer(modules=[both], device="cpu", prompts=PROMPTS).save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def router_of_transformers(folder: Path) -> Path:
    """Two transformers of other limits, found by mappings and not by the routes' names."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Router

    one = loaded(folder)
    two = loaded(make_tiny_encoder(folder.with_name("other"), seed=5))
    two.max_seq_length = 24
    both = Router(
        {"short": list(two), "long": list(one)},
        route_mappings={("query", "text"): "short", ("document", None): "long"},
        default_route="long",
    )
    shutil.rmtree(folder)
    SentenceTransformer(modules=[both], device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def half(folder: Path) -> Path:
    return saved_again(folder, lambda model: model.half())


def bfloat16(folder: Path) -> Path:
    return saved_again(folder, lambda model: model.bfloat16())


def half_with_a_dense_module(folder: Path) -> Path:
    """The transformer in half precision, the layer after it in float32."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    torch.manual_seed(3)
    half(folder)
    model = SentenceTransformer(modules=[*loaded(folder), Dense(32, 16), Normalize()], device="cpu")
    model[0].half()
    model[2].float()
    shutil.rmtree(folder)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def static_half(folder: Path) -> Path:
    return saved_again(static(folder), lambda model: model.half())


def prompts(folder: Path) -> Path:
    change_json(folder / "config_sentence_transformers.json", prompts=PROMPTS)
    return folder


def default_prompt(folder: Path) -> Path:
    """A prompt for all texts, and one for passages under the name that E5 gives it."""
    own = {"any": "the water of ", "passage": "a layer of "}
    change_json(folder / "config_sentence_transformers.json", prompts=own, default_prompt_name="any")
    return folder


def prompts_outside_the_pooling(folder: Path) -> Path:
    prompts(folder)
    change_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    return folder


def dot_product(folder: Path) -> Path:
    """Of vectors of length 1, for which it is the cosine."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    saved_again(folder, lambda model: model.append(Normalize()))
    change_json(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
    return folder


def truncated(folder: Path) -> Path:
    change_json(folder / "config_sentence_transformers.json", truncate_dim=8)
    return folder


LAYOUTS = (
    limit_of_version_6,
    limit_of_version_2,
    limit_under_the_name_of_roberta,
    limit_in_the_tokenizer_arguments,
    limit_of_the_positions,
    limit_of_the_class,
    plain_transformer,
    transformer_in_a_folder,
    words_in_vocab_txt,
    static,
    static_in_a_folder,
    static_half,
    router,
    router_of_transformers,
    half,
    bfloat16,
    half_with_a_dense_module,
    prompts,
    default_prompt,
    prompts_outside_the_pooling,
    dot_product,
    truncated,
)
