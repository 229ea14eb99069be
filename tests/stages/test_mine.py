"""The mine stage: same bytes whatever the memory, the peer, the cross-encoder, weak positives, and what it reports."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.benchmarks.mining import mine_by_peer
from tests.conftest import make_tiny_cross_encoder
from tripletkit.cli import main
from tripletkit.mining import miner, pool
from tripletkit.mining.pool import FAR
from tripletkit.schemas import TRIPLETS, make_table
from tripletkit.settings import TrainSettings
from tripletkit.stages.mine import yield_notes
from tripletkit.store import Store

# A random encoder finds all texts alike.
ALIKE = ["--set", "mine.synonym_threshold=1", "--set", "mine.relative_margin=0"]


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
    tripletkit("mine", "--output", str(output), "--encoder", str(encoder), *ALIKE, "--force", *arguments)
    return Store(output).read("triplets")


def pairs_of(triplets: pl.DataFrame) -> set[tuple[str, str]]:
    return set(triplets.select("passage_id", "positive_id").iter_rows())


def pairs_without_negatives(output: Path) -> set[tuple[str, str]]:
    dropped = Store(output).read("dropped").filter(stage="mine", reason="no negative left")
    return set(dropped.select("item", "related").iter_rows())


def test_memory_changes_no_byte(output: Path, tiny_encoder: Path) -> None:
    mined(output, tiny_encoder, "--set", "mine.memory_mb=1")
    small = Store(output).sha("triplets.parquet"), Store(output).sha("dropped.parquet")
    mined(output, tiny_encoder, "--set", "mine.memory_mb=512")
    assert (Store(output).sha("triplets.parquet"), Store(output).sha("dropped.parquet")) == small


def test_the_peer_mines_the_same_pairs_into_the_same_table(
    output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = mined(output, tiny_encoder)
    pairs = pairs_of(own) | pairs_without_negatives(output)
    monkeypatch.setattr(miner, "search_negatives", mine_by_peer)
    peer = mined(output, tiny_encoder)
    assert set(peer["rule"]) == {"sentence-transformers"}
    assert pairs_of(peer) | pairs_without_negatives(output) <= pairs
    assert not pairs_of(peer) & pairs_without_negatives(output)
    assert (peer["cos_an"] <= peer["cos_ap"] * 0.95 + 1e-6).all()
    both = own.join(peer, on=["passage_id", "positive_id", "negative_id"])
    assert both.height
    for figure in ("cos_ap", "cos_an", "cos_pn", "rank"):
        assert both[figure].to_list() == both[f"{figure}_right"].to_list()


def test_weak_positives_are_dropped_and_not_mined(
    output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The small book backs each of its positives, and has so few terms that none is far."""
    monkeypatch.setattr(pool, "BACKED_BY_BOOK", 9)
    monkeypatch.setattr(pool, "FEW_TERMS", 1)
    before = pairs_of(mined(output, tiny_encoder)) | pairs_without_negatives(output)
    capsys.readouterr()
    after = pairs_of(mined(output, tiny_encoder, "--set", "mine.weak_positives=false", "--set", "mine.mask=0.5"))
    dropped = Store(output).read("dropped").filter(stage="mine", reason=FAR)
    far = set(dropped.select("item", "related").iter_rows())
    assert far & before
    assert after
    assert not far & (after | pairs_without_negatives(output))
    assert all(detail.startswith("'") and -1 <= float(detail.rsplit(" ", 1)[1]) <= 1 for detail in dropped["detail"])
    assert f"{len(far):,} {FAR}" in capsys.readouterr().out


def test_that_no_negative_is_left_is_an_error(
    output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ("mine", "--output", str(output), "--encoder", str(tiny_encoder), "--force")
    tripletkit(*mine, "--set", "mine.relative_margin=0.999", code=1)
    error = capsys.readouterr().err
    assert "no passage has a kept term with a negative that the guards allow; most rejected: " in error
    assert "near-synonym of the positive" in error


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("window=[50,5]", "mine.window = [50, 5]: the first rank, 50, must be below the last, 5"),
        ("window=[0,0]", "mine.window = [0, 0]: the first rank, 0, must be below the last, 0"),
        ("window=[-1,5]", "mine.window.0 = -1: input should be greater than or equal to 0"),
        ('kinds=["prose","novel"]', "mine.kinds.1 = 'novel': input should be 'prose', 'list', 'exercise', 'summary'"),
        ("kinds=[]", "mine.kinds = []: "),
        ("negatives=0", "mine.negatives = 0: input should be greater than or equal to 1"),
        ("positives=0", "mine.positives = 0: "),
        ("relative_margin=1", "mine.relative_margin = 1: input should be less than 1"),
        ("relative_bound=0.9", "no setting is called 'mine.relative_bound'\n  It is now called mine.relative_margin"),
        ('engine="faiss"', "no setting is called 'mine.engine'"),
    ],
)
def test_settings_that_no_run_can_mean_are_refused(
    output: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    tripletkit("mine", "--output", str(output), "--set", f"mine.{setting}", code=1)
    assert message in capsys.readouterr().err


def test_a_cross_encoder_rejects_and_keeps_its_scores(output: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    reader = make_tiny_cross_encoder(tmp_path / "reader", seed=0)
    all_of_them = mined(output, tiny_encoder)
    assert all_of_them["ce_ap"].null_count() == all_of_them.height
    left = mined(output, tiny_encoder, "--cross-encoder", str(reader), "--set", "mine.cross_encoder_margin=0")
    rejected = Store(output).read("dropped").filter(reason="rejected: too close by the cross-encoder")
    assert 0 < left.height < all_of_them.height
    assert left.height + rejected.height == all_of_them.height
    assert (left["ce_an"] <= left["ce_ap"]).all()
    assert left["ce_ap"].n_unique() > 1
    assert rejected["detail"].str.contains(r"^positive '.+' 0\.\d+, rejected '.+' 0\.\d+$").all()


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
        ("cosine", 0.25, "50.0%"),  # cosine margins .2 and .4
        ("cosine", 0.5, "100.0%"),
        ("euclidean", 0.3, "50.0%"),  # √(2·.4) - √(2·.2) = .262; √(2·.6) - √(2·.2) = .463
        ("euclidean", 5.0, "100.0%"),
    ],
)
def test_triplets_that_violate_the_margin_are_counted(distance: str, margin: float, share: str) -> None:
    settings = TrainSettings.model_validate({"teacher": "none", "distance": distance, "margin": margin})
    notes = yield_notes(make_table(TRIPLETS, [triplet(0.8, 0.6), triplet(0.8, 0.4)]), Counter(guard=3), settings)
    assert any(note.strip().startswith(f"{share} of the triplets violate the training margin") for note in notes)
    assert any("rejected: 3 guard" in note for note in notes)
    assert any("cos(negative), quantiles: 5% 0.4" in note for note in notes)


def triplet(cos_ap: float, cos_an: float) -> dict[str, object]:
    texts = {name: name for name in ("passage_id", "positive_id", "anchor", "positive", "negative", "rule", "encoder")}
    figures = {"cos_ap": cos_ap, "cos_an": cos_an, "cos_pn": 0.0, "rank": 1, "round": 0, "masked": False}
    return {**texts, **figures, "triplet_id": f"t{cos_an}", "negative_id": f"n{cos_an}", "split": "train"}
