"""Terms in passages, by a normaliser that knows plurals, case and hyphens; a match that means something else is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import polars as pl

from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import MENTIONS, make_table
from tripletkit.stage import Input, Job, Row, Stage, StageResult
from tripletkit.tagging.context import Context
from tripletkit.tagging.matcher import Form, Match, Matcher
from tripletkit.tagging.mentions import Parser, Tagged, Tagger
from tripletkit.tagging.nlp import load_parser


def run(job: Job) -> StageResult:
    """Tag each book's passages with the terms of that book and those of the user. Refused matches are counted by term."""
    settings = job.settings.tag
    terms = job.table("terms").filter("kept")
    passages = job.table("passages").filter(pl.col("kind").is_in(settings.kinds))
    parser = load_parser(settings.nlp) if settings.nlp else None
    rows: list[Row] = []
    refused: Counter[tuple[str, str]] = Counter()
    with job.progress.bar("tagging", passages.height, "passages") as advance:
        for passage_id, text, tagged in tag_passages(passages, terms, job.rules, parser):
            rows += _rows(passage_id, text, tagged.mentions)
            refused.update((refusal.match.form.term_id, refusal.reason) for refusal in tagged.refused)
            advance(1)
    return _result(terms, passages.height, make_table(MENTIONS, rows), refused)


def tag_passages(
    passages: pl.DataFrame, terms: pl.DataFrame, rules: Rules, parser: Parser | None = None
) -> Iterator[tuple[str, str, Tagged]]:
    """Each passage's id, text and matches, by the terms of its book and those of the user."""
    passages = passages.sort("book_id", "passage_id")
    for (book_id,), of_book in passages.group_by("book_id", maintain_order=True):
        own = terms.filter((pl.col("book_id") == book_id) | pl.col("book_id").is_null())
        tagger = Tagger(matcher_of(own), Context(rules), parser)
        yield from zip(of_book["passage_id"], of_book["text"], tagger.tag(of_book["text"]), strict=True)


def _result(
    terms: pl.DataFrame, passages: int, mentions: pl.DataFrame, refused: Counter[tuple[str, str]]
) -> StageResult:
    said = set(mentions["term_id"].unique())
    name = dict(terms.select("term_id", "term").iter_rows())
    dropped: list[Row] = [
        {
            "stage": "tag",
            "item": term_id,
            "related": term,
            "reason": "never said",
            "detail": "no form of it stands in a tagged passage",
        }
        for term_id, term in name.items()
        if term_id not in said
    ]
    dropped += [
        {
            "stage": "tag",
            "item": term_id,
            "related": name[term_id],
            "reason": reason,
            "detail": f"{count} matches refused",
        }
        for (term_id, reason), count in sorted(refused.items())
    ]
    with_term = mentions["passage_id"].n_unique()
    counts = {
        "passages": passages,
        "with_term": with_term,
        "mentions": mentions.height,
        "terms_said": len(said),
        "refused": refused.total(),
    }
    summary = (
        f"{mentions.height:,} mentions of {len(said):,} of {terms.height:,} terms in {with_term:,} of {passages:,} passages, "
        f"{refused.total():,} matches refused"
    )
    return StageResult({"mentions": mentions}, dropped, counts, summary)


def matcher_of(terms: pl.DataFrame) -> Matcher:
    """A matcher for every form of every term in a terms table."""
    return Matcher(
        Form(term_id, form, canonical=form == term)
        for term_id, term, forms in terms.select("term_id", "term", "forms").iter_rows()
        for form in dict.fromkeys([term, *forms])
    )


def mentions_in(passage_id: str, text: str, matcher: Matcher) -> list[Row]:
    """One passage's rows by the packaged rules: one per term and place; of several forms there, the closest counts."""
    (tagged,) = Tagger(matcher, Context(load_rules())).tag([text])
    return _rows(passage_id, text, tagged.mentions)


def _rows(passage_id: str, text: str, mentions: Iterable[Match]) -> list[Row]:
    return [
        {
            "passage_id": passage_id,
            "term_id": m.form.term_id,
            "start": m.start,
            "end": m.end,
            "surface": text[m.start : m.end],
            "how": m.how,
        }
        for m in mentions
    ]


STAGE = Stage(
    "tag",
    reads=("passages", "terms"),
    writes=("mentions",),
    run=run,
    settings=("tag",),
    inputs=frozenset({Input.RULES}),
    version=3,
)
