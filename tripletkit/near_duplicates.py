"""Passages that repeat each other, found by the shingles (runs of words) they share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tripletkit.language.normalise import tokens

#: Words per shingle; runs this long are rarely shared by chance.
SHINGLE_WORDS = 8
#: Two texts are near-duplicates if they share this much of the shorter one's shingles.
SHARED = 0.5
#: A shingle in more texts than this is a formula of the book ("the running time of this operation is …"), no copy.
COMMON = 50


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

    def join(self, one: int, other: int) -> None:
        """Make one set of the sets of both members."""
        first, second = sorted((self.find(one), self.find(other)))
        self._leader[second] = first

    def sets(self) -> list[list[int]]:
        """Every set, members ascending, in the order of their leaders."""
        members: dict[int, list[int]] = {}
        for member in range(len(self._leader)):
            members.setdefault(self.find(member), []).append(member)
        return list(members.values())


def near_duplicate_groups(texts: Mapping[str, str]) -> list[list[str]]:
    """Ids of texts that repeat each other, in groups of two and more, sorted."""
    names = sorted(texts)
    words = ([token.key for token in tokens(texts[name])] for name in names)
    held = [shingles(one) or ({hash(tuple(one))} if one else set()) for one in words]
    holders: dict[int, list[int]] = defaultdict(list)
    for text, of_text in enumerate(held):
        for shingle in of_text:
            holders[shingle].append(text)
    shared: Counter[tuple[int, int]] = Counter()
    for held_by in holders.values():
        if 1 < len(held_by) <= COMMON:
            shared.update((a, b) for i, a in enumerate(held_by) for b in held_by[i + 1 :])
    groups = DisjointSets(len(names))
    for (a, b), count in shared.items():
        if count >= SHARED * min(len(held[a]), len(held[b])):
            groups.join(a, b)
    return [[names[text] for text in group] for group in groups.sets() if len(group) > 1]


def shingles(words: Sequence[str]) -> set[int]:
    """Hashes of every sequence of SHINGLE_WORDS words; the words themselves would not fit in memory."""
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(len(words) - SHINGLE_WORDS + 1)}
