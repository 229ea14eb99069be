"""What a book shows of a term, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.evaluation.make import passages, term
from tripletkit.schemas import LINES, make_table
from tripletkit.teaching.structure import DEFINED, FIRST, IN_HEADING, STYLED, structure_scores

BOOK = passages(
    ("a", "A heap is a tree with an order.", 1, "1 Trees"),
    ("b", "Every heap has a root.", 2, "1 Trees › 1.2 Heaps"),
    ("c", "We merge two of them.", 3, "1 Trees › 1.2 Heaps › 1.2.1 Merging"),
)
TERMS = pl.concat([term("heap"), term("tree"), term("root")])


def lines(*rows: tuple[int, str, str]) -> pl.DataFrame:
    """Lines of prose from (page, text, styles)."""
    numbers = dict.fromkeys(("x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1"), 0.0)
    return make_table(
        LINES,
        [
            {"book_id": "x", "page": page, "line": i, "column": 0, "kind": "prose", "text": text, "styles": styles}
            | numbers
            | {"gap_word": 0}
            for i, (page, text, styles) in enumerate(rows)
        ],
    )


def spans_of(texts: list[str], names: list[str]) -> dict[int, list[tuple[int, int, int]]]:
    return {
        i: [(text.index(name), text.index(name) + len(name), j) for j, name in enumerate(names) if name in text]
        for i, text in enumerate(texts)
    }


def scores(*rows: tuple[int, str, str]) -> np.ndarray:
    held, terms = BOOK.to_dicts(), TERMS.to_dicts()
    spans = spans_of([row["text"] for row in held], [row["term"] for row in terms])
    return structure_scores(held, terms, spans, lines(*rows))


def test_each_part_by_hand() -> None:
    found = scores()
    heap, tree, root = 0, 1, 2
    assert found[0, heap] == DEFINED + FIRST
    assert found[0, tree] == FIRST + IN_HEADING, "'tree' is in the passage's own heading"
    assert found[1, heap] == IN_HEADING
    assert found[1, root] == FIRST
    assert found[1, tree] == IN_HEADING / 2, "one heading above"
    assert np.allclose(found[2], [IN_HEADING / 2, IN_HEADING / 3, 0])


def test_bold_and_italic_words_count_on_their_page_where_the_passage_mentions_them() -> None:
    plain = scores((2, "Every heap has a root.", "rrrrr"))
    for style in "biz":
        found = scores((2, "Every heap has a root.", f"r{style}rrr"), (3, "heap heap", "rb"))
        gain = found - plain
        assert gain[1, 0] == STYLED
        assert gain.sum() == STYLED, "passage c does not mention it"


def test_a_bold_sentence_marks_no_term_and_a_phrase_marks_itself_only() -> None:
    assert np.array_equal(scores((2, "heap of a b c d e", "bbbbbbb")), scores())
    assert np.array_equal(scores((2, "root heap here", "bbr")), scores())
    assert np.array_equal(scores((2, "heap here", "b")), scores()), "words and styles disagree"


def test_own_passages_have_no_lines() -> None:
    assert scores().shape == (3, 3)
