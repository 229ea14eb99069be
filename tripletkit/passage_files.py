"""Reads a user's own passages: JSON lines, a JSON list, CSV (comma, semicolon or tab) or Parquet, one passage a row.

Column ``text`` is needed; ``id``, ``title``, ``section``, ``page`` and ``book`` are optional, any other is named as ignored.
A row that cannot be used costs that row only; a file without ``text``, or of another encoding, is refused whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tripletkit.errors import SourceError
from tripletkit.row_formats import (
    BAD_ROW,
    COLUMNS,
    MOST_CHARACTERS,
    NoTextError,
    Skipped,
    parquet_names,
    raw_rows,
    shown,
    too_long,
    without_text,
)

#: A file with more bad rows than this, and more than good ones, is another kind of file than its name says.
MOST_BAD = 100
EMPTY = "empty text"
SECTION_MARK = " › "
_MOST_IN = {"page": 40, "id": 1000, "title": 1000, "section": 1000, "book": 1000}


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A row as the user gave it, white space trimmed; numbers are written as text."""

    line: int
    text: str
    id: str | None = None
    title: str | None = None
    section: str | None = None
    page: str | None = None
    book: str | None = None


@dataclass(frozen=True)
class PassageFile:
    """What a file holds: usable rows in order, the others with their reasons, and the columns nobody reads."""

    rows: list[PassageRow]
    skipped: list[Skipped]
    ignored: tuple[str, ...]

    @property
    def bad(self) -> list[Skipped]:
        """The skipped rows that are faults; an empty text is none."""
        return [row for row in self.skipped if row.reason.startswith(BAD_ROW)]


def counted(number: int, noun: str) -> str:
    """The number and the noun, such as "1 row" or "1,200 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def read_passage_file(path: Path) -> PassageFile:
    """Every row of a file. Raises SourceError for a file of which no row can be used, with the reason and a cure."""
    rows: list[PassageRow] = []
    skipped: list[Skipped] = []
    seen: dict[str, None] = {}
    for line, cells in raw_rows(path):
        if isinstance(cells, Skipped):
            skipped.append(cells)
            continue
        if not cells.keys() <= seen.keys():
            seen |= dict.fromkeys(cells)
        row = _checked(line, cells)
        (rows if isinstance(row, PassageRow) else skipped).append(row)  # type: ignore[arg-type]
    if seen and "text" not in seen:
        raise without_text(path, list(seen))
    file = PassageFile(rows, skipped, tuple(name for name in seen if name not in COLUMNS))
    if not rows or len(file.bad) > max(len(rows), MOST_BAD):
        raise _unusable(path, file)
    return file


def has_text_column(path: Path) -> bool:
    """Whether a file's first row has a column ``text``. True for a file that cannot be read: reading it tells why."""
    try:
        if path.suffix.lower() == ".parquet":
            return "text" in parquet_names(path)
        first = next((cells for _, cells in raw_rows(path) if not isinstance(cells, Skipped)), None)
    except NoTextError:
        return False
    except SourceError:
        return True
    return first is None or "text" in first


def _checked(line: int, cells: Mapping[str, object]) -> PassageRow | Skipped:
    if "text" not in cells:
        return Skipped(line, f"{BAD_ROW}: no text", f"it has {', '.join(map(repr, cells)) or 'nothing'}")
    text = cells["text"]
    if not (_is_missing(text) or isinstance(text, str)):
        return Skipped(line, f"{BAD_ROW}: text is not a string", f"got {shown(text)}")
    text = text.strip() if isinstance(text, str) else ""
    if not text:
        return Skipped(line, EMPTY, "the row holds no text")
    if len(text) > MOST_CHARACTERS:
        return too_long(line, len(text))
    try:
        values = {name: _label(name, cells.get(name)) for name in COLUMNS[1:]}
    except ValueError as error:
        name, _, what = str(error).partition(": ")
        return Skipped(line, f"{BAD_ROW}: {name}", what)
    if broken := _broken_sign(text, *values.values()):
        return Skipped(line, f"{BAD_ROW}: broken characters", broken)
    return PassageRow(line, text, **values)


def _is_missing(value: object) -> bool:
    """None, or NaN, which pandas writes for nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _label(name: str, value: object) -> str | None:
    """A cell beside the text, as one line of text; None for an empty one. Raises ValueError, "column: what is wrong"."""
    if _is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():  # a column of numbers with gaps, as pandas has it
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if name == "section" and isinstance(value, list) and all(isinstance(step, str) for step in value):
        value = SECTION_MARK.join(step for step in value if step.strip())
    if not isinstance(value, str):
        wanted = "a page number or a printed label such as 'xii'" if name == "page" else "a string or a whole number"
        raise ValueError(f"{name}: expected {wanted}, got {shown(value)}")
    value = " ".join(value.split())
    if name == "page":
        value = re.sub(r"(?<=\d)\.0$", "", value)  # "12.0": pandas, in CSV
    if len(value) > _MOST_IN[name]:
        raise ValueError(f"{name}: {len(value):,} characters ({shown(value)}); at most {_MOST_IN[name]:,} are read")
    return value or None


def _broken_sign(*values: str | None) -> str:
    """Which character cannot be written as UTF-8; "" if all can. JSON can hold such as an escape."""
    for value in values:
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            return f"half of a surrogate pair, \\u{ord(error.object[error.start]):04x}"
    return ""


def _unusable(path: Path, file: PassageFile) -> SourceError:
    if not file.skipped:
        return SourceError(f"{path}: holds no row", 'Write one passage a row, such as {"text": "Soil is …"}.')
    first = (file.bad or file.skipped)[0]
    bad = len(file.bad) if file.rows else len(file.skipped)
    what = f"{bad:,} of its {counted(len(file.rows) + len(file.skipped), 'row')} cannot be used"
    return SourceError(
        f"{path}: {what}; line {first.line}: {first.reason} ({first.detail})",
        'Write one JSON object a line, such as {"text": "Soil is …", "page": 3} (pandas: orient="records", lines=True); '
        "or CSV with quoted texts, or Parquet, with a column 'text'.",
    )
