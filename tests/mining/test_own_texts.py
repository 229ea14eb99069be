"""`mine_triplets` on lists, dictionaries and frames; the same triplets as the stage; what it refuses; nothing global changed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import polars as pl
import pytest

from tests.conftest import HashEncoder
from tripletkit.cli import main
from tripletkit.errors import ConfigError, EncoderError, SourceError, TableError, TripletkitError
from tripletkit.mining.own_texts import COLUMNS, mine_triplets
from tripletkit.store import Store

PASSAGES = [
    "A binary heap is a tree with an order. The heap keeps its least value on top.",
    "Quicksort sorts an array in place and picks a pivot.",
    "A linked list holds nodes; a stack may be a linked list.",
    "A hash table maps keys to buckets.",
]
TERMS = ["heap", "tree", "quicksort", "array", "pivot", "linked list", "stack", "hash table", "bucket", "graph"]


def test_lists_of_texts_give_triplets_in_the_order_of_the_passages(hash_encoder: HashEncoder) -> None:
    triplets = mine_triplets(PASSAGES, TERMS, hash_encoder, negatives=2)
    assert tuple(triplets.columns) == COLUMNS
    assert triplets["anchor"].unique(maintain_order=True).to_list() == PASSAGES
    for row in triplets.to_dicts():
        assert row["positive"] in row["anchor"].lower()
        assert row["negative"] not in row["anchor"].lower()
        assert row["negative"] != "graph"  # in no passage
        assert row["cos_an"] <= row["cos_ap"] * 0.95 + 1e-6
    assert triplets.group_by("passage_id", "positive_id").len()["len"].max() == 2
    assert triplets.equals(mine_triplets(PASSAGES, TERMS, hash_encoder, negatives=2))


def test_rows_of_any_kind_give_the_same(hash_encoder: HashEncoder) -> None:
    passages = [{"id": f"p{i}", "text": text, "page": i + 1} for i, text in enumerate(PASSAGES)]
    terms: list[dict[str, Any]] = [{"id": f"t{i}", "term": term} for i, term in enumerate(TERMS)]
    wanted = mine_triplets(passages, terms, hash_encoder)
    assert set(wanted["passage_id"]) == {"p0", "p1", "p2", "p3"}
    as_frames = mine_triplets(pl.DataFrame(passages), pl.DataFrame(terms), hash_encoder)
    as_arrow = mine_triplets(pl.DataFrame(passages).to_arrow(), datasets.Dataset.from_list(terms), hash_encoder)
    as_pandas = mine_triplets(pl.DataFrame(passages).to_pandas(), pl.DataFrame(terms).to_pandas(), hash_encoder)
    assert wanted.equals(as_frames)
    assert wanted.equals(as_arrow)
    assert wanted.equals(as_pandas)


def test_the_result_goes_into_a_dataset(hash_encoder: HashEncoder) -> None:
    triplets = mine_triplets(PASSAGES, TERMS, hash_encoder)
    whole = datasets.Dataset.from_polars(triplets)
    assert whole.num_rows == triplets.height
    texts = datasets.Dataset.from_polars(triplets.select("anchor", "positive", "negative"))
    assert texts[0] == {name: triplets[name][0] for name in ("anchor", "positive", "negative")}


def test_forms_cited_pages_and_mentions_are_used(hash_encoder: HashEncoder) -> None:
    passages = [{"id": f"p{i}", "text": text, "page": i + 1} for i, text in enumerate(PASSAGES)]
    terms: list[dict[str, Any]] = [{"term": term} for term in TERMS[:-1]]
    terms += [{"id": "map", "term": "dictionary", "forms": "hash table|associative array", "cited_pages": [2]}]
    triplets, rejected = mine_triplets(passages, terms, hash_encoder, page_margin=0, return_rejected=True)
    assert ("p3", "dictionary") in set(triplets.select("passage_id", "positive").iter_rows())
    assert ("p1", "dictionary") not in set(triplets.select("passage_id", "negative").iter_rows())
    assert rejected.columns == ["passage_id", "term_id", "reason", "detail"]
    assert rejected["reason"].str.starts_with("nearest candidate rejected: ").any()
    only = [{"passage_id": "p3", "term_id": "map", "start": 2, "end": 12}]
    only += [{"passage_id": "p0", "term_id": t, "start": 2, "end": 13} for t in ("a", "b")]
    few = [{"id": "map", "term": "hash table"}, {"id": "a", "term": "bucket"}, {"id": "b", "term": "quicksort"}]
    triplets, rejected = mine_triplets(passages, few, hash_encoder, mentions=only, return_rejected=True)
    assert set(triplets.filter(passage_id="p3")["positive"]) == {"hash table"}
    assert rejected.filter(passage_id="p1")["reason"].to_list() == ["no positive"]


@pytest.fixture(scope="module")
def output(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated book, mined by the stage."""
    folder = tmp_path_factory.mktemp("stage") / "output"
    common = ["--output", str(folder), "--encoder", str(tiny_encoder), *ALIKE]
    for command in (["extract", str(book)], ["glossary"], ["tag"], ["split"], ["mine"]):
        with pytest.raises(SystemExit) as end:
            main([*command, *common])
        assert not end.value.code
    return folder


