"""Passages, terms and mentions → triplets, split by split, by the current encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from tripletkit.encoding.cross_encoder import load_cross_encoder
from tripletkit.evaluation.gold import anchor_passages
from tripletkit.ids import stable_id
from tripletkit.mining.miner import MinedPool, Tools, check_any_triplet, mine_pool
from tripletkit.mining.pool import build_pool
from tripletkit.schemas import TRIPLETS, check_table
from tripletkit.settings import TrainSettings
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.training.diagnostics import violation_rate


def run(job: Job) -> StageResult:
    """Mine each split separately: negatives come from its own terms."""
    settings = job.settings.mine
    cross_encoder = load_cross_encoder(settings.cross_encoder)
    mapper = None if job.settings.cluster is None else job.mapper
    tools = Tools(job.encoder(job.locate()), lambda: job.locate().mask_token, cross_encoder, job.progress, mapper)
    found: dict[str, MinedPool] = {}
    for split in ("train", "validation", "test"):
        passages = anchor_passages(job.table("passages"), job.table("splits"), kinds=settings.kinds, split=split)
        read, margin = (passages, job.table("terms"), job.table("mentions")), settings.page_margin
        pool = build_pool(*read, page_margin=margin, reviews=job.reviews)
        found[split] = mine_pool(pool, tools, settings, seed=job.settings.seed, name=f"{split} ")
    check_any_triplet(list(found.values()))
    tables = [_table(split, mined, tools.encoder.fingerprint, job.round) for split, mined in found.items()]
    result = _result(check_table(pl.concat(tables), TRIPLETS), list(found.values()), job.settings.train)
    result = replace(result, notes=(*result.notes, *_by_review(job, result.tables["triplets"])))
    prompts = job.locate().prompts_in_words()
    return replace(result, summary=f"{result.summary}; prompts: {prompts}") if prompts else result


def _table(split: str, found: MinedPool, fingerprint: str, number: int) -> pl.DataFrame:
    columns = found.columns()
    count = len(columns["passage_id"])
    ids = zip(*(columns[name] for name in ("passage_id", "positive_id", "negative_id", "masked")), strict=True)
    columns["triplet_id"] = [stable_id("t", *three, str(masked), str(number)) for *three, masked in ids]
    columns |= {"split": [split] * count, "round": [number] * count, "encoder": [fingerprint] * count}
    return pl.DataFrame(columns, schema_overrides=TRIPLETS.schema).select(TRIPLETS.schema.names())


def _result(triplets: pl.DataFrame, found: Sequence[MinedPool], training: TrainSettings) -> StageResult:
    counts = {
        "triplets": triplets.height,
        "passages": sum(len(one.pool.passage_ids) for one in found),
        "with_positive": sum(len({c.passage for c in one.pool.candidates}) for one in found),
        "with_triplet": triplets["passage_id"].n_unique(),
    }
    summary = (
        f"{triplets.height:,} triplets ({_counts(triplets['split'])}) from {counts['with_triplet']:,} of the "
        f"{counts['with_positive']:,} passages with a positive ({counts['with_triplet'] / max(counts['with_positive'], 1):.1%}; "
        f"{counts['passages']:,} passages in all)"
    )
    dropped: list[Row] = [
        {"stage": "mine", "item": passage_id, "related": term_id, "reason": reason, "detail": detail}
        for one in found
        for passage_id, term_id, reason, detail in one.rejections()
    ]
    rejected = sum((one.rejected for one in found), Counter[str]())
    return StageResult({"triplets": triplets}, dropped, counts, summary, yield_notes(triplets, rejected, training))


def _by_review(job: Job, triplets: pl.DataFrame) -> Iterator[str]:
    """What people decided about pairs, and how the triplets differ from those of the last mining."""
    reviews, there = job.reviews, set(job.table("passages")["passage_id"])
    decided = {
        "negatives that are positives": reviews.known_positives,
        "bad positives": reviews.bad_positives,
        "candidates taken back": reviews.allowed_negatives | reviews.allowed_positives,
    }
    if not reviews.rows:
        return
    # A pair of a term that was joined counts once.
    facts = {name: {(passage, reviews.current(term)) for passage, term in pairs} for name, pairs in decided.items()}
    told = ", ".join(f"{name} {len(pairs):,}" for name, pairs in facts.items() if pairs) or "nothing about pairs"
    gone = sum(passage not in there for pairs in facts.values() for passage, _ in pairs)
    lost = f"; {gone:,} of them on passages that are no longer there" if gone else ""
    yield f"          by review: {told}{lost}"
    store = job.store
    if store.has("triplets") and store.has_current_columns("triplets"):
        before, now = (set(frame["triplet_id"]) for frame in (store.read("triplets"), triplets))
        told = f"{len(now - before):,} triplets new, {len(before - now):,} gone, {len(now & before):,} as before"
        yield f"          since the last mining: {told}"


def yield_notes(triplets: pl.DataFrame, rejected: Counter[str], training: TrainSettings) -> tuple[str, ...]:
    """Which rule chose how many negatives, what each guard rejected, and how hard the triplets are."""
    quantiles = [
        f"{name}, quantiles: "
        + ", ".join(f"{share:.0%} {values.quantile(share) or 0:.3f}" for share in (0.05, 0.25, 0.5, 0.75, 0.95))
        for name, values in (
            ("cos(positive)", triplets["cos_ap"]),
            ("cos(negative)", triplets["cos_an"]),
            ("cosine margin cos(positive) − cos(negative)", triplets["cos_ap"] - triplets["cos_an"]),
        )
    ]
    guards = ", ".join(f"{n:,} {reason}" for reason, n in rejected.items())
    most = Counter(triplets["negative_id"]).most_common(1)[0][1]
    lines = (
        f"negatives by rule: {_counts(triplets['rule'])}",
        f"candidates rejected: {guards or 'none'}",
        *quantiles,
        f"{violation_rate(triplets, training):.1%} of the triplets violate the training margin "
        f"({training.distance}, {training.margin:g})",
        f"the most frequent negative is in {most / triplets.height:.1%} of the triplets",
    )
    return tuple(f"          {line}" for line in lines)  # below the summary


def _counts(values: pl.Series) -> str:
    counted = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{value} {n:,}" for value, n in counted)


STAGE = Stage(
    "mine",
    reads=("passages", "terms", "mentions", "splits"),
    writes=("triplets",),
    run=run,
    settings=("mine", "seed", "precision"),
    inputs=frozenset({Input.ENCODER, Input.WORD_RULES, Input.REVIEWED_PAIRS}),
    version=8,
)
