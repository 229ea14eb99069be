"""Mines one pool: its triplets and what was rejected. Shared by the mine stage and `mine_triplets`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tripletkit.cluster.mapper import Mapper
from tripletkit.encoding.encoder import Encoder
from tripletkit.errors import TableError
from tripletkit.ids import rng_for
from tripletkit.mining.pool import BAD_POSITIVE, Anchors, Candidate, Pool, Weak, choose_positives, hide, without_weak
from tripletkit.mining.relations import Numbers
from tripletkit.mining.search import Mined, search_negatives
from tripletkit.progress import Progress
from tripletkit.settings import MineSettings

#: Reasons for rejection, besides those of weak positives.
NO_POSITIVE, NO_NEGATIVE = "no positive", "no negative left"
NEAREST_REJECTED, REJECTED = "nearest candidate rejected: ", "rejected: "
#: The cross-encoder's name among the guards that reject.
TOO_CLOSE_BY_CROSS_ENCODER = "too close by the cross-encoder"


@dataclass(frozen=True)
class Tools:
    """Encoder, mask token and optional cross-encoder. ``mask_token`` is called only where positives are masked."""

    encoder: Encoder
    mask_token: Callable[[], str]
    cross_encoder: Any = None  # an untyped library's model
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    mapper: Mapper | None = None  # where blocks of anchors are searched; None: in this process


@dataclass(frozen=True)
class MinedPool:
    """What was mined from a pool: triplets, the anchors in which the positive is masked, and what was rejected."""

    pool: Pool
    mined: Mined = field(default_factory=Mined)
    masked: Mapping[tuple[int, int], str] = field(default_factory=dict)  # (passage, positive): the anchor
    weak: Sequence[Weak] = ()

    @property
    def rejected(self) -> Counter[str]:
        """How many candidates were rejected, by reason."""
        return self.mined.rejected + Counter(
            [BAD_POSITIVE] * len(self.pool.bad) + [reason for _, _, reason in self.weak]
        )

    def texts(self) -> list[tuple[str, str, str]]:
        """Each triplet's anchor, positive and negative."""
        names, texts, masked = self.pool.names, self.pool.texts, self.masked
        return [
            (masked.get((t.passage, t.positive), texts[t.passage]), names[t.positive], names[t.negative])
            for t in self.mined.triplets
        ]

    def columns(self) -> dict[str, list[Any]]:
        """The triplets column by column: a row as a dictionary would take ten times the memory."""
        pool, triplets, texts = self.pool, self.mined.triplets, self.texts()
        return {
            "passage_id": [pool.passage_ids[t.passage] for t in triplets],
            "positive_id": [pool.term_ids[t.positive] for t in triplets],
            "negative_id": [pool.term_ids[t.negative] for t in triplets],
            **{name: [text[i] for text in texts] for i, name in enumerate(("anchor", "positive", "negative"))},
            **{name: [getattr(t, name) for t in triplets] for name in ("cos_ap", "cos_an", "cos_pn", "rank", "rule")},
            "ce_ap": [of_positive for of_positive, _ in self.mined.scores] or [None] * len(triplets),
            "ce_an": [of_negative for _, of_negative in self.mined.scores] or [None] * len(triplets),
            "masked": [(t.passage, t.positive) in self.masked for t in triplets],
        }

    def rejections(self) -> Iterator[tuple[str, str | None, str, str]]:
        """Passage, term, reason and detail: no positive or negative, a weak positive, a nearest rejected term."""
        held = {c.passage for c in (*self.pool.candidates, *self.pool.bad)}
        for i, passage_id in enumerate(self.pool.passage_ids):
            if i not in held:
                yield passage_id, None, NO_POSITIVE, "no kept term is mentioned in it"
        for pair in self.pool.bad:
            yield self._rejection(pair.passage, pair.term, BAD_POSITIVE, self.pool.names[pair.term])
        for pair in self.mined.without_negatives:
            yield self._rejection(pair.passage, pair.term, NO_NEGATIVE, self.pool.names[pair.term])
        for pair, cosine, reason in self.weak:
            yield self._rejection(pair.passage, pair.term, reason, f"{self.pool.names[pair.term]!r} {cosine:.4f}")
        near = [
            (n.pair.passage, n.pair.term, n.term, NEAREST_REJECTED + n.guard, n.cos_positive, n.cos_term)
            for n in self.mined.review
        ]
        reason = REJECTED + TOO_CLOSE_BY_CROSS_ENCODER
        near += [(t.passage, t.positive, t.negative, reason, p, n) for t, p, n in self.mined.rejected_by_scores]
        for passage, positive, other, reason, of_positive, of_other in near:
            name, other_name = self.pool.names[positive], self.pool.names[other]
            detail = f"positive {name!r} {of_positive:.4f}, rejected {other_name!r} {of_other:.4f}"
            yield self._rejection(passage, other, reason, detail)

    def _rejection(self, passage: int, term: int, reason: str, detail: str) -> tuple[str, str, str, str]:
        return self.pool.passage_ids[passage], self.pool.term_ids[term], reason, detail


