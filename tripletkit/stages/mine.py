"""Passages, terms and mentions → triplets, split by split, by the current encoder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.errors import TableError
from tripletkit.ids import stable_id
from tripletkit.mining.miner import Mined, choose_positives, mine
from tripletkit.mining.pool import Pool, build_pool
from tripletkit.schemas import TRIPLETS, make_table
from tripletkit.stage import Job, Row, Stage, StageResult


def run(job: Job) -> StageResult:
    """Mine each split by itself: its negatives are its own terms."""
    settings = job.settings.mine
    encoder = job.encoder(job.locate())
    passages = job.table("passages").filter(pl.col("kind").is_in(settings.kinds)).join(job.table("splits"), on="passage_id")
    rows: list[Row] = []
    dropped: list[Row] = []
    refused: Counter[str] = Counter()
    anchors = with_positive = 0
    for split in ("train", "validation", "test"):
        of_split = passages.filter(split=split)
        pool = build_pool(of_split, job.table("terms"), job.table("mentions"), page_margin=settings.page_margin)
        if not pool.candidates:
            continue
        mined = _mine(pool, encoder, job, split)
        rows += _rows(pool, mined, split, encoder.fingerprint)
        dropped += _dropped(pool, mined)
        refused += mined.refused
        anchors += of_split.height
        with_positive += len({c.passage for c in pool.candidates})
    if not rows:
        raise TableError("mine: no passage holds a kept term with a legal negative",
                         "Look at `dropped` and `terms`; pass more terms (--terms FILE) or loosen mine.relative_bound.")
    return _result(make_table(TRIPLETS, rows), dropped, refused, anchors, with_positive)


def _mine(pool: Pool, encoder: Encoder, job: Job, split: str) -> Mined:
    settings, seed = job.settings.mine, job.settings.seed
    terms = encoder.encode(pool.names, f"{split} terms")
    wanted = sorted({pair.passage for pair in choose_positives(pool, settings, seed)})
    anchors = np.zeros((len(pool.texts), terms.shape[1]), dtype=np.float32)
    anchors[wanted] = encoder.encode([pool.texts[i] for i in wanted], f"{split} passages")
    with job.progress.bar(f"mining {split}", len(choose_positives(pool, settings, seed)), "pairs") as advance:
        return mine(pool, anchors, terms, settings, seed, advance)


def _rows(pool: Pool, mined: Mined, split: str, fingerprint: str) -> list[Row]:
    rows: list[Row] = []
    for t in mined.triplets:
        passage_id, positive_id, negative_id = pool.passage_ids[t.passage], pool.term_ids[t.positive], pool.term_ids[t.negative]
        rows.append({
            "triplet_id": stable_id("t", passage_id, positive_id, negative_id, "False", "0"), "passage_id": passage_id,
            "positive_id": positive_id, "negative_id": negative_id, "anchor": pool.texts[t.passage], "positive": pool.names[t.positive],
            "negative": pool.names[t.negative], "cos_ap": t.cos_ap, "cos_an": t.cos_an, "cos_pn": t.cos_pn, "rank": t.rank, "rule": t.rule,
            "masked": False, "split": split, "round": 0, "encoder": fingerprint,
        })
    return rows


def _dropped(pool: Pool, mined: Mined) -> list[Row]:
    held = {c.passage for c in pool.candidates}
    rows: list[Row] = [{"stage": "mine", "item": pool.passage_ids[i], "related": None, "reason": "no positive", "detail": "no kept term stands in it"}
                       for i in range(len(pool.passage_ids)) if i not in held]
    rows += [{"stage": "mine", "item": pool.passage_ids[c.passage], "related": pool.term_ids[c.term], "reason": "no legal negative", "detail": pool.names[c.term]}
             for c in mined.barren]
    rows += [{"stage": "mine", "item": pool.passage_ids[c.passage], "related": pool.term_ids[other], "reason": f"nearest refused: {guard}",
              "detail": f"positive {pool.names[c.term]!r} {cos_ap:.4f}, refused {pool.names[other]!r} {cos_an:.4f}"}
             for c, other, guard, cos_ap, cos_an in mined.review]
    return rows


def _result(triplets: pl.DataFrame, dropped: list[Row], refused: Counter[str], anchors: int, with_positive: int) -> StageResult:
    used = triplets["passage_id"].n_unique()
    rules = ", ".join(f"{rule} {n:,}" for rule, n in sorted(triplets.group_by("rule").len().iter_rows()))
    sides = ", ".join(f"{split} {n:,}" for split, n in sorted(triplets.group_by("split").len().iter_rows(), key=lambda side: -side[1]))
    guards = ", ".join(f"{name} {n:,}" for name, n in refused.items())
    gap = triplets.select((pl.col("cos_ap") - pl.col("cos_an")).median()).item()
    summary = (f"{triplets.height:,} triplets ({sides}; {rules}) from {used:,} of {anchors:,} passages, {with_positive:,} with a positive; "
               f"median cosine gap {gap:.3f}; candidates refused: {guards}")
    counts = {"triplets": triplets.height, "passages": anchors, "with_positive": with_positive, "with_triplet": used}
    return StageResult({"triplets": triplets}, dropped, counts, summary)


STAGE = Stage("mine", reads=("passages", "terms", "mentions", "splits"), writes=("triplets",), run=run, settings=("mine", "seed", "precision"),
              uses=frozenset({"encoder"}), help="choose (passage, term in it, negative term) triplets")
