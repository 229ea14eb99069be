import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tripletkit.config import TrainSettings
from tripletkit.training.losses import Known, Tally, make_loss, ranking_loss

#: Rows 0 and 1 are one passage, which says loam and humus; row 2 is another, which says delta and, unmined, humus.
KNOWN = Known(
    ["loam", "humus", "delta"],
    ["delta", "fjord", "loam"],
    [frozenset({"loam", "humus"}), frozenset({"loam", "humus"}), frozenset({"delta", "humus"})],
)


def unit(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_what_another_row_brings_is_no_negative_if_it_is_known() -> None:
    # Columns: positives loam, humus, delta; negatives delta, fjord, loam. A row's own pair (diagonals) always counts.
    assert KNOWN.mask([0, 1, 2]).int().tolist() == [
        [0, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 1, 0, 0],
    ]


def test_without_knowledge_only_a_positive_met_twice_is_masked() -> None:
    known = Known(["loam", "loam"], ["delta", "fjord"], [frozenset(), frozenset()])
    assert known.mask([0, 1]).int().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_a_rows_own_terms_are_never_masked(rows: list[int]) -> None:
    mask = KNOWN.mask(rows)
    own = range(len(rows))
    assert not any(mask[i, i] or mask[i, i + len(rows)] for i in own)


def test_a_masked_term_does_not_push() -> None:
    """Two rows at right angles; the second row's positive sits on the first anchor."""
    anchors, positives, negatives = unit(0, 90), unit(0, 0), unit(180, 270)
    embeddings = [anchors, positives, negatives]
    open_, closed = torch.zeros(2, 4, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)
    closed[0, 1] = True
    scale = 2.0
    # Cosines of row 0: 1, 1, -1, 0; of row 1: 0, 0, 0, -1.
    rows = [[2, 2, -2, 0], [0, 0, 0, -2]]
    by_hand = [-row[i] + math.log(sum(math.exp(s) for s in row)) for i, row in enumerate(rows)]
    assert float(ranking_loss(embeddings, open_, scale, Tally())) == pytest.approx(sum(by_hand) / 2)
    masked = -2 + math.log(math.exp(2) + math.exp(-2) + 1)
    assert float(ranking_loss(embeddings, closed, scale, Tally())) == pytest.approx((masked + by_hand[1]) / 2)


def test_the_tally_tells_gap_and_active_share_and_begins_anew() -> None:
    tally = Tally()
    tally.add(torch.tensor([0.1, 0.3]), torch.tensor([True, False]))
    tally.add(torch.tensor([-0.1]), torch.tensor([False]))
    assert tally.told() == pytest.approx({"gap": 0.1, "active": 1 / 3})
    assert tally.told() == {}


class Linear(nn.Module):
    """Stands in for an encoder: a linear map of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(32.0).reshape(4, 8).sin())

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": features["input_ids"] @ self.weight.T}


@pytest.mark.parametrize(
    ("distance", "margin", "loss", "active"),
    [
        # Cosines: row 0 has 1 and 0 (a lead of 1), row 1 has 0 and 1 (-1).
        ("cosine", 0.2, (0 + 1.2) / 2, 0.5),
        ("cosine", 1.5, (0.5 + 2.5) / 2, 1.0),
        ("euclidean", 5.0, (5 - math.sqrt(2) + 5 + math.sqrt(2)) / 2, 1.0),
    ],
)
def test_triplet_loss_by_hand(distance: Any, margin: float, loss: float, active: float) -> None:  # noqa: ANN401
    made = make_loss(Linear(), TrainSettings(distance=distance, margin=margin), KNOWN)
    rows = [unit(0, 0), unit(0, 90), unit(90, 0)]
    assert float(made.compute_loss_from_embeddings(rows, None).detach()) == pytest.approx(loss, abs=1e-3)
    assert made.tally.told() == pytest.approx({"gap": 0.0, "active": active}, abs=1e-6)


def test_the_cached_loss_has_the_same_value_and_gradients() -> None:
    torch.manual_seed(0)
    features = [{"input_ids": torch.randn(3, 8)} for _ in range(3)]
    found = []
    for cached in (0, 2):
        encoder = Linear()
        made = make_loss(nn.Sequential(encoder), TrainSettings(loss="mnrl", cached=cached), KNOWN)
        loss = made(features, torch.tensor([2, 0, 1]))
        loss.backward()
        assert encoder.weight.grad is not None
        found.append((float(loss.detach()), encoder.weight.grad))
    assert found[0][0] == pytest.approx(found[1][0])
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)
    assert found[0][1].abs().sum() > 0
