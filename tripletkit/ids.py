"""Ids from content and seeded random generators: neither depends on processing order, clock or machine."""

from __future__ import annotations

import hashlib
import random

from tripletkit.addresses import Address, Place


def stable_id(kind: str, *parts: str) -> str:
    """An id that depends on the content only. Lengths are hashed too, so ("ab", "c") differs from ("a", "bc")."""
    payload = "".join(f"{len(part)}:{part}" for part in (kind, *parts))
    return f"{kind}_{hashlib.sha256(payload.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def rng_for(seed: int, *scope: str) -> random.Random:
    """A random generator that depends on the seed and ``scope`` (such as stage and id), not on earlier draws."""
    return random.Random(stable_id("seed", str(seed), *scope))


def file_sha256(path: Place) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    if isinstance(path, Address):
        return path.sha256()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
