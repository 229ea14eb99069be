"""A redacted dataset and the books it was made from → the dataset with its text, for whoever has the books.

Books are identified by their file's hash, and every text must have the hash that the dataset holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from tripletkit.errors import HubError
from tripletkit.publishing.configs import SPLIT_NAMES, Tables, mask, text_hash, text_hashes
from tripletkit.publishing.dataset_folder import FORMAT, CardDetails, DatasetReport, read_manifest, write_dataset
from tripletkit.publishing.retrieval_sets import SETS, RetrievalSets, fill_sets
from tripletkit.schemas import BOOKS, DROPPED, MENTIONS, PAGES, PASSAGES, SPLITS, TEACHER, TERMS, TRIPLETS, make_table


@dataclass(frozen=True)
class FillReport:
    """What was filled, and how many rows could not be, by kind."""

    dataset: DatasetReport
    unfilled: Mapping[str, int]

    @property
    def summary(self) -> str:
        """One line for a command to end with."""
        missing = ", ".join(f"{n:,} {kind}" for kind, n in self.unfilled.items())
        return f"{self.dataset.summary}; not filled: {missing or 'nothing'}"


def fill_dataset(redacted: Path, tables: Tables, output: Path) -> FillReport:
    """Fill ``redacted`` with the ``passages`` of its books, cut by the settings on its card, and with their ``terms``.

    Without ``terms`` only those terms are filled whose canonical form some passage mentions, and no definitions.
    ``books`` and ``pages`` are used if they are given. The result is for this machine: a push refuses it.
    Raises HubError if the books are others, or gave other passages.
    """
    manifest = read_manifest(redacted)
    paths = dict(tables["books"].select("book_id", "path").iter_rows()) if "books" in tables else {}
    _check(redacted, manifest, tables["passages"], paths)
    parts = {name: _rows(redacted, name) for name in ("corpus", "terms", "mentions", "full")}
    hashed = tables["passages"].with_columns(text_sha256=text_hashes(tables["passages"]["text"]))
    passages = hashed.join(parts["corpus"], on=["passage_id", "text_sha256"], how="semi")
    if not passages.height:
        problem = f"{redacted}: none of its {parts['corpus'].height} passages came out of the books as they were"
        cure = "Extract with the version and the settings that its card names (README.md, How it was made)."
        raise HubError(problem, cure)
    surface = pl.col("text").str.slice(pl.col("start"), pl.col("end") - pl.col("start"))
    mentions = parts["mentions"].join(passages, on="passage_id").with_columns(surface=surface)
    terms = _terms(parts["terms"], tables.get("terms", make_table(TERMS, [])), mentions["surface"])
    mask_token = manifest["details"]["mask_token"]
    triplets = _triplets(parts["full"], passages, terms, mask_token)
    sets, unanswered = _fill_sets(redacted, passages, terms, mask_token)
    lists, unscored = _fill_lists(redacted, passages, terms)
    unfilled = {
        "passages": parts["corpus"].height - passages.height,
        "terms": parts["terms"].height - terms.height,
        "definitions": parts["terms"]["definition_sha256"].count() - terms["definition"].count(),
        "triplets": parts["full"].height - triplets.height,
        "queries": unanswered,
        "rows of scored lists": unscored,
    }
    unfilled = {kind: n for kind, n in unfilled.items() if n}
    filled = {
        "books": make_table(BOOKS, [{**book, "path": paths.get(book["book_id"], "")} for book in manifest["books"]]),
        "pages": tables.get("pages", make_table(PAGES, [])),
        "passages": passages.select(*PASSAGES.columns),
        "terms": terms.select(*TERMS.columns),
        "mentions": mentions.join(terms, on="term_id", how="semi").select(*MENTIONS.columns),
        "splits": parts["corpus"].join(passages, on="passage_id", how="semi").select(*SPLITS.columns),
        "triplets": triplets.select(*TRIPLETS.columns),
        "dropped": _dropped(manifest, unfilled),
        **lists,
    }
    details = replace(TypeAdapter(CardDetails).validate_python(manifest["details"]), local_only=True)
    return FillReport(write_dataset(filled, output, details=details, sets=sets), unfilled)


def _check(folder: Path, manifest: Mapping[str, Any], passages: pl.DataFrame, paths: Mapping[str, str]) -> None:
    if not manifest.get("redacted"):
        cure = "Fill only a dataset whose card says that it is redacted."
        raise HubError(f"{folder}: is not redacted, its text is there already", cure)
    if manifest.get("format") != FORMAT:
        problem = f"{folder}: has format {manifest.get('format')!r}, this version of tripletkit reads format {FORMAT}"
        raise HubError(problem, "Fill it with the version of tripletkit that its card names.")
    known = {book["book_id"]: book["title"] for book in manifest["books"]}
    if strange := set(passages["book_id"]) - set(known):
        name = PurePath(paths.get(min(strange), min(strange))).name
        cure = f"It must be the same file, byte for byte, as one of: {'; '.join(known.values())}"
        raise HubError(f"{name} is none of the books that the dataset was made from", cure)


def _rows(folder: Path, name: str) -> pl.DataFrame:
    paths = [(split, path) for split in SPLIT_NAMES for path in sorted((folder / name).glob(f"{split}-*.parquet"))]
    return pl.concat([pl.read_parquet(path).with_columns(split=pl.lit(split)) for split, path in paths])


def _fill_sets(
    folder: Path, passages: pl.DataFrame, terms: pl.DataFrame, mask_token: str
) -> tuple[RetrievalSets | None, int]:
    """The retrieval sets, and how many queries are left out. None in a dataset of an earlier version."""
    parts = [
        [
            _rows(folder, f"{name}-{part}").with_columns(set=pl.lit(name))
            for name in SETS
            if (folder / f"{name}-{part}").is_dir()
        ]
        for part in ("queries", "corpus", "qrels")
    ]
    if not all(parts):
        return None, 0
    redacted = RetrievalSets(*(pl.concat(of, how="diagonal") for of in parts))
    texts = {
        "passage": dict(passages.select("passage_id", "text").iter_rows()),
        "term": dict(terms.select("term_id", "term").iter_rows()),
        "definition": dict(terms.drop_nulls("definition").select("term_id", "definition").iter_rows()),
    }
    filled = fill_sets(redacted, texts, mask_token)
    return filled, redacted.queries.height - filled.queries.height


def _terms(redacted: pl.DataFrame, known: pl.DataFrame, surfaces: pl.Series) -> pl.DataFrame:
    """The terms whose canonical form is known by its hash: from a glossary, or as some passage writes it."""
    written = ((one, one.lower(), one[:1].lower() + one[1:]) for one in surfaces.unique())
    sources = (known["term"], known["definition"].drop_nulls(), *known["forms"], *written)
    texts: dict[str | None, str] = {text_hash(text): text for source in sources for text in source}
    found = redacted.with_columns(
        pl.Series(name, [texts.get(one) for one in redacted[f"{name}_sha256"]], dtype=pl.String)
        for name in ("term", "definition")
    ).drop_nulls("term")
    return found.join(known.select("term_id", "forms"), on="term_id", how="left").with_columns(
        pl.col("forms").fill_null(pl.concat_list("term")), reason=pl.lit(None, dtype=pl.String)
    )


def _triplets(redacted: pl.DataFrame, passages: pl.DataFrame, terms: pl.DataFrame, mask_token: str) -> pl.DataFrame:
    names = terms.select("term_id", "term")
    rows = (
        redacted.drop_nulls("masked_spans")
        .join(passages.select("passage_id", "text"), on="passage_id")
        .join(names.rename({"term": "positive"}), left_on="positive_id", right_on="term_id")
        .join(names.rename({"term": "negative"}), left_on="negative_id", right_on="term_id")
    )
    anchors = [mask(text, spans, mask_token) for text, spans in rows.select("text", "masked_spans").iter_rows()]
    filled = rows.with_columns(anchor=pl.Series(anchors, dtype=pl.String))
    return filled.filter(text_hashes(anchors) == filled["anchor_sha256"])


def _fill_lists(redacted: Path, passages: pl.DataFrame, terms: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], int]:
    """The table `teacher`, if there is one: lists whose terms are all filled. And how many of its rows are left out."""
    if not (redacted / "scored-list").is_dir():
        return {}, 0
    scored = _rows(redacted, "scored-list")
    unknown = scored.explode("term_ids").join(terms, left_on="term_ids", right_on="term_id", how="anti")
    known = scored.join(passages, on="passage_id", how="semi").join(unknown, on="list", how="anti")
    no_triplet = {name: pl.lit(None, dtype=pl.String) for name in ("positive_id", "negative_id")}
    return {"teacher": known.with_columns(**no_triplet).select(*TEACHER.columns)}, scored.height - known.height


def _dropped(manifest: Mapping[str, Any], unfilled: Mapping[str, int]) -> pl.DataFrame:
    # The items were text and stayed with the publisher; their number is known.
    counts = [(one["stage"], one["reason"], one["rows"]) for one in manifest["dropped"]]
    counts += [("fill", f"{kind} without text", n) for kind, n in unfilled.items()]
    row = {"item": "", "related": None, "detail": None}
    return make_table(DROPPED, [{**row, "stage": stage, "reason": why} for stage, why, n in counts for _ in range(n)])
