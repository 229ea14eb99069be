"""Tables → configurations: what ``load_dataset(folder, NAME)`` opens, each as a frame that has a column ``split``.

A redacted dataset has them without text: ids, pages, offsets, scores and hashes, from which whoever has the book restores
the rest. Of the columns only those in PUBLISHED are in it: a column that is added to a table stays out until it is listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tripletkit.errors import TableError
from tripletkit.schemas import (
    BOOKS,
    DROPPED,
    MENTIONS,
    PAGES,
    PASSAGES,
    SPLITS,
    TEACHER,
    TERMS,
    TEXTS,
    TRIPLETS,
    Table,
    check_table,
)

SPLIT_NAMES = ("train", "validation", "test")
NEEDED = (BOOKS, PAGES, PASSAGES, TERMS, MENTIONS, SPLITS, TRIPLETS, DROPPED)

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Configuration:
    """One configuration: its rows with their split, what a row and each column mean, and what was left out."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    frame: pl.DataFrame  # "split", then ``columns`` in their order
    notes: tuple[str, ...] = ()


#: Child table, its column, the table that this column refers to, and the column there.
REFERENCES = (
    ("passages", "book_id", "books", "book_id"),
    ("splits", "passage_id", "passages", "passage_id"),
    ("mentions", "passage_id", "passages", "passage_id"),
    ("mentions", "term_id", "terms", "term_id"),
    ("triplets", "passage_id", "splits", "passage_id"),
    ("triplets", "positive_id", "terms", "term_id"),
    ("triplets", "negative_id", "terms", "term_id"),
    ("teacher", "passage_id", "splits", "passage_id"),
    ("teacher", "term_ids", "terms", "term_id"),
)

SPANS = pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32}))
_PLACE = ("book_id", "page_first", "page_last", "label_first", "label_last", "kind")
TEACHER_SCORES = ("cosine", "maxsim", "bm25", "structure", "label", "over_terms", "over_passages")
_SCORES = ("cos_ap", "cos_an", "cos_pn", "ce_ap", "ce_an", "rank", "rule", "masked", "round", "encoder")
#: Columns without text, by configuration.
PUBLISHED = {
    "full": ("triplet_id", "passage_id", "positive_id", "negative_id", *_PLACE, "spans", *_SCORES),
    "corpus": ("passage_id", *_PLACE, "n_tokens"),
    "terms": ("term_id", "book_id", "sources", "parent_id", "see_also", "locators", "kept"),
    "mentions": ("passage_id", "term_id", "start", "end", "match"),
    "scored-list": ("list", "passage_id", "term_ids", *TEACHER_SCORES),
}
#: Columns that replace text.
REPLACEMENTS = {
    "anchor_sha256": "sha256 of the anchor",
    "masked_spans": "the parts of the passage's text that the mask token replaces in the anchor, by offsets",
    "text_sha256": "sha256 of the text",
    "term_sha256": "sha256 of the canonical form",
    "definition_sha256": "sha256 of the definition",
}
#: Columns of a few fixed words. More different values, or longer ones, may be text of the book.
VOCABULARIES = ("kind", "match", "rule")
MOST_WORDS, LONGEST_WORD = 40, 60


def check_tables(tables: Tables) -> dict[str, pl.DataFrame]:
    """The tables that publishing needs, sorted. Raises TableError where one refers to rows that are not there."""
    optional = [TEACHER] if "teacher" in tables else []
    checked = {table.name: check_table(tables[table.name], table) for table in (*NEEDED, *optional)}
    for child, column, parent, key in (one for one in REFERENCES if one[0] in checked):
        referring = checked[child].select(column)
        referring = referring.explode(column) if referring.schema[column] == TEXTS else referring
        unknown = referring.join(checked[parent], left_on=column, right_on=key, how="anti")
        if unknown.height:
            problem = f"{child}: {column} {unknown[column][0]!r} is not in {parent} ({unknown.height} such rows)"
            raise TableError(problem, "The tables are of different runs; run `tripletkit run` again.")
    splits, triplets = checked["splits"], checked["triplets"]
    if strange := sorted(set(splits["split"]) - set(SPLIT_NAMES)):
        raise TableError(f"splits: unknown split {strange[0]!r}", f"Known: {', '.join(SPLIT_NAMES)}.")
    moved = triplets.join(splits, on=["passage_id", "split"], how="anti")
    if moved.height:
        problem = f"triplets: {moved['triplet_id'][0]!r} is not in its passage's split ({moved.height} such rows)"
        raise TableError(problem, "Mine again: `tripletkit mine`.")
    if not triplets.height:
        problem = "triplets: the table is empty, so there is nothing to publish"
        raise TableError(problem, "`tripletkit mine` makes it and says why it found none.")
    return checked


