"""The public function: terms in anybody's own texts."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import polars as pl
import pytest

from tripletkit import schemas
from tripletkit.errors import SourceError
from tripletkit.tagging.tag_texts import tag_terms


def test_lists_of_texts() -> None:
    found = tag_terms(["A binary tree.", "Two Trees, one heap."], ["tree", "heap"])
    assert found.schema == schemas.MENTIONS.schema
    assert found.rows() == [
        ("0", "tree", 9, 13, "tree", "exact"),
        ("1", "tree", 4, 9, "Trees", "variant"),
        ("1", "heap", 15, 19, "heap", "exact"),
    ]


def test_frames_and_mappings_with_ids_and_forms() -> None:
    passages = pl.DataFrame({"passage_id": ["p", "q"], "text": ["A CNN learns.", "Nothing."]})
    terms = pl.DataFrame({"term_id": ["t", "u"], "term": ["convolutional network", "nothing"], "forms": [["CNN"], []]})
    found = tag_terms(passages, terms.with_columns(kept=pl.Series([True, False])))
    assert found.rows() == [("p", "t", 2, 5, "CNN", "form")]
    assert found.equals(tag_terms(passages.to_dicts(), terms.to_dicts()[:1]))


def test_no_passages_and_no_terms_give_an_empty_frame() -> None:
    assert tag_terms([], ["tree"]).is_empty()
    assert tag_terms(["A tree."], []).schema == schemas.MENTIONS.schema


def test_words_used_as_verbs_are_no_mentions() -> None:
    assert tag_terms(["We sort it by a sort."], ["sort"])["start"].to_list() == [16]


def test_a_users_plurals_and_spellings_are_in_force_inside_the_call_only(tmp_path: Path) -> None:
    (tmp_path / "plurals.extra.txt").write_text("kine: cow\n")
    (tmp_path / "variants.extra.txt").write_text("c++ish: cxxish\ngaol: jail\n")
    texts, terms = ["Two kine stand by the gaol."], ["cow", "jail"]
    assert tag_terms(texts, terms, tmp_path)["surface"].to_list() == ["kine", "gaol"]
    assert tag_terms(texts, terms).is_empty()


@pytest.mark.parametrize(
    ("passages", "terms", "message"),
    [
        ("one text", ["a"], "passages: one str was given"),
        ([1], ["a"], r"passages: row 0: not an object \(.*got int 1"),
        ([{"body": "a"}], ["a"], r"passages: row 0: no text \(it has 'body'"),
        (["a"], ["b", "b"], r"terms: row 1: term_id 'b' occurs twice"),
        (["a"], [{"term": "b", "forms": [1]}], r"terms: row 0: forms is not a string \(got int 1\)"),
    ],
)
def test_what_is_no_row_is_named(passages: object, terms: object, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        tag_terms(passages, terms)


def test_a_term_of_more_words_than_calls_fit_on_the_stack() -> None:
    words = "data " * 1500
    assert tag_terms([f"The {words}end."], [words.strip()], nlp="none")["end"].to_list() == [4 + len(words) - 1]


def test_a_whole_book_as_one_text_is_tagged_in_linear_time() -> None:
    text = "We set the SET COVER (SET), and the maps set map (SM) trees. " * 4_000
    started = process_time()
    found = tag_terms([text], ["set", "SET", "set cover", "map", "tree", "set map (SM)", "maps set"])
    assert process_time() - started < 20
    assert found.height > 20_000
