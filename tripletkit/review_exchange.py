"""Triplets to be judged in other tools, and what comes back: plain JSON lines, Argilla 2 and Label Studio.

Argilla reads a folder by ``Dataset.from_disk``, and ``dataset.records.to_json`` writes what people answered. Label Studio
imports tasks.json with the labelling interface of labels.xml, and exports JSON with annotations. Each record holds the
ids of its triplet, so that an answer can be read back without the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import polars as pl
from pydantic import ValidationError

from tripletkit.errors import SourceError
from tripletkit.ids import rng_for
from tripletkit.reviews import VERDICTS, Review, read_rows

Format = Literal["jsonl", "argilla", "labelstudio"]
_IDS = ("triplet_id", "passage_id", "positive_id", "negative_id")
_TEXTS = ("anchor", "positive", "negative")
_GUIDELINES = (
    "Is the negative wrong for the passage (good)? false negative: the passage is about it. trivial: it is so far off "
    "that it teaches nothing. bad positive: the passage is not about the positive."
)
#: What every verdict is about here.
CHOICES = VERDICTS["triplet"]
_CURE = "`tripletkit publish --review-format jsonl` writes such lines; fill in their verdicts."
Row = Mapping[str, Any]


def sample_triplets(triplets: pl.DataFrame, number: int, seed: int) -> list[dict[str, Any]]:
    """``number`` random triplets, drawn by the seed whatever the order of the rows."""
    rows = triplets.select(*_IDS, *_TEXTS).sort("triplet_id").to_dicts()
    return rng_for(seed, "review").sample(rows, min(number, len(rows)))


def to_files(rows: Sequence[Row], form: Format) -> dict[str, str]:
    """The text of each file that the tool imports, by its name."""
    return _WRITERS[form](rows)


def _jsonl(rows: Sequence[Row]) -> dict[str, str]:
    return {"sample.jsonl": "".join(_json({**row, "verdict": ""}) + "\n" for row in rows)}


def _argilla(rows: Sequence[Row]) -> dict[str, str]:
    text = {"required": True, "settings": {"type": "text"}}
    fields: list[dict[str, Any]] = [{"name": name, "title": name, **text} for name in _TEXTS]
    options = [{"value": choice, "text": choice} for choice in CHOICES]
    question: dict[str, Any] = {"name": "verdict", "title": "verdict", "required": True, "description": _GUIDELINES}
    question |= {"settings": {"type": "label_selection", "options": options}}
    settings: dict[str, Any] = {
        "guidelines": _GUIDELINES,
        "fields": fields,
        "questions": [question],
        "vectors": [],
        "metadata": [],
    }
    settings |= {"allow_extra_metadata": True, "distribution": {"strategy": "overlap", "min_submitted": 1}}
    records = [
        {
            "id": row["triplet_id"],
            "fields": {name: row[name] for name in _TEXTS},
            "metadata": {name: row[name] for name in _IDS},
            **{name: {} for name in ("suggestions", "responses", "vectors")},
        }
        for row in rows
    ]
    dataset = {"name": "tripletkit-review", "guidelines": _GUIDELINES, "allow_extra_metadata": True}
    files = {".argilla/dataset.json": dataset, ".argilla/settings.json": settings, "records.json": records}
    return {name: _json(of) for name, of in files.items()}


def _label_studio(rows: Sequence[Row]) -> dict[str, str]:
    choices = "".join(
        f"<Choice value={quoteattr(choice)} hotkey={quoteattr(str(at))}/>" for at, choice in enumerate(CHOICES, 1)
    )
    texts = "".join(f'<Header value="{name}"/><Text name="{name}" value="${name}"/>' for name in _TEXTS)
    labels = f'<View>{texts}<Choices name="verdict" toName="anchor" choice="single" required="true">{choices}</Choices></View>\n'
    return {"tasks.json": _json([{"data": dict(row)} for row in rows]), "labels.xml": labels}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_WRITERS: Mapping[str, Callable[[Sequence[Row]], dict[str, str]]] = {
    "jsonl": _jsonl,
    "argilla": _argilla,
    "labelstudio": _label_studio,
}


def read_verdicts(path: Path, who: str, triplets: pl.DataFrame | None = None) -> list[Review]:
    """The verdicts of a file: an export of the table, filled-in lines, or what Argilla or Label Studio exported.

    ``who`` judged where the file does not say so. ``triplets`` names passage and terms where a line has a ``triplet_id``
    only. Raises SourceError with the file and the line or record.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error})", "Give a JSON or JSONL file of verdicts.") from error
    if text.lstrip().startswith("["):
        found, what = _records(path, text), "record"
    elif '"review_id"' in text.partition("\n")[0]:
        return read_rows(path)
    else:
        found, what = _lines(path, text), "line"
    known = _by_triplet(triplets)
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC)  # so that reading a file twice adds nothing
    rows = []
    for number, answer in found:
        try:
            rows.append(_review(answer, {"who": who, "when": when}, known))
        except (ValidationError, KeyError) as error:
            wrong = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"unknown triplet {error}"
            raise SourceError(f"{path}, {what} {number}: {wrong}: {_json(answer)[:80]!r}", _CURE) from None
    return rows


def _by_triplet(triplets: pl.DataFrame | None) -> dict[str, Row]:
    return {row["triplet_id"]: row for row in triplets.select(_IDS).to_dicts()} if triplets is not None else {}


def _review(answer: Row, default: Mapping[str, object], known: Mapping[str, Row]) -> Review:
    row = answer if answer.get("passage_id") else {**answer, **known[str(answer.get("triplet_id"))]}
    ids = {"passage_id": row["passage_id"], "term_id": row["positive_id"], "other_id": row["negative_id"]}
    names = {"term": row.get("positive"), "other": row.get("negative")}
    said = {name: row[name] for name in ("who", "when") if row.get(name)}
    return Review(about="triplet", verdict=str(row["verdict"]), **ids, **names, **{**default, **said}, blind=True)


def _lines(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """Filled-in lines; one with an empty verdict is left out."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or "verdict" not in row:
            raise SourceError(f"{path}, line {number}: no JSON object with a verdict: {line[:80]!r}", _CURE)
        if row["verdict"]:
            yield number, row


def _records(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """Each answer of Argilla's records, or each annotation of Label Studio's tasks."""
    try:
        records = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{path}: no valid JSON ({error})", "Export the records as JSON again.") from error
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not record.keys() & {"responses", "annotations"}:
            hint = "Export JSON from Argilla (dataset.records.to_json) or Label Studio (JSON)."
            raise SourceError(f"{path}, record {number}: neither Argilla's nor Label Studio's", hint)
        answers = _of_label_studio(record) if "annotations" in record else _of_argilla(record)
        yield from ((number, answer) for answer in answers)


def _of_argilla(record: Row) -> Iterator[Row]:
    data = {**record.get("metadata", {}), **record.get("fields", {})}
    for answer in (record.get("responses") or {}).get("verdict", ()):
        if answer.get("value") and answer.get("status", "submitted") == "submitted":
            yield {**data, "verdict": answer["value"], "who": str(answer["user_id"])}


def _of_label_studio(record: Row) -> Iterator[Row]:
    for answer in record["annotations"]:
        by = answer.get("completed_by")
        who = str(by.get("email") or by.get("id")) if isinstance(by, dict) else str(by)
        when = answer.get("updated_at") or answer.get("created_at")
        for part in answer.get("result", ()) if not answer.get("was_cancelled") else ():
            if part.get("from_name") == "verdict":
                yield {**record["data"], "verdict": part["value"]["choices"][0], "who": who, "when": when}
