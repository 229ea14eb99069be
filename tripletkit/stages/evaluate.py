"""The tuned encoder and the untouched one, or any others, on passages that neither training nor its choices have seen."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import ConfigError, TableError
from tripletkit.evaluation.gold import Gold, build_gold
from tripletkit.evaluation.panel import Judged, Panel, judge
from tripletkit.evaluation.report import as_json, general_change, table_lines
from tripletkit.evaluation.seen_unseen import seen_keys, seen_parts
from tripletkit.evaluation.tasks import Part, Task, build_tasks
from tripletkit.stage import Job, Stage, StageResult
from tripletkit.stages.train import few_terms, held_passages, not_better, told
from tripletkit.store import write_atomically

#: The tasks that are also scored by seen and unseen terms and books.
_PARTED = ("term→passage", "passage→term")


def run(job: Job) -> StageResult:
    """Score the encoders on the held-out split and write scores.json."""
    settings = job.settings.evaluate
    places = _places(job)
    held = held_passages(job, settings.split)
    gold = _gold(job, held)
    tasks = build_tasks(gold)
    encoders = [Judged(name, job.encoder(place), place.mask_token) for name, place in places.items()]
    panel = judge(encoders, tasks, list(_parts(job, tasks)), job.settings.seed)
    before, *after = (panel.metrics(name) for name in places)
    failures = [failure for scores in after if (failure := not_better(before, scores, settings.split))]
    counts = {"terms": len(gold.terms), "passages": len(gold.passage_ids)}
    report = {
        **as_json(panel),
        **counts,
        "split": settings.split,
        "gold": gold.source,
        "left_out": _left_out(gold, tasks),
        "better": not failures,
    }
    for name, place in places.items():
        report["encoders"][name] |= {"name": place.name, "fingerprint": place.fingerprint}
    write_atomically(
        job.folder / "scores.json", (json.dumps(report, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    )
    changes = [told(before, scores) for scores in after]
    if settings.against:
        changes = [f"{name}: {change}" for name, change in zip(settings.against, changes, strict=True)]
    return StageResult(
        counts=counts,
        summary=f"{settings.split}: {len(gold.terms):,} terms, {len(gold.passage_ids):,} passages, gold by {gold.source}; "
        + "; ".join(changes),
        notes=(
            "\n".join(table_lines(panel)),
            *(f" {task}: not asked, {why}." for task, why in _left_out(gold, tasks).items()),
            *_caveats(gold),
            *_cut_off(held, places),
            *few_terms(len(gold.terms), settings.split),
            *_forgotten(panel, settings.general_loss),
        ),
        # Encoders that somebody named are compared; only one that was trained here has to be better.
        failed=failures[0] if failures and not settings.against else None,
    )


def _places(job: Job) -> dict[str, EncoderFolder]:
    """The encoders by their names in the report, the one that the others are compared with first."""
    folder, against = job.folder / "encoder", job.settings.evaluate.against
    if against:
        places = [job.locate(), *map(resolve_encoder, against)]
        twice = [name for name, number in Counter(place.name for place in places).items() if number > 1]
        if twice:
            raise ConfigError(f"evaluate: encoder {twice[0]!r} is named twice", "Name each encoder once.")
        return {place.name: place for place in places}
    if not folder.is_dir():
        raise TableError(
            f"{folder}: not there yet",
            "Make it with `tripletkit train`, or name two encoders to compare: --encoder A --encoder B.",
        )
    # The folder's own name, not its path: two runs give equal scores wherever they lie.
    return {"untouched": job.locate(), "tuned": dataclasses.replace(resolve_encoder(str(folder)), name=folder.name)}


def _gold(job: Job, held: pl.DataFrame) -> Gold:
    gold = build_gold(held, job.table("terms"), job.table("mentions"))
    if not gold.terms:
        raise TableError(
            f"evaluate: no term has an answer among the {held.height} {job.settings.evaluate.split} passages",
            "Give the split a larger share, or use more books.",
        )
    return gold


def _parts(job: Job, tasks: Sequence[Task]) -> Iterator[Part]:
    """Every task whole, then some by what training has seen."""
    trained = job.table("splits").filter(split="train")
    keys = seen_keys(job.table("terms"), job.table("mentions"), trained)
    books = set(job.table("passages").join(trained, on="passage_id", how="semi")["book_id"])
    yield from (task.whole for task in tasks)
    for task in tasks:
        if task.name in _PARTED:
            yield from seen_parts(task, keys, books)


def _left_out(gold: Gold, tasks: Sequence[Task]) -> Mapping[str, str]:
    """The tasks that nothing here can be asked, and why."""
    reasons = {
        "term→passage, unsaid": "the index cites no held-out page that does not say the term"
        if "index" in gold.source
        else "no index says which page is about a term that it does not say",
        "definition→term": "no held-out term has a definition",
    }
    asked = {task.name for task in tasks}
    return {task: why for task, why in reasons.items() if task not in asked}


def _caveats(gold: Gold) -> Iterator[str]:
    if gold.source != "index":
        yield f"gold by {gold.source}: where mentions judge, a string match is right by construction; look at the masked tasks"


def _cut_off(held: pl.DataFrame, places: Mapping[str, EncoderFolder]) -> Iterator[str]:
    """What an encoder with a shorter limit than the one that the passages were made for does not read."""
    for name, place in places.items():
        longer = held.filter(pl.col("n_tokens") > place.max_tokens).height
        if longer:
            yield f"{name} reads {place.max_tokens} tokens: of {longer} of {held.height} passages only the beginning"


def _forgotten(panel: Panel, bound: float) -> Iterator[str]:
    """A warning for each encoder that lost more of everyday language than is allowed."""
    for name in panel.encoders[1:]:
        change = general_change(panel, name)
        if change < -bound:
            before, after = (float(panel.general[one].point[0]) for one in (panel.encoders[0], name))
            yield (
                f"WARNING: {name} has lost general sense: Spearman on everyday sentence pairs {before:.3f} → {after:.3f} "
                f"({change:+.1%}; evaluate.general_loss allows {bound:.1%}). Train less: fewer epochs, a lower learning rate "
                "or a smaller margin."
            )


STAGE = Stage(
    "evaluate",
    reads=("passages", "terms", "mentions", "splits"),
    writes=(),
    run=run,
    settings=("evaluate", "mine", "precision", "seed"),
    uses=frozenset({"encoder", "against", "word_rules"}),
    files_in=("encoder",),
    files_out=("scores.json",),
    version=2,
)
