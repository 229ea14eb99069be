"""Triplets to judge elsewhere, and verdicts that come back, in the formats that Argilla 2 and Label Studio read and write."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.publishing.tables import small_tables
from tripletkit.errors import SourceError
from tripletkit.review_exchange import CHOICES, read_verdicts, sample_triplets, to_files
from tripletkit.reviews import Review, ReviewFile

TRIPLETS = small_tables()["triplets"]
SAMPLE = sample_triplets(TRIPLETS, 7, seed=3)


def said(rows: list[Review]) -> list[tuple[str, str, str | None, str | None, str | None]]:
    return [(row.who, row.verdict, row.passage_id, row.term_id, row.other_id) for row in rows]


def expected(who: str, rows: list[dict[str, Any]], verdict: str) -> list[tuple[str, ...]]:
    return [(who, verdict, row["passage_id"], row["positive_id"], row["negative_id"]) for row in rows]


def written(folder: Path, name: str, value: object) -> Path:
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return folder / name


def test_a_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    assert len({row["triplet_id"] for row in SAMPLE}) == 7
    assert sample_triplets(TRIPLETS.reverse(), 7, seed=3) == SAMPLE
    assert sample_triplets(TRIPLETS, 7, seed=4) != SAMPLE
    assert len(sample_triplets(TRIPLETS, 10_000, seed=3)) == TRIPLETS.height


def test_lines_are_filled_in_and_read(tmp_path: Path) -> None:
    text = to_files(SAMPLE, "jsonl")["sample.jsonl"]
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["verdict"] for line in lines} == {""}
    filled = "\n".join(json.dumps({**line, "verdict": "trivial"}) for line in lines[:3]) + "\n\n" + text
    rows = read_verdicts(written(tmp_path, "a.jsonl", filled), "ann")
    assert said(rows) == expected("ann", SAMPLE[:3], "trivial")
    assert all(row.blind for row in rows)


def test_lines_that_name_a_triplet_only_are_found_in_the_table(tmp_path: Path) -> None:
    """As `review.jsonl` of 0.2 and before."""
    path = written(tmp_path, "a.jsonl", json.dumps({"triplet_id": SAMPLE[0]["triplet_id"], "verdict": "good"}))
    assert said(read_verdicts(path, "ann", TRIPLETS)) == expected("ann", SAMPLE[:1], "good")
    with pytest.raises(SourceError, match="line 1: unknown triplet"):
        read_verdicts(path, "ann")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"triplet_id": "a"}', "line 2: no JSON object with a verdict"),
        ("[1]", "line 2"),
        ("good", "line 2"),
        (
            '{"passage_id": "p", "positive_id": "a", "negative_id": "n", "verdict": "fine"}',
            "line 2: .*'fine' on a triplet",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    good = json.dumps({**SAMPLE[0], "verdict": "good"})
    with pytest.raises(SourceError, match=problem):
        read_verdicts(written(tmp_path, "a.jsonl", f"{good}\n{line}\n"), "ann")


def test_argilla_gets_a_folder_and_its_answers_come_back(tmp_path: Path) -> None:
    files = {name: json.loads(text) for name, text in to_files(SAMPLE, "argilla").items()}
    # What `rg.Dataset.from_disk` reads in Argilla 2.8: the dataset, its settings, its records.
    assert [*files] == [".argilla/dataset.json", ".argilla/settings.json", "records.json"]
    settings, records = files[".argilla/settings.json"], files["records.json"]
    assert [field["name"] for field in settings["fields"]] == ["anchor", "positive", "negative"]
    [question] = settings["questions"]
    assert question["settings"]["type"] == "label_selection"
    assert [option["value"] for option in question["settings"]["options"]] == list(CHOICES)
    assert set(records[0]) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
    # What `dataset.records.to_json` writes: responses by question, with the user's id; further keys.
    user = "0b9f8d4e-6e0a-4c8c-9d9c-1b1f5f2f6c11"
    for record in records[:2]:
        record |= {
            "responses": {"verdict": [{"value": "false negative", "user_id": user}]},
            "status": "completed",
            "_server_id": "x",
        }
    records[2]["responses"] = {"verdict": [{"value": "good", "user_id": user, "status": "draft"}]}
    rows = read_verdicts(written(tmp_path, "records.json", records), "ann")
    assert said(rows) == expected(user, SAMPLE[:2], "false negative")


def test_label_studio_gets_tasks_and_its_annotations_come_back(tmp_path: Path) -> None:
    files = to_files(SAMPLE, "labelstudio")
    view = ET.fromstring(files["labels.xml"])
    assert [text.attrib["value"] for text in view.iter("Text")] == ["$anchor", "$positive", "$negative"]
    assert [choice.attrib["value"] for choice in view.iter("Choice")] == list(CHOICES)
    tasks = json.loads(files["tasks.json"])
    assert all(task["data"].keys() >= {"anchor", "positive", "negative", "passage_id"} for task in tasks)
    chosen = [{"from_name": "verdict", "to_name": "anchor", "type": "choices", "value": {"choices": ["bad positive"]}}]
    at = {"created_at": "2026-03-01T10:00:00.000000Z", "updated_at": "2026-03-01T10:00:05.000000Z"}
    export = [
        {
            "id": 1,
            **tasks[0],
            "annotations": [{"id": 5, "completed_by": 7, "result": chosen, "was_cancelled": False, **at}],
        },
        {
            "id": 2,
            **tasks[1],
            "annotations": [{"id": 6, "completed_by": {"id": 8, "email": "b@c.d"}, "result": chosen, **at}],
        },
        {
            "id": 3,
            **tasks[2],
            "annotations": [{"id": 7, "completed_by": 7, "result": chosen, "was_cancelled": True, **at}],
        },
        {"id": 4, **tasks[3], "annotations": []},
    ]
    rows = read_verdicts(written(tmp_path, "export.json", export), "ann")
    assert said(rows) == expected("7", SAMPLE[:1], "bad positive") + expected("b@c.d", SAMPLE[1:2], "bad positive")
    assert rows[0].when.isoformat() == "2026-03-01T10:00:05+00:00"


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="record 1: neither Argilla's nor Label Studio's"):
        read_verdicts(written(tmp_path, "a.json", [{"text": "x"}]), "ann")
    with pytest.raises(SourceError, match="no valid JSON"):
        read_verdicts(written(tmp_path, "a.json", "[{"), "ann")
    with pytest.raises(SourceError, match="cannot be read"):
        read_verdicts(tmp_path / "gone.json", "ann")


def test_an_export_of_the_table_comes_back_once(tmp_path: Path) -> None:
    rows = [Review(who="ann", about="passage", verdict="not prose", passage_id=f"p{i}") for i in range(3)]
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(row.line() for row in rows))
    file = ReviewFile(tmp_path)
    assert read_verdicts(path, "bob") == rows
    assert (file.add(read_verdicts(path, "bob")), file.add(read_verdicts(path, "bob"))) == (3, 0)


def test_the_same_answers_are_added_once(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", json.dumps({**SAMPLE[0], "verdict": "good"}) + "\n")
    assert [ReviewFile(tmp_path).add(read_verdicts(path, "ann")) for _ in range(2)] == [1, 0]
