"""Reads a user's own passages: JSON lines, a JSON list, CSV (comma, semicolon or tab) or Parquet, one passage a row.

Column ``text`` is needed; ``id``, ``title``, ``section``, ``page`` and ``book`` are optional, any other is named as ignored.
A row that cannot be used costs that row only; a file without ``text``, or of another encoding, is refused whole.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tripletkit.errors import SourceError

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS = ("text", "id", "title", "section", "page", "book")
#: A longer row is a whole book or a broken file, not a passage. Longer lines are not even parsed.
MOST_CHARACTERS = 1_000_000
#: A file with more bad rows than this, and more than good ones, is another kind of file than its name says.
MOST_BAD = 100
#: Every reason that starts so makes the command fail after all else is done.
BAD_ROW = "bad row"
EMPTY = "empty text"
SECTION_MARK = " › "
_MOST_IN = {"page": 40, "id": 1000, "title": 1000, "section": 1000, "book": 1000}
#: What other programs call the column.
_OTHER_NAMES = ("Text", "TEXT", "page_content", "content", "chunk", "chunk_text", "passage", "body", "document")

Cells = Mapping[str, object]


class _NoTextError(SourceError):
    """A file that can be read, but has no column ``text``."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that gives no passage: ``line`` is a line of the file, in Parquet and JSON lists a row, from 1."""

    line: int
    reason: str
    detail: str


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
    for line, cells in _raw_rows(path):
        if isinstance(cells, Skipped):
            skipped.append(cells)
            continue
        if not cells.keys() <= seen.keys():
            seen |= dict.fromkeys(cells)
        row = _checked(line, cells)
        (rows if isinstance(row, PassageRow) else skipped).append(row)  # type: ignore[arg-type]
    if seen and "text" not in seen:
        raise _without_text(path, list(seen))
    file = PassageFile(rows, skipped, tuple(name for name in seen if name not in COLUMNS))
    if not rows or len(file.bad) > max(len(rows), MOST_BAD):
        raise _unusable(path, file)
    return file


def has_text_column(path: Path) -> bool:
    """Whether a file's first row has a column ``text``. True for a file that cannot be read: reading it tells why."""
    try:
        if path.suffix.lower() == ".parquet":
            return "text" in _parquet_names(path)
        first = next((cells for _, cells in _raw_rows(path) if not isinstance(cells, Skipped)), None)
    except _NoTextError:
        return False
    except SourceError:
        return True
    return first is None or "text" in first


def _raw_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
    """Each row with its line; what is no row at all is already a Skipped."""
    try:
        match path.suffix.lower():
            case ".parquet":
                yield from _parquet_rows(path)
            case ".csv" | ".tsv":
                yield from _csv_rows(path)
            case _:
                yield from _json_rows(path)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})", "Check the path.") from error


def _json_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
    lines = _text_lines(path)
    for line, text in lines:
        if text is not None and text.lstrip().startswith("["):
            yield from _list_rows(path, path.read_text(encoding=_encoding_of(path)))
            return
        yield line, _parsed(line, text)
        break
    for line, text in lines:
        yield line, _parsed(line, text)


