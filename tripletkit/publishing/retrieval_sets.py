"""The held-out passages as retrieval sets with the columns of BEIR (arXiv:2104.08663): queries, corpus and qrels.

The queries, candidates and relevance labels of a set are those of the evaluation task of its name, so that an encoder gets
the same scores from either. Of a passage's headings nothing is in ``title``: an evaluation would put it before the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tripletkit.evaluation.gold import anchor_passages, build_gold
from tripletkit.evaluation.report import DEFINITION_TO_PASSAGE, PASSAGE_TO_TERM, TERM_TO_PASSAGE
from tripletkit.evaluation.tasks import HIDDEN, RetrievalTask, build_tasks
from tripletkit.publishing.configs import REPLACEMENTS, SPANS, Configuration, Tables, mask, masked_spans, text_hashes

#: By set: the task. A name such as term-to-passage also says what a query and a candidate is.
SETS = {task.replace("→", "-to-"): task for task in (TERM_TO_PASSAGE, PASSAGE_TO_TERM, DEFINITION_TO_PASSAGE)}
HELD_OUT = ("validation", "test")
#: By kind of text: what its id is, and what the text is.
_IDS = {"term": "term_id", "passage": "passage_id", "definition": "term_id of the term that it defines"}
_TEXTS = {
    "term": "canonical form",
    "passage": "the passage's text",
    "definition": "the definition, with the mask token in the place of its term",
}
_HASH = {"text_sha256": REPLACEMENTS["text_sha256"]}
_SPANS = {"masked_spans": "the parts of the definition that the mask token replaces in the query, by offsets"}
_PAIR = {
    "query-id": "_id of the query",
    "corpus-id": "_id of the candidate",
    "score": "1: relevant; a pair that is not listed is not relevant",
}
_PLACE = {"set": pl.String, "split": pl.String}
_TEXT_SCHEMA = pl.Schema({**_PLACE, "_id": pl.String, "text": pl.String})
_PAIR_SCHEMA = pl.Schema({**_PLACE, "query-id": pl.String, "corpus-id": pl.String, "score": pl.Int32})


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
    frames = ((queries, _TEXT_SCHEMA), (corpus, _TEXT_SCHEMA), (qrels, _PAIR_SCHEMA))
    return RetrievalSets(*(pl.DataFrame(rows, schema, orient="row") for rows, schema in frames))


def _relevant(task: RetrievalTask) -> Iterator[tuple[str, str]]:
    for i, j in zip(*task.relevant.nonzero(), strict=True):
        yield task.query_ids[i], task.candidate_ids[j]


def retrieval_configurations(sets: RetrievalSets) -> Iterator[Configuration]:
    """Three configurations a set. mteb loads NAME-queries, NAME-corpus and NAME-qrels as the subset NAME of a dataset."""
    titled = replace(sets, corpus=sets.corpus.with_columns(title=pl.lit("")))
    for name in SETS:
        query, candidate = name.split("-to-")
        yield from _of_set(name, titled, {"text": _TEXTS[query]}, {"title": "empty", "text": _TEXTS[candidate]})


def redacted_retrieval_configurations(sets: RetrievalSets, tables: Tables, mask_token: str) -> Iterator[Configuration]:
    """The same with hashes in the place of text. ``tables`` have the definitions in which ``mask_token`` was put."""
    definitions = dict(tables["terms"].select("term_id", "definition").iter_rows())
    spans = [
        masked_spans(definitions[_id], text, mask_token) if name.startswith("definition") else None
        for name, _id, text in sets.queries.select("set", "_id", "text").iter_rows()
    ]
    queries, corpus = (of.with_columns(text_sha256=text_hashes(of["text"])) for of in (sets.queries, sets.corpus))
    hashed = RetrievalSets(queries.with_columns(masked_spans=pl.Series(spans, dtype=SPANS)), corpus, sets.qrels)
    for name in SETS:
        yield from _of_set(name, hashed, {**_SPANS, **_HASH} if name.startswith("definition") else _HASH, _HASH)


def _of_set(
    name: str, sets: RetrievalSets, query_columns: Mapping[str, str], candidate_columns: Mapping[str, str]
) -> Iterator[Configuration]:
    query, candidate = name.split("-to-")
    lacking = f"{name}: no held-out {query} has a relevant {candidate}, so there is no such set."
    for part, row, frame, columns in (
        ("queries", f"a query of {name}: a {query}", sets.queries, {"_id": _IDS[query], **query_columns}),
        ("corpus", f"a candidate of {name}: a {candidate}", sets.corpus, {"_id": _IDS[candidate], **candidate_columns}),
        ("qrels", f"a query of {name} and a relevant candidate", sets.qrels, _PAIR),
    ):
        rows = frame.filter(set=name)
        notes = (lacking,) if part == "queries" and not rows.height else ()
        yield Configuration(f"{name}-{part}", row, columns, rows.select("split", *columns), notes)


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
    return filled.filter(text_hashes(found) == filled["text_sha256"]).select(_TEXT_SCHEMA.names())
