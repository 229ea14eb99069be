"""Passages, terms and mentions → triplets, split by split, by the current encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.errors import TableError
from tripletkit.ids import rng_for, stable_id
from tripletkit.mining.cross_encoder import GUARD as REREAD
from tripletkit.mining.cross_encoder import Reread, load_cross_encoder, reread
from tripletkit.mining.masking import hide
from tripletkit.mining.miner import Anchors, Mined, choose_positives, mine, without_weak
from tripletkit.mining.pool import Candidate, Pool, build_pool
from tripletkit.schemas import TRIPLETS, check_table, make_table
from tripletkit.settings import TrainSettings
from tripletkit.stage import Job, Row, Stage, StageResult
from tripletkit.stages.views import MinedViews, mine_views


@dataclass(frozen=True)
class _Split:
    """One split's pool, what was mined from it, and its anchors in which the positive is hidden."""

    split: str
    pool: Pool
    mined: Mined
    hidden: dict[tuple[int, int], str]
    weak: Sequence[tuple[Candidate, float, str]] = ()
    reread: Reread | None = None

    def anchor(self, passage: int, positive: int) -> str:
        """The anchor's text."""
        return self.hidden.get((passage, positive), self.pool.texts[passage])


def run(job: Job) -> StageResult:
    """Mine each split by itself: its negatives are its own terms."""
    settings = job.settings.mine
    encoder = job.encoder(job.locate())
    reader = load_cross_encoder(settings.cross_encoder) if settings.cross_encoder is not None else None
    passages = (
        job.table("passages").filter(pl.col("kind").is_in(settings.kinds)).join(job.table("splits"), on="passage_id")
    )
    tables: list[pl.DataFrame] = []
    splits: list[tuple[str, Pool, Mined]] = []
    dropped: list[Row] = []
    refused: Counter[str] = Counter()
    anchors = with_positive = 0
    for split in ("train", "validation", "test"):
        of_split = passages.filter(split=split)
        anchors += of_split.height
        pool = build_pool(of_split, job.table("terms"), job.table("mentions"), page_margin=settings.page_margin)
        if not pool.candidates:
            dropped += _without_positive(pool)
            continue
        found = _mine(pool, encoder, job, split)
        if reader is not None:
            found = _reread(found, reader, settings.cross_encoder_bound)
        tables.append(_table(found, encoder.fingerprint, job.round))
        splits.append((split, found.pool, found.mined))
        dropped += _without_positive(pool) + _dropped(found)
        refused += found.mined.refused
        refused.update(reason for _, _, reason in found.weak)
        with_positive += len({c.passage for c in pool.candidates})
    triplets = make_table(TRIPLETS, []) if not tables else check_table(pl.concat(tables), TRIPLETS)
    if not triplets.height:
        raise TableError(
            "mine: no passage holds a kept term with a legal negative",
            "Look at `dropped` and `terms`; pass more terms (--terms FILE), or loosen mine.relative_bound.",
        )
    # Last, as the last bits of a vector depend on the texts that share its batch: no triplet is another for the views.
    views = mine_views(job, encoder, splits)
    return _result(triplets, views, dropped, refused, anchors, with_positive, job.settings.train)


def _mine(pool: Pool, encoder: Encoder, job: Job, split: str) -> _Split:
    """Encode what the split's pairs need, then search."""
    settings, seed = job.settings.mine, job.settings.seed
    terms = encoder.encode(pool.names, f"{split} terms")
    plain = sorted({pair.passage for pair in pool.candidates})
    anchors = Anchors(
        encoder.encode([pool.texts[i] for i in plain], f"{split} passages"),
        {passage: row for row, passage in enumerate(plain)},
    )
    pool, weak = without_weak(pool, anchors, terms, settings)
    pairs = choose_positives(pool, settings, seed)
    if not pairs:
        return _Split(split, pool, Mined(), {}, weak)
    if hidden := _hidden_anchors(pool, pairs, job):
        masked = encoder.encode(list(hidden.values()), f"{split} passages, positives hidden")
        anchors = Anchors(
            np.concatenate((anchors.vectors, masked)),
            anchors.plain,
            {pair: row for row, pair in enumerate(hidden, start=len(plain))},
        )
    if settings.engine == "sentence-transformers":
        from tripletkit.mining.peer import mine_by_sentence_transformers

        texts = [hidden.get((p.passage, p.term), pool.texts[p.passage]) for p in pairs]
        mined = mine_by_sentence_transformers(pool, pairs, texts, anchors, terms, settings)
        return _Split(split, pool, mined, hidden, weak)
    with job.progress.bar(f"mining {split}", len(pairs), "pairs") as advance:
        return _Split(split, pool, mine(pool, pairs, anchors, terms, settings, seed, advance), hidden, weak)


def _reread(found: _Split, reader: Any, bound: float) -> _Split:  # noqa: ANN401 - untyped library
    pool = found.pool
    texts = [
        (found.anchor(t.passage, t.positive), pool.names[t.positive], pool.names[t.negative])
        for t in found.mined.triplets
    ]
    checked = reread(found.mined, texts, reader, bound)
    return replace(found, mined=checked.mined, reread=checked)


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