def open_configurations(tables: Tables) -> tuple[Configuration, ...]:
    """Every configuration with its text. The first is the default."""
    triplets, sides = tables["triplets"], _terms_of_anchors(tables["triplets"])
    defined = term_splits(tables).filter("kept", pl.col("definition").is_not_null())
    pairs = triplets.unique(["split", "anchor", "positive"], keep="first", maintain_order=True)
    anchor, pair = _meanings(TRIPLETS, "anchor"), _meanings(TRIPLETS, "anchor", "positive")
    triplet = pair | _meanings(TRIPLETS, "negative")
    label = {"text": "a term", "label": "1: a positive of the anchor; 0: a negative"}
    return (
        _configuration("triplet", "one triplet; SentenceTransformerTrainer takes it as it is", triplet, triplets),
        n_tuple(triplets),
        _configuration("pairs", "distinct anchor and positive", pair, pairs),
        _configuration("labelled-pairs", "an anchor, a term, and whether it is a positive", anchor | label, sides),
        _configuration(
            "definitions", "a definition and the term it defines", _meanings(TERMS, "definition", "term"), defined
        ),
        *(make(tables) for make in (corpus, terms, mentions, full)),
        *scored_lists(tables),
    )


def n_tuple(triplets: pl.DataFrame) -> Configuration:
    """An anchor, its positive and its n nearest negatives in one row; n is chosen to keep the most negatives in all."""
    groups = (
        triplets.sort("cos_an", "negative_id", descending=[True, False])
        .group_by("split", "passage_id", "positive_id", "masked", "round", "anchor", "positive", maintain_order=True)
        .agg("negative")
        .sort("passage_id", "positive_id", "masked", "round", "anchor")
    )
    sizes = groups["negative"].list.len()
    # Padding would invent negatives, so a row with too few is left out and counted.
    width = max(range(1, max(sizes, default=1) + 1), key=lambda n: (n * int((sizes >= n).sum()), n))
    names = [f"negative_{n}" for n in range(1, width + 1)]
    whole = groups.filter(sizes >= width)
    frame = whole.with_columns(pl.col("negative").list.get(n).alias(name) for n, name in enumerate(names))
    nearest = {name: f"negative number {n}, by nearness to the anchor" for n, name in enumerate(names, start=1)}
    short = groups.height - whole.height
    note = f"n-tuple: {short} of {groups.height} (anchor, positive) have fewer than {width} negatives and are left out."
    meaning, columns = f"anchor, positive and its {width} nearest negatives", _meanings(TRIPLETS, "anchor", "positive")
    return _configuration("n-tuple", meaning, columns | nearest, frame, (note,) if short else ())


def _terms_of_anchors(triplets: pl.DataFrame) -> pl.DataFrame:
    """split, anchor, text, label, score: each positive (1) and negative (0) of an anchor once, the nearest first."""
    sides = (
        triplets.select("split", "anchor", text=side, label=pl.lit(label, dtype=pl.Int32), score=cosine)
        for side, label, cosine in (("positive", 1, "cos_ap"), ("negative", 0, "cos_an"))
    )
    return (
        pl.concat(sides)
        .unique(["split", "anchor", "text", "label"], keep="first", maintain_order=True)
        .sort("split", "anchor", "score", "text", descending=[False, False, True, False])
    )


def corpus(tables: Tables) -> Configuration:
    """The passages. One without a split was never compared with those of other splits, so it is left out and counted."""
    frame = tables["passages"].join(tables["splits"], on="passage_id", how="left", maintain_order="left")
    out = frame["split"].null_count()
    note = f"corpus: {out} of {frame.height} passages belong to no split and are left out."
    # Boxes are of use beside the PDF alone, which is not published.
    columns = _meanings(PASSAGES, *(name for name in PASSAGES.columns if name != "boxes"))
    return _configuration("corpus", "a passage", columns, frame.drop_nulls("split"), (note,) if out else ())


