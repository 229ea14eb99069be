"""Configurations without text: ids, pages, offsets, scores and hashes, from which whoever has the book restores the rest.

Only the columns named here are published. A column that is added to a table stays out until somebody lists it here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from tripletkit.errors import TableError
from tripletkit.publishing import configs
from tripletkit.publishing.configs import Configuration, Tables

SPANS = pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32}))

_PLACE = ("book_id", "page_first", "page_last", "label_first", "label_last", "kind")
CORPUS = ("passage_id", *_PLACE, "n_tokens")
TERMS = ("term_id", "book_id", "sources", "parent_id", "see_also", "locators", "kept")
MENTIONS = ("passage_id", "term_id", "start", "end", "match")
_SCORES = ("cos_ap", "cos_an", "cos_pn", "ce_ap", "ce_an", "rank", "rule", "masked", "round", "encoder")
FULL = ("triplet_id", "passage_id", "positive_id", "negative_id", *_PLACE, "spans", *_SCORES)

MEANINGS = {
    "anchor_sha256": "sha256 of the anchor",
    "masked_spans": "the parts of the passage's text that the mask token replaces in the anchor, by offsets",
    "text_sha256": "sha256 of the text",
    "term_sha256": "sha256 of the canonical form",
    "definition_sha256": "sha256 of the definition",
}
#: Columns of a few fixed words. More different values, or longer ones, may be text of the book.
VOCABULARIES = ("kind", "match", "rule")
MOST_WORDS, LONGEST_WORD = 40, 60


def text_hash(text: str) -> str:
    """sha256 of the text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_hashes(texts: Iterable[str | None]) -> pl.Series:
    """``text_hash`` of each; null stays null."""
    return pl.Series([None if text is None else text_hash(text) for text in texts], dtype=pl.String)


def redacted_configurations(tables: Tables, mask_token: str) -> tuple[Configuration, ...]:
    """``full``, ``corpus``, ``terms`` and ``mentions``, with hashes in the place of text.

    ``mask_token`` replaces the positive in masked anchors.
    Raises TableError where a column of fixed words may hold text of a book.
    """
    corpus, terms = configs.corpus(tables), configs.terms(tables)
    hashes = {f"{name}_sha256": text_hashes(terms.frame[name]) for name in ("term", "definition")}
    return (
        _redacted_full(tables, mask_token),
        _redacted(corpus, CORPUS, {"text_sha256": text_hashes(corpus.frame["text"])}),
        _redacted(terms, TERMS, hashes),
        _redacted(configs.mentions(tables), MENTIONS, {}),
    )


def _redacted_full(tables: Tables, mask_token: str) -> Configuration:
    full = configs.full(tables)
    texts = dict(tables["passages"].select("passage_id", "text").iter_rows())
    anchors = full.frame.select("passage_id", "anchor").iter_rows()
    spans = pl.Series([masked_spans(texts[passage], anchor, mask_token) for passage, anchor in anchors], dtype=SPANS)
    lost = spans.null_count()
    note = f"full: {lost} anchors are not the text of their passage with {mask_token} in it, so `fill` cannot restore them."
    made = _redacted(full, FULL, {"anchor_sha256": text_hashes(full.frame["anchor"]), "masked_spans": spans})
    return replace(made, notes=(note,) if lost else ())


def _redacted(whole: Configuration, kept: Sequence[str], added: Mapping[str, pl.Series]) -> Configuration:
    frame = whole.frame.select("split", *kept).with_columns(series.alias(name) for name, series in added.items())
    for name in set(kept) & set(VOCABULARIES):
        _refuse_free_text(whole.name, frame[name].drop_nulls().unique())
    columns = {**{name: whole.columns[name] for name in kept}, **{name: MEANINGS[name] for name in added}}
    return replace(whole, meaning=f"{whole.meaning}, without text", columns=columns, frame=frame)


def _refuse_free_text(name: str, words: pl.Series) -> None:
    longest = max(map(len, words), default=0)
    if longest > LONGEST_WORD or len(words) > MOST_WORDS:
        raise TableError(
            f"{name}: column {words.name!r} holds {len(words)} different values, the longest of {longest} characters, "
            "so it may hold the book's text",
            "A redacted dataset cannot carry it; make the tables again with this version.",
        )


def masked_spans(text: str, anchor: str, mask_token: str) -> list[dict[str, int]] | None:
    """The parts of ``text`` that ``mask_token`` replaces in ``anchor``; None if ``anchor`` is not made so.

    Of several ways to place them the leftmost is taken: all give the same anchor.
    """
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
