"""Verdicts act: after a review `mine` brings up to date what they concern, encodes nothing, and says what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tripletkit.cli import main
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.reviews import UNDO, Review, ReviewFile
from tripletkit.store import Store

Run = Callable[..., str]
# A random encoder finds all texts alike.
ALIKE = ["--set", "mine.synonym_threshold=1", "--set", "mine.relative_margin=0", "--set", "mine.negatives=2"]


@pytest.fixture(scope="module")
def mined(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("mined") / "output"
    shared = ["--output", str(output), "--encoder", str(tiny_encoder), *ALIKE]
    call("extract", str(book), *shared)
    for stage in ("glossary", "tag", "split", "mine"):
        call(stage, *shared)
    return output


@pytest.fixture
def output(mined: Path, tmp_path: Path) -> Path:
    shutil.copytree(mined, tmp_path / "output")
    return tmp_path / "output"


@pytest.fixture
def run(output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the output folder and returns what it printed; an attempt to encode a text is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("a text was encoded, though all are in the cache")

    monkeypatch.setattr(SentenceEncoder, "_encode", refuse)

    def call_there(*arguments: str, code: int = 0) -> str:
        call(*arguments, "--output", str(output), "--encoder", str(tiny_encoder), *ALIKE, code=code)
        told = capsys.readouterr()
        return told.out + told.err

    return call_there


def call(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code or 0) == code


def stages_of(told: str) -> list[str]:
    """The stages that ran."""
    names = ("extract", "glossary", "tag", "split", "mine")
    lines = [line for line in told.splitlines() if line.split(" ")[0] in names]
    return [line.split(" ")[0] for line in lines if "fresh, skipped" not in line]


def judge(output: Path, **columns: Any) -> Review:  # noqa: ANN401 - of any column
    row = Review(who="ann", **columns)
    ReviewFile(output).add([row])
    return row


def first_triplet(output: Path) -> dict[str, Any]:
    return Store(output).read("triplets").filter(split="train").row(0, named=True)


def ids(row: dict[str, Any]) -> dict[str, str]:
    return {"passage_id": row["passage_id"], "term_id": row["positive_id"], "other_id": row["negative_id"]}


def term_id(output: Path, name: str) -> str:
    return str(Store(output).read("terms").filter(term=name)["term_id"][0])


def test_a_false_negative_is_gone_after_mining_and_nothing_else_ran(output: Path, run: Run) -> None:
    row = first_triplet(output)
    assert stages_of(run("mine")) == []
    judge(output, about="triplet", verdict="false negative", **ids(row))
    told = run("mine")
    assert stages_of(told) == ["mine"]
    assert "by review: negatives that are positives 1\n" in told
    assert "since the last mining: " in told
    after = Store(output).read("triplets")
    assert after.filter(passage_id=row["passage_id"], negative_id=row["negative_id"]).is_empty()
    assert stages_of(run("mine")) == []


def test_a_verdict_that_changes_nothing_makes_nothing_again(output: Path, run: Run) -> None:
    judge(output, about="triplet", verdict="good", **ids(first_triplet(output)))
    assert stages_of(run("mine")) == []
    judge(output, about="terms", verdict="apart", term_id="a", other_id="b")
    assert stages_of(run("mine")) == []


def test_a_bad_positive_is_dropped_with_its_reason(output: Path, run: Run) -> None:
    row = first_triplet(output)
    judge(output, about="triplet", verdict="bad positive", **ids(row))
    run("mine")
    store = Store(output)
    assert store.read("triplets").filter(passage_id=row["passage_id"], positive_id=row["positive_id"]).is_empty()
    [dropped] = store.read("dropped").filter(reason="bad positive, by review").to_dicts()
    assert (dropped["item"], dropped["related"], dropped["stage"]) == (row["passage_id"], row["positive_id"], "mine")


def test_joined_terms_are_one_in_every_table_and_the_id_stays(output: Path, run: Run) -> None:
    loam, humus = term_id(output, "loam"), term_id(output, "humus")
    judge(output, about="terms", verdict="join", term_id=loam, other_id=humus)
    told = run("mine")
    assert stages_of(told) == ["glossary", "tag", "mine"]
    store = Store(output)
    [one] = store.read("terms").filter(term_id=humus).to_dicts()
    assert "loam" in one["forms"]
    assert "loam" not in store.read("terms")["term"].to_list()
    assert loam not in set(store.read("triplets")["negative_id"]) | set(store.read("triplets")["positive_id"])
    assert "loam" in set(store.read("mentions").filter(term_id=humus)["surface"])
    assert store.read("dropped").filter(stage="glossary", item=loam)["reason"].to_list() == [
        "a name of another term, by review"
    ]


def test_terms_are_dropped_and_passages_called_no_prose(output: Path, run: Run) -> None:
    row, loam = first_triplet(output), term_id(output, "loam")
    splits = dict(Store(output).read("splits").iter_rows())
    judge(output, about="term", verdict="drop", term_id=loam, term="loam")
    judge(output, about="passage", verdict="not prose", passage_id=row["passage_id"])
    assert stages_of(run("mine")) == ["glossary", "tag", "split", "mine"]
    store = Store(output)
    assert store.read("terms").filter(term_id=loam).select("kept", "reason").rows() == [(False, "dropped, by review")]
    assert store.read("mentions").filter(term_id=loam).is_empty()
    # The others keep the split that they had.
    assert dict(store.read("splits").iter_rows()) == {p: s for p, s in splits.items() if p != row["passage_id"]}
    assert store.read("triplets").filter(passage_id=row["passage_id"]).is_empty()


def test_a_term_that_is_not_meant_is_no_mention(output: Path, run: Run) -> None:
    row = first_triplet(output)
    pair = {"passage_id": row["passage_id"], "term_id": row["positive_id"]}
    judge(output, about="mention", verdict="not meant", **pair)
    assert stages_of(run("mine")) == ["tag", "mine"]
    store = Store(output)
    assert store.read("mentions").filter(**pair).is_empty()
    assert not store.read("mentions").filter(term_id=row["positive_id"]).is_empty()
    reasons = store.read("dropped").filter(stage="tag", item=row["positive_id"])["reason"].to_list()
    assert "not meant there, by review" in reasons
    # Its words still stand there, so it is no negative either.
    triplets = store.read("triplets").filter(passage_id=row["passage_id"])
    assert row["positive_id"] not in set(triplets["negative_id"])


def test_undoing_everything_gives_the_same_bytes(output: Path, run: Run) -> None:
    store = Store(output)
    files = ("terms.parquet", "mentions.parquet", "splits.parquet", "triplets.parquet", "dropped.parquet")
    before, row = [store.sha(file) for file in files], first_triplet(output)
    rows = [
        judge(output, about="triplet", verdict="false negative", **ids(row)),
        judge(
            output, about="terms", verdict="join", term_id=term_id(output, "loam"), other_id=term_id(output, "humus")
        ),
        judge(output, about="passage", verdict="not prose", passage_id=row["passage_id"]),
    ]
    run("mine")
    assert all(store.sha(file) != sha for file, sha in zip(files, before, strict=True))
    for one in rows:
        judge(output, about="review", verdict=UNDO, undoes=one.review_id)
    run("mine")
    assert [store.sha(file) for file in files] == before


def test_a_stage_with_other_settings_is_not_run_behind_the_users_back(output: Path, run: Run, tmp_path: Path) -> None:
    """`mine` has not the terms of the file that `glossary` was given."""
    (tmp_path / "terms.txt").write_text("sediment\n")
    run("glossary", "--terms", str(tmp_path / "terms.txt"))
    run("tag")
    judge(output, about="term", verdict="drop", term_id=term_id(output, "loam"), term="loam")
    told = run("mine", code=1)
    assert "verdicts of `tripletkit review` concern glossary, which other settings or another version made" in told
    assert "Run `tripletkit glossary` with the options that you want" in told
    assert "sediment" in Store(output).read("terms")["term"].to_list()


def test_verdicts_on_what_is_gone_are_counted(output: Path, run: Run) -> None:
    judge(output, about="triplet", verdict="false negative", passage_id="p_gone", term_id="a", other_id="n")
    assert "negatives that are positives 1; 1 of them on passages that are no longer there" in run("mine")


def test_the_card_tells_the_shares_and_the_sample_is_written_for_other_tools(
    output: Path, run: Run, tmp_path: Path
) -> None:
    path = Path(run("publish", "--review-format", "jsonl", "--review-sample", "4").strip())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 4
    verdicts = ("good", "good", "trivial", "false negative")
    filled = tmp_path / "filled.jsonl"
    filled.write_text(
        "".join(json.dumps({**line, "verdict": v}) + "\n" for line, v in zip(lines, verdicts, strict=True))
    )
    assert "4 verdicts, 4 of them new" in run("review", "--import", str(filled), "--reviewer", "bea")
    assert "4 verdicts, 0 of them new" in run("review", "--import", str(filled), "--reviewer", "bea")
    assert stages_of(run("teach", "--teacher", "none")) == ["mine"]  # which comes first
    (output / "review.jsonl").write_text("{}")
    assert "review.jsonl is no longer read: `tripletkit review --import " in run("publish", "--license", "CC-BY-4.0")
    card = (output / "dataset/README.md").read_text()
    assert "Reviewed by hand: 4 triplets, drawn at random and judged without seeing scores, by 1 reviewer:" in card
    assert "| good | 2 | 50.0% | 15.0% to 85.0% |" in card
    assert "1 reviewed triplet is no longer in the dataset" in card
    run("review", "--export", str(tmp_path / "all.jsonl"))
    assert (tmp_path / "all.jsonl").read_bytes() == (output / "reviews.jsonl").read_bytes()
    for form, file in (("argilla", ".argilla/settings.json"), ("labelstudio", "labels.xml")):
        assert str(output / f"review-{form}" / file) in run("publish", "--review-format", form)


def test_a_licence_is_still_asked_for_where_verdicts_make_stages_run_first(output: Path, run: Run) -> None:
    run("teach", "--teacher", "none")
    judge(output, about="term", verdict="keep", term_id=term_id(output, "loam"), term="loam")  # it is kept already
    assert "no licence" in run("publish", code=1)


def test_a_missing_table_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("review", "--output", str(tmp_path), "--no-open", code=1)
    assert "triplets.parquet: not there yet" in capsys.readouterr().err


def test_rows_of_dropped_stay_as_they_are_without_reviews(output: Path) -> None:
    reasons = Store(output).read("dropped").filter(pl.col("reason").str.contains("review"))
    assert reasons.is_empty()