def terms(tables: Tables) -> Configuration:
    """The whole glossary, terms that were not kept included."""
    meaning = "a term of the glossary, in the earliest split that mentions it"
    return _configuration("terms", meaning, _meanings(TERMS), term_splits(tables))


def mentions(tables: Tables) -> Configuration:
    """Where the passages of ``corpus`` mention terms."""
    frame = tables["mentions"].join(tables["splits"], on="passage_id", how="inner", maintain_order="left")
    return _configuration("mentions", "a place where a passage mentions a term", _meanings(MENTIONS), frame)


def full(tables: Tables) -> Configuration:
    """All columns of a triplet: ids, pages, spans, scores, rule and text."""
    by_term = tables["mentions"].group_by("passage_id", positive_id="term_id", maintain_order=True)
    spans = by_term.agg(spans=pl.struct("start", "end"))
    place = ("book_id", "section", "page_first", "page_last", "label_first", "label_last", "kind")
    ids = ("triplet_id", "passage_id", "positive_id", "negative_id")
    frame = (
        tables["triplets"]
        .join(tables["passages"].select("passage_id", *place), on="passage_id", how="left", maintain_order="left")
        .join(spans, on=["passage_id", "positive_id"], how="left", maintain_order="left")
    )
    columns = {
        **_meanings(TRIPLETS, *ids),
        **_meanings(PASSAGES, *place),
        "spans": "where the passage mentions the positive: character offsets into the passage's text",
        **_meanings(TRIPLETS, *(name for name in TRIPLETS.columns if name not in (*ids, "split"))),
    }
    return _configuration("full", "a triplet with ids, pages, spans, scores and rules", columns, frame)


def scored_lists(tables: Tables) -> tuple[Configuration, ...]:
    """The teacher's scores, in the split of each passage; nothing where there is no table `teacher`.

    Whoever wants the passages of a list together, to learn over_passages, groups the rows of all splits by ``list``.
    """
    if "teacher" not in tables:
        return ()
    names = dict(tables["terms"].select("term_id", "term").iter_rows())
    of_lists = tables["teacher"].select("list", "term_ids").unique("list").iter_rows()
    texts = {number: [names[term_id] for term_id in term_ids] for number, term_ids in of_lists}
    passages = tables["passages"].select("passage_id", anchor="text")
    frame = tables["teacher"].with_columns(
        texts=pl.col("list").replace_strict(texts, return_dtype=TEXTS) if texts else pl.lit([], dtype=TEXTS)
    )
    for other in (passages, tables["splits"]):
        frame = frame.join(other, on="passage_id", how="left", maintain_order="left")
    columns = {
        **_meanings(TEACHER, "list", "passage_id", "term_ids"),
        "anchor": "the passage's text",
        "texts": "the canonical forms of the terms",
        **_meanings(TEACHER, *TEACHER_SCORES),
    }
    meaning = "a passage of one of the teacher's lists, and its terms with the teacher's scores"
    return (_configuration("scored-list", meaning, columns, frame),)


def term_splits(tables: Tables) -> pl.DataFrame:
    """The terms with their split: the earliest of train, validation and test that mentions the term.

    So no training passage mentions a term whose definition is in the test split. A term that no passage mentions goes
    to the earliest split of its book.
    """
    splits = tables["splits"].with_columns(pl.col("split").cast(pl.Enum(SPLIT_NAMES)))
    found = tables["terms"]
    for name, key in (("mentions", "term_id"), ("passages", "book_id")):
        first = pl.col("split").min().alias(f"in {name}")
        earliest = tables[name].join(splits, on="passage_id").group_by(key).agg(first)
        found = found.join(earliest, on=key, how="left", maintain_order="left")
    split = pl.coalesce("in mentions", "in passages", pl.lit(SPLIT_NAMES[0]))
    return found.with_columns(split=split.cast(pl.String))


