"""The tagger against mentions labelled by hand; README.md beside this says how."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger

HERE = Path(__file__).parent
Mention = tuple[str, int, str]


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def taggers() -> dict[str, Tagger]:
    forms: dict[str, list[Form]] = defaultdict(list)
    for row in read("labelled_terms.jsonl"):
        forms[row["book"]] += [Form(row["term"], form, form == row["term"]) for form in row["forms"]]
    context = Context(load_rules())
    return {book: Tagger(Matcher(held), context) for book, held in forms.items()}


def compare(rows: Iterable[dict[str, Any]], taggers: dict[str, Tagger]) -> tuple[float, float, str]:
    right = found = wanted = 0
    wrong: list[str] = []
    for row in rows:
        (tagged,) = taggers[row["book"]].tag([row["text"]])
        got: set[Mention] = {(row["text"][m.start : m.end], m.start, m.form.term_id) for m in tagged.mentions}
        gold: set[Mention] = {(surface, start, term) for surface, start, term in row["mentions"]}
        right, found, wanted = right + len(got & gold), found + len(got), wanted + len(gold)
        wrong += [f"{row['book']} p. {row['page']}: not meant {m}" for m in sorted(got - gold)]
        wrong += [f"{row['book']} p. {row['page']}: missed {m}" for m in sorted(gold - got)]
    told = f"{wanted} labelled mentions: precision {right / found:.3f}, recall {right / wanted:.3f}"
    return right / found, right / wanted, "\n".join([told, *wrong])


def test_labels_stand_where_they_say() -> None:
    rows = read("labelled.jsonl")
    assert sum(len(row["mentions"]) for row in rows) >= 300
    assert len({row["book"] for row in rows}) == 4
    for row in rows:
        for surface, start, _ in row["mentions"]:
            assert row["text"].startswith(surface, start)


@pytest.mark.parametrize("samples", [(1,), (2,), (1, 2)])
def test_precision_and_recall(samples: tuple[int, ...], taggers: dict[str, Tagger]) -> None:
    rows = [row for row in read("labelled.jsonl") if row["sample"] in samples]
    precision, recall, told = compare(rows, taggers)
    print(told)  # noqa: T201 - seen with pytest -s
    assert precision >= 0.95, told
    assert recall >= 0.95, told
