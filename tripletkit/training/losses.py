"""The losses, each with statistics of its batches. Imports torch and sentence-transformers: loaded only to train."""

from __future__ import annotations

import math
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
from torch.nn.functional import cross_entropy, softplus

from tripletkit.settings import TrainSettings

DISTANCES = {"cosine": TripletDistanceMetric.COSINE, "euclidean": TripletDistanceMetric.EUCLIDEAN}
#: The exponent of what is masked: finite, as a row of infinities has no gradient.
MASKED_EXPONENT = -1e4
#: The slope of softplus is 1/20 this far below 0.
SOFT_MARGIN_OFFSET = math.log(19)


class BatchStatistics:
    """Means over the batches since they were last taken. The sums stay on the device, so that no step waits for them."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, int, Tensor, int]] = []

    def add(self, margins: Tensor, violations: Tensor) -> None:
        """One batch: cos(pos) - cos(neg) of each own negative, and whether that triplet (or row) violates the margin."""
        self._batches.append((margins.sum(), margins.numel(), violations.sum(), violations.numel()))

    def take(self) -> dict[str, float]:
        """Mean cosine margin and violation rate; the count starts again."""
        if not self._batches:
            return {}
        margin, margins, violations, rows = (float(sum(column)) for column in zip(*self._batches, strict=True))
        self._batches = []
        return {"cosine_margin": margin / margins, "violation_rate": violations / rows}


@dataclass(frozen=True)
class KnownTerms:
    """What each row of the training data is known to be about, so that no other row of the batch makes it a negative."""

    positives: Sequence[str]
    negatives: Sequence[Sequence[str]]  # per row, as many in each
    terms: Sequence[frozenset[str]]  # per row: other terms that are no negatives for its anchor

    def mask(self, rows: Sequence[int]) -> Tensor:
        """bool, shape (rows, rows x (1 + negatives)): True where a term of another row is known for the anchor of this row.

        Columns are the positives of the rows, then their first negatives, their second and so on. The positive and the
        negatives of the row itself are never masked.
        """
        columns = zip(*([self.positives[row], *self.negatives[row]] for row in rows), strict=True)
        terms = [term for column in columns for term in column]
        known = [self.terms[row] | {self.positives[row]} for row in rows]
        hits, own = torch.tensor([[term in of for term in terms] for of in known]), torch.arange(len(rows))
        hits.view(len(rows), -1, len(rows))[own, :, own] = False
        return hits


class PlainTripletLoss(TripletLoss):  # type: ignore[misc]
    """TripletLoss with statistics of its batches."""

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, distance_metric=DISTANCES[settings.distance], triplet_margin=settings.margin)
        self.known, self.statistics, self.scale = known, BatchStatistics(), settings.scale

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """The library's loss."""
        with torch.no_grad():
            anchors, positives, negatives = embeddings
            lead = self.distance_metric(anchors, negatives) - self.distance_metric(anchors, positives)
            self.statistics.add(_cosine_margins(embeddings), lead < self.triplet_margin)
        loss: Tensor = super().compute_loss_from_embeddings(embeddings, labels)
        return loss


class BatchTripletLoss(PlainTripletLoss):
    """TripletLoss with a soft margin, against all in-batch terms and anchors, hardest weighted most, known positives masked.

    In each row the anchor meets all terms of the batch that are not known for it, and the positive meets all anchors for which
    it is not known. Either adds softplus(scale x (margin + d(anchor, positive) - d) - SOFT_MARGIN_OFFSET), with d the soft
    minimum (logsumexp at this scale) of the distances to these. This is "batch hard" with "soft margin" of arXiv:1703.07737, with
    masks instead of labels. The statistics count the row's own negatives. Labels are row numbers.
    """

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """The sum of both directions, each a mean over rows."""
        assert labels is not None
        anchors, all_terms, rows = embeddings[0], torch.cat(embeddings[1:]), len(embeddings[0])
        cosine = self.distance_metric is TripletDistanceMetric.COSINE
        far = (1 - cos_sim(anchors, all_terms) if cosine else torch.cdist(anchors, all_terms)).float()
        masked = self.known.mask(labels.tolist()).to(far.device)
        masked.fill_diagonal_(fill_value=True)  # the row's own positive
        near = far.diagonal()
        with torch.no_grad():
            own = [far[:, start : start + rows].diagonal() - near for start in range(rows, far.shape[1], rows)]
            self.statistics.add(_cosine_margins(embeddings), torch.stack(own) < self.triplet_margin)
        forward = self._shortfall(near, far, masked)
        loss: Tensor = forward + self._shortfall(near, far[:, :rows].T, masked[:, :rows].T)
        return loss

    def _shortfall(self, near: Tensor, far: Tensor, masked: Tensor) -> Tensor:
        """Mean over rows; a row in which everything is masked adds nothing."""
        least = -torch.logsumexp((-self.scale * far).masked_fill(masked, MASKED_EXPONENT), dim=1)
        mean: Tensor = softplus(self.scale * (self.triplet_margin + near) - SOFT_MARGIN_OFFSET - least).mean()
        return mean


class MaskedRankingLoss(MultipleNegativesRankingLoss):  # type: ignore[misc]
    """MultipleNegativesRankingLoss in both directions, with the known terms of a row left out of its softmax.

    Batches without such false negatives would be small, because most passages of a book mention its common terms. Labels are row
    numbers.
    """

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale)
        self.known, self.statistics = known, BatchStatistics()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Cross entropy of each positive among all terms for its anchor, and of each anchor among all anchors for its positive."""
        return ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.statistics)


class CachedMaskedRankingLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]
    """The same loss and gradients, encoding ``settings.mini_batch_size`` rows at a time (GradCache, arXiv:2101.06983)."""

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale, mini_batch_size=settings.mini_batch_size)
        self.known, self.statistics = known, BatchStatistics()

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss of the whole batch, whose embeddings come in mini-batches."""
        assert labels is not None
        embeddings = [torch.cat(pieces) for pieces in reps]
        loss = ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.statistics)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        return loss


def ranking_loss(embeddings: list[Tensor], mask: Tensor, scale: float, statistics: BatchStatistics) -> Tensor:
    """InfoNCE (arXiv:1807.03748) over cosines times ``scale``, in both directions; a violation is a positive that is not ranked first."""
    anchors, *terms = embeddings
    scores = (cos_sim(anchors, torch.cat(terms)) * scale).float().masked_fill(mask.to(anchors.device), -torch.inf)
    right = torch.arange(len(anchors), device=anchors.device)
    with torch.no_grad():
        statistics.add(_cosine_margins(embeddings), scores.argmax(dim=1) != right)
    return cross_entropy(scores, right) + cross_entropy(scores[:, : len(anchors)].T, right)


def make_loss(model: Any, settings: TrainSettings, known: KnownTerms) -> Any:  # noqa: ANN401 - untyped library
    """The loss that the settings ask for."""
    if settings.loss == "triplet":
        return (BatchTripletLoss if settings.in_batch_negatives else PlainTripletLoss)(model, settings, known)
    return (CachedMaskedRankingLoss if settings.mini_batch_size else MaskedRankingLoss)(model, settings, known)


def _cosine_margins(embeddings: list[Tensor]) -> Tensor:
    """cos(pos) - cos(neg) for each row and each of its own negatives."""
    anchors, positives, *negatives = (rows.detach() for rows in embeddings)
    near = pairwise_cos_sim(anchors, positives)
    return torch.stack([near - pairwise_cos_sim(anchors, rows) for rows in negatives])
