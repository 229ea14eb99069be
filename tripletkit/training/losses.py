"""The losses, each with batch statistics. Imports torch and sentence-transformers: imported only to train."""

from __future__ import annotations

import math
from collections import defaultdict
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
#: Logit of masked entries; finite, because an all −inf row gives NaN gradients.
MASKED_LOGIT = -1e4
#: The slope of softplus at minus this value is 1/20.
SOFT_MARGIN_OFFSET = math.log(19)


class BatchStatistics:
    """Means over the batches since the last ``take``. The sums stay on the device, so that no step waits for them."""

    def __init__(self) -> None:
        self._batches: dict[str, list[tuple[Tensor, int]]] = defaultdict(list)

    def add(self, **values: Tensor) -> None:
        """Add a batch: by name, such as `cosine_margin` or `violation_rate`, the values of its rows or triplets."""
        for name, of in values.items():
            self._batches[name].append((of.sum(), of.numel()))

    def take(self) -> dict[str, float]:
        """The means by name; resets the statistics."""
        means = dict[str, float]()
        for name, batches in self._batches.items():
            total, rows = (float(sum(column)) for column in zip(*batches, strict=True))
            means[name] = total / rows
        self._batches.clear()
        return means


@dataclass(frozen=True)
class KnownTerms:
    """Known positives of each training row, which are never in-batch negatives of its anchor."""

    positives: Sequence[str]
    negatives: Sequence[Sequence[str]]  # per row, as many in each
    terms: Sequence[frozenset[str]]  # per row: other terms that must not be negatives of its anchor

    def mask(self, rows: Sequence[int]) -> Tensor:
        """bool, shape (rows, rows x (1 + negatives)): True where another row's term is a known positive of this anchor.

        Columns: the positives of all rows, then all first negatives, and so on. A row's own terms are never masked.
        """
        columns = zip(*([self.positives[row], *self.negatives[row]] for row in rows), strict=True)
        terms = [term for column in columns for term in column]
        known = [self.terms[row] | {self.positives[row]} for row in rows]
        hits, own = torch.tensor([[term in of for term in terms] for of in known]), torch.arange(len(rows))
        hits.view(len(rows), -1, len(rows))[own, :, own] = False
        return hits


class PlainTripletLoss(TripletLoss):  # type: ignore[misc]
    """TripletLoss with batch statistics."""

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, distance_metric=DISTANCES[settings.distance], triplet_margin=settings.margin)
        self.known, self.statistics, self.scale = known, BatchStatistics(), settings.scale

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """The library's loss."""
        with torch.no_grad():
            anchors, positives, negatives = embeddings
            gap = self.distance_metric(anchors, negatives) - self.distance_metric(anchors, positives)
            self.statistics.add(cosine_margin=_cosine_margins(embeddings), violation_rate=gap < self.triplet_margin)
        loss: Tensor = super().compute_loss_from_embeddings(embeddings, labels)
        return loss


class BatchTripletLoss(PlainTripletLoss):
    """TripletLoss with a soft margin, against all in-batch terms and anchors, hardest weighted most, known positives masked.

    Anchors are contrasted with all in-batch terms that are not known positives, positives with all in-batch anchors
    for which they are not. Either adds softplus(scale x (margin + d(anchor, positive) - d) - SOFT_MARGIN_OFFSET), d being
    the soft minimum (logsumexp at this scale) of the distances to the negatives: "batch hard" with "soft margin" of
    arXiv:1703.07737, with masks instead of labels. Statistics count the row's own negatives. Labels are row numbers.
    """

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """The sum of both directions, each a mean over rows."""
        assert labels is not None
        anchors, all_terms, rows = embeddings[0], torch.cat(embeddings[1:]), len(embeddings[0])
        cosine = self.distance_metric is TripletDistanceMetric.COSINE
        distances = (1 - cos_sim(anchors, all_terms) if cosine else torch.cdist(anchors, all_terms)).float()
        masked = self.known.mask(labels.tolist()).to(distances.device)
        masked.fill_diagonal_(fill_value=True)  # the row's own positive
        to_positive = distances.diagonal()
        with torch.no_grad():
            starts = range(rows, distances.shape[1], rows)
            own = [distances[:, start : start + rows].diagonal() - to_positive for start in starts]
            violations = torch.stack(own) < self.triplet_margin
            self.statistics.add(cosine_margin=_cosine_margins(embeddings), violation_rate=violations)
        forward = self._soft_margin(to_positive, distances, masked)
        loss: Tensor = forward + self._soft_margin(to_positive, distances[:, :rows].T, masked[:, :rows].T)
        return loss

    def _soft_margin(self, to_positive: Tensor, distances: Tensor, masked: Tensor) -> Tensor:
        """Mean soft-margin loss over rows; a row in which everything is masked adds nothing."""
        hardest = -torch.logsumexp((-self.scale * distances).masked_fill(masked, MASKED_LOGIT), dim=1)
        mean: Tensor = softplus(self.scale * (self.triplet_margin + to_positive) - SOFT_MARGIN_OFFSET - hardest).mean()
        return mean


class MaskedRankingLoss(MultipleNegativesRankingLoss):  # type: ignore[misc]
    """MultipleNegativesRankingLoss in both directions, known positives masked.

    Labels are row numbers. Masking, because most passages of a book mention its common terms.
    """

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale)
        self.known, self.statistics = known, BatchStatistics()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Cross-entropy of each anchor's positive among all terms, and of each positive's anchor among all anchors."""
        return ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.statistics)


class CachedMaskedRankingLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]
    """The same loss and gradients, encoding ``settings.mini_batch_size`` rows at a time (GradCache, arXiv:2101.06983)."""

    def __init__(self, model: Any, settings: TrainSettings, known: KnownTerms) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale, mini_batch_size=settings.mini_batch_size)
        self.known, self.statistics = known, BatchStatistics()

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss of the whole batch from its mini-batches of embeddings."""
        assert labels is not None
        embeddings = [torch.cat(pieces) for pieces in reps]
        loss = ranking_loss(embeddings, self.known.mask(labels.tolist()), self.scale, self.statistics)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        return loss


def ranking_loss(embeddings: list[Tensor], mask: Tensor, scale: float, statistics: BatchStatistics) -> Tensor:
    """InfoNCE (arXiv:1807.03748) over scaled cosines, in both directions. Violation: the positive is not first."""
    anchors, *terms = embeddings
    scores = (cos_sim(anchors, torch.cat(terms)) * scale).float().masked_fill(mask.to(anchors.device), -torch.inf)
    right = torch.arange(len(anchors), device=anchors.device)
    with torch.no_grad():
        statistics.add(cosine_margin=_cosine_margins(embeddings), violation_rate=scores.argmax(dim=1) != right)
    return cross_entropy(scores, right) + cross_entropy(scores[:, : len(anchors)].T, right)


def make_loss(model: Any, settings: TrainSettings, known: KnownTerms) -> Any:  # noqa: ANN401 - untyped library
    """The loss that the settings ask for."""
    if settings.loss == "triplet":
        return (BatchTripletLoss if settings.in_batch_negatives else PlainTripletLoss)(model, settings, known)
    return (CachedMaskedRankingLoss if settings.mini_batch_size else MaskedRankingLoss)(model, settings, known)


def _cosine_margins(embeddings: list[Tensor]) -> Tensor:
    """cos(anchor, positive) - cos(anchor, negative) for each row and each of its own negatives."""
    anchors, positives, *negatives = (rows.detach() for rows in embeddings)
    positive = pairwise_cos_sim(anchors, positives)
    return torch.stack([positive - pairwise_cos_sim(anchors, rows) for rows in negatives])