def mine_pool(pool: Pool, tools: Tools, settings: MineSettings, *, seed: int, name: str = "") -> MinedPool:
    """Encode the pool's terms and passages, mine hard negatives, and filter them with the cross-encoder, if any.

    ``name`` is a prefix of the progress bars' labels, such as "train ".
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
        rows = {pair: row for row, pair in enumerate(masked, start=len(plain))}
        anchors = Anchors(np.concatenate((anchors.vectors, vectors)), anchors.plain, rows)
    with tools.progress.bar(f"mining {name}".strip(), len(pairs), "pairs") as advance:
        mined = search_negatives(pool, pairs, anchors, terms, settings, seed=seed, advance=advance, mapper=tools.mapper)
    found = MinedPool(pool, mined, masked, weak)
    if tools.cross_encoder is None:
        return found
    margin = settings.cross_encoder_margin
    return replace(found, mined=rescore(mined, found.texts(), tools.cross_encoder, margin, pool.allowed))


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
    pool: Pool, pairs: list[Candidate], tools: Tools, share: float, seed: int
) -> dict[tuple[int, int], str]:
    """The anchors in which the positive is masked, by pair: a seeded share of all."""
    ids, terms = pool.passage_ids, pool.term_ids
    chosen = [p for p in pairs if rng_for(seed, "mask", ids[p.passage], terms[p.term]).random() < share]
    token = tools.mask_token() if chosen else ""
    return {(p.passage, p.term): hide(pool.texts[p.passage], pool.forms[p.term], token) for p in chosen}


def rescore(
    mined: Mined,
    texts: Sequence[tuple[str, str, str]],
    model: Any,  # noqa: ANN401 - untyped library
    relative_margin: float,
    allowed: Mapping[int, Numbers] | None = None,
) -> Mined:
    """Reject triplets whose negative scores above (1 − ``relative_margin``) times the positive; not replaced.

    ``allowed``: by passage, negatives that stay whatever their score.
    """
    pairs = list(dict.fromkeys(pair for anchor, *both in texts for pair in ((anchor, both[0]), (anchor, both[1]))))
    score = dict(zip(pairs, map(float, model.predict(pairs, show_progress_bar=False)), strict=True))
    left, rejected, scores = [], [], []
    for triplet, (anchor, positive, negative) in zip(mined.triplets, texts, strict=True):
        of_positive, of_negative = score[anchor, positive], score[anchor, negative]
        stays = triplet.negative in (allowed or {}).get(triplet.passage, ())
        if of_negative > of_positive - relative_margin * abs(of_positive) and not stays:
            rejected.append((triplet, of_positive, of_negative))
        else:
            left.append(triplet)
            scores.append((of_positive, of_negative))
    counts = mined.rejected.copy()
    counts[TOO_CLOSE_BY_CROSS_ENCODER] = len(rejected)
    return replace(mined, triplets=left, rejected=counts, scores=scores, rejected_by_scores=rejected)
