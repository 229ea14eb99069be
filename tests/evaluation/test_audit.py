"""Encoders examined by a small book's index, through the command and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import make_tiny_encoder
from tests.pdfs import Text, write_pdf
from tripletkit import Project
from tripletkit.cli import main
from tripletkit.errors import ConfigError, SourceError
from tripletkit.evaluation.audit import AuditReport

TERMS_OF_BOOK = 18


@pytest.fixture(scope="module")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("other") / "tiny", seed=1)


@pytest.fixture(scope="module")
def project(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("audit") / "output", books=book, encoder=tiny_encoder)


@pytest.fixture(scope="module")
def report(project: Project, other_encoder: Path) -> AuditReport:
    return project.audit(other_encoder)


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_all_passages_are_judged_by_the_index(report: AuditReport, project: Project, other_encoder: Path) -> None:
    scores = report.scores
    assert (scores.terms, scores.gold, scores.split, scores.promise) == (TERMS_OF_BOOK, "index", "", "")
    assert scores.passages == project.table("passages").filter(pl.col("kind").is_in(["prose", "box"])).height
    assert not project.store.has("splits")
    assert [*scores.encoders] == [project.settings.encoder, str(other_encoder)]
    assert set(scores.maxsim) == set(scores.fused) == set(scores.encoders)
    assert {weight for of in scores.fusion.weights.values() for weight in of.values()} == {0.5}
    assert all(cost.dimensions == 32 and cost.seconds >= 0 for cost in report.costs.values())


def test_the_worst_terms_have_printed_pages(report: AuditReport, project: Project) -> None:
    locators = dict(project.table("terms").select("term", "locators").iter_rows())
    printed = set(project.table("pages")["label"])
    for worst in report.worst.values():
        assert [of.score for of in worst] == sorted(of.score for of in worst)
        for of in worst:
            assert of.cited == tuple(locator["label"] for locator in locators[of.term])
            assert len(set(of.preferred)) == 3
            assert set(of.preferred) <= printed
    first, *_ = next(iter(report.worst.values()))
    line = next(line for line in str(report).splitlines() if line.startswith(f"   {first.term} "))
    assert line.split()[-3:] == [f"{first.preferred[0]},", f"{first.preferred[1]},", first.preferred[2]]


def test_the_report_is_a_table_and_json(report: AuditReport) -> None:
    assert AuditReport.model_validate_json(json.dumps(report.to_dict())) == report
    text = str(report)
    assert text.startswith(f" earth: {TERMS_OF_BOOK} terms, ")
    assert "half and half, as no validation split chose a weight" in text
    assert "you search passages by term, vectors alone" in text
    assert " B: 32 dimensions, " in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_command_leaves_nothing_behind(
    book: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code(["audit", str(book), "--encoder", str(tiny_encoder), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert set(found) == {"books", "scores", "costs", "worst"}
    assert list(found["costs"]) == [str(tiny_encoder)]
    assert found["scores"]["verdicts"] == []
    assert not any(tmp_path.iterdir())


def test_a_book_without_an_index_is_refused_in_one_line(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [
        [Text(72, 700 - 14 * i, f"The depth first search (DFS) visits node {i} of a graph.", 11) for i in range(9)]
    ]
    plain = write_pdf(tmp_path / "plain.pdf", pages)
    arguments = ["audit", str(plain), "--encoder", str(tiny_encoder), "--output", str(tmp_path / "out")]
    assert code(arguments) == 1
    problem = capsys.readouterr().err.splitlines()[0]
    assert problem.startswith("error: ")
    assert "index" in problem
    words = tmp_path / "terms.txt"
    words.write_text("graph\nnode\n")
    assert code([*arguments, "--terms", str(words)]) == 0  # somebody's choice of terms is an exam, too
    assert "exact match is right by construction" in capsys.readouterr().out


def test_an_encoder_given_twice_is_refused(project: Project, tiny_encoder: Path) -> None:
    with pytest.raises(ConfigError, match="is given twice"):
        project.audit(tiny_encoder)


def test_a_book_with_acronyms_only_is_no_exam(project: Project) -> None:
    from tripletkit.evaluation.audit import audit_encoders
    from tripletkit.progress import Progress

    tables = {name: project.table(name) for name in ("books", "passages", "terms", "mentions")}
    tables["terms"] = tables["terms"].with_columns(sources=pl.lit(["acronym"]))
    with pytest.raises(SourceError, match=r"audit: .*earth\.pdf: neither an index nor a glossary was found"):
        audit_encoders(tables, [], project.settings, Progress(quiet=True))
