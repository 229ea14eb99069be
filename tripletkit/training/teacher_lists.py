"""Lists of passages and terms with a teacher's scores, and the loss against them. Imports torch and sentence-transformers.

Learning a teacher's list of scores is listwise distillation (ListNet, Cao et al. 2007; for dense encoders arXiv:2505.19274).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric, TripletLoss
from sentence_transformers.util import cos_sim
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, relu

from tripletkit.encoding.properties import Task
from tripletkit.errors import TableError
from tripletkit.settings import TrainSettings
from tripletkit.training.batches import BookBatches, capped
from tripletkit.training.losses import BatchStatistics

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TeacherList:
    """The passages and terms of one training step, and the teacher's scores of each pair as logits: (passages, terms)."""

    passages: tuple[str, ...]
    terms: tuple[str, ...]
    over_terms: Scores  # rank the terms for a passage
    over_passages: Scores  # rank the passages for a term
    triplets: tuple[tuple[int, int, int], ...] = ()  # positions of passage, positive and negative


def read_lists(teacher: pl.DataFrame, passages: Mapping[str, str], terms: Mapping[str, str]) -> list[TeacherList]:
    """The lists of the table `teacher`, in order. ``passages`` and ``terms``: texts by id.

    Raises TableError for an id that is not known, and for scores or triplets that do not fit their list.
    """
    found = []
    for (number,), rows in sorted(teacher.partition_by("list", as_dict=True).items()):
        try:
            found.append(_read_list(rows, passages, terms))
        except (KeyError, ValueError) as error:
            problem = f"train: list {number} of the table teacher does not fit its passages and terms ({error})"
            raise TableError(problem, "Make it again: `tripletkit teach --force`.") from None
    return found


def _read_list(rows: pl.DataFrame, passages: Mapping[str, str], terms: Mapping[str, str]) -> TeacherList:
    ids = rows["term_ids"][0].to_list()
    place, shape = {term_id: i for i, term_id in enumerate(ids)}, (rows.height, len(ids))
    pairs = enumerate(rows.select("positive_id", "negative_id").iter_rows())
    return TeacherList(
        passages=tuple(passages[passage_id] for passage_id in rows["passage_id"]),
        terms=tuple(terms[term_id] for term_id in ids),
        over_terms=np.array(rows["over_terms"].to_list(), dtype=np.float32).reshape(shape),
        over_passages=np.array(rows["over_passages"].to_list(), dtype=np.float32).reshape(shape),
        triplets=tuple((row, place[positive], place[negative]) for row, (positive, negative) in pairs if positive),
    )


@dataclass(frozen=True)
class ListData:
    """What a training on lists consists of: a batch is one list, whatever its size."""

    tasks: ClassVar[Mapping[str, Task]] = {"anchor": "document", "term": "query"}
    batch_size: ClassVar[int] = 1
    unit: ClassVar[str] = "list"

    lists: Sequence[TeacherList]
    settings: TrainSettings

    def __len__(self) -> int:
        return len(self.lists)

    def columns(self) -> dict[str, Sequence[Any]]:
        """The numbers of the lists, by which the collator and the loss look them up."""
        return {"label": range(len(self))}

    def counts(self) -> dict[str, int]:
        """What trains, for the manifest."""
        return {"lists": len(self), "triplets": sum(len(of.triplets) for of in self.lists)}

    def describe(self) -> str:
        """What trains, in words."""
        passages, terms = (max(len(getattr(of, side)) for of in self.lists) for side in ("passages", "terms"))
        text = "own corpus" if self.settings.text == "own" else "training split only"
        return (
            f"{len(self):,} lists of up to {passages} passages × {terms} terms by the teacher {self.settings.teacher!r} "
            f"({text}) with {self.counts()['triplets']:,} triplets"
        )

    def key(self) -> Iterator[str]:
        """Texts that are equal for equal lists."""
        for of in self.lists:
            yield from (*of.passages, *of.terms, repr(of.triplets))
            yield hashlib.sha256(of.over_terms.tobytes() + of.over_passages.tobytes()).hexdigest()

    def steps(self, processes: int) -> int:
        """Optimiser steps."""
        epoch = math.ceil(len(self) / (self.settings.gradient_accumulation_steps * processes))
        return capped(math.ceil(epoch * (self.settings.epochs or 1)), self.settings)

    def loss(self, model: Any) -> TeacherLoss:  # noqa: ANN401 - untyped library
        """The loss of these lists."""
        return TeacherLoss(model, self.settings, self.lists)

    def sampler(self, dataset: Any, **options: Any) -> BookBatches:  # noqa: ANN401 - untyped library
        """The lists in another order in each epoch."""
        numbers = [str(number) for number in range(len(self))]
        return BookBatches(dataset, numbers, numbers, **options)

    def collator(self, usual: SentenceTransformerDataCollator) -> ListCollator:
        """Like the library's collator, for lists."""
        options = {
            of: getattr(usual, of) for of in ("preprocess_fn", "valid_label_columns", "router_mapping", "prompts")
        }
        return ListCollator(lists=self.lists, **options)


