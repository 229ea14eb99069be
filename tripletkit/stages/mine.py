"""Passages, terms and mentions → triplets, split by split, by the current encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tripletkit.encoding.encoder import Encoder, Vectors
from tripletkit.errors import TableError
from tripletkit.ids import rng_for, stable_id
from tripletkit.mining.masking import hide
from tripletkit.mining.miner import Mined, choose_positives, mine
from tripletkit.mining.pool import Candidate, Pool, build_pool
from tripletkit.schemas import TRIPLETS, make_table
from tripletkit.stage import Job, Row, Stage, StageResult


@dataclass(frozen=True)
class _Split:
    """One split's pool, what was mined from it, and its anchors in which the positive is hidden."""

    split: str
    pool: Pool
    mined: Mined
    hidden: dict[tuple[int, int], str]


def run(job: Job) -> StageResult:
    """Mine each split by itself: its negatives are its own terms."""
    settings = job.settings.mine
    encoder = job.encoder(job.locate())
    passages = (
        job.table("passages").filter(pl.col("kind").is_in(settings.kinds)).join(job.table("splits"), on="passage_id")
    )
    rows: list[Row] = []
    dropped: list[Row] = []
    refused: Counter[str] = Counter()
    anchors = with_positive = 0
    for split in ("train", "validation", "test"):
        of_split = passages.filter(split=split)
        pool = build_pool(of_split, job.table("terms"), job.table("mentions"), page_margin=settings.page_margin)
        if not pool.candidates:
            continue
        found = _mine(pool, encoder, job, split)
        rows += _rows(found, encoder.fingerprint, job.round)
        dropped += _dropped(pool, found.mined)
        refused += found.mined.refused
        anchors += of_split.height
        with_positive += len({c.passage for c in pool.candidates})
    if not rows:
        raise TableError(
            "mine: no passage holds a kept term with a legal negative",
            "Look at `dropped` and `terms`; pass more terms (--terms FILE) or loosen mine.relative_bound.",
        )
    return _result(make_table(TRIPLETS, rows), dropped, refused, anchors, with_positive, job.settings.train.margin)


def _mine(pool: Pool, encoder: Encoder, job: Job, split: str) -> _Split:
    """Encode what the split's pairs need, then search."""
    settings, seed = job.settings.mine, job.settings.seed
    pairs = choose_positives(pool, settings, seed)
    hidden = _hidden_anchors(pool, pairs, job)
    terms = encoder.encode(pool.names, f"{split} terms")
    plain = sorted({pair.passage for pair in pairs})
    texts = [pool.texts[i] for i in plain] + list(hidden.values())
    vectors = dict(zip(texts, encoder.encode(texts, f"{split} passages"), strict=True))

    def anchor_of(pair: Candidate) -> Vectors:
        row: Vectors = vectors[hidden.get((pair.passage, pair.term), pool.texts[pair.passage])]
        return row

    with job.progress.bar(f"mining {split}", len(pairs), "pairs") as advance:
        return _Split(split, pool, mine(pool, anchor_of, terms, settings, seed, advance), hidden)


def _hidden_anchors(pool: Pool, pairs: Sequence[Candidate], job: Job) -> dict[tuple[int, int], str]:
    """The anchors in which the positive is hidden, by pair: a seeded share of all."""
    share, seed = job.settings.mine.mask, job.settings.seed
    chosen = [
        p for p in pairs if rng_for(seed, "mask", pool.passage_ids[p.passage], pool.term_ids[p.term]).random() < share
    ]
    if not chosen:
        return {}
    token = job.locate().mask_token
    forms = {
        row["term_id"]: [row["term"], *row["forms"]]
        for row in job.table("terms").select("term_id", "term", "forms").to_dicts()
    }
    return {(p.passage, p.term): hide(pool.texts[p.passage], forms[pool.term_ids[p.term]], token) for p in chosen}


