"""What a plan says follows from what was measured, and grows with the library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tripletkit.calibration import EncodingRate, Sample, SearchRate, choose_books
from tripletkit.cli import main
from tripletkit.planning import BYTES_PER_TRIPLET, FURTHER, Estimate, Library, Memory, StagePlan
from tripletkit.settings import Settings

BOOK = Sample(
    name="a.pdf",
    pages=100,
    seconds={"extract": 50.0, "glossary": 20.0, "tag": 10.0, "split": 1.0, "pool": 2.0},
    table_bytes=1_000_000,
    disk_bytes=400_000,
    passages=280,
    tokens=40_000,
    terms=20,
    anchors=200,
    pairs=500,
    texts=("a text",) * 4,
)
LIBRARY = Library(books=1000, pages=100, cores=10, gpus=0)
ENCODING = EncodingRate((1e-4, 2e-4), dimensions=384, weight_bytes=90_000_000)
SEARCH = SearchRate(per_pair=1e-3, per_cosine=1e-7, per_two_terms=1e-8)
MEMORY = Memory(reader=100, here=200, encoder=300)


def plans(library: Library = LIBRARY, samples: tuple[Sample, ...] = (BOOK,)) -> dict[str, StagePlan]:
    estimate = Estimate(library, samples, ENCODING, SEARCH, MEMORY, Settings())
    return {plan.stage: plan for plan in estimate.stages()}


def test_a_stage_by_book_takes_its_seconds_a_page_shared_by_the_cores() -> None:
    low, high = plans()["extract"].hours
    even = 0.5 * 100_000 / 10 / 3600
    assert (low, high) == pytest.approx((even / FURTHER, even * FURTHER))
    assert plans()["extract"].disk_bytes == 4_000 * 100_000


def test_the_interval_goes_from_the_cheapest_book_to_the_dearest() -> None:
    dear = replace(BOOK, seconds={**BOOK.seconds, "tag": 40.0})
    low, high = plans(samples=(BOOK, dear))["tag"].hours
    assert high / low == pytest.approx(4 * FURTHER**2)


def test_twice_the_books_take_twice_the_time_of_a_stage_by_book() -> None:
    once, twice = plans(), plans(replace(LIBRARY, books=2000))
    for stage in ("extract", "glossary", "tag", "split", "encoding"):
        assert twice[stage].hours == pytest.approx([2 * hours for hours in once[stage].hours])


def test_mining_grows_with_pairs_and_terms() -> None:
    low, high = plans()["mine"].hours
    pairs, terms, workers = 500_000, 0.6 * 20_000, 10
    searched = (pairs * (1e-3 + terms * 1e-7) / workers + 1e-8 * terms**2) / 3600
    pool = 0.02 * 100_000 / 3600
    assert (low, high) == pytest.approx(((pool + searched) / FURTHER, (pool + searched) * FURTHER))
    assert plans()["mine"].disk_bytes == pairs * 6 * BYTES_PER_TRIPLET


def test_gpus_are_arithmetic_and_said_to_be() -> None:
    plan = plans(replace(LIBRARY, gpus=4))["encoding"]
    assert "no measurement" in plan.rests_on
    assert plan.hours[1] == pytest.approx(5 * plan.hours[0])
    assert plans()["encoding"].disk_bytes == 300_000 * 384 * 4


def test_few_books_are_drawn_and_always_the_same() -> None:
    books = [Path(f"{i}.pdf") for i in range(9)]
    assert choose_books(books, 0) == choose_books(books, 0)
    assert len(choose_books(books, 0)) == 3
    assert choose_books(books[:2], 0) == books[:2]


@pytest.mark.slow
def test_the_command_measures_a_book(
    book: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "output"
    with pytest.raises(SystemExit) as end:
        main(
            [
                "plan",
                "1000",
                str(book),
                "--output",
                str(output),
                "--encoder",
                str(tiny_encoder),
                "--cores",
                "8",
                "--json",
            ]
        )
    assert not end.value.code
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["stage"] for row in rows] == ["extract", "glossary", "tag", "split", "encoding", "mine", "teach"]
    assert all(0 < row["hours"][0] < row["hours"][1] for row in rows)
    assert all(row["rests_on"] and row["memory_bytes"] > 0 for row in rows)
    assert not output.exists()


def test_without_a_book_there_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "1000", "--output", str(tmp_path / "output")])
    assert "no book was given" in capsys.readouterr().err


def test_less_than_a_minute_is_told_in_seconds() -> None:
    stage = StagePlan("tag", (0.001, 0.02), 10**6, 10**6, "one book")
    assert "3.6 s to 1.2 min" in stage.line()
