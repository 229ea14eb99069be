"""The fine-tuned encoder's card: base encoder, training data, settings and scores, and no text of any book."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from huggingface_hub import EvalResult, ModelCard, ModelCardData

import tripletkit
from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.publishing.card_statistics import BookStatistics, book_statistics
from tripletkit.publishing.configs import Tables
from tripletkit.publishing.dataset_card import Setting, dataset_title, setting_rows, unlicensed_titles
from tripletkit.publishing.encoder_scores import (
    EncoderScores,
    ScoreRow,
    read_scores,
    read_validation,
)
from tripletkit.publishing.markdown import PLACEHOLDER, citation, count, render_card
from tripletkit.publishing.rights import DatasetLicense, combine_licenses, license_cell
from tripletkit.settings import describe_loss
from tripletkit.store import ENCODER, Manifest, Store, write_atomically

CARD = "README.md"
TAGS = (
    "sentence-transformers",
    "sentence-similarity",
    "feature-extraction",
    "textbook",
    "hard-negatives",
    "tripletkit",
)


@dataclass(frozen=True)
class ModelCardContent:
    """Everything that a model card is made of."""

    title: str  # of the data: a book's title, or "3 textbooks"
    version: str  # tripletkit's
    base: str
    base_fingerprint: str
    fingerprint: str
    steps: int
    recipe: Mapping[str, Setting]  # the settings of [train]
    books: tuple[BookStatistics, ...]  # those it was trained on
    authors: Mapping[str, str]  # book_id: authors
    license: DatasetLicense
    triplets: int  # of the training split
    scores: EncoderScores | None = None
    validation: tuple[ScoreRow, ...] = ()
    have_the_right: bool = False
    language: tuple[str, ...] = ("en",)

    @property
    def name(self) -> str:
        """The model's own name."""
        return f"{self.base.rpartition('/')[2]} fine-tuned on {self.title}"

    @property
    def scored(self) -> tuple[str, Sequence[ScoreRow]]:
        """Split and scores: those of `evaluate` if there are any, else the validation scores of `train`."""
        return (self.scores.split, self.scores.rows) if self.scores else ("validation", self.validation)


def make_model_card(content: ModelCardContent) -> str:
    """The README.md. Equal content gives an equal card."""
    _, rows = content.scored
    return render_card(
        ModelCard,
        card_metadata(content),
        "model_card.md.jinja",
        content=content,
        repo=PLACEHOLDER,
        rows=rows,
        license_cell=license_cell,
        unlicensed=unlicensed_titles(content.books) if content.have_the_right else [],
        training=training_in_words(content.recipe, content.steps),
        setting_rows=setting_rows(content.recipe),
        citation=citation(
            "Model", content.name, f"Made with tripletkit {content.version}, weights {content.fingerprint}"
        ),
    )


def card_metadata(content: ModelCardContent) -> ModelCardData:
    """What the Hub's search and its table of evaluations read: the YAML head."""
    results = list(_results(content))
    return ModelCardData(
        language=list(content.language),
        license=content.license.hub,
        license_name=content.license.name or None,
        license_link=content.license.link or None,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        # A folder's own name would be taken for somebody's repository.
        base_model=content.base if re.fullmatch(r"[\w.-]+/[\w.-]+", content.base) else None,
        tags=list(TAGS),
        model_name=content.name,
        eval_results=results or None,
    )


def _results(content: ModelCardContent) -> Iterator[EvalResult]:
    split, rows = content.scored
    for row in rows:
        yield EvalResult(
            task_type="information-retrieval",
            task_name=row.task,
            dataset_type="textbook-passages",
            dataset_name=f"{content.title}, {split} split",
            dataset_config=row.task,  # results of one dataset, configuration and split are taken for one task
            dataset_split=split,
            metric_type=row.metric.lower().replace("@", "_at_"),
            metric_name=row.metric,
            metric_value=round(row.fine_tuned[0], 6),
        )


def training_in_words(recipe: Mapping[str, Setting], steps: int) -> str:
    """Loss, steps, batch and learning rate in one sentence."""
    batch = int(recipe.get("batch_size") or 0) * int(recipe.get("gradient_accumulation_steps") or 1)
    pairs = recipe.get("in_batch_negatives") or recipe.get("loss") == "mnrl"
    return (
        f"{describe_loss(recipe)}, {count(steps, 'step')} of {count(batch, 'pair' if pairs else 'triplet')}, "
        f"learning rate {recipe.get('learning_rate', '?')}."
    )


def books_trained_on(tables: Tables) -> pl.DataFrame:
    """The books with an anchor in the training split."""
    anchors = tables["triplets"].filter(split="train").select("passage_id")
    passages = tables["passages"].join(anchors, on="passage_id", how="semi")
    return tables["books"].join(passages, on="book_id", how="semi", maintain_order="left")


def encoder_problem(store: Store, made: Manifest | None) -> str:
    """Why the encoder in the output folder is not the one that `train` made from the triplets there; "" if it is."""
    if made is None or not store.place(ENCODER).is_dir():
        return "not there yet"
    if made.key["inputs"].get("triplets.parquet") != store.sha("triplets.parquet"):
        return "was trained on other triplets than those there now"
    if made.outputs.get(ENCODER) != store.sha(ENCODER):
        return "is not what `tripletkit train` made"
    return ""


def write_model_card(
    store: Store, made: Manifest, tables: Tables, *, authors: Mapping[str, str], have_the_right: bool
) -> Path:
    """Write the card of the encoder that ``made`` describes into its folder, and return the folder.

    The folder keeps its hash: read-mes are left out of it. ``tables`` are those that it was trained on, ``authors`` the
    authors by book_id.
    """
    folder = store.place(ENCODER)
    note = json.loads((folder / "tripletkit.json").read_text(encoding="utf-8"))
    scores = read_scores(store)
    books = books_trained_on(tables)
    triplets = tables["triplets"].filter(split="train")
    content = ModelCardContent(
        title=dataset_title(books),
        version=tripletkit.__version__,
        base=note["base"],
        base_fingerprint=note["base_fingerprint"],
        fingerprint=fingerprint_of(made.outputs[ENCODER]),
        steps=note["steps"],
        recipe=flat_settings(note["recipe"]),
        books=tuple(book_statistics({**tables, "books": books, "triplets": triplets})),
        authors=authors,
        license=combine_licenses(text or "none" for text in books["license"]),
        triplets=triplets.height,
        scores=scores,
        validation=() if scores else read_validation(store),
        have_the_right=have_the_right,
    )
    write_atomically(folder / CARD, make_model_card(content).encode())
    return folder


def flat_settings(settings: Mapping[str, object]) -> dict[str, Setting]:
    """Settings as a card shows them: lists as one text."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value  # type: ignore[misc]
        for name, value in settings.items()
    }