def _rows(found: _Split, fingerprint: str, number: int) -> list[Row]:
    pool = found.pool
    rows: list[Row] = []
    for t in found.mined.triplets:
        passage_id, positive_id, negative_id = (
            pool.passage_ids[t.passage],
            pool.term_ids[t.positive],
            pool.term_ids[t.negative],
        )
        hidden = found.hidden.get((t.passage, t.positive))
        rows.append(
            {
                "triplet_id": stable_id(
                    "t", passage_id, positive_id, negative_id, str(hidden is not None), str(number)
                ),
                "passage_id": passage_id,
                "positive_id": positive_id,
                "negative_id": negative_id,
                "anchor": pool.texts[t.passage] if hidden is None else hidden,
                "positive": pool.names[t.positive],
                "negative": pool.names[t.negative],
                "cos_ap": t.cos_ap,
                "cos_an": t.cos_an,
                "cos_pn": t.cos_pn,
                "rank": t.rank,
                "rule": t.rule,
                "masked": hidden is not None,
                "split": found.split,
                "round": number,
                "encoder": fingerprint,
            }
        )
    return rows


def _dropped(pool: Pool, mined: Mined) -> list[Row]:
    held = {c.passage for c in pool.candidates}
    rows: list[Row] = [
        {
            "stage": "mine",
            "item": pool.passage_ids[i],
            "related": None,
            "reason": "no positive",
            "detail": "no kept term stands in it",
        }
        for i in range(len(pool.passage_ids))
        if i not in held
    ]
    rows += [
        {
            "stage": "mine",
            "item": pool.passage_ids[c.passage],
            "related": pool.term_ids[c.term],
            "reason": "no legal negative",
            "detail": pool.names[c.term],
        }
        for c in mined.barren
    ]
    rows += [
        {
            "stage": "mine",
            "item": pool.passage_ids[c.passage],
            "related": pool.term_ids[other],
            "reason": f"nearest refused: {guard}",
            "detail": f"positive {pool.names[c.term]!r} {cos_ap:.4f}, refused {pool.names[other]!r} {cos_an:.4f}",
        }
        for c, other, guard, cos_ap, cos_an in mined.review
    ]
    return rows


def _result(
    triplets: pl.DataFrame, dropped: list[Row], refused: Counter[str], anchors: int, with_positive: int, margin: float
) -> StageResult:
    used = triplets["passage_id"].n_unique()
    sides = _counts(triplets["split"])
    summary = (
        f"{triplets.height:,} triplets ({sides}) from {used:,} of the {with_positive:,} passages with a positive "
        f"({used / max(with_positive, 1):.1%}; {anchors:,} passages in all)"
    )
    counts = {"triplets": triplets.height, "passages": anchors, "with_positive": with_positive, "with_triplet": used}
    return StageResult({"triplets": triplets}, dropped, counts, summary, yield_notes(triplets, refused, margin))


def yield_notes(triplets: pl.DataFrame, refused: Counter[str], margin: float) -> tuple[str, ...]:
    """What was chosen by which rule, what each guard refused, and how hard the triplets are."""
    gap = triplets["cos_ap"] - triplets["cos_an"]
    quantiles = ", ".join(f"{share:.0%} {gap.quantile(share) or 0:.3f}" for share in (0.05, 0.25, 0.5, 0.75, 0.95))
    most = Counter(triplets["negative_id"].to_list()).most_common(1)[0][1]
    return (
        f"          chosen by rule: {_counts(triplets['rule'])}",
        f"          candidates refused: {', '.join(f'{name} {n:,}' for name, n in refused.items())}",
        f"          cosine gap, quantiles: {quantiles}; under a margin of {margin:g}, so active: {sum(gap < margin) / len(gap):.1%}",
        f"          most used negative: {most / triplets.height:.1%} of the triplets",
    )


def _counts(values: pl.Series) -> str:
    counted = Counter(str(value) for value in values.to_list())
    return ", ".join(f"{value} {n:,}" for value, n in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


STAGE = Stage(
    "mine",
    reads=("passages", "terms", "mentions", "splits"),
    writes=("triplets",),
    run=run,
    settings=("mine", "seed", "precision"),
    uses=frozenset({"encoder", "round"}),
    version=2,
)
