"""Token counts by the tokenizer of an encoder. Imports no torch, so that the processes that read books start at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tripletkit.encoding.properties import read_json
from tripletkit.errors import EncoderError

#: Texts per call of the tokenizer: few enough for the caches of the processor.
BATCH = 512
#: So many of a book's texts are a sample of whether token counts add up over words.
SAMPLE = 50
#: A text of at least this share of the limit is counted as a whole: the limit must hold whatever the sample says.
NEAR_LIMIT = 0.85

CountTokens = Callable[[Sequence[str]], list[int]]


def token_counter(folder: Path) -> CountTokens:
    """A function that counts the tokens of each text, with special tokens and without truncation. Raises EncoderError."""
    tokenizer = load_tokenizer(folder)
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


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - imported only when used
    """The tokenizer in the folder of a module. Raises EncoderError if there is none."""
    try:
        tokenizer = _read_tokenizer(folder)
    except Exception as error:  # the libraries raise whatever their parts raise
        raise EncoderError(
            f"{folder}: its tokenizer cannot be loaded ({type(error).__name__}: {error})",
            "Save the encoder with a fast tokenizer (SentenceTransformer(...).save_pretrained).",
        ) from error
    if read_json(folder / "sentence_bert_config.json").get("do_lower_case"):
        from tokenizers.normalizers import Lowercase, Sequence

        tokenizer.normalizer = Sequence([Lowercase(), *([tokenizer.normalizer] if tokenizer.normalizer else [])])
    return tokenizer


def _read_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - imported only when used
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from transformers import AutoTokenizer  # makes it from vocab.txt and the like; this takes seconds

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True).backend_tokenizer


def counter_by_words(count_tokens: CountTokens, texts: Sequence[str], limit: int) -> CountTokens:
    """A function that counts like ``count_tokens`` and tokenises each different word of ``texts`` only once.

    Most tokenizers cut at white space first, so that a text has the tokens of its words. Where a sample of ``texts``
    shows otherwise, ``count_tokens`` itself is returned.
    """
    special = count_tokens([""])[0]
    known = _Known(count_tokens, list(dict.fromkeys(chain.from_iterable(map(str.split, texts)))), special)

    def summed(text: str) -> int:
        return sum(map(known.__getitem__, text.split())) + special

    sample = list(texts[:: max(1, len(texts) // SAMPLE)])
    sample += [" ".join(sample), "\n".join(sample)]
    if [summed(text) for text in sample] != count_tokens(sample):
        return count_tokens

    def count(texts: Sequence[str]) -> list[int]:
        counts = [summed(text) for text in texts]
        near = [i for i, value in enumerate(counts) if value >= NEAR_LIMIT * limit]
        for i, value in zip(near, count_tokens([texts[i] for i in near]) if near else (), strict=True):
            counts[i] = value
        return counts

    return count


class _Known(dict[str, int]):
    """Tokens of words, special ones not counted; a word that is asked for the first time is counted then."""

    def __init__(self, count_tokens: CountTokens, words: Sequence[str], special: int) -> None:
        super().__init__(zip(words, (count - special for count in count_tokens(words)), strict=True))
        self._count_tokens, self._special = count_tokens, special

    def __missing__(self, word: str) -> int:
        self[word] = self._count_tokens([word])[0] - self._special
        return self[word]
