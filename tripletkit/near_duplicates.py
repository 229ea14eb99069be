"""Passages that repeat each other, found by the shingles (runs of words) they share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from tripletkit.language.normalise import tokens

#: Words per shingle; runs this long are rarely shared by chance.
SHINGLE_WORDS = 8
#: Two texts are near-duplicates if they share this much of the shorter one's shingles.
SHARED = 0.5
#: A shingle in more texts than this is a formula of the book ("the running time of this operation is …"), no copy.
COMMON = 50


def near_duplicate_groups(texts: Mapping[str, str]) -> list[list[str]]:
    """Ids of texts that repeat each other, in groups of two and more, sorted."""
    shingles = {name: _shingles(text) for name, text in texts.items()}
    holders: dict[int, list[str]] = defaultdict(list)
    for name, held in shingles.items():
        for shingle in held:
            holders[shingle].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        if 1 < len(names) <= COMMON:
            shared.update((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
    parent = {name: name for name in texts}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for (a, b), count in sorted(shared.items()):
        if count >= SHARED * min(len(shingles[a]), len(shingles[b])):
            parent[max(root(a), root(b))] = min(root(a), root(b))
    groups: dict[str, list[str]] = defaultdict(list)
    for name in texts:
        groups[root(name)].append(name)
    return [sorted(group) for _, group in sorted(groups.items()) if len(group) > 1]


def _shingles(text: str) -> set[int]:
    words = [token.key for token in tokens(text)]
    if len(words) < SHINGLE_WORDS:
        return {hash(tuple(words))} if words else set()
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(len(words) - SHINGLE_WORDS + 1)}
