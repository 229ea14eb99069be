"""Why a term is what it is in a passage: the same answer as mining gave, with its evidence and what would change it."""

from __future__ import annotations

import re

import polars as pl
import pytest

from tests.conftest import ANY_COSINE
from tripletkit.cli import main
from tripletkit.errors import ConfigError
from tripletkit.language.normalise import normalised_by
from tripletkit.review.folder import OutputFolder, Row
from tripletkit.review.why import Explanation, Finding, _Pair, explain, explain_triplet
from tripletkit.reviews import Review
from tripletkit.rules import load_rules

assert ANY_COSINE


def first(folder: OutputFolder) -> Row:
    return folder.scan("triplets").filter(split="train").head(1).collect().row(0, named=True)


def ids(row: Row) -> dict[str, str]:
    return {"passage_id": row["passage_id"], "term_id": row["positive_id"], "other_id": row["negative_id"]}


def roles(found: Explanation) -> list[str]:
    return [finding.role for finding in found.findings]


def judge(folder: OutputFolder, **columns: object) -> None:
    folder.reviews_file.add([Review(who="ann", **columns)])


def test_the_first_guard_is_the_one_that_mining_named(folder: OutputFolder) -> None:
    """Every nearest rejected candidate of the whole book."""
    rows = (
        folder.scan("dropped")
        .filter(pl.col("reason").str.starts_with("nearest candidate rejected"))
        .collect()
        .to_dicts()
    )
    assert {row["reason"].split(": ")[1] for row in rows} >= {
        "cited by the index for these pages",
        "too close to the passage",
    }
    names = {row["term"]: row for row in folder.terms.values() if row["kept"]}
    with normalised_by(load_rules()):
        for row in rows:
            match = re.match(r"positive (['\"])(.*?)\1 ", row["detail"])
            assert match
            passage, term = folder.passage(row["item"]), folder.terms[row["related"]]
            found = next(_Pair(folder, passage, term).guards(names[match[2]]))
            assert row["reason"].split(": ", 1)[1] in found.text, row


def test_each_negative_is_one_and_no_guard_has_anything_against_it(folder: OutputFolder) -> None:
    for row in folder.scan("triplets").collect().sample(20, seed=1).to_dicts():
        found = explain(folder, row["negative_id"], row["passage_id"])
        assert "negative" in roles(found)
        told = next(
            finding.text
            for finding in found.findings
            if finding.role == "negative" and repr(row["positive"]) in finding.text
        )
        assert f"cosine {row['cos_an']:.3f} of at most" in told
        assert f"rank {row['rank']} of all terms" in told
        positive, negative = folder.terms[row["positive_id"]], folder.terms[row["negative_id"]]
        by_guard = explain_triplet(folder, folder.passage(row["passage_id"]), positive, negative)[1:]
        assert by_guard == [Finding("negative", "no guard of mining has anything against it")]


def test_a_positive_is_told_with_what_shows_it(folder: OutputFolder) -> None:
    rows = folder.scan("triplets").collect().to_dicts()
    pairs = [(folder.passage(row["passage_id"]), folder.terms[row["positive_id"]]) for row in rows]
    passage, term, page = next(
        (passage, term, at["page"])
        for passage, term in pairs
        for at in term["locators"]
        if passage["page_first"] <= at["page"] <= passage["page_last"]
    )
    found = explain(folder, term["term"].upper(), passage["passage_id"][:-2])  # in capitals, and the beginning of an id
    assert roles(found) == ["positive"]
    told = found.findings[0].text
    assert f"the index cites it on {folder.label(passage['book_id'], page)}" in told
    assert re.search(rf"of \d+ triplets: mentioned (once|\d+ times) \('{term['term']}'", told)
    assert "".join(found.lines()).startswith(f"passage   {passage['passage_id']}: ")


@pytest.mark.parametrize("kind", ["term", "passage"])
def test_what_is_not_mined_says_so(folder: OutputFolder, kind: str) -> None:
    row = first(folder)
    if kind == "term":
        [other] = [one for one in folder.terms.values() if one["term"] == "term that is mentioned nowhere"]
        found = explain(folder, other["term_id"], row["passage_id"])
        assert roles(found)[0] == "unused"
        assert "no train passage mentions" in found.findings[0].text
    else:
        passage = folder.scan("passages").filter(pl.col("kind") != "prose").head(1).collect()
        if passage.height:
            found = explain(folder, "loam", passage["passage_id"][0])
            assert "mine.kinds" in found.findings[0].change


def test_verdicts_are_told_with_who_gave_them(folder: OutputFolder) -> None:
    row = first(folder)
    judge(folder, about="triplet", verdict="false negative", **ids(row))
    passage, positive, negative = (
        folder.passage(row["passage_id"]),
        folder.terms[row["positive_id"]],
        folder.terms[row["negative_id"]],
    )
    told = explain_triplet(folder, passage, positive, negative)[1]
    assert told.text.startswith(f"for {row['positive']!r}: a known positive, by review: ann on ")
    assert "take the verdict back" in told.change


def test_a_candidate_taken_back_is_no_longer_rejected(folder: OutputFolder) -> None:
    rows = (
        folder.scan("dropped")
        .filter(reason="nearest candidate rejected: too close to the passage")
        .collect()
        .to_dicts()
    )
    row = rows[0]
    before = explain(folder, row["related"], row["item"])
    assert any("too close to the passage" in finding.text for finding in before.findings)
    assert any("take it back in `tripletkit review`" in finding.change for finding in before.findings)
    judge(folder, about="negative", verdict="take back", passage_id=row["item"], term_id=row["related"])
    after = explain(folder, row["related"], row["item"])
    assert not any("too close to the passage" in finding.text for finding in after.findings)


def test_unknown_names_are_errors_with_a_hint(folder: OutputFolder) -> None:
    passage = first(folder)["passage_id"]
    with pytest.raises(ConfigError, match="no term is called 'quark'"):
        explain(folder, "quark", passage)
    with pytest.raises(ConfigError, match="no passage has an id that begins with 'x'"):
        explain(folder, "loam", "x")
    with pytest.raises(ConfigError, match="several passages have an id that begins with 'p_'"):
        explain(folder, "loam", "p_")


def test_the_command_prints_it(folder: OutputFolder, tiny_encoder: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = first(folder)
    shared = ["--output", str(folder.settings.output), "--encoder", str(tiny_encoder)]
    with pytest.raises(SystemExit) as end:
        main(["why", row["negative"], row["passage_id"], *shared])
    assert not end.value.code
    told = capsys.readouterr().out
    assert f"negative  for {row['positive']!r}, by the rule {row['rule']}" in told
    assert "to change it: " in told
