from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.encoding.tokens import token_counter
from tripletkit.schemas import MENTIONS, TRIPLETS, make_table
from tripletkit.settings import MODEL_CARD_RECIPE, TrainSettings
from tripletkit.training import diagnostics as linter

MINE = "mined by this encoder"


def triplets(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows that differ in what the test gives, and in their ids."""
    usual = {
        "passage_id": "p",
        "positive_id": "a",
        "negative_id": "b",
        "anchor": "Loam drains well.",
        "positive": "loam",
        "negative": "fjord",
        "cos_ap": 0.5,
        "cos_an": 0.1,
        "cos_pn": 0.1,
        "rank": 1,
        "rule": "nearest",
        "masked": False,
        "split": "train",
        "round": 0,
        "encoder": MINE,
    }
    return make_table(TRIPLETS, [usual | {"triplet_id": f"t{i:03}"} | row for i, row in enumerate(rows)])


@pytest.mark.parametrize(
    ("settings", "meets"),
    [
        ({}, True),
        ({"margin": 1.99}, True),
        ({"margin": 2.0}, False),
        ({"distance": "euclidean", "margin": 5.0}, False),
        ({"loss": "mnrl", "margin": 5.0}, True),
    ],
)
def test_a_margin_that_unit_vectors_cannot_meet(settings: dict[str, object], meets: bool) -> None:
    finding = linter.unmeetable_margin(TrainSettings.model_validate({"teacher": "none", **settings}))
    assert (finding is None) is meets
    assert finding is None or "at most 2 apart" in finding.what


def test_violation_rate_by_hand() -> None:
    """Cosine gaps .4 and .1; Euclidean distances 1 and sqrt(1.8), sqrt(1.2) and sqrt(1.4)."""
    rows = triplets([{"cos_ap": 0.5, "cos_an": 0.1}, {"cos_ap": 0.4, "cos_an": 0.3}])
    assert linter.violation_rate(rows, TrainSettings(teacher="none", margin=0.2)) == 0.5
    assert linter.violation_rate(rows, TrainSettings(teacher="none", margin=0.05)) == 0
    assert linter.violation_rate(rows, TrainSettings(teacher="none", margin=0.34, distance="euclidean")) == 0.5
    assert linter.violation_rate(rows, TrainSettings(teacher="none", margin=0.35, distance="euclidean")) == 1


@pytest.mark.parametrize(
    ("margin", "encoder", "told"),
    [
        (0.2, MINE, "0.0% of 100 triplets violate margin 0.2 before training: most triplets contribute no gradient"),
        (0.45, MINE, "100.0% of 100 triplets violate margin 0.45 before training: the loss cannot tell hard triplets"),
        (0.2, "another", None),
    ],
)
def test_a_margin_that_none_or_all_violate(margin: float, encoder: str, told: str | None) -> None:
    finding = linter.unsuitable_margin(triplets([{}] * 100), TrainSettings(teacher="none", margin=margin), encoder)
    assert (finding.what if finding else None) == told or told in (finding.what if finding else "")  # type: ignore[operator]


def test_a_useful_margin_has_no_finding() -> None:
    rows = triplets([{"cos_an": 0.4 if i % 2 else 0.1} for i in range(100)])
    assert linter.unsuitable_margin(rows, TrainSettings(teacher="none", margin=0.2), MINE) is None


def mentions(*spans: tuple[str, str, int]) -> pl.DataFrame:
    return make_table(
        MENTIONS,
        [
            {"passage_id": p, "term_id": t, "start": start, "end": start + 4, "surface": "loam", "match": "exact"}
            for p, t, start in spans
        ],
    )


def test_a_positive_beyond_the_length_limit() -> None:
    rows = triplets([{"passage_id": "p"}, {"passage_id": "q"}, {"passage_id": "r", "masked": True}])
    said = mentions(("p", "a", 90), ("p", "a", 10), ("q", "a", 98), ("r", "a", 98))
    finding = linter.truncated_positives(rows, said, lambda texts: [100] * len(texts), 32)
    assert finding
    # p says it at 10 as well; r is masked; q's mention ends at 102.
    assert (
        "1 of 2 triplets (50.0%) mention their positive only beyond the length limit of the encoder, 32 tokens"
        in finding.what
    )
    assert linter.truncated_positives(rows, said, lambda texts: [102] * len(texts), 32) is None


def test_visible_characters_end_with_the_last_token(tiny_encoder: Path) -> None:
    """128 tokens, two of them special; "roots" is one token of its vocabulary."""
    place = resolve_encoder(str(tiny_encoder))
    short, long = "roots", "roots " * 500
    (tokens,) = token_counter(place.folder)([short])
    assert tokens == 3
    assert linter.visible_characters(place)([short, long]) == [5, 126 * 6 - 1]


def test_terms_that_are_only_negatives() -> None:
    rows = triplets([{"negative_id": "b", "negative": "fjord"}, {"negative_id": "a", "positive_id": "c"}])
    finding = linter.only_negatives(rows)
    assert finding
    assert "1 of the 2 negatives (50.0%) never occur as a positive, such as fjord" in finding.what
    assert linter.only_negatives(rows.with_columns(positive_id=pl.col("negative_id"))) is None


def test_copies() -> None:
    finding = linter.copies(triplets([{}, {}, {"anchor": "other"}]))
    assert finding
    assert "1 of 3 triplets (33.3%)" in finding.what
    assert linter.copies(triplets([{}, {"anchor": "other"}])) is None


def test_one_passage_with_two_ids() -> None:
    finding = linter.copied_anchors(triplets([{}, {"negative": "delta"}, {"passage_id": "q"}]))
    assert finding
    assert "1 of 2 (anchor, positive) pairs (50.0%)" in finding.what
    assert linter.copied_anchors(triplets([{}, {"negative": "delta"}])) is None


def test_the_margin_comes_first_and_an_empty_table_has_no_finding(tiny_encoder: Path) -> None:
    place = resolve_encoder(str(tiny_encoder))
    findings = list(linter.lint(triplets([]), mentions(), TrainSettings(**MODEL_CARD_RECIPE), place))
    assert len(findings) == 1
    assert str(findings[0]).endswith("(use --margin 0.15 --distance cosine)")


def test_with_a_teacher_nothing_is_said_of_the_margin_or_of_terms_that_are_only_negatives(tiny_encoder: Path) -> None:
    place = resolve_encoder(str(tiny_encoder))
    rows = triplets([{"encoder": place.fingerprint, "cos_ap": 0.9, "cos_an": 0.1}])
    found = {
        teacher: linter.lint(rows, mentions(), TrainSettings(teacher=teacher), place) for teacher in ("none", "self")
    }
    assert [len(of) for of in found.values()] == [2, 0]
