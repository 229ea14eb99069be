"""Terms in passages: ``tag_terms`` for anybody's own texts, and the same for the tables of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from tripletkit.errors import TableError
from tripletkit.language.normalise import normalised_by
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import MENTIONS, make_table
from tripletkit.tagging.matcher import Form, Match, Matcher
from tripletkit.tagging.mentions import Context, Parser, Tagged, Tagger

#: Texts, or rows with named values.
Rows = pl.DataFrame | Iterable[str] | Iterable[Mapping[str, object]]
Row = dict[str, object]


def tag_terms(passages: Rows, terms: Rows, rules: Rules | Path | str | None = None) -> pl.DataFrame:
    """Where the terms occur in the passages, in any case, number and spelling, as the stage ``tag`` finds them.

    ``passages`` are texts, or a frame or mappings with ``text`` and perhaps ``passage_id`` (or ``id``); a text without
    an id gets its position, "0", "1", …. ``terms`` are texts, or a frame or mappings with ``term`` and perhaps
    ``term_id`` (or ``id``; else the term itself) and ``forms``, a list of other ways to write it. Rows of a frame that
    are not ``kept`` are left out. ``rules`` is a folder of your own rules, as for ``--rules``.

    Returns one row a mention, sorted by passage and place: ``passage_id``, ``term_id``, ``start`` and ``end`` (character
    offsets into the text), ``surface`` (``text[start:end]``) and ``match`` (exact, variant or form; see
    ``schemas.MENTIONS``). Words used as verbs, parts of code and of idioms are no mentions.

    Raises TableError for a row without a text, for ids that are not unique, and RulesError for faulty rules.
    """
    in_force = rules if isinstance(rules, Rules) else load_rules(Path(rules) if rules is not None else None)
    texts = {ident: str(row["text"]) for ident, row in read_rows(passages, "text", "passage_id").items()}
    held = {ident: row for ident, row in read_rows(terms, "term", "term_id").items() if row.get("kept", True)}
    names = {ident: str(row["term"]) for ident, row in held.items()}
    with normalised_by(in_force):
        matcher = form_matcher((ident, names[ident], _forms(row, ident)) for ident, row in held.items())
        tagged = Tagger(matcher, Context(in_force)).tag(texts.values())
        rows = [
            row for (i, text), found in zip(texts.items(), tagged, strict=True) for row in mention_rows(i, text, found)
        ]
    return make_table(MENTIONS, rows)


def read_rows(source: Rows, column: str, id_column: str) -> dict[str, Mapping[str, object]]:
    """Texts or rows by their ids; a text becomes a row with the value ``column``.

    Raises TableError for a single text, a row whose ``column`` is no text, and an id that occurs twice.
    """
    if isinstance(source, str | bytes | Mapping):
        raise TableError(f"expected several rows with {column!r}, got one {type(source).__name__}", "Pass a list.")
    rows: dict[str, Mapping[str, object]] = {}
    for at, item in enumerate(source.to_dicts() if isinstance(source, pl.DataFrame) else source):
        row: Mapping[str, object] = item if isinstance(item, Mapping) else {column: item}
        if not isinstance(row.get(column), str):
            known = f"the row has {', '.join(map(repr, row))}" if isinstance(item, Mapping) else "give a text"
            raise TableError(f"row {at}: {column!r} must be a text, got {row.get(column)!r}", f"Here {known}.")
        default = at if column == "text" else row[column]
        ident = str(next((row[name] for name in (id_column, "id") if row.get(name) is not None), default))
        if ident in rows:
            raise TableError(f"row {at}: {id_column} {ident!r} occurs twice", "Give each row an id of its own.")
        rows[ident] = row
    return rows


def _forms(row: Mapping[str, object], ident: str) -> Sequence[str]:
    forms = row.get("forms")
    if forms is None:
        return ()
    if not isinstance(forms, list | tuple) or not all(isinstance(form, str) for form in forms):
        raise TableError(
            f"term {ident!r}: 'forms' must be a list of texts, got {forms!r}", 'Such as ["CNN", "convnet"].'
        )
    return forms


def tag_passages(
    passages: pl.DataFrame, terms: pl.DataFrame, rules: Rules, parser: Parser | None = None
) -> Iterator[tuple[str, str, Tagged]]:
    """Each passage's id, text and matches, by the terms of its book and those of the user."""
    passages = passages.sort("book_id", "passage_id")
    for (book_id,), of_book in passages.group_by("book_id", maintain_order=True):
        own = terms.filter((pl.col("book_id") == book_id) | pl.col("book_id").is_null())
        matcher = form_matcher(own.select("term_id", "term", "forms").iter_rows())
        tagger = Tagger(matcher, Context(rules), parser)
        yield from zip(of_book["passage_id"], of_book["text"], tagger.tag(of_book["text"]), strict=True)


def form_matcher(terms: Iterable[tuple[str, str, Sequence[str]]]) -> Matcher:
    """A matcher for every form of every term, given as id, canonical form and other forms."""
    return Matcher(
        Form(term_id, form, canonical=form == term)
        for term_id, term, forms in terms
        for form in dict.fromkeys([term, *forms])
    )


def mention_rows(passage_id: str, text: str, found: Tagged) -> list[Row]:
    """One passage's rows of ``mentions``."""
    return [_row(passage_id, text, match) for match in found.mentions]


def _row(passage_id: str, text: str, match: Match) -> Row:
    return {
        "passage_id": passage_id,
        "term_id": match.form.term_id,
        "start": match.start,
        "end": match.end,
        "surface": text[match.start : match.end],
        "match": match.match,
    }
