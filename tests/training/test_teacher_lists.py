"""Training on a teacher's lists: reading the table, the batches, the loss, and no dropout."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tests.book import CHAPTERS
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import TableError
from tripletkit.schemas import TEACHER, make_table
from tripletkit.settings import TrainSettings
from tripletkit.training.model import load
from tripletkit.training.teacher_lists import ListCollator, ListData, Scores, TeacherList, TeacherLoss, read_lists

TERMS = [(name, f"It {what}.") for terms in CHAPTERS.values() for name, what in terms.items()]


def some_lists(count: int = 3, passages: int = 4, terms: int = 6) -> list[TeacherList]:
    """Lists of other terms each; the last one is shorter. The teacher knows which text is about which term."""
    lists = []
    for number in range(count):
        rows = [TERMS[(5 * number + i) % len(TERMS)] for i in range(terms)]
        texts = [text for _, text in rows[: passages - (number == count - 1)]]
        scores = 4 * np.eye(len(texts), terms, dtype=np.float32)
        lists.append(TeacherList(tuple(texts), tuple(name for name, _ in rows), scores, scores, ((0, 0, 1), (2, 2, 0))))
    return lists


def table_row(number: int, passage_id: str, term_ids: str, **changes: object) -> dict[str, object]:
    scores = [float(i) for i in range(len(term_ids))]
    parts = dict.fromkeys(("cosine", "maxsim", "bm25", "structure", "label", "over_terms", "over_passages"), scores)
    return {
        "list": number, "passage_id": passage_id, "positive_id": None, "negative_id": None, "term_ids": list(term_ids),
        **parts, **changes,
    }  # fmt: skip


def test_the_table_is_read_by_list() -> None:
    table = make_table(
        TEACHER,
        [
            table_row(1, "p", "ab"),
            table_row(0, "q", "cab", over_terms=[9.0, 8.0, 7.0]),
            table_row(0, "p", "cab", positive_id="b", negative_id="c", over_passages=[1.0, 2.0, 3.0]),
        ],
    )
    first, second = read_lists(table, {"p": "P", "q": "Q"}, {"a": "loam", "b": "fjord", "c": "delta"})
    assert (sorted(first.passages), first.terms) == (["P", "Q"], ("delta", "loam", "fjord"))
    assert (second.passages, second.terms, second.triplets) == (("P",), ("loam", "fjord"), ())
    p, q = map(first.passages.index, "PQ")
    assert first.triplets == ((p, 2, 0),)
    assert first.over_terms[q].tolist() == [9, 8, 7]
    assert first.over_passages[p].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (table_row(7, "gone", "ab"), "'gone'"),
        (table_row(7, "p", "ax"), "'x'"),
        (table_row(7, "p", "ab", positive_id="a", negative_id="c"), "'c'"),
        (table_row(7, "p", "ab", over_terms=[1.0]), "cannot reshape"),
    ],
)
def test_a_table_that_does_not_fit_is_an_error(row: dict[str, object], reason: str) -> None:
    table = make_table(TEACHER, [row])
    with pytest.raises(TableError, match=f"list 7 of the table teacher does not fit .*{reason}"):
        read_lists(table, {"p": "P"}, dict(zip("abc", "abc", strict=True)))


@given(seed=st.integers(0, 99), passages=st.integers(1, 4), terms=st.integers(2, 6), weight=st.floats(0, 2))
def test_the_loss_equals_its_definition(seed: int, passages: int, terms: int, weight: float) -> None:
    """Compared with sums of p log(p / q) in numpy, and with a loop over the triplets."""
    drawn = np.random.default_rng(seed)
    of = TeacherList(
        ("",) * passages,
        ("",) * terms,
        drawn.normal(0, 3, (passages, terms)).astype(np.float32),
        drawn.normal(0, 3, (passages, terms)).astype(np.float32),
        tuple((row, *drawn.choice(terms, 2, replace=False).tolist()) for row in range(0, passages, 2)),
    )
    settings = TrainSettings(scale=7.0, margin=0.3, triplet_weight=weight)
    vectors = [torch.from_numpy(drawn.normal(size=(rows, 5)).astype(np.float32)) for rows in (passages, terms)]
    loss = TeacherLoss(None, settings, [some_lists()[0], of])
    found = float(loss.compute_loss_from_embeddings(vectors, torch.tensor([1])))
    cosines = (normalize(vectors[0]) @ normalize(vectors[1]).T).double().numpy()

    def divergence(teacher: Scores, axis: int) -> float:
        p, q = (np.exp(x) / np.exp(x).sum(axis, keepdims=True) for x in (teacher.astype(float), 7 * cosines))
        return float((p * np.log(p / q)).sum(axis).mean())

    margins = [min(0.3, max(0.0, (of.over_terms[r, a] - of.over_terms[r, b]) / 7)) for r, a, b in of.triplets]
    gaps = [cosines[r, a] - cosines[r, b] for r, a, b in of.triplets]
    hinges = [max(0.0, margin - gap) for margin, gap in zip(margins, gaps, strict=True)]
    kl = divergence(of.over_terms, 1) + divergence(of.over_passages, 0)
    assert found == pytest.approx(kl + weight * float(np.mean(hinges)), rel=1e-3, abs=1e-4)
    assert loss.statistics.take() == pytest.approx(
        {
            "kl_divergence": kl,
            "cosine_margin": np.mean(gaps),
            "violation_rate": np.mean([gap < margin for gap, margin in zip(gaps, margins, strict=True)]),
        },
        rel=1e-3,
        abs=1e-4,
    )


def test_an_encoder_that_scores_as_the_teacher_has_no_loss_and_no_gradient() -> None:
    angles = torch.tensor([0.0, 1.0, 2.5])
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    scores = (20 * vectors @ vectors.T).numpy()
    of = TeacherList(("", "", ""), ("", "", ""), scores, scores, ((0, 0, 1),))
    rows = vectors.clone().requires_grad_()
    loss = TeacherLoss(None, TrainSettings(), [of]).compute_loss_from_embeddings([rows, vectors], torch.tensor([0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    assert rows.grad is not None
    assert float(rows.grad.abs().max()) < 1e-4


def test_a_list_without_triplets_has_the_teachers_loss_alone() -> None:
    lists = [TeacherList(of.passages, of.terms, of.over_terms, of.over_passages) for of in some_lists()]
    loss = TeacherLoss(None, TrainSettings(), lists)
    vectors = [torch.randn(4, 5), torch.randn(6, 5)]
    assert math.isfinite(float(loss.compute_loss_from_embeddings(vectors, torch.tensor([0]))))
    assert loss.statistics.take().keys() == {"kl_divergence"}


def test_each_epoch_has_every_list_once_in_its_own_order() -> None:
    data = ListData(some_lists(9), TrainSettings())

    def order(epoch: int) -> list[list[int]]:
        dataset = Dataset.from_dict(data.columns())
        made = data.sampler(dataset, batch_size=1, drop_last=False, generator=torch.Generator(), seed=3)
        made.set_epoch(epoch)
        assert len(made) == 9
        return list(made)

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1)) == [[number] for number in range(9)]


@pytest.mark.parametrize(
    ("settings", "processes", "steps"),
    [
        ({}, 1, 7),
        ({}, 2, 4),
        ({"epochs": 2}, 1, 14),
        ({"gradient_accumulation_steps": 2, "epochs": 1.5}, 1, 6),
        ({"max_steps": 3}, 1, 3),
    ],
)
def test_a_step_is_a_list_a_process(settings: dict[str, Any], processes: int, steps: int) -> None:
    assert ListData(some_lists(7), TrainSettings(**settings)).steps(processes) == steps


def test_columns_are_encoded_with_their_prompts_and_routes() -> None:
    seen: list[tuple[tuple[str, ...], str | None, str | None]] = []

    def preprocess(texts: list[str], prompt: str | None = None, task: str | None = None) -> dict[str, torch.Tensor]:
        seen.append((tuple(texts), prompt, task))
        return {"input_ids": torch.zeros(len(texts), 1)}

    lists = some_lists()
    collator = ListCollator(
        preprocess,
        prompts={"anchor": "passage: ", "term": "query: "},
        router_mapping={"anchor": "document", "term": "query"},
        lists=lists,
    )
    batch = collator([{"label": 2}])
    assert seen == [(lists[2].passages, "passage: ", "document"), (lists[2].terms, "query: ", "query")]
    assert batch["label"].tolist() == [2]
    assert (len(batch["anchor_input_ids"]), len(batch["term_input_ids"])) == (3, 6)


@pytest.mark.parametrize("rank", [0, 2])
def test_with_a_teacher_there_is_no_dropout(tiny_encoder: Path, rank: int) -> None:
    place = resolve_encoder(str(tiny_encoder))

    def spread(settings: TrainSettings) -> float:
        model = load(place, settings, seed=0).train()
        features = model.preprocess(["roots of loam"] * 2)
        one, other = model({**features})["sentence_embedding"]
        return float((one - other).detach().abs().max())

    # Two equal rows of a batch may differ by rounding: kernels handle a row that fills a vector and the last one apart.
    assert spread(TrainSettings(lora_rank=rank)) < 1e-6
    assert spread(TrainSettings(teacher="none", lora_rank=rank)) > 1e-3


@pytest.mark.parametrize("kind", ["Mpnet", "ModernBert", "XLMRoberta", "T5Encoder", "Qwen3", "DebertaV2", "DistilBert"])
def test_no_kind_of_transformer_keeps_any(kind: str) -> None:
    """Rates of modules and those that attention reads as numbers."""
    import transformers

    from tripletkit.training.model import remove_dropout

    names = {"Mpnet": "MPNet", "T5Encoder": "T5"}
    config = getattr(transformers, f"{names.get(kind, kind)}Config")(
        vocab_size=30, hidden_size=32, num_hidden_layers=1, num_layers=1, num_attention_heads=2, intermediate_size=32,
        d_model=32, dim=32, n_layers=1, n_heads=2, num_heads=2, d_kv=16, hidden_dim=32, num_key_value_heads=2, head_dim=16,
        attention_dropout=0.5, hidden_dropout_prob=0.5, dropout=0.5, dropout_rate=0.5, attention_probs_dropout_prob=0.5,
        mlp_dropout=0.5, embedding_dropout=0.5, d_ff=32, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, f"{names.get(kind, kind) if kind != 'T5Encoder' else kind}Model")(config).train()
    tokens = {"input_ids": torch.tensor([[3, 4, 5, 6]] * 2), "attention_mask": torch.ones(2, 4, dtype=torch.long)}

    def spread() -> float:
        one, other = model(**tokens).last_hidden_state.detach()
        return float((one - other).abs().max())

    assert spread() > 1e-3
    remove_dropout(model)
    assert spread() == 0


def test_a_key_follows_from_texts_scores_and_triplets() -> None:
    def key(of: TeacherList) -> list[str]:
        return list(ListData([of], TrainSettings()).key())

    of = some_lists()[0]
    scores = of.over_terms + np.float32(1e-6)
    changed = [
        TeacherList(of.passages, of.terms, scores, of.over_passages, of.triplets),
        TeacherList(of.passages, of.terms, of.over_terms, scores, of.triplets),
        TeacherList(of.passages, of.terms, of.over_terms, of.over_passages, of.triplets[:1]),
        TeacherList(of.passages, of.terms[::-1], of.over_terms, of.over_passages, of.triplets),
    ]
    assert len({tuple(key(one)) for one in (of, *changed)}) == 5
    assert key(of) == key(some_lists()[0])


def test_what_trains_is_counted_and_described() -> None:
    data = ListData(some_lists(), TrainSettings(text="train"))
    assert data.counts() == {"lists": 3, "triplets": 6}
    assert data.describe() == (
        "3 lists of up to 4 passages × 6 terms by the teacher 'self' (training split only) with 6 triplets"
    )


def test_an_empty_table_has_no_list() -> None:
    assert read_lists(pl.DataFrame(schema=TEACHER.schema), {}, {}) == []
