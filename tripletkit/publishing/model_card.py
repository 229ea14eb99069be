"""The fine-tuned encoder's card: base encoder, training data, settings and scores, and no text of any book."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from huggingface_hub import EvalResult, ModelCard, ModelCardData

import tripletkit
from tripletkit.encoding.resolve import fingerprint_of, resolve_encoder
from tripletkit.evaluation.report import FINE_TUNED, RankerScores
from tripletkit.figures.forest import forest
from tripletkit.publishing.card_statistics import book_statistics, dataset_title
from tripletkit.publishing.cards import (
    CARD,
    HUB_RESULTS,
    license_head,
    read_scores,
    read_validation,
    render_card,
    write_pictures,
)
from tripletkit.publishing.configs import Tables
from tripletkit.publishing.rights import combine_licenses
from tripletkit.settings import describe_text, describe_training
from tripletkit.store import ENCODER, Manifest, Store, write_atomically


def books_trained_on(store: Store, tables: Tables) -> pl.DataFrame:
    """The books with an anchor in the training split, or with a passage that a teacher's list holds, whatever its split."""
    anchors = tables["triplets"].filter(split="train").select("passage_id")
    if store.has("teacher"):
        anchors = pl.concat([anchors, store.read("teacher").select("passage_id")])
    passages = tables["passages"].join(anchors, on="passage_id", how="semi")
    return tables["books"].join(passages, on="book_id", how="semi", maintain_order="left")


def encoder_problem(store: Store, made: Manifest | None) -> str:
    """Why the encoder in the output folder is not the one that `train` made from the triplets there; "" if it is."""
    if made is None or not store.local(ENCODER).is_dir():
        return "not there yet"
    if made.key["inputs"].get("triplets.parquet") != store.sha("triplets.parquet"):
        return "was trained on other triplets than those there now"
    if made.key["inputs"].get("teacher.parquet", "") not in ("", store.sha("teacher.parquet")):
        return "was trained on other lists of the teacher than those there now"
    if made.outputs.get(ENCODER) != store.sha(ENCODER):
        return "is not what `tripletkit train` made"
    return ""


def write_model_card(
    store: Store, made: Manifest, tables: Tables, *, authors: Mapping[str, str], have_the_right: bool
) -> Path:
    """Write the card of the encoder that ``made`` describes into its folder, and return the folder.

    The folder keeps its hash: read-mes and pictures are left out of it. ``tables`` are those that it was trained on, ``authors`` the
    authors by book_id. Equal content gives an equal card.
    """
    folder = store.local(ENCODER)
    note = json.loads((folder / "tripletkit.json").read_text(encoding="utf-8"))
    books, triplets = books_trained_on(store, tables), tables["triplets"].filter(split="train")
    scores, title = read_scores(store), dataset_title(books)
    rankers = scores.rankers if scores else read_validation(store)
    split = scores.split if scores else "validation"
    results = list(_results(rankers, split, f"{title}, {split} split"))
    license_ = combine_licenses(text or "none" for text in books["license"])
    base, name = note["base"], f"{note['base'].rpartition('/')[2]} fine-tuned on {title}"
    # A folder's own name would be taken for somebody's repository.
    base_model = base if re.fullmatch(r"[\w.-]+/[\w.-]+", base) else None
    text = render_card(
        ModelCard,
        ModelCardData(**license_head(license_), base_model=base_model, model_name=name, eval_results=results or None),
        "model_card.md.jinja",
        name=name,
        version=tripletkit.__version__,
        **{key: note[key] for key in ("base", "base_fingerprint", "steps", "recipe")},
        fingerprint=fingerprint_of(made.outputs[ENCODER]),
        training=describe_training(note["recipe"], note["steps"]),
        text_seen=describe_text(note["recipe"]),
        books=book_statistics({**tables, "books": books, "triplets": triplets}),
        authors=authors,
        license=license_,
        triplets=triplets.height,
        use=resolve_encoder(str(folder)).use_in_words(),
        scores=scores,
        pictures=write_pictures(folder, [forest(scores)] if scores else []),
        rankers=rankers,
        have_the_right=have_the_right,
    )
    write_atomically(folder / CARD, text.encode())
    return folder


def _results(rankers: Mapping[str, RankerScores], split: str, dataset: str) -> Iterator[EvalResult]:
    for task, metric in HUB_RESULTS if rankers else ():
        yield EvalResult(
            task_type="information-retrieval",
            task_name=task,
            dataset_type="textbook-passages",
            dataset_name=dataset,
            dataset_config=task,  # results of one dataset, configuration and split are taken for one task
            dataset_split=split,
            metric_type=metric.lower().replace("@", "_at_"),
            metric_name=metric,
            metric_value=round(rankers[FINE_TUNED].scores[task][metric], 6),
        )
