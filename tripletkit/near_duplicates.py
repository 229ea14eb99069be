"""Texts that repeat each other, found by the shingles (runs of words) they share: passages, chapters, books.

Hashes are the same in every process. Time and memory grow with the number of words: for each word one hash of 8 bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tripletkit.language.normalise import tokens

#: Words per shingle; runs this long are rarely shared by chance.
SHINGLE_WORDS = 8
#: Two passages are near-duplicates if they share at least this fraction of the shorter one's shingles.
SHARED = 0.5
#: Two books or chapters belong together if they share at least this fraction of the shorter one's shingles. With one word
#: changed in every sentence of twelve words a third of the shingles stay; a licence was 23 % of a manual of 90 pages.
UNIT_SHARED = 1 / 3
#: … and at least so many shingles, about a passage. What is less is left to the comparison of passages.
FEWEST_SHARED = 100
#: A shingle in more texts than this counts only for neighbours among them, since the pairs of all would be too many.
COMMON = 50
#: Shingles that are sorted at a time, to limit the memory.
BLOCK = 1 << 23
#: Odd, so that no word is lost in the arithmetic modulo 2⁶⁴ (a polynomial hash).
_POWERS = np.array([pow(0x9E3779B97F4A7C15, place, 1 << 64) for place in range(SHINGLE_WORDS)], dtype=np.uint64)

Shingles = npt.NDArray[np.uint64]
Unit = TypeVar("Unit", bound=Hashable)


class DisjointSets:
    """The numbers below ``size`` in sets that are joined two at a time (union-find); the smallest member leads a set."""

    def __init__(self, size: int) -> None:
        self._leader = list(range(size))

    def find(self, member: int) -> int:
        """The leader of the member's set."""
        while self._leader[member] != member:
            self._leader[member] = self._leader[self._leader[member]]
            member = self._leader[member]
        return member

    def join(self, one: int, other: int) -> int:
        """Make one set of the sets of both members; its leader."""
        first, second = sorted((self.find(one), self.find(other)))
        self._leader[second] = first
        return first

    def sets(self) -> list[list[int]]:
        """Every set, members ascending, in the order of their leaders."""
        members: dict[int, list[int]] = {}
        for member in range(len(self._leader)):
            members.setdefault(self.find(member), []).append(member)
        return list(members.values())


@dataclass(frozen=True)
class Repeat(Generic[Unit]):
    """Two texts that repeat each other, and the fraction of the shorter one's shingles that the longer one has."""

    shorter: Unit
    longer: Unit
    share: float


def shingles(words: Sequence[str]) -> Shingles:
    """Hashes of every sequence of SHINGLE_WORDS words, distinct and ascending; the words would not fit in memory."""
    numbers = np.fromiter((crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words))
    if len(words) < SHINGLE_WORDS:
        return numbers[:0]
    return np.unique(np.lib.stride_tricks.sliding_window_view(numbers, SHINGLE_WORDS) @ _POWERS)


def text_shingles(texts: Mapping[str, str]) -> dict[str, Shingles]:
    """The shingles of each text by its normalised words, sorted by the text's id. A shorter text is one shingle."""
    found = {}
    for name in sorted(texts):
        words = [token.key for token in tokens(texts[name])]
        padded = words + [""] * (SHINGLE_WORDS - len(words)) if words else []
        found[name] = shingles(padded)
    return found


def near_duplicate_groups(texts: Mapping[str, Shingles]) -> list[list[str]]:
    """Ids of texts that repeat each other, in groups of two and more, sorted. Takes what `text_shingles` returns."""
    names = sorted(texts)
    groups = DisjointSets(len(names))
    for one, other, shared in _shared([texts[name] for name in names]):
        if shared >= SHARED * min(len(texts[names[one]]), len(texts[names[other]])):
            groups.join(one, other)
    return [[names[text] for text in group] for group in groups.sets() if len(group) > 1]


