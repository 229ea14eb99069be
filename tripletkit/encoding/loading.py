"""A SentenceTransformer in float32, whatever type its weights were saved in, or a reason why it cannot be used. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer

from tripletkit.encoding.properties import TASKS, Task, needs_code
from tripletkit.encoding.quiet import hidden_progress_bars
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import EncoderError

#: What tables of learned positions are called in transformers; positions that are computed have no table.
_POSITION_TABLES = ("position_embeddings", "wpe", "embed_positions")


def load_model(place: EncoderFolder, device: str | None = None) -> Any:  # noqa: ANN401 - untyped library
    """The SentenceTransformer in ``place``, with float32 weights and the prompts that the settings choose.

    Autocast brings the speed of half precision.

    Raises EncoderError if the folder has none, if it needs code of its own, or if a weight is NaN or infinite.
    """
    _ = place.properties  # refuses what the configuration shows to be no encoder
    model = _load(SentenceTransformer, f"encoder {place.name!r}", place, device)
    model.prompts |= {task: place.prompt(task) for task in TASKS}
    return model


def load_multi_vector(place: EncoderFolder, device: str | None = None) -> Any:  # noqa: ANN401 - untyped library
    """The MultiVectorEncoder in ``place``, with float32 weights. Raises EncoderError as ``load_model``."""
    what = f"multi-vector encoder {place.name!r}"
    model = _load(MultiVectorEncoder, what, place, device)
    check_limits(what, model)
    return model


def _load(kind: type[Any], what: str, place: EncoderFolder, device: str | None) -> Any:  # noqa: ANN401
    try:
        with hidden_progress_bars():
            # Without the type, later modules would be rounded to that of the first one.
            model = kind(
                str(place.folder), local_files_only=True, device=device, model_kwargs={"dtype": torch.float32}
            ).float()
    except Exception as error:  # the library raises whatever its parts raise
        if "trust_remote_code" in str(error):
            raise needs_code(place.name, "it") from error
        raise EncoderError(
            f"{what}: {place.folder} cannot be loaded ({type(error).__name__}: {_first_line(error)})",
            f"Give a folder that {kind.__name__}.save_pretrained wrote, or a hub id.",
        ) from error
    check_weights(what, model)
    return model


def check_weights(what: str, model: torch.nn.Module) -> None:
    """Raise EncoderError if a weight is NaN or infinite. NaN is both the least and the largest of its kind."""
    for name, values in model.state_dict().items():
        if values.numel() and not all(bool(torch.isfinite(end)) for end in torch.aminmax(values)):
            raise EncoderError(f"{what}: its weights {name} hold NaN or infinite values", "Download or train it again.")


def check_encoder(place: EncoderFolder) -> int:
    """Load the encoder and encode two texts of each task; returns the number of dimensions of a vector.

    Raises EncoderError where it cannot be loaded, where a limit is higher than its positions, or where texts do not become
    one dense vector each.
    """
    model = load_model(place, "cpu")
    check_limits(f"encoder {place.name!r}", model)
    shapes = {_shape(place, model, task) for task in TASKS}
    if len(shapes) > 1:
        raise EncoderError(
            f"encoder {place.name!r}: queries and documents get vectors of {' and '.join(map(str, sorted(shapes)))} dimensions",
            "Choose an encoder that gives both the same dimensions.",
        )
    return shapes.pop()


def check_limits(what: str, model: Any) -> None:  # noqa: ANN401 - untyped library
    """Raise EncoderError if a limit of tokens is higher than the model has positions."""
    for limit, room in _limits(model):
        if limit > room:
            raise EncoderError(
                f"{what}: its limit of {limit:,} tokens is higher than the {room:,} positions that it has",
                f"Load it with {type(model).__name__}, set max_seq_length = {room}, and save it again.",
            )


def _shape(place: EncoderFolder, model: Any, task: Task) -> int:  # noqa: ANN401 - untyped library
    try:
        vectors = encode(model, ["a", "a longer text"], task)
    except Exception as error:  # the library raises whatever its modules raise
        raise EncoderError(
            f"encoder {place.name!r}: it cannot encode a {task} ({type(error).__name__}: {_first_line(error)})",
            "Give an encoder whose last module makes one vector per text, such as Pooling.",
        ) from error
    if vectors.ndim != 2 or not torch.isfinite(vectors).all():
        raise EncoderError(
            f"encoder {place.name!r}: it gives no finite vector for a {task}",
            "Choose another encoder, or save it again.",
        )
    return int(vectors.shape[1])


def _limits(model: Any) -> Iterator[tuple[int, int]]:  # noqa: ANN401 - untyped library
    """The limit of each Transformer that has a table of positions, and how many tokens the table has room for."""
    for part in model.modules():
        if isinstance(part, Transformer) and part.max_seq_length is not None:
            for name, table in part.model.named_modules():
                if name.rpartition(".")[2] in _POSITION_TABLES and isinstance(table, torch.nn.Embedding):
                    # RoBERTa's first position is the one behind the padding token's number.
                    taken = 0 if table.padding_idx is None else table.padding_idx + 1
                    yield part.max_seq_length, table.num_embeddings - taken


def encode(model: Any, texts: Sequence[str], task: Task) -> Any:  # noqa: ANN401 - untyped library
    """A tensor with a row per text, with the model's prompt for queries or documents."""
    call = model.encode_query if task == "query" else model.encode_document
    return call(list(texts), convert_to_tensor=True, show_progress_bar=False)


def encode_tokens(model: Any, texts: Sequence[str], task: Task) -> list[dict[str, Any]]:  # noqa: ANN401
    """Per text all that the modules give: `input_ids`, `attention_mask`, and `token_embeddings` if the encoder has them."""
    call = model.encode_query if task == "query" else model.encode_document
    found: list[dict[str, Any]] = call(list(texts), output_value=None, show_progress_bar=False)
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")
