"""Other views of what is mined, each as a pool for the one search: definitions that look for terms, terms that look for passages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tripletkit.language.normalise import term_key
from tripletkit.mining.guards import GUARDS
from tripletkit.mining.masking import hide
from tripletkit.mining.pool import Candidate, Numbers, Pool, hinted_in, numbers, said_in
from tripletkit.near_duplicates import near_duplicate_groups
from tripletkit.settings import MineSettings

DEFINITION, TERM = "definition", "term"
_WORD = re.compile(r"[^\W\d_]{2,}")
#: With fewer words left once the term is hidden, a definition names it and says nothing else ("TCP: Transmission Control
#: Protocol"). The shortest real ones of three glossaries have four ("a legal minimum price").
FEWEST_WORDS = 3
#: What each guard means where a term looks for passages, in the order of `GUARDS`.
OF_PASSAGES = dict(
    zip(
        GUARDS,
        (
            "the term said in it",
            "the term cited on its pages",
            "the term in its headings, akin to its words, or said beside it",
            "copy of the positive",
            "near-copy of the positive by the encoder",
            "too near the term",
        ),
        strict=True,
    )
)


def hidden_definition(term: Mapping[str, object], mask_token: str) -> str | None:
    """The definition with each form of its term hidden, or None if that leaves nothing which defines it.

    Hidden, not left out: of 474 definitions in three glossaries 20 say their term, and each of these tells it without that.
    """
    definition, forms = str(term["definition"]), [str(term["term"]), *_texts(term["forms"])]
    if len(_WORD.findall(hide(definition, forms, " "))) < FEWEST_WORDS:
        return None
    return hide(definition, forms, mask_token)


def definition_pool(pool: Pool, terms: Sequence[Mapping[str, object]], hidden: Mapping[int, str]) -> Pool:
    """Definitions as passages that say their term; ``hidden`` holds each by its term's number, the term hidden in it.

    ``terms`` are rows, as the pool numbers them. The guards read the definitions as printed. These stand on no page and in no
    chapter, so that nothing is cited there.
    """
    definitions = [{"text": str(terms[i]["definition"])} for i in hidden]
    nothing = (numbers(()),) * len(hidden)
    return replace(
        pool,
        passage_ids=tuple(pool.term_ids[i] for i in hidden),
        texts=tuple(hidden.values()),
        candidates=tuple(Candidate(row, i, 0.0) for row, i in enumerate(hidden)),
        said=said_in(definitions, terms),
        cited=nothing,
        related=_joined(pool.related, _defined_alike(terms)),
        near=nothing,
        passage_books=pool.term_books[list(hidden)],
        hinted=hinted_in(definitions, terms),
    )


def term_pool(pool: Pool, pairs: Iterable[tuple[int, int]], beside: Sequence[Numbers]) -> Pool:
    """The pool with its terms as passages and its passages as terms: who says, cites or hints at whom, read the other way round.

    ``pairs`` are (passage, term); ``beside`` has the passages around each. What these say is hinted at, as a text goes on about
    a thing without naming it again: of 12 negatives read that stood beside a passage which says the term 5 were about it, of
    12 others one at most. A passage is related to its copies. All is one book: the hardest is wanted, wherever it stands.
    """
    terms, passages = len(pool.term_ids), len(pool.passage_ids)
    nothing = numbers(())
    hinted = [
        np.unique(np.concatenate((hinted, *(pool.said[i] for i in around))))
        for hinted, around in zip(pool.hinted, beside, strict=True)
    ]
    return Pool(
        passage_ids=pool.term_ids,
        texts=pool.names,
        term_ids=pool.passage_ids,
        names=pool.texts,
        candidates=tuple(Candidate(term, passage, 0.0) for term, passage in sorted((t, p) for p, t in pairs)),
        said=_turned(pool.said, terms),
        cited=_turned(pool.cited, terms),
        related=_copies(pool),
        kin=(nothing,) * passages,
        near=(nothing,) * terms,
        passage_books=np.zeros(terms, dtype=np.int32),
        term_books=np.zeros(passages, dtype=np.int32),
        hinted=_turned(hinted, terms),
    )


def passages_beside(passages: Sequence[Mapping[str, Any]], margin: int) -> tuple[Numbers, ...]:
    """Per row: those of its section within ``margin`` pages of it, itself included."""
    on: dict[tuple[str, str | None, int], list[int]] = defaultdict(list)
    for i, row in enumerate(passages):
        for page in range(row["page_first"], row["page_last"] + 1):
            on[row["book_id"], row["section"], page].append(i)
    return tuple(
        numbers(
            other
            for page in range(row["page_first"] - margin, row["page_last"] + margin + 1)
            for other in on.get((row["book_id"], row["section"], page), ())
        )
        for row in passages
    )


def term_settings(settings: MineSettings) -> MineSettings:
    """One negative for each term and passage, the hardest: two passages a row make a large table."""
    return settings.model_copy(update={"strategy": "top", "negatives": 1})


def _defined_alike(terms: Sequence[Mapping[str, object]]) -> list[list[int]]:
    """Terms with one and the same definition, as "overfitting" and "overfitting (classical)" may have."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, term in enumerate(terms):
        if key := term_key(str(term["definition"] or "")):
            alike[key].append(i)
    return list(alike.values())


def _copies(pool: Pool) -> tuple[Numbers, ...]:
    """Per passage: itself and its near-duplicates."""
    number = {passage_id: i for i, passage_id in enumerate(pool.passage_ids)}
    groups = near_duplicate_groups(dict(zip(pool.passage_ids, pool.texts, strict=True)))
    alone = tuple(numbers((i,)) for i in range(len(number)))
    return _joined(alone, [[number[passage_id] for passage_id in group] for group in groups])


def _joined(related: Sequence[Numbers], groups: Iterable[Sequence[int]]) -> tuple[Numbers, ...]:
    """``related``, with each of a group related to all of it."""
    joined = list(related)
    for group in groups:
        for i in group if len(group) > 1 else ():
            joined[i] = numbers((*joined[i].tolist(), *group))
    return tuple(joined)


def _turned(lists: Sequence[Numbers], count: int) -> tuple[Numbers, ...]:
    """Of each of ``count`` values, the lists that hold it."""
    holders = np.repeat(np.arange(len(lists), dtype=np.int32), [len(held) for held in lists])
    values = np.concatenate((numbers(()), *lists))
    order = np.argsort(values, kind="stable")
    return tuple(np.split(holders[order], np.searchsorted(values[order], np.arange(1, count))))


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