def join_units(units: Mapping[str, Unit], texts: Mapping[str, Shingles]) -> tuple[dict[str, Unit], list[Repeat[Unit]]]:
    """By text, the first of the units (books or chapters) that belong with its own; and the pairs that joined them.

    The most alike are joined first. Groups are joined if two of their units share UNIT_SHARED of the longest unit of the
    shorter group: an appendix joins one of the books that print it, and does not join the books.
    """
    names, held = _unit_shingles(units, texts)
    sizes = [len(unit) for unit in held]
    pairs = [(-shared / max(sizes[a], sizes[b]), a, b, shared) for a, b, shared in _shared(held)]
    groups, repeats = DisjointSets(len(names)), list[Repeat[Unit]]()
    longest = sizes.copy()  # unit of each group, by its leader
    for _, a, b, shared in sorted(pairs):
        ends = groups.find(a), groups.find(b)
        if ends[0] != ends[1] and shared >= max(FEWEST_SHARED, UNIT_SHARED * min(longest[end] for end in ends)):
            longest[groups.join(a, b)] = max(longest[end] for end in ends)
            shorter, longer = sorted((a, b), key=lambda unit: (sizes[unit], unit))
            repeats.append(Repeat(names[shorter], names[longer], shared / sizes[shorter]))
    first = {name: names[groups.find(number)] for number, name in enumerate(names)}
    return {text: first[unit] for text, unit in units.items()}, repeats


def shares_within(texts: Mapping[str, Shingles], others: Iterable[Shingles]) -> dict[str, float]:
    """By text, the fraction of its shingles that stand in any of the others, wherever those begin and end."""
    known = np.unique(np.concatenate([np.zeros(0, np.uint64), *texts.values()]))
    found = np.zeros(len(known) + 1, dtype=bool)
    for other in others if len(known) else ():
        at = np.searchsorted(known, other)
        found[at[known[np.minimum(at, len(known) - 1)] == other]] = True
    return {name: float(found[np.searchsorted(known, own)].mean()) if len(own) else 0.0 for name, own in texts.items()}


def _unit_shingles(units: Mapping[str, Unit], texts: Mapping[str, Shingles]) -> tuple[list[Unit], list[Shingles]]:
    """The units in order, and the shingles of all texts of each."""
    held = defaultdict[Unit, list[Shingles]](list)
    for text, unit in units.items():
        held[unit].append(texts[text])
    names = sorted(held, key=repr)
    return names, [np.unique(np.concatenate(held[name])) for name in names]


def _shared(texts: Sequence[Shingles]) -> Iterator[tuple[int, int, int]]:
    """(one, other, number of common shingles) of pairs of texts that have any; one < other."""
    values = np.concatenate([np.zeros(0, np.uint64), *texts])
    owners = np.repeat(
        np.arange(len(texts), dtype=np.int32), np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    )
    blocks = len(values) // BLOCK + 1
    found: list[npt.NDArray[np.int64]] = []
    for block in range(blocks):
        held = values % blocks == block
        found += _pairs(values[held], owners[held], len(texts))
    codes, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *found]), return_counts=True)
    yield from zip((codes // len(texts)).tolist(), (codes % len(texts)).tolist(), counts.tolist(), strict=True)


def _pairs(values: Shingles, owners: npt.NDArray[np.int32], texts: int) -> Iterator[npt.NDArray[np.int64]]:
    """For every shingle, pairs of its owners, each as one number: one × texts + other."""
    order = np.argsort(values, kind="stable")  # the owners of a shingle stay in order
    values, owners = values[order], owners[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else order
    lengths = np.diff(starts, append=len(values))
    for length in range(2, COMMON + 1):
        holders = owners[starts[lengths == length][:, None] + np.arange(length)].astype(np.int64)
        one, other = np.triu_indices(length, 1)
        yield (holders[:, one] * texts + holders[:, other]).ravel()
    # The stock phrases.
    of_many = np.flatnonzero(np.repeat(lengths, lengths)[1:] * (values[1:] == values[:-1]) > COMMON)
    yield owners[of_many].astype(np.int64) * texts + owners[of_many + 1]
