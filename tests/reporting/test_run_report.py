"""The report of a folder whose book means harm, of one that has hardly begun, and of two side by side."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.browser import PHONE, browser_page, grave_faults, open_file
from tests.publishing.tables import ALPHA, BETA, Book
from tests.publishing.trained import score, trained
from tripletkit.cli import main
from tripletkit.evaluation.report import TermScore, read_report
from tripletkit.figures import drawing
from tripletkit.reporting import sections
from tripletkit.store import Manifest, Store
from tripletkit.summaries import report_rows

EVIL = Book(
    "<script>x()</script>", '<script>document.title="taken"</script><img src=x onerror="alert(1)">', "CC0", ALPHA.splits
)
LOG = [{"step": 0, "eval_ndcg": 0.5}, {"step": 10, "loss": 1.5, "cosine_margin": 0.2, "violation_rate": 0.3}]


def finished(folder: Path, *books: Book) -> Store:
    """An output folder in which everything was done."""
    store = trained(folder, *books)
    (folder / "encoder.training.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LOG))
    score(store)
    path = store.local("scores.json")
    report, terms = read_report(path), store.read("terms").sort("term_id").head(3).to_dicts()
    passages = store.read("passages").sort("page_first")["passage_id"].to_list()
    by_term = {
        name: tuple(
            TermScore(
                term_id=row["term_id"],
                term=row["term"],
                score=value,
                rank=2,
                relevant_id=passages[0],
                preferred_id=passages[-1],
            )
            for row, value in zip(terms, values, strict=True)
        )
        for name, values in {"base": (0.2, 0.5, 0.7), "fine-tuned": (0.9, 0.5, 0.1)}.items()
    }
    report.model_copy(update={"term_scores": by_term}).write(path)
    counts = {"passages": 15, "with_positive": 14, "with_triplet": 8, "triplets": 30}
    failed = "the fine-tuned encoder is not better"
    mined = {"encoder": "f00d", "settings": {"mine": {"negatives": 7}, "seed": 0}}
    store.write_manifest(
        Manifest("mine", mined, {}, counts, "30 triplets", 1.5, 321, "2026-01-02T03:04:05+00:00", failed)
    )
    return store


def report(*arguments: str | Path, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", *map(str, arguments)])
    assert (end.value.code or 0) == code


def test_every_section_says_what_is_in_the_tables(tmp_path: Path) -> None:
    finished(tmp_path / "one", ALPHA, BETA)
    report("--html", "--output", tmp_path / "one")
    page = (tmp_path / "one/report.html").read_text()
    said = (
        "<h1>tripletkit report: 2 books</h1>",
        "2 of 9 stages are done, the last at 2026-01-02 03:04 UTC.",
        "mine: the fine-tuned encoder is not better",
        "15 passages that may be anchors, then 14 passages with a positive (without 1: no kept term is mentioned)",
        '<td>said in the passage</td><td class="number">3</td>',
        "Where you search passages by term, vectors alone: 0.500 → 0.612",
        "3 terms by its nDCG@10 with base and with fine-tuned: 1 are found better by fine-tuned, 1 worse, 1 equally well",
        "Terms that gained most",
        ">p. 1: In part 0 the ",
        ">p. 10: In part 9 the ",
        "anchor and negative, by the negative&#x27;s rule",
        "loss from 1.500 to 1.500",
        "of 5 citations by the index, 1 are of a page where a passage mentions the term",
        "1 mentions: 0, 2–3 mentions: 5, 4–7 mentions: 5",
        "passages: 8 train, 2 validation, 5 test",
        "mine 1.5 s and 321 MB",
        "Memory was not recorded for: train.",
        '<th scope="row">mine.negatives</th><td>7</td>',
        '<th scope="row">encoder that mined</th><td>f00d</td>',
    )
    assert [one for one in said if one not in page] == []
    first = page
    report("--html", "--output", tmp_path / "one", "--to", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == first


def test_what_was_not_made_yet_is_said_in_a_line(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_manifest(Manifest("extract", {"settings": {"extract": {"target_tokens": 99}}}, {}))
    report("--html", "--output", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("scores.json: not there yet. Make it with `tripletkit evaluate` (same --output).") == 2
    assert "No training yet. `tripletkit train` trains the encoder." in page
    assert "triplets.parquet: not there yet. Make it with `tripletkit mine` (same --output)." in page
    assert '<th scope="row">extract.target_tokens</th><td>99</td><td>160</td>' in page


def test_a_damaged_table_costs_its_sections_alone(tmp_path: Path) -> None:
    store = finished(tmp_path, ALPHA)
    store.path("triplets").write_bytes(b"no parquet")
    report("--html", "--output", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "triplets.parquet: not a readable parquet file" in page
    assert "1 are found better by fine-tuned" in page


def test_two_folders_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished(Path("one"), ALPHA)
    shutil.copytree("one", "two")
    other = Store(Path("two"))
    mined = Manifest("mine", {"settings": {"mine": {"negatives": 2}, "seed": 0}}, {}, {"triplets": 12})
    other.write_manifest(mined)
    report("one", "two", "--html")
    page = Path("report.html").read_text()
    assert '<th scope="row">mine: triplets</th><td class="number">30</td><td class="number">12</td>' in page
    assert '<th scope="row">mine.negatives</th><td>7</td><td>2</td>' in page
    assert '<th scope="row">seed</th>' not in page.split("Settings that differ</caption>")[1].split("</table>")[0]
    assert page.count("<h3>one</h3>") == page.count("<h3>two</h3>") == 10


def test_the_printed_report_takes_several_folders_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        finished(tmp_path / name, ALPHA)
    report(tmp_path / "one", tmp_path / "two")
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.endswith(":")] == [f"{tmp_path}/one:", f"{tmp_path}/two:"]


def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report("--html", "--output", tmp_path / "nothing", code=1)
    assert "nothing was made here yet" in capsys.readouterr().err
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)
    finished(tmp_path, ALPHA)
    report("--html", "--output", tmp_path, code=1)
    assert "pip install 'tripletkit[report]'" in capsys.readouterr().err


def test_rounds_are_listed_where_there_were_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [
        {"round": 1, "triplets": 30, "scores": {"fine-tuned": (0.61, 0.5)}, "kept": True},
        {"round": 2, "triplets": 28, "scores": {}, "kept": False},
    ]
    rows = report_rows(finished(tmp_path, ALPHA))
    monkeypatch.setattr(sections, "report_rows", lambda _: [*rows, *rounds])
    report("--html", "--output", tmp_path)
    listed = (tmp_path / "report.html").read_text().split("<caption>Rounds</caption>")[1].split("</table>")[0]
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in listed.split("<tbody>")[1].strip().splitlines()]
    assert [row for row in cells if row] == [["1", "30", "0.610", "0.500", "yes"], ["2", "28", "–", "–", "no"]]


@pytest.mark.slow
@pytest.mark.parametrize("look", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}], ids=["light", "dark", "phone"])
def test_in_a_browser_a_hostile_book_stays_inert(tmp_path: Path, look: dict[str, object]) -> None:
    finished(tmp_path, EVIL)
    report("--html", "--output", tmp_path)
    with browser_page(**look) as page:
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        assert open_file(page, tmp_path / "report.html") == []
        assert page.title() == "tripletkit report: The <script>x()</script> book"
        assert page.locator("script, img").count() == 0
        assert page.locator("svg[role=img]").count() >= 8
        assert dialogs == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with browser_page(**look, bypass_csp=True) as page:
        open_file(page, tmp_path / "report.html")
        assert grave_faults(page) == []
