"""The table of reviews: nothing written is lost, what holds, what follows from it, and the shares that the card tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tripletkit.errors import SourceError
from tripletkit.reviews import (
    APART,
    BAD_POSITIVE,
    DROP,
    FALSE_NEGATIVE,
    GOOD,
    JOIN,
    KEEP,
    NOT_MEANT,
    NOT_PROSE,
    SPLIT,
    TAKE_BACK,
    TRIVIAL,
    UNDO,
    Decisions,
    Review,
    ReviewFile,
    agreement,
    in_force,
    rates,
    wilson,
)


def on_triplet(verdict: str, passage: str = "p", *, who: str = "ann", blind: bool = False) -> Review:
    return Review(who=who, about="triplet", verdict=verdict, passage_id=passage, term_id="a", other_id="n", blind=blind)


def undo(row: Review, who: str = "ann") -> Review:
    return Review(who=who, about="review", verdict=UNDO, undoes=row.review_id)


def decided(*rows: Review) -> Decisions:
    return Decisions(tuple(in_force(rows)))


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [on_triplet(GOOD), on_triplet(TRIVIAL, "q\n“é”")]
    assert ReviewFile(tmp_path).read() == []
    assert ReviewFile(tmp_path).add(rows) == 2
    assert ReviewFile(tmp_path).read() == rows
    assert ReviewFile(tmp_path).add([rows[1], rows[1], on_triplet(GOOD, "r")]) == 1  # a row is there once
    assert len((tmp_path / "reviews.jsonl").read_text().splitlines()) == 3


def test_what_a_killed_writer_left_is_no_row_and_harms_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = on_triplet(GOOD), on_triplet(GOOD, "q")
    ReviewFile(tmp_path).add([first])
    with (tmp_path / "reviews.jsonl").open("ab") as file:
        file.write(second.line()[:40])
    assert ReviewFile(tmp_path).read() == [first]
    ReviewFile(tmp_path).add([second])
    assert ReviewFile(tmp_path).read() == [first, second]
    assert "the last line was cut off" in caplog.text


def test_a_whole_last_line_without_a_line_break_counts(tmp_path: Path) -> None:
    rows = [on_triplet(GOOD), on_triplet(GOOD, "q")]
    (tmp_path / "reviews.jsonl").write_bytes(rows[0].line().rstrip())
    ReviewFile(tmp_path).add(rows[1:])
    assert ReviewFile(tmp_path).read() == rows


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{}", "line 2: who Field required"),
        ('{"who": "ann", "about": "triplet", "verdict": "fine"}', "verdict 'fine' on a triplet: known are 'good'"),
        ('{"who": "ann", "about": "triplet", "verdict": "good"}', "needs passage_id and term_id and other_id"),
        ('{"who": "ann", "about": "term", "verdict": "split", "term_id": "t", "term": "x"}', "needs other"),
        ("good", "line 2"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "reviews.jsonl").write_bytes(on_triplet(GOOD).line() + f"{line}\n".encode())
    with pytest.raises(SourceError, match=problem) as error:
        ReviewFile(tmp_path).read()
    assert "reviews.jsonl, line 2" in str(error.value)


_WRITER = """
import sys
from pathlib import Path
from tripletkit.reviews import Review, ReviewFile
file, who = ReviewFile(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    row = Review(who=who, about="triplet", verdict="good", passage_id=f"p{number}", term_id="a", other_id="n")
    file.add([row])
    print(row.review_id, flush=True)
"""


def test_writers_at_once_lose_nothing_and_one_that_is_killed_loses_nothing_it_was_told_of(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    start = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, "PYTHONPATH": str(Path.cwd())}}
    killed = subprocess.Popen([*command, "ann", "100000"], **start)  # type: ignore[call-overload]
    others = [subprocess.Popen([*command, who, "20"], **start) for who in ("bob", "cid")]  # type: ignore[call-overload]
    told = [other.communicate()[0].split() for other in others]
    acknowledged = [killed.stdout.readline().strip() for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    acknowledged += killed.communicate()[0].split()[:-1]  # the last id may have been cut off in the pipe
    there = {row.review_id for row in ReviewFile(tmp_path).read()}
    assert {*acknowledged, *told[0], *told[1]} <= there
    assert [len(of) for of in told] == [20, 20]


def test_the_last_verdict_of_a_reviewer_holds_and_undoing_it_brings_the_one_before_back() -> None:
    first, second = on_triplet(GOOD), on_triplet(TRIVIAL)
    assert in_force([first, second]) == [second]
    assert in_force([first, second, undo(second)]) == [first]
    assert in_force([first, second, undo(second), undo(first)]) == []
    other = on_triplet(GOOD, who="bob")
    assert in_force([first, other, second]) == [other, second]


def test_a_pair_is_a_positive_if_one_of_two_reviewers_says_so() -> None:
    ann, bob = on_triplet(FALSE_NEGATIVE), on_triplet(GOOD, who="bob")
    assert decided(ann, bob).known_positives == decided(bob, ann).known_positives == {("p", "n")}
    assert decided(ann, on_triplet(GOOD)).known_positives == frozenset()  # she changed her mind
    assert decided(on_triplet(BAD_POSITIVE)).bad_positives == {("p", "a")}
    assert decided(on_triplet(TRIVIAL), on_triplet(GOOD, "q")).key("known_positives", "bad_positives") == {}


def test_what_is_taken_back_is_allowed_unless_it_is_known_to_be_wrong() -> None:
    back = Review(who="bob", about="negative", verdict=TAKE_BACK, passage_id="p", term_id="n")
    weak = Review(who="bob", about="positive", verdict=TAKE_BACK, passage_id="p", term_id="a")
    held = decided(back, weak)
    assert held.allowed_negatives == {("p", "n")}
    assert held.allowed_positives == {("p", "a")}
    held = decided(back, weak, on_triplet(FALSE_NEGATIVE), on_triplet(BAD_POSITIVE, who="cid"))
    assert (held.allowed_negatives, held.allowed_positives) == (frozenset(), frozenset())


def test_the_last_verdict_on_a_term_or_a_passage_counts_whoever_gave_it() -> None:
    keep, drop = (
        Review(who=w, about="term", verdict=v, term_id="t", term="x") for w, v in (("ann", KEEP), ("bob", DROP))
    )
    assert decided(keep, drop).kept_or_dropped == {"t": DROP}
    assert decided(drop, keep).kept_or_dropped == {"t": KEEP}
    join = Review(who="ann", about="terms", verdict=JOIN, term_id="t", other_id="u")
    apart = Review(who="bob", about="terms", verdict=APART, term_id="u", other_id="t")
    assert decided(join).joins == {"t": "u"}
    assert decided(join, apart).joins == {}
    assert decided(join, apart).apart == {frozenset("tu")}
    split = [Review(who="ann", about="term", verdict=SPLIT, term_id="t", term="x", other=form) for form in "yz"]
    assert decided(*split).splits == (("t", "y"), ("t", "z"))
    prose = Review(who="ann", about="passage", verdict=NOT_PROSE, passage_id="p")
    meant = Review(who="ann", about="mention", verdict=NOT_MEANT, passage_id="p", term_id="t")
    assert decided(prose, meant).not_prose == {"p"}
    assert decided(prose, meant).not_meant == {("p", "t")}


def test_verdicts_follow_a_term_to_the_one_that_it_was_joined_to() -> None:
    joins = [Review(who="ann", about="terms", verdict=JOIN, term_id=a, other_id=b) for a, b in ("nm", "ms")]
    held = decided(on_triplet(FALSE_NEGATIVE), *joins)
    assert held.known_positives == {("p", "s")}
    circle = [*joins, Review(who="ann", about="terms", verdict=JOIN, term_id="s", other_id="n")]
    assert decided(*circle).current("n") in "nms"  # it ends


def test_a_key_changes_with_what_it_is_of_and_with_nothing_else() -> None:
    fact = on_triplet(FALSE_NEGATIVE)
    names = ("known_positives", "bad_positives", "joins")
    assert decided().key(*names) == {}
    key = decided(fact).key(*names)
    assert [*key] == ["known_positives"]
    again = on_triplet(FALSE_NEGATIVE, who="bob")
    assert decided(fact, on_triplet(GOOD, "q"), again).key(*names) == key
    assert decided(fact, on_triplet(FALSE_NEGATIVE, "q")).key(*names) != key


def test_rates_are_those_of_the_blind_sample_if_there_is_one() -> None:
    queue = [on_triplet(FALSE_NEGATIVE, f"p{i}") for i in range(5)]
    found = rates(queue)
    assert found is not None
    assert (found.blind, found.triplets, found.shares[FALSE_NEGATIVE][:2]) == (False, 5, (5, 1.0))
    blind = [on_triplet(GOOD, f"q{i}", blind=True) for i in range(3)] + [
        on_triplet(TRIVIAL, "q0", who="bob", blind=True)
    ]
    found = rates([*queue, *blind], frozenset({("q0", "a", "n")}))
    assert found is not None
    assert (found.blind, found.triplets, found.reviewers, found.gone) == (True, 3, 2, 2)
    assert found.shares[GOOD][:2] == (2, 2 / 3)
    assert [*found.shares] == [GOOD, FALSE_NEGATIVE, TRIVIAL, BAD_POSITIVE]
    assert rates([]) is None


def test_agreement_is_that_of_the_two_who_share_most() -> None:
    # By hand: of 4 shared, 3 equal; ann has 2 good and 2 trivial, bob 3 and 1: chance 6/16 + 2/16 = 1/2, so κ = 1/2.
    ann = [on_triplet(verdict, f"p{i}") for i, verdict in enumerate((GOOD, GOOD, TRIVIAL, TRIVIAL))]
    bob = [on_triplet(verdict, f"p{i}", who="bob") for i, verdict in enumerate((GOOD, GOOD, TRIVIAL, GOOD))]
    assert agreement([*ann, *bob, on_triplet(GOOD, "p0", who="cid")]) == (4, 0.75, 0.5)
    assert agreement(ann) is None
    assert agreement([ann[0], on_triplet(GOOD, "p9", who="bob")]) is None


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(counts: tuple[int, int]) -> None:
    hits, sample = counts
    low, high = wilson(hits, sample)
    assert 0 <= low <= hits / sample + 1e-12
    assert hits / sample - 1e-12 <= high <= 1


def test_a_name_is_needed() -> None:
    with pytest.raises(ValidationError):
        on_triplet(GOOD, who="")
