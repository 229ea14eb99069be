"""What an encoder's folder says of itself: token limit, prompts, similarity, modules and routes.

Read from its configuration files as sentence-transformers 6.2 reads them, which a test compares for every layout of a
folder. Nothing here imports torch, except where transformers must be asked for what the files leave out.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tripletkit.errors import EncoderError

#: What a text is: a term is a query, a passage a document.
Task = Literal["query", "document"]
#: What all texts of a call are, or each of them.
Tasks: TypeAlias = Task | Sequence[Task]
TASKS: tuple[Task, ...] = ("query", "document")
#: Similarities that rank as the cosine does only where vectors have length 1; the Manhattan distance not even there.
_BY_LENGTH = ("dot", "euclidean", "manhattan")
#: Longer limits mean that there is none: transformers writes 1e30.
_UNLIMITED = 1_000_000
#: The file of a Transformer module, under all the names that it has had.
_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{model}_config.json"
    for model in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
#: Keys of that file by which queries may be read otherwise than documents; "message" is a chat template, which may name the task.
_BY_TASK = {"query_length", "document_length", "query_expansion", "message"}
#: Ends of the names of architectures that give classes or scores instead of a vector.
_OTHER_TASKS = ("Classification", "QuestionAnswering", "MultipleChoice", "NextSentencePrediction", "ForRetrieval")
#: Classes of models that sentence-transformers saves, and the packages of their modules; PyLate's are its multi-vector ones.
FAMILIES = ("SentenceTransformer", "SparseEncoder", "MultiVectorEncoder", "CrossEncoder")
_PACKAGES = {"sparse_encoder": "SparseEncoder", "multi_vector_encoder": "MultiVectorEncoder"}
_PACKAGES |= {"cross_encoder": "CrossEncoder", "pylate": "MultiVectorEncoder"}
_CURE = "Give a SentenceTransformer folder with one dense vector per text, or the hub id of one."


@dataclass(frozen=True)
class TextModule:
    """The module that reads texts: a Transformer, or a StaticEmbedding, which has no limit."""

    folder: Path
    kind: str
    max_tokens: int | None  # special tokens included; the rest of a longer text is cut off
    by_task: bool = False  # whether its configuration treats queries and documents differently

    @cached_property
    def mask_token(self) -> str:
        """The mask token of its tokenizer; "[MASK]" if it has none."""
        for file in ("special_tokens_map.json", "tokenizer_config.json"):
            if token := read_json(self.folder / file).get("mask_token"):
                return str(token["content"] if isinstance(token, dict) else token)
        if self.kind == "StaticEmbedding" or (self.folder / "special_tokens_map.json").is_file():
            return "[MASK]"
        from transformers import AutoTokenizer  # knows what each class of tokenizer has by default

        return str(AutoTokenizer.from_pretrained(str(self.folder), local_files_only=True).mask_token or "[MASK]")


@dataclass(frozen=True)
class EncoderProperties:
    """What the folder says. ``readers`` holds the module that reads queries, and the one that reads documents."""

    modules: tuple[str, ...]
    readers: Mapping[Task, TextModule]
    by_task: bool  # whether queries and documents may be encoded otherwise, as by a Router, beside their prompts
    prompts: Mapping[str, str]
    default_prompt: (
        str | None
    )  # the name of the prompt for texts that are neither query nor document, which are none here
    similarity: str

    @property
    def max_tokens(self) -> int | None:
        """The length limit in tokens, None for any length; with several routes the longest, as `max_seq_length` says."""
        limits = [reader.max_tokens for reader in self.readers.values()]
        return None if None in limits else max(limit for limit in limits if limit is not None)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is no such file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def saved_types(folder: Path) -> str:
    """The types that the weights are saved in, such as "float16"; those of files without a header are not known."""
    found = set[str]()
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        found |= {values["dtype"] for name, values in header.items() if name != "__metadata__"}
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return " and ".join(sorted(names.get(one, one) for one in found if one[:1] != "I")) or "an unknown type"


def read_properties(name: str, folder: Path) -> EncoderProperties:
    """The properties of the encoder that the user called ``name``.

    Raises EncoderError for a folder that holds a model of another task, needs code of its own, or cannot be read.
    """
    try:
        return _read(name, folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(name, folder, error) from error


def _read(name: str, folder: Path) -> EncoderProperties:
    if not (folder / "modules.json").is_file():
        _check_task(name, (read_json(folder / "config.json").get("architectures") or [""])[0])
        reader = TextModule(folder, "Transformer", _limit(folder, {}))
        return EncoderProperties(
            ("Transformer", "Pooling"),
            dict.fromkeys(TASKS, reader),
            False,
            {"query": "", "document": ""},
            None,
            "cosine",
        )
    config = read_json(folder / "config_sentence_transformers.json")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    _check_family(name, str(config.get("model_type", "SentenceTransformer")), [one["type"] for one in modules])
    routers = [_Router(name, folder / one["path"]) for one in modules if _class_name(one["type"]) in ("Router", "Asym")]
    if not modules:
        raise ValueError("modules.json names no module")
    first = folder / modules[0]["path"]
    readers = {
        task: routers[0].reader(task)
        if _class_name(modules[0]["type"]) in ("Router", "Asym")
        else _text_module(name, first, modules[0]["type"])
        for task in TASKS
    }
    for router in routers:
        for task in TASKS:
            router.route(task)
    names = tuple(_class_name(one["type"]) for one in modules)
    similarity = config.get("similarity_fn_name")
    if similarity in _BY_LENGTH and not (names[-1] == "Normalize" and similarity != "manhattan"):
        raise EncoderError(
            f"encoder {name!r}: its similarity is {similarity!r} of vectors of any length; tripletkit compares directions (cosine)",
            "Choose a cosine encoder, or save this one as such: SentenceTransformer(X, similarity_fn_name='cosine').",
        )
    return EncoderProperties(
        modules=names,
        readers=readers,
        by_task=bool(routers) or any(reader.by_task for reader in readers.values()),
        prompts={"query": "", "document": ""}
        | {key: text or "" for key, text in (config.get("prompts") or {}).items()},
        default_prompt=config.get("default_prompt_name"),
        similarity=similarity if similarity in _BY_LENGTH else "cosine",
    )


def _class_name(type_: str) -> str:
    return type_.rpartition(".")[2]


def _check_task(name: str, architecture: str) -> None:
    """Refuse a plain model that gives classes, scores or many vectors."""
    if architecture.endswith(_OTHER_TASKS):
        raise EncoderError(
            f"encoder {name!r}: it is a {architecture}, which is no encoder",
            f"{_CURE} A CrossEncoder belongs to --cross-encoder.",
        )


def _check_family(name: str, model_type: str, types: Sequence[str]) -> None:
    """Refuse the other kinds of model that sentence-transformers saves, and modules with code of their own."""
    for type_ in types:
        if type_.partition(".")[0] != "sentence_transformers":
            raise needs_code(name, f"its module {type_}")
    if (family := _family(model_type, types)) != FAMILIES[0]:
        raise EncoderError(
            f"encoder {name!r}: it is a {family}, which does not give one dense vector per text",
            _CURE + (" A CrossEncoder belongs to --cross-encoder." if family == "CrossEncoder" else ""),
        )


def _family(model_type: str, types: Sequence[str]) -> str:
    """The class of a model: what its modules are written for, else what it is called."""
    packages = {part for type_ in types for part in type_.split(".")}
    return next((_PACKAGES[one] for one in sorted(packages & _PACKAGES.keys())), model_type)


def model_family(name: str, folder: Path) -> str:
    """Which of FAMILIES the folder holds. Raises EncoderError for a configuration file that cannot be read."""
    try:
        if (folder / "modules.json").is_file():
            types = [str(one["type"]) for one in json.loads((folder / "modules.json").read_text(encoding="utf-8"))]
            config = read_json(folder / "config_sentence_transformers.json")
            return _family(str(config.get("model_type", FAMILIES[0])), types)
        architecture = (read_json(folder / "config.json").get("architectures") or [""])[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(name, folder, error) from error
    if architecture.endswith("ForSequenceClassification"):
        return "CrossEncoder"
    return "MultiVectorEncoder" if architecture == "HF_ColBERT" else FAMILIES[0]


def _unreadable(name: str, folder: Path, error: Exception) -> EncoderError:
    return EncoderError(
        f"encoder {name!r}: a configuration file in {folder} cannot be read ({type(error).__name__}: {error})",
        "Save or download the encoder again.",
    )


def needs_code(name: str, what: str) -> EncoderError:
    """The error for a folder that would run Python code of its own (trust_remote_code)."""
    return EncoderError(
        f"encoder {name!r}: {what} needs Python code from its folder (trust_remote_code), which tripletkit does not run",
        "Choose an encoder that sentence-transformers loads without trust_remote_code.",
    )


def _text_module(name: str, folder: Path, type_: str) -> TextModule:
    kind = _class_name(type_)
    if kind == "Transformer":
        config = next((found for file in _TRANSFORMER_CONFIGS if (found := read_json(folder / file))), {})
        by_task = bool(_BY_TASK & (config.keys() | (config.get("modality_config") or {}).keys()))
        return TextModule(folder, kind, _limit(folder, config), by_task)
    if kind == "StaticEmbedding":
        return TextModule(folder, kind, None)
    raise EncoderError(
        f"encoder {name!r}: its first module is a {kind}, whose tokens tripletkit cannot count",
        "Choose an encoder that begins with a Transformer or a StaticEmbedding.",
    )


def _limit(folder: Path, module: Mapping[str, Any]) -> int | None:
    """The length limit of a Transformer: of its own configuration, else of its tokenizer, but not beyond its positions."""
    processor = module.get("processor_kwargs") or module.get("tokenizer_args") or {}
    limit = processor.get("model_max_length", module.get("max_seq_length"))
    if limit is None:
        tokenizer = read_json(folder / "tokenizer_config.json")
        limits = [tokenizer.get("model_max_length", tokenizer.get("max_len")), positions(folder)]
        limit = min((one for one in limits if one is not None), default=None)
    return int(limit) if limit is not None and 0 < limit < _UNLIMITED else None


def positions(folder: Path) -> int | None:
    """``max_position_embeddings`` of a transformer's configuration, by its file or else by its class; None for no bound."""
    config = read_json(folder / "config.json")
    found = config.get("max_position_embeddings")
    if found is None and config.get("model_type") and "auto_map" not in config:
        from transformers import AutoConfig

        found = getattr(AutoConfig.from_pretrained(str(folder), local_files_only=True), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


class _Router:
    """A module that sends queries and documents through different modules."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        config = read_json(folder / "router_config.json") or read_json(folder / "config.json")
        self._types: dict[str, str] = config["types"]
        self._structure: dict[str, list[str]] = config["structure"]
        mappings = (config.get("parameters") or {}).get("route_mappings") or {}
        self._mappings = {ast.literal_eval(key): route for key, route in mappings.items()}
        _check_family(name, "SentenceTransformer", list(self._types.values()))

    def route(self, task: Task) -> str:
        """The route of a text, as the library chooses it. Raises EncoderError if there is none."""
        for key in ((task, "text"), (task, None), (None, "text"), (None, None)):
            if key in self._mappings:
                return str(self._mappings[key])
        for route in (task, "text"):
            if route in self._structure:
                return route
        raise EncoderError(
            f"encoder {self._name!r}: its Router has no route for {task!r}, only {', '.join(self._structure)}",
            "Save it with the routes 'query' and 'document' (Router.for_query_document).",
        )

    def reader(self, task: Task) -> TextModule:
        """The module that reads these texts."""
        first = self._structure[self.route(task)][0]
        return _text_module(self._name, self._folder / first, self._types[first])
