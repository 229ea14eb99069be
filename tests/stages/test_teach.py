"""The teach stage: what its lists hold, under both promises, and that no held-out label gets in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import HashEncoder
from tripletkit.cli import main
from tripletkit.errors import ConfigError, TableError
from tripletkit.pipeline import Runner, Tools, find_stage
from tripletkit.progress import Progress
from tripletkit.project import Project
from tripletkit.rules import load_rules
from tripletkit.settings import load_settings
from tripletkit.stage import Job, StageResult
from tripletkit.stages.teach import STAGE
from tripletkit.store import Store

SMALL = {"train.list_passages": 6, "train.list_terms": 10}


@pytest.fixture(scope="module")
def mined(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `teach` reads."""
    output = tmp_path_factory.mktemp("mined") / "output"
    arguments = ["--output", str(output), "--encoder", str(tiny_encoder), "--quiet"]
    for stage in (["extract", str(book)], ["glossary"], ["tag"], ["split", "--set", "split.by=pages"]):
        run(*stage, *arguments)
    run("mine", *arguments, "--set", "mine.synonym_threshold=1", "--set", "mine.relative_margin=0")
    return output


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code


def job(output: Path, encoder: object, **settings: object) -> Job:
    tables = {name: Store(output).read(name) for name in STAGE.reads}
    return Job(
        tables=tables,
        settings=load_settings(None, {"output": str(output), **SMALL, **settings}),
        rules=load_rules(None),
        store=Store(output),
        progress=Progress(quiet=True),
        locate=lambda: None,  # type: ignore[arg-type, return-value]
        encoder=lambda _: encoder,  # type: ignore[arg-type, return-value]
    )


def teach(output: Path, **settings: object) -> StageResult:
    return STAGE.run(job(output, HashEncoder(), **settings))


def changed(of: Job, name: str, *columns: pl.Expr) -> Job:
    return replace(of, tables={**of.tables, name: of.tables[name].with_columns(*columns)})


def split_of(output: Path, passages: pl.DataFrame) -> set[str]:
    splits = Store(output).read("splits")
    return set(passages.join(splits, on="passage_id")["split"])


def test_under_the_own_promise_all_text_teaches_and_under_the_other_the_training_split(mined: Path) -> None:
    own, train = (teach(mined, **{"train.text": text}) for text in ("own", "train"))
    assert split_of(mined, own.tables["teacher"]) == {"train", "validation", "test"}
    assert split_of(mined, train.tables["teacher"]) == {"train"}
    assert "whole corpus" in own.summary
    assert "training split" in train.summary
    with_triplet = own.tables["teacher"].drop_nulls("positive_id")
    assert with_triplet.height
    assert split_of(mined, with_triplet) == {"train"}


def test_a_planted_label_of_a_held_out_passage_is_not_learned(mined: Path) -> None:
    """Every term is cited on every page that holds a validation or test passage, and defined: nothing may change."""
    of = job(mined, HashEncoder())
    held_out = of.tables["passages"].join(
        of.tables["splits"].filter(pl.col("split") != "train"), on="passage_id", how="semi"
    )
    pages = {page for row in held_out.to_dicts() for page in range(row["page_first"], row["page_last"] + 1)}
    planted = [{"label": str(page), "page": page, "range_end": None, "main": False} for page in sorted(pages)]
    locators = pl.Series("locators", [[*old, *planted] for old in of.tables["terms"]["locators"].to_list()])
    leaked = changed(of, "terms", pl.lit(locators).cast(of.tables["terms"].schema["locators"]).alias("locators"))
    plain, tried = STAGE.run(of).tables["teacher"], STAGE.run(leaked).tables["teacher"]
    assert tried.equals(plain)
    # The same labels on training pages are learned, so that the test can fail.
    trains = of.tables["passages"].join(of.tables["splits"].filter(split="train"), on="passage_id", how="semi")
    known = [
        {"label": "1", "page": page, "range_end": None, "main": False} for page in set(trains["page_first"]) - pages
    ]
    legal = pl.Series("locators", [known for _ in range(of.tables["terms"].height)])
    taught = changed(of, "terms", pl.lit(legal).cast(of.tables["terms"].schema["locators"]).alias("locators"))
    assert not STAGE.run(taught).tables["teacher"].equals(plain)


