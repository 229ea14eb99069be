"""The losses, each telling how its batches stand. Imports torch and sentence-transformers: loaded only to train."""

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
#: The exponent of what does not count: finite, as a row of infinities has no gradient.
NOTHING = -1e4
#: softplus pushes with a twentieth of its strength so far below 0.
REST = math.log(19)


class Tally:
    """Means over the rows since they were last told. Sums stay on the device: no step waits for them."""

    def __init__(self) -> None:
        self._rows = self._active_of = 0
        self._gap: Tensor | float = 0.0
        self._active: Tensor | float = 0.0

    def add(self, gap: Tensor, active: Tensor) -> None:
        """One batch: cos_ap - cos_an of each row and own negative, and whether they, or the rows, still push."""
        self._rows += gap.numel()
        self._active_of += active.numel()
        self._gap = self._gap + gap.sum()
        self._active = self._active + active.sum()

    def told(self) -> dict[str, float]:
        """Mean gap and active share; the count begins anew."""
        if not self._rows:
            return {}
        means = {"gap": float(self._gap) / self._rows, "active": float(self._active) / self._active_of}
        self.__init__()  # type: ignore[misc]
        return means


@dataclass(frozen=True)
class Known:
    """What each row of the training data is known to be about, so that no batch mate of it counts as a negative."""

    positives: Sequence[str]
    negatives: Sequence[Sequence[str]]  # per row: its own, as many in each row
    terms: Sequence[frozenset[str]]  # per row: other terms that are no negatives for its passage

    def mask(self, rows: Sequence[int]) -> Tensor:
        """bool, (rows, rows x (1 + negatives)): True where a term of another row is known for this row's passage.

        Columns are the rows' positives, then their first negatives, their second and so on. A row's own positive and own
        negatives are never masked.
        """
        columns = [[self.positives[row] for row in rows]]
        columns += map(list, zip(*(self.negatives[row] for row in rows), strict=True))
        known = [self.terms[row] | {self.positives[row]} for row in rows]
        hits = torch.tensor(
            [[term in terms for column in columns for term in column] for terms in known], dtype=torch.bool
        )
        own = torch.arange(len(rows))
        for start in range(0, len(rows) * len(columns), len(rows)):
            hits[own, start + own] = False
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


class BatchTripletLoss(TripletLoss):  # type: ignore[misc]
    """TripletLoss with a soft margin against all that a batch holds, in both directions; a row is active by its own negatives.

    For each row, of the terms of the batch that are not known for its anchor, and of the anchors for which its positive is not
    known: softplus(scale x (margin + distance to the other of the pair - least distance to those) - REST). The least is a soft
    minimum of that scale, so that the next nearest push too, and at the margin a twentieth of the push is left: a hinge on the
    hardest with its corner rounded ("batch hard" and "soft margin" of arXiv:1703.07737, which has labels in place of knowledge).
    Labels carry the rows' numbers.
    """

    def __init__(self, model: Any, settings: TrainSettings, known: Known) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, distance_metric=DISTANCES[settings.distance], triplet_margin=settings.margin)
        self.known, self.tally, self.scale = known, Tally(), settings.scale
        self._cosine = settings.distance == "cosine"

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The mean over rows of either direction, added up."""
        anchors, *terms = embeddings
        others = torch.cat(terms)
        far = (1 - cos_sim(anchors, others) if self._cosine else torch.cdist(anchors, others)).float()
        rows = len(anchors)
        refused = self.known.mask(labels.tolist()).to(far.device)
        refused.fill_diagonal_(fill_value=True)  # a row's own positive
        near = far.diagonal()
        with torch.no_grad():
            own = [far[:, start : start + rows].diagonal() - near for start in range(rows, far.shape[1], rows)]
            self.tally.add(_gap(embeddings), torch.stack(own) < self.triplet_margin)
        forward = self._shortfall(near, far, refused)
        loss: Tensor = forward + self._shortfall(near, far[:, :rows].T, refused[:, :rows].T)
        return loss

    def _shortfall(self, near: Tensor, far: Tensor, refused: Tensor) -> Tensor:
        """Mean over rows; a row all of whose others are refused adds nothing."""
        least = -torch.logsumexp((-self.scale * far).masked_fill(refused, NOTHING), dim=1)
        mean: Tensor = softplus(self.scale * (self.triplet_margin + near) - REST - least).mean()
        return mean


class MaskedRankingLoss(MultipleNegativesRankingLoss):  # type: ignore[misc]
    """MultipleNegativesRankingLoss in both directions without false negatives: what a row is known to be about leaves its softmax.

    A mask and not a choice of batch mates, because common terms are said in most passages of a book: batches without a
    clash would be small, and rows left over. Labels carry the rows' numbers.
    """

    def __init__(self, model: Any, settings: TrainSettings, known: Known) -> None:  # noqa: ANN401 - untyped library
        super().__init__(model, scale=settings.scale)
        self.known, self.tally = known, Tally()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Cross entropy of each anchor with its positive among all terms of the batch, and of each positive among all anchors."""
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
    """InfoNCE over cosines times ``scale``, in both directions; a row is active while its positive is not the first of its terms."""
    anchors, *terms = embeddings
    scores = (cos_sim(anchors, torch.cat(terms)) * scale).float().masked_fill(mask.to(anchors.device), -torch.inf)
    right = torch.arange(len(anchors), device=anchors.device)
    with torch.no_grad():
        tally.add(_gap(embeddings), scores.argmax(dim=1) != right)
    return cross_entropy(scores, right) + cross_entropy(scores[:, : len(anchors)].T, right)


def make_loss(model: Any, settings: TrainSettings, known: Known) -> Any:  # noqa: ANN401 - untyped library
    """The loss that the settings name."""
    if settings.loss == "triplet":
        return BatchTripletLoss(model, settings, known) if settings.in_batch else WatchedTripletLoss(model, settings)
    return (CachedMaskedRankingLoss if settings.cached else MaskedRankingLoss)(model, settings, known)


def _gap(embeddings: list[Tensor]) -> Tensor:
    """cos_ap - cos_an of each row and own negative."""
    anchors, positives, *negatives = (rows.detach() for rows in embeddings)
    near = pairwise_cos_sim(anchors, positives)
    return torch.stack([near - pairwise_cos_sim(anchors, rows) for rows in negatives])
