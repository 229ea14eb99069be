"""Paragraphs → passages: cut at sentence ends, near a target size, never over the encoder's limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain, groupby

from tripletkit.encoding.tokens import CountTokens, counter_by_words
from tripletkit.language.layout_words import ends_sentence, sentence_spans
from tripletkit.pdf.paragraphs import Paragraph, Place
from tripletkit.pdf.workers import PassageLimits


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of one kind and section, and the physical pages (from 1) of its first and last character.

    ``places`` are those of the lines that it stands in, in reading order; a line may hold parts of two passages.
    """

    kind: str
    path: tuple[str, ...]
    text: str
    page_first: int
    page_last: int
    n_tokens: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a part of one that alone exceeds the limit. ``glue`` stands before it in a passage."""

    text: str
    places: Sequence[Place]
    n_tokens: int  # without special tokens
    glue: str
    ends: bool  # whether a passage may end after it
    opens: bool  # whether a passage may start with it


def paragraphs_to_passages(
    paragraphs: Sequence[Paragraph], limits: PassageLimits, count_tokens: CountTokens, abbreviations: AbstractSet[str]
) -> list[Passage]:
    """Passages in book order; every character of the paragraphs but white space is in exactly one."""
    special = count_tokens([""])[0]
    count_tokens = counter_by_words(count_tokens, [paragraph.text for paragraph in paragraphs], limits.max_tokens)
    cutter = _Cutter(limits.max_tokens - special, special, count_tokens, abbreviations)
    groups = (list(group) for _, group in groupby(_in_runs(paragraphs), key=lambda p: (p.kind, p.path)))
    found = [(held[0], run) for held in groups for run in _pack(list(cutter.pieces(held)), limits, special)]
    texts = [_joined(run) for _, run in found]
    counts = count_tokens(texts) if texts else []
    passages: list[Passage] = []
    for (head, run), text, count in zip(found, texts, counts, strict=True):
        passages.extend(_passages(run, text, count, head, limits.max_tokens, count_tokens))
    return passages


def _in_runs(paragraphs: Sequence[Paragraph]) -> Iterator[Paragraph]:
    """Within each section, all paragraphs of one kind, then all of the next: running text is not interrupted."""
    for _, section in groupby(paragraphs, key=lambda p: p.path):
        kinds: dict[str, list[Paragraph]] = {}
        for p in section:
            kinds.setdefault(p.kind, []).append(p)
        yield from chain.from_iterable(kinds.values())


@dataclass(frozen=True)
class _Cutter:
    """Cuts paragraphs into pieces of at most ``room`` tokens, the encoder's special tokens not counted."""

    room: int
    special: int
    count_tokens: CountTokens
    abbreviations: AbstractSet[str]

    def pieces(self, paragraphs: Sequence[Paragraph]) -> Iterator[_Piece]:
        """Sentences in order, those over the limit broken."""
        spans = [(p, n, *span) for p in paragraphs for n, span in enumerate(sentence_spans(p.text, self.abbreviations))]
        counts = self.count_tokens([p.text[start:end] for p, _, start, end in spans]) if spans else []
        for (p, n, start, end), count in zip(spans, counts, strict=True):
            glue = "\n" if n == 0 or p.text[start - 1] == "\n" else " "
            if count - self.special <= self.room:
                yield self._piece(p, start, end, count - self.special, glue)
            else:
                yield from self._broken(p, start, end, glue)

    def _piece(self, p: Paragraph, start: int, end: int, tokens: int, glue: str) -> _Piece:
        text = p.text[start:end]
        # "Proof." and "Solution." belong to what follows.
        title = start == 0 and end - start < 20
        whole = p.kind != "prose" or ((text.endswith(":") or ends_sentence(text, self.abbreviations)) and not title)
        headword = len(p.places) == 1 and end - start == len(p.text) and not whole
        return _Piece(text, p.places_of(start, end), tokens, glue, whole, headword or not text[0].islower())

    def _broken(self, p: Paragraph, start: int, end: int, glue: str) -> Iterator[_Piece]:
        """A sentence over the limit, cut between words; a word over the limit, cut between characters."""
        # A character makes at most four byte tokens: no part of a word can exceed the limit.
        words = [m.span() for m in re.compile(rf"\S{{1,{max(1, self.room // 4)}}}").finditer(p.text, start, end)]
        counts = self.count_tokens([p.text[a:b] for a, b in words])
        first, held = 0, 0
        for i, count in enumerate(counts):
            if held and held + count - self.special > self.room:
                yield from self._fitting(p, words[first:i], glue)
                first, held, glue = i, 0, "" if words[i][0] == words[i - 1][1] else " "
            held += count - self.special
        yield from self._fitting(p, words[first:], glue)

    def _fitting(self, p: Paragraph, words: Sequence[tuple[int, int]], glue: str) -> Iterator[_Piece]:
        """Words as one piece, halved as long as the encoder counts more tokens in the whole than in its words."""
        start, end = words[0][0], words[-1][1]
        count = self.count_tokens([p.text[start:end]])[0] - self.special
        if count <= self.room or len(words) == 1:
            yield self._piece(p, start, end, count, glue)
            return
        half = len(words) // 2
        yield from self._fitting(p, words[:half], glue)
        yield from self._fitting(p, words[half:], "" if words[half][0] == words[half - 1][1] else " ")


def _pack(pieces: Sequence[_Piece], limits: PassageLimits, special: int) -> list[list[_Piece]]:
    """Runs of pieces near the target size. A run that is too short is joined to a neighbour where both fit the limit."""
    most = limits.max_tokens - special
    total = sum(piece.n_tokens for piece in pieces)
    # Equal parts, not full ones and a short rest.
    aim = total / max(1, round(total / max(limits.target_tokens - special, 1)))
    runs: list[list[_Piece]] = []
    held = 0
    for piece in pieces:
        unfinished = bool(runs) and not (runs[-1][-1].ends and piece.opens)
        if runs and held + piece.n_tokens <= most and (unfinished or held + piece.n_tokens / 2 <= aim):
            runs[-1].append(piece)
            held += piece.n_tokens
        else:
            runs.append([piece])
            held = piece.n_tokens
    i = 0
    while i < len(runs):
        size = sum(p.n_tokens for p in runs[i])
        near = [j for j in (i - 1, i + 1) if 0 <= j < len(runs) and size + sum(p.n_tokens for p in runs[j]) <= most]
        if size + special < limits.min_tokens and near:
            i = min(i, near[0])
            runs[i : i + 2] = [runs[i] + runs[i + 1]]
        i += 1
    return runs


def _joined(run: Sequence[_Piece]) -> str:
    return run[0].text + "".join(piece.glue + piece.text for piece in run[1:])


def _passages(
    run: Sequence[_Piece], text: str, count: int, head: Paragraph, most: int, count_tokens: CountTokens
) -> Iterator[Passage]:
    """One passage, or two halves where the encoder counts more tokens in the whole than in its parts."""
    if count > most and len(run) > 1:
        for half in (run[: len(run) // 2], run[len(run) // 2 :]):
            text = _joined(half)
            yield from _passages(half, text, count_tokens([text])[0], head, most, count_tokens)
        return
    first, last = min(piece.places[0].page for piece in run), max(piece.places[-1].page for piece in run)
    places: list[Place] = []
    for piece in run:  # two sentences may share a line
        places += piece.places[1:] if places and places[-1] is piece.places[0] else piece.places
    yield Passage(head.kind, head.path, text, first, last, count, tuple(places))
