"""Token counts by the tokenizer of an encoder. Imports no torch, so that the processes that read books start at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tripletkit.errors import EncoderError

#: Texts per call of the tokenizer: few enough for the caches of the processor.
BATCH = 512


def token_counter(folder: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function that counts the tokens of each text, with special tokens and without truncation. Raises EncoderError."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise EncoderError(
            f"{folder}: no tokenizer.json in this folder",
            "Save the encoder with a fast tokenizer (SentenceTransformer(...).save_pretrained).",
        )
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = tokenizer.num_special_tokens_to_add(is_pair=False)

    def count(texts: Sequence[str]) -> list[int]:
        batches = (list(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH))
        # Counting special tokens is faster than adding them to each text.
        return [
            len(encoding) + special
            for batch in batches
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ]

    return count
