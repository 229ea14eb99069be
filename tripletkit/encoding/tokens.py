"""Token counts by an encoder's tokenizer alone. Imports nothing else, so that a process that reads a book starts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tripletkit.errors import EncoderError


def token_counter(folder: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function that counts each text's tokens, special tokens included, with nothing cut off."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise EncoderError(
            f"{folder}: holds no tokenizer.json",
            "Save the encoder with a fast tokenizer (SentenceTransformer(...).save_pretrained).",
        )
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts))]
