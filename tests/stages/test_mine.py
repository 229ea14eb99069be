"""The mine stage: same bytes whatever the memory, the peer's engine, the cross-encoder, and what it tells."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.book import CHAPTERS
from tests.conftest import make_tiny_cross_encoder
from tripletkit.cli import main
from tripletkit.mining import miner
from tripletkit.mining.miner import FAR
from tripletkit.schemas import TRIPLETS, make_table
from tripletkit.settings import TrainSettings
from tripletkit.stages.mine import yield_notes
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


def test_weak_positives_are_dropped_and_not_mined(
    output: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The small book speaks for each of its positives, and has so few terms that none is far."""
    monkeypatch.setattr(miner, "SPOKEN_FOR", 9)
    monkeypatch.setattr(miner, "FEW_TERMS", 1)
    before = pairs_of(mined(output, tiny_encoder)) | barren_pairs(output)
    capsys.readouterr()
    after = pairs_of(mined(output, tiny_encoder, "--set", "mine.weak_positives=false", "--set", "mine.mask=0.5"))
    dropped = Store(output).read("dropped").filter(stage="mine", reason=FAR)
    far = set(dropped.select("item", "related").iter_rows())
    assert far & before
    assert after
    assert not far & (after | barren_pairs(output))
    assert all(detail.startswith("'") and -1 <= float(detail.rsplit(" ", 1)[1]) <= 1 for detail in dropped["detail"])
    assert f"{FAR} {len(far):,}" in capsys.readouterr().out


def test_that_nothing_is_legal_is_an_error(
    output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ("mine", "--hard-negatives", "--output", str(output), "--encoder", str(tiny_encoder), "--force")
    tripletkit(*mine, "--set", "mine.relative_bound=0.001", code=1)
    assert "no passage holds a kept term with a legal negative" in capsys.readouterr().err


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


VIEWS = ("--set", 'mine.views=["definition", "term"]')


@pytest.fixture(scope="module")
def defined(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book with a user's definitions: one says its term, one is but its name, and one is of a term that nobody says."""
    output = tmp_path_factory.mktemp("defined") / "output"
    rows = [(term, what) for terms in CHAPTERS.values() for term, what in terms.items()]
    rows[0], rows[4] = ("humus", "rotted leaves make humus"), ("water table", "the water table")
    lines = ["term,definition", *(f'{term},"{what}"' for term, what in rows), 'plankton,"drifts in the open sea"']
    (output.parent / "terms.csv").write_text("\n".join(lines))
    flags = ("--output", str(output), "--encoder", str(tiny_encoder))
    tripletkit("extract", str(book), *flags)
    tripletkit("glossary", "--terms", str(output.parent / "terms.csv"), *flags)
    for stage in ("tag", "split"):
        tripletkit(stage, *flags)
    return output


def copied(folder: Path, name: Path) -> Path:
    return Path(shutil.copytree(folder, name))


def test_views_are_empty_unless_asked_for_and_change_no_triplet(
    defined: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """In folders without a vector, as the last bits of one depend on what is encoded with it."""
    without, with_ = copied(defined, tmp_path / "without"), copied(defined, tmp_path / "with")
    mined(without, tiny_encoder)
    mined(with_, tiny_encoder, *VIEWS)
    assert Store(without).read("views").height == 0
    assert set(Store(with_).read("views")["view"]) == {"definition", "term"}
    assert Store(without).sha("triplets.parquet") == Store(with_).sha("triplets.parquet")
    others = Store(with_).read("dropped").filter(~pl.col("reason").str.contains(" view: "))
    assert others.equals(Store(without).read("dropped"))


def test_views_are_the_same_bytes_whatever_the_memory_and_are_not_made_twice(
    defined: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = copied(defined, tmp_path / "output")
    mined(output, tiny_encoder, *VIEWS, "--set", "mine.memory_mb=1")
    small = Store(output).sha("views.parquet"), Store(output).sha("dropped.parquet")
    mined(output, tiny_encoder, *VIEWS)
    assert (Store(output).sha("views.parquet"), Store(output).sha("dropped.parquet")) == small
    capsys.readouterr()
    again = ("mine", "--hard-negatives", "--output", str(output), "--encoder", str(tiny_encoder), *ALIKE, *VIEWS)
    tripletkit(*again)
    assert "fresh, skipped" in capsys.readouterr().out
    (output / "views.parquet").unlink()
    tripletkit(*again)
    assert Store(output).sha("views.parquet") == small[0]


def test_what_a_view_holds_and_what_it_left_out(
    defined: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = copied(defined, tmp_path / "output")
    triplets = mined(output, tiny_encoder, *VIEWS)
    told = capsys.readouterr().out
    store = Store(output)
    views, dropped, terms = store.read("views"), store.read("dropped").filter(stage="mine"), store.read("terms")
    splits, texts = (
        dict(store.read("splits").iter_rows()),
        dict(store.read("passages").select("passage_id", "text").iter_rows()),
    )
    definitions = dict(terms.filter("kept").drop_nulls("definition").select("term_id", "definition").iter_rows())
    assert set(views["encoder"]) == set(triplets["encoder"])
    assert set(views["round"]) == {1}

    found = views.filter(view="definition")
    assert (found["anchor_id"] == found["positive_id"]).all()
    assert "rotted leaves make [MASK]" in set(found["anchor"])
    assert all(
        row["anchor"].replace("[MASK]", row["positive"]) == definitions[row["anchor_id"]] for row in found.to_dicts()
    )
    of_definitions = dropped.filter(pl.col("reason").str.starts_with("definition view: "))
    left_out = of_definitions.filter(~pl.col("reason").str.contains("nearest refused"))
    # Each definition has a row or a reason.
    assert set(found["anchor_id"]) | set(left_out["item"]) == set(definitions)
    assert not set(found["anchor_id"]) & set(left_out["item"])
    names = dict(terms.select("term_id", "term").iter_rows())
    assert [names[i] for i in left_out.filter(pl.col("reason").str.contains("only names"))["item"]] == ["water table"]
    assert [names[i] for i in left_out.filter(pl.col("reason").str.contains("no passage"))["item"]] == ["plankton"]

    found = views.filter(view="term")
    pairs = set(found.select("positive_id", "anchor_id").iter_rows())
    barren = dropped.filter(reason="term view: no legal negative").select("related", "item")
    assert pairs | set(barren.iter_rows()) == set(triplets.select("passage_id", "positive_id").iter_rows())
    for row in found.to_dicts():
        assert splits[row["positive_id"]] == splits[row["negative_id"]] == row["split"]
        assert (row["positive"], row["negative"]) == (texts[row["positive_id"]], texts[row["negative_id"]])
        assert row["anchor"] in row["positive"].lower()
        assert row["anchor"] not in row["negative"].lower()
    assert f"definition view: {', '.join(counts(views, 'definition'))}; candidates refused: said in the passage" in told
    assert f"term view: {', '.join(counts(views, 'term'))}; candidates refused: the term said in it" in told


def counts(views: pl.DataFrame, view: str) -> list[str]:
    here = views.filter(view=view)
    return [f"{split} {here.filter(split=split).height}" for split in ("train", "validation", "test")]


def test_an_unknown_view_is_named(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tripletkit("mine", "--output", str(output), "--set", 'mine.views=["passage"]', code=1)
    assert "mine.views.0 = 'passage'" in capsys.readouterr().err
