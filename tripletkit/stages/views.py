"""What `mine` adds to the triplets where mine.views asks for it: rows whose anchor is a definition, or a term."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from tripletkit.encoding.encoder import Encoder
from tripletkit.ids import stable_id
from tripletkit.mining.guards import GUARDS
from tripletkit.mining.miner import Anchors, Mined, mine
from tripletkit.mining.pool import Pool
from tripletkit.mining.scores import Vectors
from tripletkit.mining.views import (
    DEFINITION,
    OF_PASSAGES,
    TERM,
    definition_pool,
    hidden_definition,
    passages_beside,
    term_pool,
    term_settings,
)
from tripletkit.publishing.configs import term_splits
from tripletkit.schemas import VIEWS, make_table
from tripletkit.settings import MineSettings
from tripletkit.stage import Job, Row

#: A split's name, its pool, and the triplets that were mined from it.
MinedSplit = tuple[str, Pool, Mined]


@dataclass(frozen=True)
class MinedViews:
    """The table, what was left out, and what to tell the user."""

    table: pl.DataFrame
    dropped: list[Row] = field(default_factory=list)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """One view of one split: the pool that was searched, in which what looks is a passage and what is looked for a term."""

    view: str
    split: str
    pool: Pool
    mined: Mined


def mine_views(job: Job, encoder: Encoder, splits: Sequence[MinedSplit]) -> MinedViews:
    """The views asked for, of each split. The table is empty where none is."""
    wanted = job.settings.mine.views
    found, dropped = list[_Found](), list[Row]()
    if DEFINITION in wanted:
        mined, dropped = _definitions(job, encoder, splits)
        found += mined
    if TERM in wanted:
        found += [_terms(job, encoder, *split) for split in splits]
    dropped += [row for one in found for row in _dropped(one)]
    table = make_table(VIEWS, [row for one in found for row in _rows(one, encoder.fingerprint, job.round)])
    return MinedViews(table, dropped, tuple(_notes(found)))


def _definitions(job: Job, encoder: Encoder, splits: Sequence[MinedSplit]) -> tuple[list[_Found], list[Row]]:
    """Each definition in the earliest split that says its term, so that no judge asks for what training has answered."""
    tables = {name: job.table(name) for name in ("terms", "mentions", "passages", "splits")}
    terms = {row["term_id"]: row for row in tables["terms"].filter("kept").to_dicts()}
    homes = dict(term_splits(tables).iter_rows())
    left = {term_id for term_id, row in terms.items() if row["definition"] is not None}
    token = job.locate().mask_token if left else ""
    found, dropped = list[_Found](), list[Row]()
    for split, pool, _ in splits:
        rows = [terms[term_id] for term_id in pool.term_ids]
        here = [i for i, term_id in enumerate(pool.term_ids) if term_id in left and homes[term_id] == split]
        left -= {pool.term_ids[i] for i in here}
        texts = {i: hidden_definition(rows[i], token) for i in here}
        dropped += [_drop(pool.term_ids[i], DEFINITION, "it only names its term") for i in here if texts[i] is None]
        hidden = {i: text for i, text in texts.items() if text is not None}
        if hidden:
            held = definition_pool(pool, rows, hidden)
            vectors = encoder.encode(held.texts, f"{split} definitions"), encoder.encode(pool.names, f"{split} terms")
            found.append(_search(job, DEFINITION, split, held, vectors, job.settings.mine))
    return found, dropped + [
        _drop(i, DEFINITION, "no passage to mine in its split says the term") for i in sorted(left)
    ]


def _terms(job: Job, encoder: Encoder, split: str, pool: Pool, mined: Mined) -> _Found:
    """Each term with the passages that are its triplets' anchors, and the hardest that is not about it."""
    rows = {row["passage_id"]: row for row in job.table("passages").drop("text").to_dicts()}
    beside = passages_beside([rows[passage_id] for passage_id in pool.passage_ids], job.settings.mine.page_margin)
    held = term_pool(pool, {(triplet.passage, triplet.positive) for triplet in mined.triplets}, beside)
    vectors = encoder.encode(pool.names, f"{split} terms"), encoder.encode(pool.texts, f"{split} passages")
    return _search(job, TERM, split, held, vectors, term_settings(job.settings.mine))


def _search(
    job: Job, view: str, split: str, pool: Pool, vectors: tuple[Vectors, Vectors], settings: MineSettings
) -> _Found:
    """The search that makes the triplets, in another pool. ``vectors`` are those of the pool's passages and terms."""
    anchors = Anchors(vectors[0], {i: i for i in range(len(pool.passage_ids))})
    with job.progress.bar(f"mining {split}, {view} view", len(pool.candidates), "pairs") as advance:
        mined = mine(pool, pool.candidates, anchors, vectors[1], settings, job.settings.seed, advance)
    return _Found(view, split, pool, mined)


def _rows(found: _Found, fingerprint: str, number: int) -> Iterable[Row]:
    pool = found.pool
    for t in found.mined.triplets:
        ids = (pool.passage_ids[t.passage], pool.term_ids[t.positive], pool.term_ids[t.negative])
        yield {
            "view_id": stable_id("v", found.view, *ids, str(number)),
            "view": found.view,
            "split": found.split,
            **dict(zip(("anchor_id", "positive_id", "negative_id"), ids, strict=True)),
            "anchor": pool.texts[t.passage],
            "positive": pool.names[t.positive],
            "negative": pool.names[t.negative],
            "cos_ap": t.cos_ap,
            "cos_an": t.cos_an,
            "cos_pn": t.cos_pn,
            "rank": t.rank,
            "rule": t.rule,
            "round": number,
            "encoder": fingerprint,
        }


def _guard(view: str, name: str) -> str:
    return OF_PASSAGES[name] if view == TERM else name


def _dropped(found: _Found) -> Iterable[Row]:
    pool, view = found.pool, found.view
    for pair in found.mined.barren:
        yield _drop(pool.passage_ids[pair.passage], view, "no legal negative", pool.term_ids[pair.term])
    for pair, other, guard, of_positive, of_other in found.mined.review:
        detail = f"positive {pool.term_ids[pair.term]} {of_positive:.4f}, refused {of_other:.4f}"
        reason = f"nearest refused: {_guard(view, guard)}"
        yield _drop(pool.passage_ids[pair.passage], view, reason, pool.term_ids[other], detail)


def _drop(item: str, view: str, reason: str, related: str | None = None, detail: str | None = None) -> Row:
    return {"stage": "mine", "item": item, "related": related, "reason": f"{view} view: {reason}", "detail": detail}


def _notes(found: Sequence[_Found]) -> Iterable[str]:
    for view in dict.fromkeys(one.view for one in found):
        here = [one for one in found if one.view == view]
        counts = ", ".join(f"{one.split} {len(one.mined.triplets):,}" for one in here)
        refused = Counter[str]()
        for one in here:
            refused.update(one.mined.refused)
        told = ", ".join(f"{_guard(view, name)} {refused[name]:,}" for name in GUARDS)
        yield f"          {view} view: {counts}; candidates refused: {told}"