def test_no_triplet_of_a_page_that_a_held_out_passage_is_also_on(mined: Path) -> None:
    """Its citations chose the positive, and they are labels of the held-out passage too."""
    of = job(mined, HashEncoder())
    rows = STAGE.run(of).tables["teacher"].drop_nulls("positive_id")
    passage = rows["passage_id"][0]
    [page] = of.tables["passages"].filter(passage_id=passage)["page_last"]
    [other] = of.tables["passages"].join(of.tables["splits"].filter(split="test"), on="passage_id")["passage_id"][:1]
    here = pl.when(pl.col("passage_id") == other).then(pl.lit(page, pl.Int32))
    shared = changed(
        of, "passages", *(here.otherwise(pl.col(name)).alias(name) for name in ("page_first", "page_last"))
    )
    with_triplet = STAGE.run(shared).tables["teacher"].drop_nulls("positive_id")
    assert passage not in set(with_triplet["passage_id"])
    assert with_triplet.height


def test_definitions_do_not_teach(mined: Path) -> None:
    of = job(mined, HashEncoder())
    defined = changed(of, "terms", pl.lit("what the glossary says").alias("definition"))
    assert STAGE.run(defined).tables["teacher"].equals(STAGE.run(of).tables["teacher"])


def test_without_labels_citations_change_nothing(mined: Path) -> None:
    of = job(mined, HashEncoder(), **{"train.teacher_weights": {"cosine": 1.0}})
    uncited = changed(of, "terms", pl.lit([], of.tables["terms"].schema["locators"]).alias("locators"))
    columns = pl.exclude("label")
    assert STAGE.run(uncited).tables["teacher"].select(columns).equals(STAGE.run(of).tables["teacher"].select(columns))


def test_an_encoder_without_token_vectors_teaches_by_cosine_and_bm25(mined: Path) -> None:
    found = teach(mined, **{"train.teacher_weights": {"maxsim": 1.0}})
    table = found.tables["teacher"]
    assert "(cosine 1, bm25 1)" in found.summary
    assert set(table["maxsim"].explode()) == {0.0}
    assert table["over_terms"].explode().std() > 0.5  # type: ignore[operator]
    both = teach(mined, **{"train.teacher_weights": {"cosine": 1.0, "bm25": 1.0}}).tables["teacher"]
    assert table.equals(both)


def test_no_teacher_gives_no_lists(mined: Path) -> None:
    found = teach(mined, **{"train.teacher": "none"})
    assert found.tables["teacher"].is_empty()
    assert "triplets alone" in found.summary


def test_a_book_too_small_to_teach_is_named(mined: Path) -> None:
    of = job(mined, HashEncoder())
    with pytest.raises(TableError, match="no book has 2 passages and 2 terms"):
        STAGE.run(replace(of, tables={**of.tables, "mentions": of.tables["mentions"].head(0)}))


def test_a_large_book_is_scored_in_parts(mined: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletkit.stages.teach.MOST", 5)
    rows = teach(mined).tables["teacher"].join(Store(mined).read("passages"), on="passage_id", how="left")
    order = Store(mined).read("passages").filter(pl.col("passage_id").is_in(rows["passage_id"].to_list()))
    place = {one: number for number, one in enumerate(order.sort("page_first", "passage_id")["passage_id"])}
    sizes = rows.group_by("list").agg(pl.col("passage_id").replace_strict(place).alias("places"))["places"].to_list()
    assert len(place) > 10
    assert max(len(set(one)) for one in sizes) == 5
    assert {min(one) // 5 for one in sizes} == {max(one) // 5 for one in sizes} == set(range(-(-len(place) // 5)))


def test_the_stage_runs_again_for_other_lists_but_not_for_another_learning_rate(
    mined: Path, tiny_encoder: Path
) -> None:
    def runner(**settings: object) -> Runner:
        given = load_settings(None, {"output": str(mined), "encoder": str(tiny_encoder), **SMALL, **settings})
        return Runner(tools=Tools(given, progress=Progress(quiet=True)), store=Store(mined))

    stage = find_stage("teach")
    report = runner().run_stage(stage)
    assert report.counts["lists"] == 160
    assert runner(**{"train.learning_rate": 1e-3}).fresh(stage)
    assert not runner(**{"train.list_terms": 9}).fresh(stage)
    again = Store(mined).read("teacher")
    runner(seed=1).run_stage(stage)
    assert not Store(mined).read("teacher").equals(again)
    runner().run_stage(stage)
    assert Store(mined).read("teacher").equals(again)


def test_several_processes_do_not_train_on_lists_that_are_out_of_date(
    mined: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(mined, encoder=tiny_encoder, **SMALL)  # type: ignore[arg-type]
    project.teach()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="the table teacher is out of date"):
        Project(mined, encoder=tiny_encoder, seed=3, **SMALL).train()  # type: ignore[arg-type]
