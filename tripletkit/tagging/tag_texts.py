"""Terms in passages: ``tag_terms`` for anybody's own texts, and the same for the tables of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from tripletkit.language.normalise import normalised_by
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import MENTIONS, make_table
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagged, Tagger
from tripletkit.tagging.part_of_speech import AUTO, VerbFinder, verb_finder
from tripletkit.user_rows import Given, PassageRow, TermRow, read_rows, with_ids

Row = dict[str, object]


def tag_terms(
    passages: Given, terms: Given, rules: Rules | Path | str | None = None, *, nlp: str = AUTO
) -> pl.DataFrame:
    """Where the terms occur in the passages, in any case, number and spelling, as the stage ``tag`` finds them.

    ``passages`` are texts, or rows with ``text`` and perhaps ``passage_id`` (or ``id``); a text without an id gets its
    position, "0", "1", …. ``terms`` are texts, or rows with ``term`` and perhaps ``term_id`` (or ``id``; else the term
    itself) and ``forms``, a list of other ways to write it. Terms that are not ``kept`` are left out. Rows are a list of
    dictionaries, a frame of polars, pandas, pyarrow or datasets, or the Path of a file. ``rules`` is a folder of your own
    rules, as for ``--rules``. ``nlp`` is the spaCy pipeline that finds words used as verbs, as the setting ``tag.nlp`` has it.

    Returns one row a mention, sorted by passage and place: ``passage_id``, ``term_id``, ``start`` and ``end`` (character
    offsets into the text), ``surface`` (``text[start:end]``) and ``match`` (exact, variant or form; see
    ``schemas.MENTIONS``). Words used as verbs, parts of code and of idioms are no mentions.

    Raises SourceError for a bad row and for ids that are not unique, RulesError for faulty rules, and ConfigError if there
    is no such pipeline.
    """
    in_force = rules if isinstance(rules, Rules) else load_rules(Path(rules) if rules is not None else None)
    texts, names = read_rows(passages, PassageRow, "passages"), read_rows(terms, TermRow, "terms").filter("kept")
    texts = with_ids(texts, "passage_id", pl.int_range(pl.len()).cast(pl.String)).with_columns(book_id=pl.lit(""))
    names = with_ids(names, "term_id", pl.col("term")).with_columns(book_id=pl.lit(None, pl.String))
    with normalised_by(in_force):
        return find_mentions(texts, names, in_force, nlp)


def find_mentions(passages: pl.DataFrame, terms: pl.DataFrame, rules: Rules, nlp: str = AUTO) -> pl.DataFrame:
    """The mentions in all passages, as ``schemas.MENTIONS`` has them."""
    tagged = tag_passages(passages, terms, rules, verb_finder(nlp))
    return make_table(MENTIONS, [row for of in tagged for row in mention_rows(*of)])


def tag_passages(
    passages: pl.DataFrame, terms: pl.DataFrame, rules: Rules, verbs: VerbFinder | None = None
) -> Iterator[tuple[str, str, Tagged]]:
    """Each passage's id, text and matches, by the terms of its book and those of the user."""
    passages = passages.sort("book_id", "passage_id")
    for (book_id,), of_book in passages.group_by("book_id", maintain_order=True):
        own = terms.filter((pl.col("book_id") == book_id) | pl.col("book_id").is_null())
        tagger = Tagger(form_matcher(own.select("term_id", "term", "forms").iter_rows()), Context(rules), verbs)
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
    return [
        {
            "passage_id": passage_id,
            "term_id": match.form.term_id,
            "start": match.start,
            "end": match.end,
            "surface": text[match.start : match.end],
            "match": match.match,
        }
        for match in found.mentions
    ]
