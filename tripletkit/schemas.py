"""The schema of every table that a stage writes: columns, types, key. Tables are checked when read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from tripletkit.errors import TableError
from tripletkit.settings import PassageKind

TEXT, INT, REAL, BOOL = pl.String, pl.Int32, pl.Float32, pl.Boolean
TEXTS, REALS = pl.List(pl.String), pl.List(pl.Float32)
#: Stands between two titles of a passage's section: "1 Intro › 1.2 Types".
SECTION_MARK = " › "
LOCATORS = pl.List(pl.Struct({"label": pl.String, "page": pl.Int32, "range_end": pl.String, "main": pl.Boolean}))
BOXES = pl.List(
    pl.Struct({"page": pl.Int32, "x0": pl.Float32, "top": pl.Float32, "x1": pl.Float32, "bottom": pl.Float32})
)


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
    meaning: str
    columns: Mapping[str, Column] = field(default_factory=dict)

    def with_columns(self, **columns: Column) -> Table:
        """The same table with these columns."""
        return replace(self, columns=columns)

    @property
    def schema(self) -> pl.Schema:
        """The columns' types, for polars."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})


BOOKS = Table("books", ("book_id",), "The books that were read").with_columns(
    book_id=Column(TEXT, "from the file's sha256"),
    path=Column(TEXT, "the file as given"),
    title=Column(TEXT, "from the PDF's metadata, else the file's name"),
    pages=Column(INT, "physical pages"),
    license=Column(TEXT, "SPDX id or name, if given", null=True),
)

PAGES = Table("pages", ("book_id", "page"), "Every physical page").with_columns(
    book_id=Column(TEXT, "its book"),
    page=Column(INT, "physical page, counted from 1 as a PDF viewer does"),
    label=Column(TEXT, 'as printed, e.g. "xii" or "154"'),
    role=Column(TEXT, "front, toc, body, glossary, index, bibliography, blank, image_only or unread"),
    chars=Column(INT, "characters of text"),
)

LINES = Table("lines", ("book_id", "page", "line"), "Every printed line with its kind and position").with_columns(
    book_id=Column(TEXT, "its book"),
    page=Column(INT, "physical page"),
    line=Column(INT, "place in the reading order of its page, from 0"),
    column=Column(INT, "column, from 0 at the left; -1 if the line spans columns"),
    kind=Column(TEXT, "a passage's kind, or heading, furniture (running heads, page numbers), margin"),
    text=Column(TEXT, "as printed, with single spaces"),
    styles=Column(TEXT, "one letter per word: r, b bold, i italic, z bold italic, m monospaced"),
    x0=Column(REAL, "left edge, points"),
    x1=Column(REAL, "right edge, points"),
    top=Column(REAL, "points from the page's top edge"),
    bottom=Column(REAL, "points from the page's top edge"),
    baseline=Column(REAL, "points from the page's top edge"),
    size=Column(REAL, "median font size, points"),
    col_x0=Column(REAL, "left edge of its column"),
    col_x1=Column(REAL, "right edge of its column"),
    gap_word=Column(INT, "which word stands after the line's first wide gap; 0 if there is none"),
)

PASSAGES = Table(
    "passages", ("passage_id",), "Texts of a few sentences, none longer than the encoder can read"
).with_columns(
    passage_id=Column(TEXT, "from the book and the text"),
    book_id=Column(TEXT, "its book"),
    section=Column(TEXT, 'headings above it, such as "1 Intro › 1.2 Types"', null=True),
    page_first=Column(INT, "physical page of its first line"),
    page_last=Column(INT, "physical page of its last line"),
    label_first=Column(TEXT, "printed label of page_first"),
    label_last=Column(TEXT, "printed label of page_last"),
    kind=Column(TEXT, ", ".join(get_args(PassageKind)[:-1]) + f" or {get_args(PassageKind)[-1]}"),
    text=Column(TEXT, "paragraphs joined by one line break"),
    n_tokens=Column(INT, "by the encoder's tokenizer, special tokens included"),
    boxes=Column(
        BOXES,
        "where its lines stand: physical page, and the sides in points from the page's left and top edge; none for your "
        "own passages",
    ),
)

TERMS = Table("terms", ("term_id",), "The terms: one row per concept").with_columns(
    term_id=Column(TEXT, "from book and canonical form"),
    book_id=Column(TEXT, "its book; null for a term from a user's file", null=True),
    term=Column(TEXT, "canonical form"),
    forms=Column(TEXTS, "every form that is tagged, with synonyms and acronyms"),
    sources=Column(
        TEXTS,
        "index, index_head (no page), index_code (code), glossary, bold, acronym, definition, heading, automatic, user",
    ),
    definition=Column(TEXT, "from a glossary or the user", null=True),
    parent_id=Column(TEXT, "term_id of the index entry above it", null=True),
    see_also=Column(TEXTS, "term_ids"),
    locators=Column(
        LOCATORS,
        "pages that the index cites; page: the physical one, null if no page has that label; main: in bold among others",
    ),
    kept=Column(BOOL, "whether it is tagged and mined"),
    reason=Column(TEXT, "why it is not kept", null=True),
)

MENTIONS = Table(
    "mentions", ("passage_id", "start", "end", "term_id"), "Mentions of kept terms in passages"
).with_columns(
    passage_id=Column(TEXT, "the passage"),
    term_id=Column(TEXT, "the term"),
    start=Column(INT, "character offset into the passage's text"),
    end=Column(INT, "offset after the last character"),
    surface=Column(TEXT, "text[start:end]"),
    match=Column(TEXT, "exact; variant: another number or spelling of the canonical form; form: another form"),
)

