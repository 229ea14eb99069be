"""The held-out passages as retrieval sets with the columns of BEIR (arXiv:2104.08663): queries, corpus and qrels.

The queries, candidates and relevance labels of a set are those of the evaluation task of its name, so that an encoder gets
the same scores from either. Of a passage's headings nothing is in ``title``: an evaluation would put it before the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tripletkit.evaluation.gold import anchor_passages, build_gold
from tripletkit.evaluation.report import DEFINITION_TO_PASSAGE, PASSAGE_TO_TERM, TERM_TO_PASSAGE
from tripletkit.evaluation.tasks import HIDDEN, RetrievalTask, build_tasks
from tripletkit.publishing.configs import REPLACEMENTS, SPANS, Configuration, Tables, mask, masked_spans, text_hashes

#: By set: the task. A name such as term-to-passage also says what a query and a candidate is.
SETS = {task.replace("→", "-to-"): task for task in (TERM_TO_PASSAGE, PASSAGE_TO_TERM, DEFINITION_TO_PASSAGE)}
HELD_OUT = ("validation", "test")
#: By kind of text: what its id and the text are.
_MEANINGS = {
    "term": ("term_id", "canonical form"),
    "passage": ("passage_id", "the passage's text"),
    "definition": ("term_id of the term that it defines", "the definition; the mask token stands for its term"),
}
_PLACE = {"set": pl.String, "split": pl.String}
_TEXTS = pl.Schema({**_PLACE, "_id": pl.String, "text": pl.String})
_QRELS = pl.Schema({**_PLACE, "query-id": pl.String, "corpus-id": pl.String, "score": pl.Int32})
_MASKED_SPANS = "the parts of the definition that the mask token replaces in the query, by offsets"


@dataclass(frozen=True)
class RetrievalSets:
    """The rows of all sets; each frame begins with the columns ``set`` and ``split``."""

    queries: pl.DataFrame  # _id, text
    corpus: pl.DataFrame  # _id, text
    qrels: pl.DataFrame  # query-id, corpus-id, score


def retrieval_sets(tables: Tables, kinds: Collection[str], mask_token: str) -> RetrievalSets:
    """The sets of the validation and the test split, in which passages of ``kinds`` are searched, as in ``evaluate``."""
    queries, corpus, qrels = list[tuple[str, ...]](), list[tuple[str, ...]](), list[tuple[Any, ...]]()
    for split in HELD_OUT:
        passages = anchor_passages(tables["passages"], tables["splits"], kinds=tuple(kinds), split=split)
        by_name = {task.name: task for task in build_tasks(build_gold(passages, tables["terms"], tables["mentions"]))}
        for name, task in ((name, by_name[task]) for name, task in SETS.items() if task in by_name):
            asked = (text.replace(HIDDEN, mask_token) for text in task.queries)
            queries += [(name, split, *row) for row in zip(task.query_ids, asked, strict=True)]
            corpus += [(name, split, *row) for row in zip(task.candidate_ids, task.candidates, strict=True)]
            qrels += [(name, split, *pair, 1) for pair in _relevant(task)]
    frames = ((queries, _TEXTS), (corpus, _TEXTS), (qrels, _QRELS))
    return RetrievalSets(*(pl.DataFrame(rows, schema, orient="row") for rows, schema in frames))


def _relevant(task: RetrievalTask) -> Iterator[tuple[str, str]]:
    for i, j in zip(*task.relevant.nonzero(), strict=True):
        yield task.query_ids[i], task.candidate_ids[j]


def retrieval_configurations(sets: RetrievalSets) -> Iterator[Configuration]:
    """Three configurations a set: what ``mteb`` loads as subset ``NAME`` is NAME-queries, NAME-corpus and NAME-qrels."""
    titled = sets.corpus.with_columns(title=pl.lit(""))
    for name in SETS:
        (query_id, query), (candidate_id, candidate) = (_MEANINGS[kind] for kind in name.split("-to-"))
        yield _configuration(name, "queries", sets.queries, {"_id": query_id, "text": query})
        yield _configuration(name, "corpus", titled, {"_id": candidate_id, "title": "empty", "text": candidate})
        yield _qrels(name, sets.qrels)


def redacted_retrieval_configurations(sets: RetrievalSets, tables: Tables, mask_token: str) -> Iterator[Configuration]:
    """The same with hashes in the place of text. ``tables`` have the definitions in which ``mask_token`` was put."""
    definitions = dict(tables["terms"].select("term_id", "definition").iter_rows())
    queries, corpus = (of.with_columns(text_sha256=text_hashes(of["text"])) for of in (sets.queries, sets.corpus))
    for name in SETS:
        query, candidate = (_MEANINGS[kind][0] for kind in name.split("-to-"))
        hashed = {"text_sha256": REPLACEMENTS["text_sha256"]}
        asked, spans = queries.filter(set=name), dict[str, str]()
        if name.startswith("definition"):
            found = [masked_spans(definitions[_id], text, mask_token) for _id, text in asked["_id", "text"].iter_rows()]
            asked, spans = (
                asked.with_columns(masked_spans=pl.Series(found, dtype=SPANS)),
                {"masked_spans": _MASKED_SPANS},
            )
        yield _configuration(name, "queries", asked, {"_id": query, **spans, **hashed})
        yield _configuration(name, "corpus", corpus, {"_id": candidate, **hashed})
        yield _qrels(name, sets.qrels)


def _qrels(name: str, frame: pl.DataFrame) -> Configuration:
    ids = {f"{part}-id": f"_id in {name}-{part.replace('query', 'queries')}" for part in ("query", "corpus")}
    return _configuration(
        name, "qrels", frame, {**ids, "score": "1: relevant; pairs that are not listed are not relevant"}
    )


def _configuration(name: str, part: str, frame: pl.DataFrame, columns: Mapping[str, str]) -> Configuration:
    rows, kinds = frame.filter(set=name), dict(zip(("queries", "corpus"), name.split("-to-"), strict=True))
    meaning = f"a {kinds[part]} of the retrieval set {name}" if part in kinds else "a query and a relevant candidate"
    missing = f"{name}: no held-out {kinds['queries']} has a relevant {kinds['corpus']}, so there is no such set."
    notes = () if rows.height or part != "queries" else (missing,)
    return Configuration(f"{name}-{part}", meaning, columns, rows.select("split", *columns), notes)


def fill_sets(redacted: RetrievalSets, texts: Mapping[str, Mapping[str, str]], mask_token: str) -> RetrievalSets:
    """``redacted`` with its ``texts``, by kind (term, passage, definition) and id.

    A text that is missing or has another hash is left out, and so is a query of which no relevant candidate is left.
    """
    queries, corpus = (
        _with_text(of, side, texts, mask_token) for side, of in enumerate((redacted.queries, redacted.corpus))
    )
    place = ["set", "split"]
    qrels = redacted.qrels
    for frame, column in ((queries, "query-id"), (corpus, "corpus-id")):
        qrels = qrels.join(frame, left_on=[*place, column], right_on=[*place, "_id"], how="semi")
    answered = queries.join(qrels, left_on=[*place, "_id"], right_on=[*place, "query-id"], how="semi")
    return RetrievalSets(answered, corpus.join(answered, on=place, how="semi"), qrels)


def _with_text(frame: pl.DataFrame, side: int, texts: Mapping[str, Mapping[str, str]], mask_token: str) -> pl.DataFrame:
    def text(row: Mapping[str, Any]) -> str | None:
        whole = texts[row["set"].split("-to-")[side]].get(row["_id"])
        return whole and mask(whole, row.get("masked_spans") or (), mask_token)

    found = [text(row) for row in frame.iter_rows(named=True)]
    filled = frame.with_columns(text=pl.Series(found, dtype=pl.String))
    return filled.filter(text_hashes(found) == filled["text_sha256"]).select(_TEXTS.names())
