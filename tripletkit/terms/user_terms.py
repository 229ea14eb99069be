"""A user's own terms: CSV with a header, JSON lines, or one term a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import SourceError

_COLUMNS = ("term", "forms", "definition")
_EXAMPLE = 'Such as {"term": "entropy", "forms": ["H"], "definition": "a measure"}; all but term may be left out.'


@dataclass(frozen=True)
class UserTerm:
    """A term as the user gave it; ``forms`` without the term itself."""

    term: str
    forms: tuple[str, ...]
    definition: str | None
    place: str  # file:line


def read_user_terms(path: Path) -> list[UserTerm]:
    """The file's terms in order. Raises SourceError naming file and line of the first bad row."""
    readers = {".csv": _from_csv, ".jsonl": _from_jsonl, ".txt": _from_txt}
    if path.suffix.lower() not in readers:
        raise SourceError(
            f"{path}: terms are read from .csv, .jsonl or .txt, not {path.suffix or 'a file without an ending'}",
            "CSV needs a header with 'term', and may have 'forms' (separated by |) and 'definition'.",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})", "Check the path.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SourceError(f"{path}:{line}: not UTF-8 text", "Save the file as UTF-8.") from error
    terms = list(readers[path.suffix.lower()](path, text))
    if not terms:
        raise SourceError(f"{path}: holds no term", "Write one term a line, or a CSV with a header 'term'.")
    return terms


def _from_txt(path: Path, text: str) -> Iterator[UserTerm]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _term(line, (), None, f"{path}:{number}")


def _from_csv(path: Path, text: str) -> Iterator[UserTerm]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            problem = f"{path}:{reader.line_num}: not valid CSV ({error})"
            raise SourceError(problem, 'Put a value that holds a quote or comma in "quotes".') from error
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        place = f"{path}:{reader.line_num}"
        if header is None:
            header = _checked_header(row, place)
            continue
        if len(row) > len(header):
            raise SourceError(
                f"{place}: {len(row)} values in {len(header)} columns", 'Put a value that holds a comma in "quotes".'
            )
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        yield _term(cells["term"], cells.get("forms", "").split("|"), cells.get("definition"), place)


def _checked_header(row: list[str], place: str) -> list[str]:
    header = [cell.strip().lower() for cell in row]
    unknown = sorted(set(header) - set(_COLUMNS))
    if "term" not in header or unknown:
        what = f"unknown column {unknown[0]!r}" if unknown else "no column 'term'"
        raise SourceError(f"{place}: {what} in the header", f"Known columns: {', '.join(_COLUMNS)}.")
    return header


def _from_jsonl(path: Path, text: str) -> Iterator[UserTerm]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"{place}: not valid JSON ({error.msg} at column {error.colno})"
            raise SourceError(problem, "Write one JSON object a line.") from error
        if (wrong := _row_problem(row)) is not None:
            raise SourceError(f"{place}: {wrong}", _EXAMPLE)
        yield _term(row["term"], row.get("forms") or [], row.get("definition"), place)


def _row_problem(row: object) -> str | None:
    """What is wrong with a row of JSON, or None."""
    if not isinstance(row, dict):
        return f"expected an object, got {type(row).__name__}"
    if unknown := sorted(row.keys() - set(_COLUMNS)):
        return f"unknown key {unknown[0]!r}"
    if not isinstance(row.get("term"), str):
        return f"'term' must be a text, got {row.get('term')!r}"
    forms, definition = row.get("forms") or [], row.get("definition")
    if not (isinstance(forms, list) and all(isinstance(form, str) for form in forms)):
        return f"'forms' must be a list of texts, got {forms!r}"
    return None if isinstance(definition, str | None) else f"'definition' must be a text, got {definition!r}"


def _term(term: str, forms: list[str] | tuple[str, ...], definition: str | None, place: str) -> UserTerm:
    name = " ".join(term.split())
    if not name:
        raise SourceError(f"{place}: the term is empty", "Each row needs a term.")
    if len(name) > 200:
        raise SourceError(
            f"{place}: a term of {len(name)} characters ({name[:40]!r}…)",
            "Definitions go into the column 'definition'.",
        )
    others = tuple(dict.fromkeys(form for raw in forms if (form := " ".join(raw.split())) and form != name))
    return UserTerm(name, others, " ".join(definition.split()) or None if definition else None, place)
