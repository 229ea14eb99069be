"""The mine stage: same bytes whatever the memory, the peer's engine, the cross-encoder, and what it tells."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import make_tiny_cross_encoder
from tripletkit.cli import main
from tripletkit.config import TrainSettings
from tripletkit.mining import miner
from tripletkit.schemas import TRIPLETS, make_table
from tripletkit.stages.mine import FAR, yield_notes
from tripletkit.store import Store

# A random encoder finds all texts alike.
ALIKE = ["--set", "mine.synonym_bound=1", "--set", "mine.relative_bound=1"]


@pytest.fixture(scope="module")
def tagged(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `mine` reads."""
    output = tmp_path_factory.mktemp("tagged") / "output"
    tripletkit("extract", str(book), "--output", str(output), "--encoder", str(tiny_encoder))
    for stage in ("glossary", "tag", "split"):
        tripletkit(stage, "--output", str(output), "--encoder", str(tiny_encoder))
    return output


@pytest.fixture
def output(tagged: Path, tmp_path: Path) -> Path:
    shutil.copytree(tagged, tmp_path / "output")
    return tmp_path / "output"


def tripletkit(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code or 0) == code


def mined(output: Path, encoder: Path, *arguments: str) -> pl.DataFrame:
    tripletkit(
        "mine", "--hard-negatives", "--output", str(output), "--encoder", str(encoder), *ALIKE, "--force", *arguments
    )
    return Store(output).read("triplets")


def pairs_of(triplets: pl.DataFrame) -> set[tuple[str, str]]:
    return set(triplets.select("passage_id", "positive_id").iter_rows())


def barren_pairs(output: Path) -> set[tuple[str, str]]:
    dropped = Store(output).read("dropped").filter(stage="mine", reason="no legal negative")
    return set(dropped.select("item", "related").iter_rows())


def test_memory_changes_no_byte(output: Path, tiny_encoder: Path) -> None:
    mined(output, tiny_encoder, "--set", "mine.memory_mb=1")
    small = Store(output).sha("triplets.parquet"), Store(output).sha("dropped.parquet")
    mined(output, tiny_encoder, "--set", "mine.memory_mb=512")
    assert (Store(output).sha("triplets.parquet"), Store(output).sha("dropped.parquet")) == small


def test_the_peer_mines_the_same_pairs_into_the_same_table(output: Path, tiny_encoder: Path) -> None:
    own = mined(output, tiny_encoder)
    pairs = pairs_of(own) | barren_pairs(output)
    peer = mined(output, tiny_encoder, "--engine", "sentence-transformers")
    assert set(peer["rule"]) == {"sentence-transformers"}
    assert pairs_of(peer) | barren_pairs(output) <= pairs
    assert not pairs_of(peer) & barren_pairs(output)
    assert (peer["cos_an"] <= peer["cos_ap"] * 0.95 + 1e-6).all()
    both = own.join(peer, on=["passage_id", "positive_id", "negative_id"])
    assert both.height
    for figure in ("cos_ap", "cos_an", "cos_pn", "rank"):
        assert both[figure].to_list() == both[f"{figure}_right"].to_list()


def test_far_positives_are_dropped_and_not_mined(
    output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The small book speaks for each of its positives, and the random encoder puts half of them below .85."""
    monkeypatch.setattr(miner, "SPOKEN_FOR", 9)
    before = pairs_of(mined(output, tiny_encoder, "--set", "mine.positive_bound=-1")) | barren_pairs(output)
    capsys.readouterr()
    after = pairs_of(mined(output, tiny_encoder, "--set", "mine.positive_bound=0.85", "--set", "mine.mask=0.5"))
    dropped = Store(output).read("dropped").filter(stage="mine", reason=FAR)
    far = set(dropped.select("item", "related").iter_rows())
    assert far & before
    assert after
    assert not far & (after | barren_pairs(output))
    assert all(float(detail.rsplit(" ", 1)[1]) < 0.85 for detail in dropped["detail"])
    assert f"{FAR} {len(far):,}" in capsys.readouterr().out


def test_a_bound_that_leaves_no_positive_is_named(
    output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(miner, "SPOKEN_FOR", 9)
    mine = ("mine", "--hard-negatives", "--output", str(output), "--encoder", str(tiny_encoder))
    tripletkit(*mine, "--force", "--set", "mine.positive_bound=1", code=1)
    assert "loosen mine.relative_bound, mine.positive_bound or mine.positive_reach" in capsys.readouterr().err


def test_an_unknown_engine_is_named(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tripletkit("mine", "--output", str(output), "--engine", "faiss", code=1)
    assert "mine.engine = 'faiss'" in capsys.readouterr().err


def test_a_cross_encoder_refuses_and_keeps_its_scores(output: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    reader = make_tiny_cross_encoder(tmp_path / "reader", seed=0)
    all_of_them = mined(output, tiny_encoder)
    assert all_of_them["ce_ap"].null_count() == all_of_them.height
    left = mined(output, tiny_encoder, "--cross-encoder", str(reader), "--set", "mine.cross_encoder_bound=1")
    refused = Store(output).read("dropped").filter(reason="refused: too near by the cross-encoder")
    assert 0 < left.height < all_of_them.height
    assert left.height + refused.height == all_of_them.height
    assert (left["ce_an"] <= left["ce_ap"]).all()
    assert left["ce_ap"].n_unique() > 1
    assert refused["detail"].str.contains(r"^positive '.+' 0\.\d+, refused '.+' 0\.\d+$").all()


def test_a_cross_encoder_that_is_none_is_named(
    output: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tripletkit(
        *("mine", "--output", str(output), "--encoder", str(tiny_encoder), "--cross-encoder", str(tmp_path)), code=1
    )
    assert "cannot be loaded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("distance", "margin", "share"),
    [
        ("cosine", 0.25, "50.0%"),  # gaps .2 and .4
        ("cosine", 0.5, "100.0%"),
        ("euclidean", 0.3, "50.0%"),  # √(2·.4) - √(2·.2) = .262; √(2·.6) - √(2·.2) = .463
        ("euclidean", 5.0, "100.0%"),
    ],
)
def test_active_triplets_are_those_that_break_the_margin(distance: str, margin: float, share: str) -> None:
    settings = TrainSettings.model_validate({"distance": distance, "margin": margin})
    notes = yield_notes(make_table(TRIPLETS, [triplet(0.8, 0.6), triplet(0.8, 0.4)]), Counter(guard=3), settings)
    assert any("active" in note and note.endswith(f": {share}") for note in notes)
    assert any("refused: guard 3" in note for note in notes)
    assert any("cosine of the negative, quantiles: 5% 0.4" in note for note in notes)


def triplet(cos_ap: float, cos_an: float) -> dict[str, object]:
    texts = {name: name for name in ("passage_id", "positive_id", "anchor", "positive", "negative", "rule", "encoder")}
    figures = {"cos_ap": cos_ap, "cos_an": cos_an, "cos_pn": 0.0, "rank": 1, "round": 0, "masked": False}
    return {**texts, **figures, "triplet_id": f"t{cos_an}", "negative_id": f"n{cos_an}", "split": "train"}
