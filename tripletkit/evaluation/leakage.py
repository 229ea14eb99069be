"""Leakage: how much of the text that encoders are evaluated on stands in training text.

Compares whole sentences, where the split compares runs of words: a check of the split by another measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tripletkit.language.layout_words import sentence_spans
from tripletkit.language.normalise import term_key

#: Words of the shortest sentence that is compared. Shorter ones ("The proof is left as an exercise.") are no copies.
FEWEST_WORDS = 8


def leaked_share(passages: Iterable[str], training: Iterable[str]) -> float:
    """The fraction of the passages of which more than half of the sentences stand in training texts, in normalised words.

    Passages without a sentence of FEWEST_WORDS words count as not leaked. 0 for no passages.
    """
    judged = [set(_sentences(text)) for text in passages]
    wanted = set[tuple[str, ...]]().union(*judged)
    known = {sentence for text in training for sentence in _sentences(text) if sentence in wanted}
    return sum(2 * len(sentences & known) > len(sentences) for sentences in judged) / max(len(judged), 1)


def leakage_note(share: float, passages: int, split: str) -> str:
    """The share in words: a line of the printed table, or a warning where it is not 0."""
    what = (
        f"leakage: {share:.1%} of the {passages:,} {split} passages have most of their sentences in training passages"
    )
    return f"WARNING: {what}: on these the scores are too high for new text" if share else f" {what}"


def _sentences(text: str) -> Iterator[tuple[str, ...]]:
    # Without a list of abbreviations: both sides are cut alike, and a shorter piece is a stricter one.
    for start, end in sentence_spans(text, frozenset()):
        words = term_key(text[start:end])
        if len(words) >= FEWEST_WORDS:
            yield words
