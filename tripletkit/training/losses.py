"""The losses, each telling how its batches stand. Imports torch and sentence-transformers: loaded only to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
    TripletDistanceMetric,
    TripletLoss,
)
from sentence_transformers.util import cos_sim, pairwise_cos_sim
from torch import Tensor
from torch.nn.functional import cross_entropy

from tripletkit.config import TrainSettings

DISTANCES = {"cosine": TripletDistanceMetric.COSINE, "euclidean": TripletDistanceMetric.EUCLIDEAN}


class Tally:
    """Means over the rows since they were last told. Sums stay on the device: no step waits for them."""

    def __init__(self) -> None:
        self._rows = 0
        self._gap: Tensor | float = 0.0
        self._active: Tensor | float = 0.0

    def add(self, gap: Tensor, active: Tensor) -> None:
        """One batch: cos_ap - cos_an of each row, and whether the row still pushes."""
        self._rows += len(gap)
        self._gap = self._gap + gap.sum()
        self._active = self._active + active.sum()

    def told(self) -> dict[str, float]:
        """Mean gap and active share; the count begins anew."""
        if not self._rows:
            return {}
        means = {"gap": float(self._gap) / self._rows, "active": float(self._active) / self._rows}
        self.__init__()  # type: ignore[misc]
        return means


@dataclass(frozen=True)
class Known:
    """What each row of the training data is known to be about, so that no batch mate of it counts as a negative."""

    positives: Sequence[str]
    negatives: Sequence[str]
    terms: Sequence[frozenset[str]]  # per row: other terms that are positives of its passage

    def mask(self, rows: Sequence[int]) -> Tensor:
        """bool, (rows, 2 x rows): True where another row's positive (left half) or negative is known for this row's passage.

        A row's own positive and own negative are never masked.
        """
        terms = [self.positives[row] for row in rows] + [self.negatives[row] for row in rows]
        known = [self.terms[row] | {self.positives[row]} for row in rows]
        hits = torch.tensor([[term in positives for term in terms] for positives in known], dtype=torch.bool)
        own = torch.arange(len(rows))
        hits[own, own] = hits[own, own + len(rows)] = False
        return hits


class WatchedTripletLoss(TripletLoss):  # type: ignore[misc]
    """TripletLoss; a row is active while its margin is not met."""

    def __init__(self, model: Any, settings: TrainSettings) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, distance_metric=DISTANCES[settings.distance], triplet_margin=settings.margin)
        self.tally = Tally()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """The library's loss."""
        with torch.no_grad():
            anchors, positives, negatives = embeddings
            lead = self.distance_metric(anchors, negatives) - self.distance_metric(anchors, positives)
            self.tally.add(_gap(embeddings), lead < self.triplet_margin)
        loss: Tensor = super().compute_loss_from_embeddings(embeddings, labels)
        return loss


class MaskedRankingLoss(MultipleNegativesRankingLoss):  # type: ignore[misc]
    """MultipleNegativesRankingLoss without false negatives: known positives of a row leave its softmax.

    A mask and not a choice of batch mates, because common terms are said in most passages of a book: batches without a
    clash would be small, and rows left over. Labels carry the rows' numbers.
    """

    def __init__(self, model: Any, settings: TrainSettings, known: Known) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale)
        self.known, self.tally = known, Tally()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Cross entropy of each anchor with its positive among all terms of the batch that are no known positives of it."""
        return ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.tally)


class CachedMaskedRankingLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]
    """The same loss and gradients, embedding ``settings.cached`` rows at a time (GradCache, arXiv:2101.06983)."""

    def __init__(self, model: Any, settings: TrainSettings, known: Known) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale, mini_batch_size=settings.cached)
        self.known, self.tally = known, Tally()

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Over the whole batch, whose embeddings come in pieces."""
        assert labels is not None
        embeddings = [torch.cat(pieces) for pieces in reps]
        loss = ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.tally)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        return loss


def ranking_loss(embeddings: list[Tensor], mask: Tensor, scale: float, tally: Tally) -> Tensor:
    """InfoNCE over cosines times ``scale``; a row is active while its positive is not the first of its terms."""
    anchors, *terms = embeddings
    scores = (cos_sim(anchors, torch.cat(terms)) * scale).float().masked_fill(mask.to(anchors.device), -torch.inf)
    right = torch.arange(len(anchors), device=anchors.device)
    with torch.no_grad():
        tally.add(_gap(embeddings), scores.argmax(dim=1) != right)
    return cross_entropy(scores, right)


def make_loss(model: Any, settings: TrainSettings, known: Known) -> Any:  # noqa: ANN401 - untyped library
    """The loss that the settings name."""
    if settings.loss == "triplet":
        return WatchedTripletLoss(model, settings)
    return (CachedMaskedRankingLoss if settings.cached else MaskedRankingLoss)(model, settings, known)


def _gap(embeddings: list[Tensor]) -> Tensor:
    anchors, positives, negatives = (rows.detach() for rows in embeddings)
    gap: Tensor = pairwise_cos_sim(anchors, positives) - pairwise_cos_sim(anchors, negatives)
    return gap