SPLITS = Table("splits", ("passage_id",), "Train / validation / test split of passages").with_columns(
    passage_id=Column(TEXT, "its passage"),
    split=Column(TEXT, "train, validation or test"),
)

TRIPLETS = Table("triplets", ("triplet_id",), "Training data").with_columns(
    triplet_id=Column(TEXT, "from passage, positive, negative, masked and round"),
    passage_id=Column(TEXT, "the anchor's passage"),
    positive_id=Column(TEXT, "a term mentioned in it"),
    negative_id=Column(TEXT, "a term that the guards allow, not mentioned in it"),
    anchor=Column(TEXT, "the passage's text; if masked, each mention of the positive is the mask token"),
    positive=Column(TEXT, "the positive's canonical form"),
    negative=Column(TEXT, "the negative's canonical form"),
    cos_ap=Column(REAL, "cosine of anchor and positive"),
    cos_an=Column(REAL, "cosine of anchor and negative"),
    cos_pn=Column(REAL, "cosine of positive and negative"),
    ce_ap=Column(REAL, "a cross-encoder's score of anchor and positive, if one was used", null=True),
    ce_an=Column(REAL, "its score of anchor and negative", null=True),
    rank=Column(INT, "of the negative among all the split's terms, 1 = nearest to the anchor"),
    rule=Column(TEXT, "the rule that chose this negative"),
    masked=Column(BOOL, "whether the positive is masked in the anchor"),
    split=Column(TEXT, "the passage's split"),
    round=Column(INT, "of mining, from 1"),
    encoder=Column(TEXT, "fingerprint of the encoder that mined it"),
)

TEACHER = Table(
    "teacher",
    ("list", "passage_id"),
    "Lists of passages and terms with a teacher's scores; a training step reads one list",
).with_columns(
    list=Column(INT, "its list, from 0"),
    passage_id=Column(TEXT, "a passage of the list"),
    positive_id=Column(
        TEXT, "the positive of a mined triplet of the passage, if it is in the training split", null=True
    ),
    negative_id=Column(TEXT, "the negative of that triplet", null=True),
    term_ids=Column(TEXTS, "the terms of the list, the same for each of its passages"),
    cosine=Column(REALS, "per term: the teacher's cosine of passage and term"),
    maxsim=Column(REALS, "per term: the teacher's MaxSim of term and passage; 0 if it has no token vectors"),
    bm25=Column(REALS, "per term: BM25 of the term in the passage, among the passages of its book"),
    structure=Column(REALS, "per term: what the book shows of the term here: definition, first mention, heading, type"),
    label=Column(REALS, "per term: 1 if the index cites it on the passage's page and the passage trains, else 0"),
    over_terms=Column(REALS, "per term: the score by which the terms are ranked for the passage, as a logit"),
    over_passages=Column(REALS, "per term: the score by which the passages are ranked for the term, as a logit"),
)

DROPPED = Table(
    "dropped", ("stage", "reason", "item", "related", "detail"), "Everything that was left out, with the reason"
).with_columns(
    stage=Column(TEXT, "the stage that left it out"),
    item=Column(TEXT, "what was left out: a path, an id or a text"),
    related=Column(TEXT, "an id that it was compared with, if any", null=True),
    reason=Column(TEXT, "why; each stage has a few reasons"),
    detail=Column(TEXT, "numbers or text behind the reason", null=True),
)

TABLES = {
    table.name: table for table in (BOOKS, PAGES, LINES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, TEACHER, DROPPED)
}


def make_table(table: Table, rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]) -> pl.DataFrame:
    """Rows (or columns by name) as a checked table, sorted by its key, so that the order of the rows does not matter."""
    held = {name: rows[name] for name in table.columns} if isinstance(rows, Mapping) else list(rows)
    return check_table(pl.DataFrame(held, schema=table.schema), table)


def check_table(frame: pl.DataFrame, table: Table, source: str = "", hint: str = "") -> pl.DataFrame:
    """``frame`` sorted by key. Raises TableError (``source``, ``hint``) for other columns, types, nulls or keys."""
    place, hint = source or f"{table.name} table", hint or "Run its stage again with --force."
    if frame.schema != table.schema:
        wrong = [name for name in {**table.schema, **frame.schema} if frame.schema.get(name) != table.schema.get(name)]
        differs = (
            f"it differs in {', '.join(map(repr, sorted(wrong)))}" if wrong else "its columns are in another order"
        )
        what = f"not a tripletkit {table.name} table of this version: made by an earlier version, or by hand"
        raise TableError(f"{place}: {what} ({differs})", hint)
    for name, column in table.columns.items():
        if not column.null and frame[name].null_count():
            raise TableError(f"{place}: column {name!r} has {frame[name].null_count()} empty values", hint)
    if table.name != "dropped" and frame.select(table.key).is_duplicated().any():
        twice = frame.filter(frame.select(table.key).is_duplicated()).row(0, named=True)
        raise TableError(f"{place}: two rows share {', '.join(f'{k}={twice[k]!r}' for k in table.key)}", hint)
    return frame.sort(table.key, nulls_last=False, maintain_order=True)


def section_titles(section: object) -> list[str]:
    """The titles of a passage's section, outermost first; one empty title for no section."""
    return str(section or "").split(SECTION_MARK)
