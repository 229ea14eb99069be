"""Every table that a stage writes: columns, types, key, meaning. Every read and write is checked against this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from tripletkit.errors import TableError

TEXT, INT, REAL, BOOL = pl.String, pl.Int32, pl.Float32, pl.Boolean
TEXTS = pl.List(pl.String)
#: What a passage may be.
PASSAGE_KINDS = (
    *("prose", "exercise", "caption", "code", "list", "summary", "table"),
    *("equation", "footnote", "figure", "heading", "glossary", "box"),
)
LOCATORS = pl.List(pl.Struct({"label": pl.String, "page": pl.Int32, "range_end": pl.String}))


@dataclass(frozen=True)
class Column:
    """A column's type, meaning, and whether it may be null."""

    dtype: DataType | DataTypeClass
    meaning: str
    null: bool = False


@dataclass(frozen=True)
class Table:
    """A table's columns in order, and the columns that identify a row and order the file."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    meaning: str

    @property
    def schema(self) -> pl.Schema:
        """The columns' types, for polars."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})


BOOKS = Table(
    "books",
    ("book_id",),
    {
        "book_id": Column(TEXT, "from the file's sha256"),
        "path": Column(TEXT, "the file as given"),
        "title": Column(TEXT, "from the PDF's metadata, else the file's name"),
        "pages": Column(INT, "physical pages"),
        "license": Column(TEXT, "SPDX id or name, if given", null=True),
    },
    "The books that were read",
)

PAGES = Table(
    "pages",
    ("book_id", "page"),
    {
        "book_id": Column(TEXT, "its book"),
        "page": Column(INT, "physical, 1-based, as a PDF viewer counts"),
        "label": Column(TEXT, 'as printed, e.g. "xii" or "154"'),
        "role": Column(TEXT, "front, toc, body, glossary, index, bibliography, blank or image_only"),
        "chars": Column(INT, "characters of text"),
    },
    "Every physical page",
)

LINES = Table(
    "lines",
    ("book_id", "page", "line"),
    {
        "book_id": Column(TEXT, "its book"),
        "page": Column(INT, "physical page"),
        "line": Column(INT, "0-based, in reading order on its page"),
        "column": Column(INT, "0-based from the left; -1 spans columns"),
        "kind": Column(TEXT, "what the line is: a passage's kind, or heading, furniture, figure"),
        "text": Column(TEXT, "as printed, white space made single"),
        "styles": Column(TEXT, "one letter per word: r, b bold, i italic, z bold italic, m monospaced"),
        "x0": Column(REAL, "left edge, points"),
        "x1": Column(REAL, "right edge, points"),
        "top": Column(REAL, "points from the page's top edge"),
        "bottom": Column(REAL, "points from the page's top edge"),
        "baseline": Column(REAL, "points from the page's top edge"),
        "size": Column(REAL, "median font size, points"),
        "col_x0": Column(REAL, "left edge of its column"),
        "col_x1": Column(REAL, "right edge of its column"),
    },
    "Every printed line, with what became of it; what the glossary stage reads",
)

PASSAGES = Table(
    "passages",
    ("passage_id",),
    {
        "passage_id": Column(TEXT, "from book, place and text"),
        "book_id": Column(TEXT, "its book"),
        "section": Column(TEXT, 'heading path, "1 Intro › 1.2 Types"', null=True),
        "page_first": Column(INT, "physical page of its first line"),
        "page_last": Column(INT, "physical page of its last line"),
        "label_first": Column(TEXT, "printed label of page_first"),
        "label_last": Column(TEXT, "printed label of page_last"),
        "kind": Column(TEXT, f"{', '.join(PASSAGE_KINDS[:-1])} or {PASSAGE_KINDS[-1]}"),
        "text": Column(TEXT, "paragraphs joined by one line break"),
        "n_tokens": Column(INT, "by the encoder's tokenizer, special tokens included"),
    },
    "Texts to mine, none over the encoder's token limit",
)

TERMS = Table(
    "terms",
    ("term_id",),
    {
        "term_id": Column(TEXT, "from book and canonical form"),
        "book_id": Column(TEXT, "its book; null for a term from a user's file", null=True),
        "term": Column(TEXT, "canonical form"),
        "forms": Column(TEXTS, "every surface form, synonyms and acronyms included"),
        "sources": Column(
            TEXTS,
            "index, index_head (cites no page), index_code (an identifier), glossary, bold, acronym, heading, automatic, user",
        ),
        "definition": Column(TEXT, "from a glossary or the user", null=True),
        "parent_id": Column(TEXT, "term_id of the index entry above it", null=True),
        "see_also": Column(TEXTS, "term_ids"),
        "locators": Column(LOCATORS, "pages that the index cites; page is physical, null if the label is unknown"),
        "kept": Column(BOOL, "whether it is tagged and mined"),
        "reason": Column(TEXT, "why it is not kept", null=True),
    },
    "The glossary: one row a concept",
)

