"""A report as `evaluate` makes it, with figures that a reader can follow."""

from __future__ import annotations

from collections.abc import Sequence

from tripletkit.evaluation.report import (
    BASE,
    BM25,
    EXACT_MATCH,
    FINE_TUNED,
    EvaluationReport,
    Figure,
    Fusion,
    RankerScores,
    Sample,
    fused_name,
    maxsim_name,
)

MEAN = {"queries": 76.0, "nDCG@10": 0.5, "MAP": 0.4}
BETTER = {"queries": 76.0, "nDCG@10": 0.6123456789, "MAP": 0.45}
NOT_SIGNIFICANT = Figure(0.005, (-0.01, 0.02))
TASKS = ("term→passage", "passage→term")


def make_report(
    names: Sequence[str] = (BASE, FINE_TUNED), fingerprint: str = "beef", fused: Figure = NOT_SIGNIFICANT
) -> EvaluationReport:
    """The second encoder is better alone; fused, it differs from the first by ``fused``. BM25 is ahead of both."""
    first, last = names
    figures = {first: 0.5, last: 0.6123456789, EXACT_MATCH: 0.5, BM25: 0.7}
    figures |= {fused_name(first): 0.72, fused_name(last): 0.72 + fused.value, maxsim_name(first): 0.6}

    def ranker(of: str, **more: object) -> RankerScores:
        metrics = {"queries": 76.0, "nDCG@10": figures[of], "MAP": figures[of] - 0.1}
        ends = {metric: (value - 0.05, value + 0.05) for metric, value in metrics.items()}
        return RankerScores.model_validate(
            {"scores": dict.fromkeys(TASKS, metrics), "intervals": dict.fromkeys(TASKS, ends), **more}
        )

    def difference(one: str, other: str) -> dict[str, dict[str, Figure]]:
        value = figures[one] - figures[other]
        own = (
            fused
            if (one, other) == (fused_name(last), fused_name(first))
            else Figure(value, (value - 0.1, value + 0.1))
        )
        return {task: dict.fromkeys(("nDCG@10", "MAP"), own) for task in TASKS}

    pairs = [(name, other) for name in figures for other in (first, last, fused_name(first)) if name != other]
    return EvaluationReport(
        resampling={task: Sample(queries=76, by="chapters", units=14) for task in TASKS},
        baselines={EXACT_MATCH: ranker(EXACT_MATCH), BM25: ranker(BM25)},
        encoders={
            first: ranker(first, general=Figure(0.8), fingerprint="f00d", name="/home/ann/base"),
            last: ranker(last, general=Figure(0.8), general_difference=Figure(0.0), fingerprint=fingerprint),
        },
        fused={name: ranker(fused_name(name)) for name in names},
        maxsim={first: ranker(maxsim_name(first))},
        fusion=Fusion(
            weights={name: {"terms→texts": 0.4, "texts→terms": 0.6} for name in names}, chosen_on="validation"
        ),
        differences={
            one: {other: difference(one, other) for name, other in pairs if name == one} for one in dict(pairs)
        },
        terms=76,
        passages=117,
        split="test",
        gold="index",
        promise="unseen text",
        left_out={maxsim_name(last): "the encoder has no token vectors"},
    )