# A random encoder finds all texts alike.
ALIKE = ["--set", "mine.synonym_threshold=1", "--set", "mine.relative_margin=0"]


@pytest.mark.parametrize("by_path", [False, True])
def test_it_mines_what_the_stage_mines(output: Path, tiny_encoder: Path, by_path: bool) -> None:
    from sentence_transformers import SentenceTransformer

    store = Store(output)
    train = store.read("splits").filter(split="train")
    passages = store.read("passages").filter(pl.col("kind").is_in(["prose", "box"])).join(train, on="passage_id")
    model = str(tiny_encoder) if by_path else SentenceTransformer(str(tiny_encoder), device="cpu")
    found = mine_triplets(passages, store.read("terms"), model, synonym_threshold=1, relative_margin=0)
    wanted = store.read("triplets").filter(split="train")
    assert found.height == wanted.height > 0
    ids = ("passage_id", "positive_id", "negative_id")
    both = found.join(wanted, on=ids, validate="1:1")
    # The last bits of a vector depend on the texts that share its batch.
    assert both.height >= 0.9 * found.height
    for column in ("anchor", "positive", "negative"):
        assert both[column].equals(both[f"{column}_right"], check_names=False)
    assert np.allclose(both["cos_an"], both["cos_an_right"], atol=1e-5)


def test_nothing_global_changes(tiny_encoder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import torch
    import transformers.utils.logging
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_encoder), device="cpu")

    def state() -> tuple[object, ...]:
        root = logging.getLogger()
        bars = datasets.utils.are_progress_bars_disabled(), transformers.utils.logging.is_progress_bar_enabled()
        return root.level, list(root.handlers), torch.get_num_threads(), bars, dict(os.environ)

    before = state()
    capfd.readouterr()
    mine_triplets(PASSAGES, TERMS, model, synonym_threshold=1, relative_margin=0)
    assert state() == before
    assert capfd.readouterr() == ("", "")


class Broken:
    """An encoder that returns what it is told to."""

    def __init__(self, value: float, dimensions: tuple[int, ...]) -> None:
        self.value, self.dimensions = value, dimensions

    def encode(self, texts: Sequence[str]) -> list[Any]:
        return [np.full(self.dimensions, self.value)] * (len(texts) if self.dimensions else 1)


@pytest.mark.parametrize(
    ("passages", "terms", "options", "error", "message"),
    [
        ([], TERMS, {}, SourceError, "passages: the list is empty"),
        (PASSAGES, [], {}, SourceError, "terms: the list is empty"),
        ("a text", TERMS, {}, SourceError, "passages: one str was given"),
        ([3], TERMS, {}, SourceError, r"passages: row 0: not an object \(.*got int 3"),
        ([{"txt": "a"}], TERMS, {}, SourceError, r"passages: row 0: no text \(it has 'txt'"),
        (PASSAGES, [{"term": " "}], {}, SourceError, r"terms: row 0: term \(the term is empty"),
        (PASSAGES, ["heap", "heap"], {}, SourceError, "terms: row 1: term_id '.*' occurs twice"),
        (
            PASSAGES,
            [{"term": "heap", "cited_pages": [1]}],
            {},
            SourceError,
            "'heap' has cited_pages, but it is not .*\n  Give each",
        ),
        ([{"text": "a heap", "page": 1}, {"text": "b"}], TERMS, {}, SourceError, "row 1 has no whole page number"),
        (PASSAGES, ["plankton"], {}, TableError, "no term is mentioned in any passage"),
        (PASSAGES, ["heap"], {}, TableError, "most rejected: .*mentioned in the passage"),
        (PASSAGES, TERMS, {"negtives": 2}, ConfigError, "'mine.negtives'\n  Did you mean 'negatives'"),
        (PASSAGES, TERMS, {"negatives": 0}, ConfigError, "mine.negatives = 0"),
        (PASSAGES, TERMS, {"mask": 1}, ConfigError, "mask: the model, a HashEncoder, has no mask token"),
    ],
)
def test_what_cannot_be_mined_is_told_in_words(
    passages: Any,  # noqa: ANN401
    terms: Any,  # noqa: ANN401
    options: dict[str, Any],
    error: type[TripletkitError],
    message: str,
    hash_encoder: HashEncoder,
) -> None:
    with pytest.raises(error, match=message):
        mine_triplets(passages, terms, hash_encoder, **options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Broken(np.nan, (4,)), "Broken.encode gave NaN or infinity for 9 of 9 terms, first for 'array'"),
        (Broken(1.0, ()), "Broken.encode gave an array of shape"),
        (Broken(1.0, (2, 2)), "Broken.encode gave an array of shape"),
    ],
)
def test_a_model_that_gives_no_vectors_is_told_in_words(model: Broken, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        mine_triplets(PASSAGES, [{"id": term, "term": term} for term in TERMS], model)


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(EncoderError, match="a int is no model"):
        mine_triplets(PASSAGES, TERMS, 3)
