import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tripletkit.settings import TrainSettings
from tripletkit.training.losses import BatchStatistics, KnownTerms, make_loss, ranking_loss

#: Rows 0 and 1 are one passage, which mentions loam and humus; row 2 is another, which mentions delta and, unmined, humus.
KNOWN = KnownTerms(
    ["loam", "humus", "delta"],
    [("delta",), ("fjord",), ("loam",)],
    [frozenset({"loam", "humus"}), frozenset({"loam", "humus"}), frozenset({"delta", "humus"})],
)


def unit(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_a_known_term_of_another_row_is_masked() -> None:
    # Columns: positives loam, humus, delta; negatives delta, fjord, loam. A row's own pair (diagonals) always counts.
    assert KNOWN.mask([0, 1, 2]).int().tolist() == [
        [0, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 1, 0, 0],
    ]


def test_each_negative_of_a_row_has_its_columns() -> None:
    known = KnownTerms(["loam", "delta"], [("delta", "fjord"), ("loam", "humus")], [frozenset({"humus"}), frozenset()])
    assert known.mask([1, 0]).int().tolist() == [
        [
            0,
            0,
            0,
            1,
            0,
            0,
        ],  # delta's row: its positive, loam; its loam, the other's delta; its humus, the other's fjord
        [0, 0, 1, 0, 1, 0],
    ]


def test_without_known_terms_only_a_repeated_positive_is_masked() -> None:
    known = KnownTerms(["loam", "loam"], [("delta",), ("fjord",)], [frozenset(), frozenset()])
    assert known.mask([0, 1]).int().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_a_rows_own_terms_are_never_masked(rows: list[int]) -> None:
    mask = KNOWN.mask(rows)
    own = range(len(rows))
    assert not any(mask[i, i] or mask[i, i + len(rows)] for i in own)


def test_a_masked_term_has_no_effect() -> None:
    """Two rows at right angles; the second row's positive sits on the first anchor."""
    anchors, positives, negatives = unit(0, 90), unit(0, 0), unit(180, 270)
    embeddings = [anchors, positives, negatives]
    open_, closed = torch.zeros(2, 4, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)
    closed[0, 1] = True
    scale = 2.0
    # Cosines of row 0: 1, 1, -1, 0; of row 1: 0, 0, 0, -1.
    rows = [[2, 2, -2, 0], [0, 0, 0, -2]]
    by_hand = [-row[i] + math.log(sum(math.exp(s) for s in row)) for i, row in enumerate(rows)]
    # Either positive has cosines 1 and 0 with the anchors.
    back = [-own + math.log(math.exp(2) + math.exp(0)) for own in (2, 0)]
    assert float(ranking_loss(embeddings, open_, scale, BatchStatistics())) == pytest.approx(
        (sum(by_hand) + sum(back)) / 2
    )
    masked = -2 + math.log(math.exp(2) + math.exp(-2) + 1)
    # The second positive has its own anchor left.
    assert float(ranking_loss(embeddings, closed, scale, BatchStatistics())) == pytest.approx(
        (masked + by_hand[1] + back[0]) / 2
    )


def test_statistics_are_means_and_start_again_when_taken() -> None:
    statistics = BatchStatistics()
    statistics.add(cosine_margin=torch.tensor([0.1, 0.3]), violation_rate=torch.tensor([True, False]))
    statistics.add(cosine_margin=torch.tensor([-0.1]), violation_rate=torch.tensor([False]))
    assert statistics.take() == pytest.approx({"cosine_margin": 0.1, "violation_rate": 1 / 3})
    assert statistics.take() == {}


class Linear(nn.Module):
    """Stands in for an encoder: a linear map of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(32.0).reshape(4, 8).sin())

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": features["input_ids"] @ self.weight.T}


@pytest.mark.parametrize(
    ("distance", "margin", "loss", "violations"),
    [
        # Cosines: row 0 has 1 and 0 (a lead of 1), row 1 has 0 and 1 (-1).
        ("cosine", 0.2, (0 + 1.2) / 2, 0.5),
        ("cosine", 1.5, (0.5 + 2.5) / 2, 1.0),
        ("euclidean", 5.0, (5 - math.sqrt(2) + 5 + math.sqrt(2)) / 2, 1.0),
    ],
)
def test_triplet_loss_by_hand(distance: Any, margin: float, loss: float, violations: float) -> None:  # noqa: ANN401
    made = make_loss(
        Linear(), TrainSettings(teacher="none", distance=distance, margin=margin, in_batch_negatives=False), KNOWN
    )
    rows = [unit(0, 0), unit(0, 90), unit(90, 0)]
    assert float(made.compute_loss_from_embeddings(rows, None).detach()) == pytest.approx(loss, abs=1e-3)
    assert made.statistics.take() == pytest.approx({"cosine_margin": 0.0, "violation_rate": violations}, abs=1e-6)


def test_the_cached_loss_has_the_same_value_and_gradients() -> None:
    torch.manual_seed(0)
    features = [{"input_ids": torch.randn(3, 8)} for _ in range(3)]
    found = []
    for size in (0, 2):
        encoder = Linear()
        made = make_loss(
            nn.Sequential(encoder), TrainSettings(teacher="none", loss="mnrl", mini_batch_size=size), KNOWN
        )
        loss = made(features, torch.tensor([2, 0, 1]))
        loss.backward()
        assert encoder.weight.grad is not None
        found.append((float(loss.detach()), encoder.weight.grad))
    assert found[0][0] == pytest.approx(found[1][0])
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)
    assert found[0][1].abs().sum() > 0


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(rows=st.lists(st.integers(0, 2), min_size=1, max_size=5), margin=st.floats(0.05, 1.5), seed=st.integers(0, 99))
def test_the_batch_loss_equals_a_loop_over_the_unmasked_triplets(
    distance: Any,  # noqa: ANN401
    rows: list[int],
    margin: float,
    seed: int,
) -> None:
    """Compared with a loop over the triplets of the batch."""
    scale = 7.0
    made = make_loss(Linear(), TrainSettings(teacher="none", distance=distance, margin=margin, scale=scale), KNOWN)
    drawn = torch.Generator().manual_seed(seed)
    anchors, positives, negatives = torch.nn.functional.normalize(
        torch.randn(3, len(rows), 4, generator=drawn), dim=2
    ).unbind()

    def far(a: Tensor, b: Tensor) -> float:
        return float(1 - a @ b) if distance == "cosine" else float((a - b).norm())

    def knows(row: int, term: str) -> bool:
        return term in KNOWN.terms[row] or term == KNOWN.positives[row]

    total, own = 0.0, []
    for i, row in enumerate(rows):
        near = far(anchors[i], positives[i])
        own.append(far(anchors[i], negatives[i]) - near < margin)
        mates = [(j, mate) for j, mate in enumerate(rows) if j != i]
        terms = [far(anchors[i], negatives[i])]
        terms += [far(anchors[i], negatives[j]) for j, mate in mates if not knows(row, KNOWN.negatives[mate][0])]
        terms += [far(anchors[i], positives[j]) for j, mate in mates if not knows(row, KNOWN.positives[mate])]
        others = [far(anchors[j], positives[i]) for j, mate in mates if not knows(mate, KNOWN.positives[row])]
        for side in (terms, others):
            total += math.log1p(sum(math.exp(scale * (margin + near - distance)) for distance in side) / 19)
    found = made.compute_loss_from_embeddings([anchors, positives, negatives], torch.tensor(rows))
    assert float(found) == pytest.approx(total / len(rows), rel=1e-3, abs=1e-4)
    assert made.statistics.take()["violation_rate"] == pytest.approx(np.mean(own))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_batch_without_negatives_has_no_gradient(distance: Any) -> None:  # noqa: ANN401
    """One row has no anchor beside its own, and its own negative is far enough."""
    made = make_loss(Linear(), TrainSettings(teacher="none", distance=distance, scale=1000.0), KNOWN)
    rows = [unit(0).requires_grad_(), unit(1).requires_grad_(), unit(180)]
    loss = made.compute_loss_from_embeddings(rows, torch.tensor([0]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(float(row.grad.abs().sum()) == 0 for row in rows[:2] if row.grad is not None)