MENTIONS = Table(
    "mentions",
    ("passage_id", "start", "end", "term_id"),
    {
        "passage_id": Column(TEXT, "where"),
        "term_id": Column(TEXT, "what"),
        "start": Column(INT, "character offset into the passage's text"),
        "end": Column(INT, "offset after the last character"),
        "surface": Column(TEXT, "text[start:end]"),
        "how": Column(TEXT, "exact; lemma: another number or spelling of the canonical form; form: another form"),
    },
    "Kept terms said in passages",
)

SPLITS = Table(
    "splits",
    ("passage_id",),
    {
        "passage_id": Column(TEXT, "its passage"),
        "split": Column(TEXT, "train, validation or test"),
    },
    "Which passages train, choose and judge",
)

TRIPLETS = Table(
    "triplets",
    ("triplet_id",),
    {
        "triplet_id": Column(TEXT, "from passage, positive, negative, masked and round"),
        "passage_id": Column(TEXT, "the anchor's passage"),
        "positive_id": Column(TEXT, "a term mentioned in it"),
        "negative_id": Column(TEXT, "a term that the guards allow, not mentioned in it"),
        "anchor": Column(TEXT, "the passage's text; if masked, each mention of the positive is the mask token"),
        "positive": Column(TEXT, "the positive's canonical form"),
        "negative": Column(TEXT, "the negative's canonical form"),
        "cos_ap": Column(REAL, "cosine of anchor and positive"),
        "cos_an": Column(REAL, "cosine of anchor and negative"),
        "cos_pn": Column(REAL, "cosine of positive and negative"),
        "ce_ap": Column(REAL, "a cross-encoder's score of anchor and positive, if one was used", null=True),
        "ce_an": Column(REAL, "its score of anchor and negative", null=True),
        "rank": Column(INT, "of the negative among all the split's terms, 1 = nearest to the anchor"),
        "rule": Column(TEXT, "the rule that chose this negative"),
        "masked": Column(BOOL, "whether the positive is masked in the anchor"),
        "split": Column(TEXT, "the passage's split"),
        "round": Column(INT, "of mining, from 1"),
        "encoder": Column(TEXT, "fingerprint of the encoder that mined it"),
    },
    "Training data",
)

DROPPED = Table(
    "dropped",
    ("stage", "reason", "item", "related", "detail"),
    {
        "stage": Column(TEXT, "who left it out"),
        "item": Column(TEXT, "what: a path, an id or a text"),
        "related": Column(TEXT, "to what, if anything", null=True),
        "reason": Column(TEXT, "why, one of a few per stage"),
        "detail": Column(TEXT, "figures or text behind the reason", null=True),
    },
    "Everything that was left out, and why",
)

TABLES = {table.name: table for table in (BOOKS, PAGES, LINES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, DROPPED)}


def make_table(table: Table, rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]) -> pl.DataFrame:
    """Rows (or columns by name) as a checked table, sorted by its key; equal rows give an equal table whatever their order."""
    held = {name: rows[name] for name in table.columns} if isinstance(rows, Mapping) else list(rows)
    return check_table(pl.DataFrame(held, schema=table.schema), table)


def check_table(frame: pl.DataFrame, table: Table, source: str = "") -> pl.DataFrame:
    """``frame`` sorted by its key. Raises TableError where columns, types, nulls or keys are not the table's."""
    place = source or f"{table.name} table"
    if frame.schema != table.schema:
        wrong = [name for name in {**table.schema, **frame.schema} if frame.schema.get(name) != table.schema.get(name)]
        raise TableError(
            f"{place}: not a tripletkit {table.name} table, differs in {', '.join(map(repr, sorted(wrong))) or 'column order'}",
            "It was made by another version or by hand; run its stage again with --force.",
        )
    for name, column in table.columns.items():
        if not column.null and frame[name].null_count():
            raise TableError(
                f"{place}: column {name!r} has {frame[name].null_count()} empty values",
                "Run its stage again with --force.",
            )
    if table.name != "dropped" and frame.select(table.key).is_duplicated().any():
        twice = frame.filter(frame.select(table.key).is_duplicated()).row(0, named=True)
        raise TableError(
            f"{place}: two rows share {', '.join(f'{k}={twice[k]!r}' for k in table.key)}",
            "Run its stage again with --force.",
        )
    return frame.sort(table.key, nulls_last=False, maintain_order=True)
