"""Token counts by an encoder's tokenizer alone. Imports nothing else, so that a process that reads a book starts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tripletkit.errors import EncoderError

#: Texts at a time: so few that what the tokenizer makes of them stays in the processor's caches.
BATCH = 512


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
    special = tokenizer.num_special_tokens_to_add(is_pair=False)

    def count(texts: Sequence[str]) -> list[int]:
        batches = (list(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH))
        # Special tokens are not added to each text, only counted: that is quicker.
        return [
            len(encoding) + special
            for batch in batches
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ]

    return count