def _text_lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers, blank ones left out; None for one that is too long to be a row."""
    most = 4 * MOST_CHARACTERS
    with path.open(encoding=_encoding_of(path), newline="\n") as file:
        number = 0
        while text := file.readline(most):
            number += 1
            if len(text) == most and not text.endswith("\n"):
                while (rest := file.readline(most)) and not rest.endswith("\n"):
                    pass
                yield number, None
            elif text.strip():
                yield number, text


def _parsed(line: int, text: str | None) -> Cells | Skipped:
    if text is None:
        return _too_long(line)
    try:
        value = json.loads(text.rstrip("\r\n"))
    except ValueError as error:
        what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return Skipped(line, f"{BAD_ROW}: invalid JSON", what)
    except RecursionError:
        return Skipped(line, f"{BAD_ROW}: invalid JSON", "nested too deeply")
    if not isinstance(value, dict):
        return Skipped(line, f"{BAD_ROW}: not an object", f'expected {{"text": …}}, got {_shown(value)}')
    return value


def _list_rows(path: Path, text: str) -> Iterator[tuple[int, Cells | Skipped]]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{path}: starts like a JSON list, but is not valid JSON ({error})",
            "Write one JSON object a line (JSON lines), then one bad line costs only itself.",
        ) from error
    for number, value in enumerate(values, 1):
        if isinstance(value, dict):
            yield number, value
        else:
            yield number, Skipped(number, f"{BAD_ROW}: not an object", f'expected {{"text": …}}, got {_shown(value)}')


def _csv_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
    delimiter = _delimiter_of(path)
    # The library's limit of 131,072 characters a cell is one for the whole process; it is put back.
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding=_encoding_of(path), newline="") as file:
            yield from _csv_cells(path, csv.reader(file, delimiter=delimiter, strict=True))
    finally:
        csv.field_size_limit(limit)


def _csv_cells(path: Path, reader: Reader) -> Iterator[tuple[int, Cells | Skipped]]:
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise SourceError(
                    f"{path}:{line}: a quote is opened here and never closed",
                    'Close it, and double a quote inside a text: "He said ""yes""."',
                ) from error
            yield line, Skipped(line, f"{BAD_ROW}: invalid CSV", f"{error}; double a quote inside a quoted text")
            continue
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = _header(path, line, row)
        elif len(row) > len(header):
            what = f'{len(row)} values in {len(header)} columns; put a text that holds a delimiter in "quotes"'
            yield line, Skipped(line, f"{BAD_ROW}: invalid CSV", what)
        else:
            yield line, dict(zip(header, row + [""] * (len(header) - len(row)), strict=True))


def _header(path: Path, line: int, row: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in row]
    for name in COLUMNS:
        if names.count(name) > 1:
            raise SourceError(f"{path}:{line}: two columns are called {name!r}", "Rename or remove one of them.")
    if "text" not in names:
        raise _without_text(path, names)
    return [name or f"column {number} (no name)" for number, name in enumerate(names, 1)]


def _delimiter_of(path: Path) -> str:
    """The first of comma, semicolon, tab and bar with which the header has a column ``text``."""
    with path.open(encoding=_encoding_of(path), newline="") as file:
        header = next((line for line in file if line.strip()), "")
    counted = {sign: [cell.strip().strip('"') for cell in header.split(sign)] for sign in ",;\t|"}
    return next((sign for sign, names in counted.items() if "text" in names), max(counted, key=header.count))


def _parquet_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
    import polars as pl

    names = _parquet_names(path)
    if "text" not in names:
        raise _without_text(path, names)
    try:
        frame = pl.read_parquet(path, columns=[name for name in COLUMNS if name in names])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    others = dict.fromkeys(name for name in names if name not in COLUMNS)
    for number, cells in enumerate(frame.iter_rows(named=True), 1):
        # The first row names the columns that are not read.
        yield number, {**cells, **others} if number == 1 else cells


def _parquet_names(path: Path) -> list[str]:
    import polars as pl

    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error


def _checked(line: int, cells: Cells) -> PassageRow | Skipped:
    if "text" not in cells:
        return Skipped(line, f"{BAD_ROW}: no text", f"it has {', '.join(map(repr, cells)) or 'nothing'}")
    text = cells["text"]
    if not (_is_missing(text) or isinstance(text, str)):
        return Skipped(line, f"{BAD_ROW}: text is not a string", f"got {_shown(text)}")
    text = text.strip() if isinstance(text, str) else ""
    if not text:
        return Skipped(line, EMPTY, "the row holds no text")
    if len(text) > MOST_CHARACTERS:
        return _too_long(line, len(text))
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
        raise ValueError(f"{name}: expected {wanted}, got {_shown(value)}")
    value = " ".join(value.split())
    if name == "page":
        value = re.sub(r"(?<=\d)\.0$", "", value)  # "12.0": pandas, in CSV
    if len(value) > _MOST_IN[name]:
        raise ValueError(f"{name}: {len(value):,} characters ({_shown(value)}); at most {_MOST_IN[name]:,} are read")
    return value or None


def _broken_sign(*values: str | None) -> str:
    """Which character cannot be written as UTF-8; "" if all can. JSON can hold such as an escape."""
    for value in values:
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            return f"half of a surrogate pair, \\u{ord(error.object[error.start]):04x}"
    return ""


def _encoding_of(path: Path) -> str:
    """By the byte order mark: UTF-16, as Excel writes "Unicode text", else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _too_long(line: int, count: int | None = None) -> Skipped:
    what = f"{count:,} characters" if count else f"a line of more than {4 * MOST_CHARACTERS:,} characters"
    return Skipped(line, f"{BAD_ROW}: too long", f"{what}; at most {MOST_CHARACTERS:,} are read. Cut it into chunks")


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}" + ("…" if len(text) > 60 else "")


def _without_text(path: Path, names: Iterable[str]) -> _NoTextError:
    held = [name for name in names if name]
    other = next((name for name in _OTHER_NAMES if name in held), None)
    rename = f"Rename {other!r} to 'text'." if other else "Rename the column that holds the passages to 'text'."
    lift = " Lift page, section or book out of 'metadata'." if "metadata" in held else ""
    return _NoTextError(
        f"{path}: no column 'text'; it has {', '.join(map(repr, held[:20])) or 'none with a name'}",
        f"{rename}{lift} Optional columns: {', '.join(COLUMNS[1:])}.",
    )


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


def _not_utf8(path: Path) -> SourceError:
    cure = "Save it as UTF-8: in Excel as 'CSV UTF-8', in Python with encoding='utf-8'."
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return SourceError(f"{path}:{number}: not UTF-8 text (byte 0x{line[error.start]:02x})", cure)
    return SourceError(f"{path}: its first bytes say UTF-16, but it is not", cure)


def _not_parquet(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})",
        "Write it again, for example with DataFrame.to_parquet (pandas) or DataFrame.write_parquet (polars).",
    )