def _table(found: _Split, fingerprint: str, number: int) -> pl.DataFrame:
    """The split's triplets, column by column: a row as a dictionary would take ten times the memory."""
    pool, triplets = found.pool, found.mined.triplets
    masked = [(t.passage, t.positive) in found.hidden for t in triplets]
    ids = [(pool.passage_ids[t.passage], pool.term_ids[t.positive], pool.term_ids[t.negative]) for t in triplets]
    scores = found.reread.scores if found.reread is not None else [(None, None)] * len(triplets)
    columns = {
        "triplet_id": [
            stable_id("t", *three, str(hidden), str(number)) for three, hidden in zip(ids, masked, strict=True)
        ],
        "passage_id": [passage for passage, _, _ in ids],
        "positive_id": [positive for _, positive, _ in ids],
        "negative_id": [negative for _, _, negative in ids],
        "anchor": [found.anchor(t.passage, t.positive) for t in triplets],
        "positive": [pool.names[t.positive] for t in triplets],
        "negative": [pool.names[t.negative] for t in triplets],
        "cos_ap": [t.cos_ap for t in triplets],
        "cos_an": [t.cos_an for t in triplets],
        "cos_pn": [t.cos_pn for t in triplets],
        "ce_ap": [of_positive for of_positive, _ in scores],
        "ce_an": [of_negative for _, of_negative in scores],
        "rank": [t.rank for t in triplets],
        "rule": [t.rule for t in triplets],
        "masked": masked,
        "split": [found.split] * len(triplets),
        "round": [number] * len(triplets),
        "encoder": [fingerprint] * len(triplets),
    }
    return pl.DataFrame(columns, schema=TRIPLETS.schema)


def _without_positive(pool: Pool) -> list[Row]:
    held = {c.passage for c in pool.candidates}
    return [
        _drop(passage_id, None, "no positive", "no kept term stands in it")
        for i, passage_id in enumerate(pool.passage_ids)
        if i not in held
    ]


def _dropped(found: _Split) -> list[Row]:
    pool, mined = found.pool, found.mined
    rows = [
        _drop(pool.passage_ids[c.passage], pool.term_ids[c.term], "no legal negative", pool.names[c.term])
        for c in mined.barren
    ]
    rows += [
        _drop(pool.passage_ids[c.passage], pool.term_ids[c.term], reason, f"{pool.names[c.term]!r} {cosine:.4f}")
        for c, cosine, reason in found.weak
    ]
    near = [(c.passage, c.term, other, guard, of_c, of_o) for c, other, guard, of_c, of_o in mined.review]
    if found.reread is not None:
        near += [(t.passage, t.positive, t.negative, REREAD, p, n) for t, p, n in found.reread.refused]
    return rows + [
        _drop(
            pool.passage_ids[passage],
            pool.term_ids[other],
            f"refused: {guard}" if guard == REREAD else f"nearest refused: {guard}",
            f"positive {pool.names[positive]!r} {of_positive:.4f}, refused {pool.names[other]!r} {of_other:.4f}",
        )
        for passage, positive, other, guard, of_positive, of_other in near
    ]


def _drop(item: str, related: str | None, reason: str, detail: str) -> Row:
    return {"stage": "mine", "item": item, "related": related, "reason": reason, "detail": detail}


def _result(
    triplets: pl.DataFrame,
    views: MinedViews,
    dropped: list[Row],
    refused: Counter[str],
    anchors: int,
    with_positive: int,
    training: TrainSettings,
) -> StageResult:
    used = triplets["passage_id"].n_unique()
    summary = (
        f"{triplets.height:,} triplets ({_counts(triplets['split'])}) from {used:,} of the {with_positive:,} passages with a "
        f"positive ({used / max(with_positive, 1):.1%}; {anchors:,} passages in all)"
    )
    counts = {"triplets": triplets.height, "passages": anchors, "with_positive": with_positive, "with_triplet": used}
    notes = (*yield_notes(triplets, refused, training), *views.notes)
    return StageResult({"triplets": triplets, "views": views.table}, dropped + views.dropped, counts, summary, notes)


def yield_notes(triplets: pl.DataFrame, refused: Counter[str], training: TrainSettings) -> tuple[str, ...]:
    """What was chosen by which rule, what each guard refused, and how hard the triplets are."""
    gap = triplets["cos_ap"] - triplets["cos_an"]
    most = Counter(triplets["negative_id"].to_list()).most_common(1)[0][1]
    quantiles = [
        f"          {name}, quantiles: "
        + ", ".join(f"{share:.0%} {values.quantile(share) or 0:.3f}" for share in (0.05, 0.25, 0.5, 0.75, 0.95))
        for name, values in (
            ("cosine of the positive", triplets["cos_ap"]),
            ("cosine of the negative", triplets["cos_an"]),
            ("their gap", gap),
        )
    ]
    return (
        f"          chosen by rule: {_counts(triplets['rule'])}",
        f"          candidates refused: {', '.join(f'{name} {n:,}' for name, n in refused.items()) or 'none, no guard was asked'}",
        *quantiles,
        f"          active under the training loss ({training.distance}, margin {training.margin:g}): "
        f"{_active(triplets, training).sum() / triplets.height:.1%}",
        f"          most used negative: {most / triplets.height:.1%} of the triplets",
    )


def _active(triplets: pl.DataFrame, training: TrainSettings) -> pl.Series:
    """Which triplets break the margin, so that TripletLoss moves them. Unit vectors: a distance follows from the cosine."""
    near, far = 1 - triplets["cos_ap"], 1 - triplets["cos_an"]
    if training.distance == "euclidean":
        near, far = (2 * near.clip(0, 2)).sqrt(), (2 * far.clip(0, 2)).sqrt()
    return far - near < training.margin


def _counts(values: pl.Series) -> str:
    counted = Counter(str(value) for value in values.to_list())
    return ", ".join(f"{value} {n:,}" for value, n in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


STAGE = Stage(
    "mine",
    reads=("passages", "terms", "mentions", "splits"),
    writes=("triplets", "views"),
    run=run,
    settings=("mine", "seed", "precision"),
    uses=frozenset({"encoder", "word_rules"}),
    version=5,
)
