"""Every ranker on every task: values by query, from them means, intervals and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tripletkit.encoding.encoder import Encoder
from tripletkit.evaluation.baselines import bm25
from tripletkit.evaluation.bootstrap import Estimate, Resampling, resampling
from tripletkit.evaluation.general import general_similarity
from tripletkit.evaluation.metrics import METRICS, Metrics, Scores, metric_values
from tripletkit.evaluation.tasks import Part, Task, encoder_scores

EXACT, BM25 = "exact string", "BM25"


@dataclass(frozen=True)
class Judged:
    """An encoder with its name in the report and the token that it reads as "some word"."""

    name: str
    encoder: Encoder
    mask_token: str


@dataclass(frozen=True)
class Panel:
    """Estimates by ranker (an encoder's name, or a lexical baseline's) and by the name of a task's part."""

    parts: tuple[Part, ...]
    samples: Mapping[str, Resampling]
    estimates: Mapping[str, Mapping[str, Estimate]]
    general: Mapping[str, Estimate]  # Spearman, by encoder

    @property
    def encoders(self) -> tuple[str, ...]:
        """The first is what the others are compared with."""
        return tuple(self.general)

    def metrics(self, ranker: str) -> dict[str, Metrics]:
        """Queries and means, by part."""
        return {
            part.name: {
                "queries": float(len(part.rows)),
                **dict(zip(METRICS, self.estimates[ranker][part.name].point.tolist(), strict=True)),
            }
            for part in self.parts
        }


def judge(encoders: Sequence[Judged], tasks: Sequence[Task], parts: Sequence[Part], seed: int) -> Panel:
    """Score the lexical baselines and the encoders on ``parts``, each of which is of one of ``tasks``."""
    samples = {part.name: resampling(part.chapters, seed) for part in parts}
    estimates = {
        EXACT: _estimates({task.name: task.said().astype("float32") for task in tasks}, parts, samples, ties=seed),
        BM25: _estimates({task.name: bm25(task.queries, task.candidates) for task in tasks}, parts, samples, ties=seed),
    }
    general = {}
    for judged in encoders:
        scores = encoder_scores(tasks, judged.encoder, judged.mask_token)
        estimates[judged.name] = _estimates(scores, parts, samples)
        general[judged.name] = general_similarity(judged.encoder, seed)
    return Panel(tuple(parts), samples, estimates, general)


def _estimates(
    scores: Mapping[str, Scores], parts: Sequence[Part], samples: Mapping[str, Resampling], ties: int | None = None
) -> dict[str, Estimate]:
    return {
        part.name: samples[part.name].estimate(
            metric_values(scores[part.task][part.rows], part.relevant, part.ignored, ties=ties)
        )
        for part in parts
    }
