"""From one pool to its triplets and to what was rejected: what the mine stage and `mine_triplets` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tripletkit.encoding.encoder import Encoder
from tripletkit.errors import TableError
from tripletkit.ids import rng_for
from tripletkit.mining.cross_encoder import TOO_CLOSE_BY_CROSS_ENCODER, Rescored, rescore
from tripletkit.mining.masking import hide
from tripletkit.mining.pool import Candidate, Pool
from tripletkit.mining.positives import Anchors, Weak, choose_positives, without_weak
from tripletkit.mining.search import Mined, search_negatives
from tripletkit.progress import Progress
from tripletkit.settings import MineSettings

#: Reasons of what is left out, beside those of weak positives.
NO_POSITIVE, NO_NEGATIVE = "no positive", "no negative left"
NEAREST_REJECTED, REJECTED = "nearest candidate rejected: ", "rejected: "


@dataclass(frozen=True)
class Tools:
    """What mining needs beside a pool and settings. ``mask_token`` and ``forms`` (by term_id) are asked for where positives are masked."""

    encoder: Encoder
    mask_token: Callable[[], str]
    forms: Mapping[str, Sequence[str]]
    cross_encoder: Any = None  # an untyped library's model
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))


class Rejection(NamedTuple):
    """A passage, or a passage and a term, that is left out."""

    passage_id: str
    term_id: str | None
    reason: str
    detail: str


@dataclass(frozen=True)
class MinedPool:
    """What was mined from a pool: triplets, the anchors in which the positive is masked, and what was rejected."""

    pool: Pool
    mined: Mined = field(default_factory=Mined)
    masked: Mapping[tuple[int, int], str] = field(default_factory=dict)  # (passage, positive): the anchor
    weak: Sequence[Weak] = ()
    rescored: Rescored | None = None

    def anchor(self, passage: int, positive: int) -> str:
        """The anchor's text."""
        return self.masked.get((passage, positive), self.pool.texts[passage])

    @property
    def rejected(self) -> Counter[str]:
        """How many candidates were rejected, by reason."""
        return self.mined.rejected + Counter(reason for _, _, reason in self.weak)

    def texts(self) -> list[tuple[str, str, str]]:
        """Each triplet's anchor, positive and negative."""
        names = self.pool.names
        return [(self.anchor(t.passage, t.positive), names[t.positive], names[t.negative]) for t in self.mined.triplets]

    def columns(self) -> dict[str, list[Any]]:
        """The triplets column by column: a row as a dictionary would take ten times the memory."""
        pool, triplets, texts = self.pool, self.mined.triplets, self.texts()
        scores = self.rescored.scores if self.rescored is not None else [(None, None)] * len(triplets)
        return {
            "passage_id": [pool.passage_ids[t.passage] for t in triplets],
            "positive_id": [pool.term_ids[t.positive] for t in triplets],
            "negative_id": [pool.term_ids[t.negative] for t in triplets],
            **{name: [text[i] for text in texts] for i, name in enumerate(("anchor", "positive", "negative"))},
            **{name: [getattr(t, name) for t in triplets] for name in ("cos_ap", "cos_an", "cos_pn", "rank", "rule")},
            **{name: [pair[i] for pair in scores] for i, name in enumerate(("ce_ap", "ce_an"))},
            "masked": [(t.passage, t.positive) in self.masked for t in triplets],
        }

    def rejections(self) -> Iterator[Rejection]:
        """Passages without a positive, weak positives, pairs without negatives, and the nearest rejected term of each pair."""
        held = {c.passage for c in self.pool.candidates}
        for i, passage_id in enumerate(self.pool.passage_ids):
            if i not in held:
                yield Rejection(passage_id, None, NO_POSITIVE, "no kept term is mentioned in it")
        for pair in self.mined.without_negatives:
            yield self._rejection(pair.passage, pair.term, NO_NEGATIVE, self.pool.names[pair.term])
        for pair, cosine, reason in self.weak:
            yield self._rejection(pair.passage, pair.term, reason, f"{self.pool.names[pair.term]!r} {cosine:.4f}")
        near = [
            (n.pair.passage, n.pair.term, n.term, NEAREST_REJECTED + n.guard, n.cos_positive, n.cos_term)
            for n in self.mined.review
        ]
        if self.rescored is not None:
            reason = REJECTED + TOO_CLOSE_BY_CROSS_ENCODER
            near += [(t.passage, t.positive, t.negative, reason, p, n) for t, p, n in self.rescored.rejected]
        for passage, positive, other, reason, of_positive, of_other in near:
            name, other_name = self.pool.names[positive], self.pool.names[other]
            detail = f"positive {name!r} {of_positive:.4f}, rejected {other_name!r} {of_other:.4f}"
            yield self._rejection(passage, other, reason, detail)

    def _rejection(self, passage: int, term: int, reason: str, detail: str) -> Rejection:
        return Rejection(self.pool.passage_ids[passage], self.pool.term_ids[term], reason, detail)