def _meanings(table: Table, *names: str) -> dict[str, str]:
    return {name: table.columns[name].meaning for name in names or table.columns}


def _configuration(
    name: str, meaning: str, columns: Mapping[str, str], frame: pl.DataFrame, notes: tuple[str, ...] = ()
) -> Configuration:
    if not frame.height:
        notes = (*notes, f"{name}: it has no rows, so it cannot be loaded.")
    return Configuration(name, meaning, columns, frame.select("split", *columns), notes)


def text_hash(text: str) -> str:
    """sha256 of the text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_hashes(texts: Iterable[str | None]) -> pl.Series:
    """``text_hash`` of each; null stays null."""
    return pl.Series([None if text is None else text_hash(text) for text in texts], dtype=pl.String)


def redacted_configurations(tables: Tables, mask_token: str) -> tuple[Configuration, ...]:
    """``full``, ``corpus``, ``terms``, ``mentions`` and ``scored-list``, with hashes in the place of text.

    ``mask_token`` replaces the positive in masked anchors. Raises TableError where a column may hold text of a book.
    """
    passages, glossary = corpus(tables), terms(tables)
    return (
        _redacted_full(full(tables), dict(tables["passages"].select("passage_id", "text").iter_rows()), mask_token),
        _redacted(passages, {"text_sha256": text_hashes(passages.frame["text"])}),
        _redacted(glossary, {f"{name}_sha256": text_hashes(glossary.frame[name]) for name in ("term", "definition")}),
        _redacted(mentions(tables), {}),
        *(_redacted(one, {}) for one in scored_lists(tables)),
    )


def _redacted_full(whole: Configuration, texts: Mapping[str, str], mask_token: str) -> Configuration:
    anchors = whole.frame.select("passage_id", "anchor").iter_rows()
    spans = pl.Series([masked_spans(texts[passage], anchor, mask_token) for passage, anchor in anchors], dtype=SPANS)
    lost = spans.null_count()
    note = f"full: {lost} anchors are not the text of their passage with {mask_token} in it, so `fill` cannot restore them."
    made = _redacted(whole, {"anchor_sha256": text_hashes(whole.frame["anchor"]), "masked_spans": spans})
    return replace(made, notes=(note,) if lost else ())


def _redacted(whole: Configuration, added: Mapping[str, pl.Series]) -> Configuration:
    kept = PUBLISHED[whole.name]
    frame = whole.frame.select("split", *kept).with_columns(series.alias(name) for name, series in added.items())
    for name in set(kept) & set(VOCABULARIES):
        words = frame[name].drop_nulls().unique()
        longest = max(map(len, words), default=0)
        if longest > LONGEST_WORD or len(words) > MOST_WORDS:
            held = f"{len(words)} different values, the longest of {longest} characters"
            problem = f"{whole.name}: column {name!r} holds {held}, so it may hold the book's text"
            raise TableError(problem, "A redacted dataset cannot carry it; make the tables again with this version.")
    columns = {name: whole.columns[name] for name in kept} | {name: REPLACEMENTS[name] for name in added}
    return replace(whole, meaning=f"{whole.meaning}, without text", columns=columns, frame=frame)


def masked_spans(text: str, anchor: str, mask_token: str) -> list[dict[str, int]] | None:
    """The leftmost parts of ``text`` that ``mask_token`` replaces in ``anchor``; None if there are none that fit."""
    if text == anchor:
        return []
    first, *pieces = anchor.split(mask_token)
    if not pieces or not text.startswith(first) or not text.endswith(pieces[-1]):
        return None
    spans, at = [], len(first)
    for number, piece in enumerate(pieces, start=1):
        start = text.find(piece, at + 1) if number < len(pieces) else len(text) - len(piece)
        if start <= at:
            return None
        spans.append({"start": at, "end": start})
        at = start + len(piece)
    return spans


def mask(text: str, spans: Sequence[Mapping[str, int]], mask_token: str) -> str:
    """The inverse of ``masked_spans``: ``text`` with ``mask_token`` in the place of each span."""
    starts = [0, *(span["end"] for span in spans)]
    ends = [*(span["start"] for span in spans), len(text)]
    return mask_token.join(text[start:end] for start, end in zip(starts, ends, strict=True))