@dataclass
class ListCollator(SentenceTransformerDataCollator):  # type: ignore[misc]
    """The tokens of one list, its passages as the column anchor and its terms as the column term."""

    lists: Sequence[TeacherList] = ()

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """``features``: one row, the number of a list."""
        [row] = features
        of = self.lists[row["label"]]
        passages = super().__call__([{"anchor": text} for text in of.passages])
        terms = super().__call__([{"term": text} for text in of.terms])
        return {**passages, **terms, "label": torch.tensor([row["label"]])}


class TeacherLoss(TripletLoss):  # type: ignore[misc]
    """KL divergence of the encoder's scores from the teacher's, and TripletLoss with the margins of the teacher.

    The encoder's scores are scaled cosines. For each passage they are compared over the terms of the list, for each term over
    its passages. A triplet's margin is the difference of the teacher's scores in cosines, at most ``settings.margin``, so that
    both losses ask for the same. Labels are numbers of lists.
    """

    def __init__(self, model: Any, settings: TrainSettings, lists: Sequence[TeacherList]) -> None:  # noqa: ANN401
        super().__init__(model, distance_metric=TripletDistanceMetric.COSINE, triplet_margin=settings.margin)
        self.scale, self.weight = settings.scale, settings.triplet_weight
        self.lists, self.statistics = lists, BatchStatistics()

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """``embeddings``: of the passages and of the terms of the list whose number is the label."""
        assert labels is not None
        of, (passages, terms) = self.lists[int(labels)], embeddings
        with torch.autocast(passages.device.type, enabled=False):  # in half precision the order of near terms is lost
            cosines = cos_sim(passages.float(), terms.float())
        over_terms, over_passages = (torch.from_numpy(x).to(cosines) for x in (of.over_terms, of.over_passages))
        logits = self.scale * cosines
        divergence = _divergence(over_terms, logits) + _divergence(over_passages.T, logits.T)
        self.statistics.add(kl_divergence=divergence.detach())
        return divergence + self.weight * self._triplet_loss(of, cosines, over_terms)

    def _triplet_loss(self, of: TeacherList, cosines: Tensor, over_terms: Tensor) -> Tensor | float:
        """The mean over the triplets of the list; 0 without any."""
        if not of.triplets:
            return 0.0
        rows, positives, negatives = torch.tensor(of.triplets, device=cosines.device).T
        lead = over_terms[rows, positives] - over_terms[rows, negatives]
        margins = (lead / self.scale).clamp(0, self.triplet_margin)
        gaps = cosines[rows, positives] - cosines[rows, negatives]
        self.statistics.add(cosine_margin=gaps.detach(), violation_rate=gaps.detach() < margins)
        return relu(margins - gaps).mean()


def _divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Mean over rows of KL(softmax(teacher) ‖ softmax(student))."""
    return kl_div(log_softmax(student, dim=1), log_softmax(teacher, dim=1), reduction="batchmean", log_target=True)
