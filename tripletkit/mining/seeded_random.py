"""Numbers drawn for (passage, term), fixed by their ids and the seed: nothing depends on what was drawn before.

`ids.rng_for` gives the same for one draw; a generator for each of a million pairs would take longer than the search.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


def hashes(ids: Iterable[str]) -> Hashes:
    """64 bits of each id."""
    return np.frombuffer(
        b"".join(hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id_ in ids),
        dtype="<u8",
    )


def lots(parts: Sequence[Hashes], count: int, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """``count`` numbers in [0, 1) for each row of ``parts``, which are columns of hashes: SplitMix64 (Steele et al., 2014)."""
    state = np.repeat(hashes([f"{seed} {purpose}"]), len(parts[0]))
    for part in parts:
        state = _mixed(state ^ part)
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = _mixed(state[:, None] + steps) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def _mixed(state: Hashes) -> Hashes:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = state ^ (state >> np.uint64(31))
    return mixed
