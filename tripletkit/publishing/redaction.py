"""Configurations without text: ids, pages, offsets, scores and hashes, enough to be filled again by who has the book.

Only columns named here are published: a column that is added to a table tomorrow stays out until somebody lets it in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate

import polars as pl

from tripletkit.errors import TableError
from tripletkit.publishing.configs import (
    Tables,
    View,
    corpus_view,
    full_view,
    mentions_view,
    terms_view,
)

EDITS = pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32, "insert": pl.String}))

CORPUS = ("passage_id", "book_id", "page_first", "page_last", "label_first", "label_last", "kind", "n_tokens")
TERMS = ("term_id", "book_id", "sources", "parent_id", "see_also", "locators", "kept")
MENTIONS = ("passage_id", "term_id", "start", "end", "match")
FULL = (
    "triplet_id",
    "passage_id",
    "positive_id",
    "negative_id",
    "book_id",
    "page_first",
    "page_last",
    "label_first",
    "label_last",
    "kind",
    "spans",
    "cos_ap",
    "cos_an",
    "cos_pn",
    "ce_ap",
    "ce_an",
    "rank",
    "rule",
    "masked",
    "round",
    "encoder",
)

#: Columns of a few fixed words. More different values, or longer ones, may be the book's own text.
VOCABULARIES = ("kind", "match", "rule")
MOST_WORDS, LONGEST_WORD = 40, 60


def text_hash(text: str) -> str:
    """sha256 of the text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def redacted_views(tables: Tables) -> tuple[View, ...]:
    """``full``, ``corpus``, ``terms`` and ``mentions``, with hashes in the place of text."""
    corpus, terms, mentions, full = corpus_view(tables), terms_view(tables), mentions_view(tables), full_view(tables)
    passages = dict(tables["passages"].select("passage_id", "text").iter_rows())
    return (
        _redacted(full, FULL, _anchors(passages, full.frame, "passage_id")),
        _redacted(corpus, CORPUS, {"text_sha256": _hashes(corpus.frame["text"])}),
        _redacted(
            terms,
            TERMS,
            {"term_sha256": _hashes(terms.frame["term"]), "definition_sha256": _hashes(terms.frame["definition"])},
        ),
        _redacted(mentions, MENTIONS, {}),
    )


MEANINGS = {
    "anchor_sha256": "sha256 of the anchor",
    "edits": "what turns the passage's (or definition's) text into the anchor, by offsets; null if that cannot be told without text",
    "text_sha256": "sha256 of the text",
    "term_sha256": "sha256 of the canonical form",
    "definition_sha256": "sha256 of the definition",
}


def _redacted(view: View, kept: Sequence[str], added: dict[str, pl.Series]) -> View:
    frame = view.frame.select("split", *kept).with_columns(series.alias(name) for name, series in added.items())
    for name in set(kept) & set(VOCABULARIES):
        _refuse_free_text(view.name, frame[name])
    columns = {**{name: view.columns[name] for name in kept}, **{name: MEANINGS[name] for name in added}}
    return View(view.name, f"{view.meaning}, without text", columns, frame, view.notes)


def _refuse_free_text(view: str, values: pl.Series) -> None:
    words = values.drop_nulls().unique().to_list()
    long = [word for word in words if len(word) > LONGEST_WORD]
    if long or len(words) > MOST_WORDS:
        raise TableError(
            f"{view}: column {values.name!r} holds {len(words)} different values, the longest of "
            f"{len(max(words, key=len))} characters, so it may hold the book's text",
            "A redacted dataset cannot carry it; make the tables again with this version.",
        )


def _hashes(texts: pl.Series) -> pl.Series:
    return pl.Series([None if text is None else text_hash(text) for text in texts], dtype=pl.String)


def _anchors(texts: Mapping[str, str], frame: pl.DataFrame, key: str) -> dict[str, pl.Series]:
    """What anchors are known by, and what makes them from the texts that ``frame``'s column ``key`` names."""
    seen: dict[tuple[str, str], list[dict[str, object]] | None] = {}
    for name, anchor in frame.select(key, "anchor").iter_rows():
        if (name, anchor) not in seen:
            seen[name, anchor] = text_edits(texts[name], anchor)
    edits = pl.Series([seen[row] for row in frame.select(key, "anchor").iter_rows()], dtype=EDITS)
    return {"anchor_sha256": _hashes(frame["anchor"]), "edits": edits}


def text_edits(text: str, anchor: str) -> list[dict[str, object]] | None:
    """What turns ``text`` into ``anchor``: [start, end) → insert.

    None if the inserts say a word of the text, or more than one word: a mask is one, so ``anchor`` is made of another text.
    """
    edits = _differences(text, anchor)
    own = set(re.findall(r"\w+", text.casefold()))
    inserted = {word for _, _, insert in edits for word in re.findall(r"\w+", insert.casefold())}
    if inserted & own or len(inserted) > 1:
        return None
    return [{"start": start, "end": end, "insert": insert} for start, end, insert in edits]


def apply_edits(text: str, edits: Sequence[dict[str, object]]) -> str:
    """The inverse of ``text_edits``."""
    pieces, last = [], 0
    for edit in edits:
        pieces += [text[last : int(str(edit["start"]))], str(edit["insert"])]
        last = int(str(edit["end"]))
    return "".join([*pieces, text[last:]])


def _differences(text: str, anchor: str) -> list[tuple[int, int, str]]:
    if text == anchor:
        return []
    old, new = (re.findall(r"\w+\s*|\W", one) for one in (text, anchor))
    offsets = [0, *accumulate(len(token) for token in old)]
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(offsets[i], offsets[j], "".join(new[k:m])) for tag, i, j, k, m in codes if tag != "equal"]