def mine_pool(pool: Pool, tools: Tools, settings: MineSettings, *, seed: int, name: str = "") -> MinedPool:
    """Encode what the pool's pairs need, search their negatives, and ask the cross-encoder if there is one.

    ``name`` stands before what the progress bars say, such as "train ".
    """
    if not pool.candidates:
        return MinedPool(pool)
    terms = tools.encoder.encode(pool.names, f"{name}terms", "query")
    plain = sorted({pair.passage for pair in pool.candidates})
    vectors = tools.encoder.encode([pool.texts[i] for i in plain], f"{name}passages")
    anchors = Anchors(vectors, {passage: row for row, passage in enumerate(plain)})
    pool, weak = without_weak(pool, anchors, terms, settings)
    pairs = choose_positives(pool, settings, seed)
    if masked := _masked_anchors(pool, pairs, tools, settings.mask, seed):
        vectors = tools.encoder.encode(list(masked.values()), f"{name}passages, positives masked")
        anchors = Anchors(
            np.concatenate((anchors.vectors, vectors)),
            anchors.plain,
            {pair: row for row, pair in enumerate(masked, start=len(plain))},
        )
    with tools.progress.bar(f"mining {name}".strip(), len(pairs), "pairs") as advance:
        mined = search_negatives(pool, pairs, anchors, terms, settings, seed=seed, advance=advance)
    found = MinedPool(pool, mined, masked, weak)
    if tools.cross_encoder is None:
        return found
    rescored = rescore(mined, found.texts(), tools.cross_encoder, settings.cross_encoder_margin)
    return MinedPool(pool, rescored.mined, masked, weak, rescored)


def check_any_triplet(found: Sequence[MinedPool]) -> None:
    """Raises TableError where nothing was mined."""
    if any(one.mined.triplets for one in found):
        return
    if not any(one.pool.candidates for one in found):
        raise TableError(
            "mine: no term is mentioned in any passage",
            "Give more terms, or further forms of them (CLI: `tripletkit glossary --terms FILE`).",
        )
    rejected = sum((one.rejected for one in found), Counter[str]())
    counts = ", ".join(f"{n:,} {reason}" for reason, n in rejected.most_common(3)) or "none"
    raise TableError(
        f"mine: no passage has a kept term with a negative that the guards allow; most rejected: {counts}",
        "Give more terms, lower mine.relative_margin or raise mine.synonym_threshold; `dropped` has the reasons.",
    )


def _masked_anchors(
    pool: Pool, pairs: Sequence[Candidate], tools: Tools, share: float, seed: int
) -> dict[tuple[int, int], str]:
    """The anchors in which the positive is masked, by pair: a seeded share of all."""
    chosen = [
        p for p in pairs if rng_for(seed, "mask", pool.passage_ids[p.passage], pool.term_ids[p.term]).random() < share
    ]
    if not chosen:
        return {}
    token = tools.mask_token()
    return {(p.passage, p.term): hide(pool.texts[p.passage], tools.forms[pool.term_ids[p.term]], token) for p in chosen}
