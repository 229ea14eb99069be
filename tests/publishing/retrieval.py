"""A book whose index cites several pages for each term, as tables and as a published folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.publishing.tables import DETAILS, Book, small_tables
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.retrieval_sets import RetrievalSets, retrieval_sets

KINDS = ("prose",)
#: Passages 0 to 3 train, one a page; five terms in turn.
OMEGA = Book("omega", "marigold", "CC BY 4.0", ("train",) * 4 + ("validation",) * 8 + ("test",) * 15)
SETS = ("term-to-passage", "passage-to-term", "definition-to-passage")
#: What the sets are published as.
RETRIEVAL_CONFIGURATIONS = tuple(f"{name}-{part}" for name in SETS for part in ("queries", "corpus", "qrels"))


def cited_tables() -> dict[str, pl.DataFrame]:
    """Tables of OMEGA in which the index cites two thirds of the pages that mention a term, and two that do not.

    Four of the five terms have a definition, in which the term occurs.
    """
    tables = small_tables(OMEGA)
    pages: dict[str, list[int]] = {}
    places = (
        tables["mentions"]
        .unique(["passage_id", "term_id"], maintain_order=True)
        .join(tables["passages"], on="passage_id")
    )
    for term_id, page in places.sort("page_first")["term_id", "page_first"].iter_rows():
        pages.setdefault(term_id, []).append(page)
    locators = [
        [{"label": str(page), "page": page, "range_end": None} for page in (*found[::3], *found[1::3], 7 + k, 20 + k)]
        for k, found in enumerate(pages[term_id] for term_id in tables["terms"]["term_id"])
    ]
    cited = pl.Series("locators", locators, dtype=tables["terms"].schema["locators"])
    number = pl.int_range(pl.len()).cast(pl.String)
    definition = pl.format("What the {}s of example {} work with, and how.", "term", number)
    defined = pl.when(pl.col("definition").is_not_null()).then(definition)
    return {**tables, "terms": tables["terms"].with_columns(cited, definition=defined)}


def sets_of(tables: dict[str, pl.DataFrame]) -> RetrievalSets:
    return retrieval_sets(tables, KINDS, DETAILS.mask_token)


def published(folder: Path, *, redact: bool = False) -> Path:
    """A dataset folder of these tables."""
    tables = cited_tables()
    write_dataset(tables, folder, details=DETAILS, sets=sets_of(tables), redact=redact)
    return folder
