"""The trained encoder in the output folder, made ready to be published: whose text it learned from, and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath

import polars as pl

import tripletkit
from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.errors import SourceError, TableError
from tripletkit.pdf.reader import open_pdf, read_author
from tripletkit.publishing.configs import Tables
from tripletkit.publishing.figures import book_figures
from tripletkit.publishing.model_card import ModelContent, make_model_card
from tripletkit.publishing.plan import CARD
from tripletkit.publishing.rights import combine_licenses, refuse_weights_without_rights
from tripletkit.publishing.scores import read_scores, read_validation
from tripletkit.settings import PublishSettings
from tripletkit.store import ENCODER, Manifest, Store, write_atomically

TABLES = ("books", "passages", "terms", "splits", "triplets")
#: What programs write where an author should stand.
NO_AUTHOR = frozenset({"", "admin", "administrator", "author", "owner", "unknown", "user", "windows user"})


def prepare_encoder(store: Store, settings: PublishSettings) -> Path:
    """The trained encoder's folder, its card written anew. Raises TableError for one that is not of these triplets,
    RightsError for books whose licence is missing or forbids it.
    """
    made = store.manifest("train")
    trouble = encoder_trouble(store, made)
    if made is None or trouble:
        raise TableError(f"{store.place(ENCODER)}: {trouble}", "Make it with `tripletkit train`.")
    return write_model_card(store, made, check_rights(store, settings), settings)


def check_rights(store: Store, settings: PublishSettings) -> Tables:
    """The tables that an encoder learns from. Raises RightsError if weights trained on them may not be published."""
    tables = {name: store.read(name) for name in TABLES}
    tables["books"] = with_license(tables["books"], settings)
    if not settings.i_have_the_right:
        refuse_weights_without_rights(_trained_on(tables))
    return tables


def encoder_trouble(store: Store, made: Manifest | None) -> str:
    """Why the encoder in the output folder is not the one that `train` made of the triplets there; "" if it is."""
    if made is None or not store.place(ENCODER).is_dir():
        return "not there yet"
    if made.key["inputs"].get("triplets.parquet") != store.sha("triplets.parquet"):
        return "was trained on other triplets than those there now"
    if made.outputs.get(ENCODER) != store.sha(ENCODER):
        return "is not what `tripletkit train` made"
    return ""


def write_model_card(store: Store, made: Manifest, tables: Tables, settings: PublishSettings) -> Path:
    """Write the card into the encoder's folder, which keeps its hash: read-mes are left out of it."""
    folder = store.place(ENCODER)
    note = json.loads((folder / "tripletkit.json").read_text(encoding="utf-8"))
    scores = read_scores(store)
    books = _trained_on(tables)
    triplets = tables["triplets"].filter(split="train")
    figures = book_figures({**tables, "books": books, "triplets": triplets})
    content = ModelContent(
        title=dataset_title(books),
        version=tripletkit.__version__,
        base=note["base"],
        base_fingerprint=note["base_fingerprint"],
        fingerprint=fingerprint_of(made.outputs[ENCODER]),
        steps=note["steps"],
        recipe={
            name: ", ".join(map(str, value)) if isinstance(value, list) else value
            for name, value in note["recipe"].items()
        },
        books=tuple(figures),
        credits=book_credits(books, settings.authors),
        license=combine_licenses(text or "none" for text in books["license"]),
        triplets=triplets.height,
        scores=scores,
        validation=() if scores else read_validation(store),
        have_the_right=settings.i_have_the_right,
    )
    write_atomically(folder / CARD, make_model_card(content).encode())
    return folder


def with_license(books: pl.DataFrame, settings: PublishSettings) -> pl.DataFrame:
    """``books`` with the licence of the settings where they have none of their own."""
    return books.with_columns(license=books["license"].fill_null(settings.license)) if settings.license else books


def dataset_title(books: pl.DataFrame) -> str:
    """The book's title, or how many there are."""
    return str(books["title"][0]) if books.height == 1 else f"{books.height} textbooks"


def book_credits(books: pl.DataFrame, authors: Mapping[str, str]) -> dict[str, str]:
    """By book_id the authors that the settings name, else those in the PDF's metadata if it still lies where it was."""
    named = {
        book_id: authors.get(PurePath(path).name) or _author(Path(path))
        for book_id, path in books.select("book_id", "path").iter_rows()
    }
    return {book_id: author for book_id, author in named.items() if author}


def _author(path: Path) -> str:
    try:
        with open_pdf(path) as document:
            author = read_author(document)
    except SourceError:
        return ""
    return "" if author.casefold() in NO_AUTHOR else author


def _trained_on(tables: Tables) -> pl.DataFrame:
    """The books with an anchor in the training split."""
    anchors = tables["triplets"].filter(split="train").select("passage_id")
    mine = tables["passages"].join(anchors, on="passage_id", how="semi")
    return tables["books"].join(mine, on="book_id", how="semi", maintain_order="left")
