"""Rows of a table in a file, as they stand: JSON lines, a JSON list, CSV (comma, semicolon or tab) or Parquet.

What is no row is handed on with its line and reason. A file of another encoding, or damaged as a whole, raises SourceError.
"""

from __future__ import annotations

import csv
import json
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
#: Every reason that starts so makes the command fail after all else is done.
BAD_ROW = "bad row"
#: What other programs call the column.
_OTHER_NAMES = ("Text", "TEXT", "page_content", "content", "chunk", "chunk_text", "passage", "body", "document")

Cells = Mapping[str, object]


class NoTextError(SourceError):
    """A file that can be read, but has no column ``text``."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that gives no passage: ``line`` is a line of the file, in Parquet and JSON lists a row, from 1."""

    line: int
    reason: str
    detail: str


def raw_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
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
        return too_long(line)
    try:
        value = json.loads(text.rstrip("\r\n"))
    except ValueError as error:
        what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return Skipped(line, f"{BAD_ROW}: invalid JSON", what)
    except RecursionError:
        return Skipped(line, f"{BAD_ROW}: invalid JSON", "nested too deeply")
    if not isinstance(value, dict):
        return Skipped(line, f"{BAD_ROW}: not an object", f'expected {{"text": …}}, got {shown(value)}')
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
            yield number, Skipped(number, f"{BAD_ROW}: not an object", f'expected {{"text": …}}, got {shown(value)}')


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
        raise without_text(path, names)
    return [name or f"column {number} (no name)" for number, name in enumerate(names, 1)]


def _delimiter_of(path: Path) -> str:
    """The first of comma, semicolon, tab and bar with which the header has a column ``text``."""
    with path.open(encoding=_encoding_of(path), newline="") as file:
        header = next((line for line in file if line.strip()), "")
    counted = {sign: [cell.strip().strip('"') for cell in header.split(sign)] for sign in ",;\t|"}
    return next((sign for sign, names in counted.items() if "text" in names), max(counted, key=header.count))


def _parquet_rows(path: Path) -> Iterator[tuple[int, Cells | Skipped]]:
    import polars as pl

    names = parquet_names(path)
    if "text" not in names:
        raise without_text(path, names)
    try:
        frame = pl.read_parquet(path, columns=[name for name in COLUMNS if name in names])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    others = dict.fromkeys(name for name in names if name not in COLUMNS)
    for number, cells in enumerate(frame.iter_rows(named=True), 1):
        # The first row names the columns that are not read.
        yield number, {**cells, **others} if number == 1 else cells


def parquet_names(path: Path) -> list[str]:
    """The columns of a Parquet file, without reading its rows."""
    import polars as pl

    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error


def _encoding_of(path: Path) -> str:
    """By the byte order mark: UTF-16, as Excel writes "Unicode text", else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def too_long(line: int, count: int | None = None) -> Skipped:
    """A row over MOST_CHARACTERS; ``count`` None is a line that was not even parsed."""
    what = f"{count:,} characters" if count else f"a line of more than {4 * MOST_CHARACTERS:,} characters"
    return Skipped(line, f"{BAD_ROW}: too long", f"{what}; at most {MOST_CHARACTERS:,} are read. Cut it into chunks")


def shown(value: object) -> str:
    """A value for a message: its type, and how it begins."""
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}" + ("…" if len(text) > 60 else "")


def without_text(path: Path, names: Iterable[str]) -> NoTextError:
    """The error for a file with these columns, and what to rename."""
    held = [name for name in names if name]
    other = next((name for name in _OTHER_NAMES if name in held), None)
    rename = f"Rename {other!r} to 'text'." if other else "Rename the column that holds the passages to 'text'."
    lift = " Lift page, section or book out of 'metadata'." if "metadata" in held else ""
    return NoTextError(
        f"{path}: no column 'text'; it has {', '.join(map(repr, held[:20])) or 'none with a name'}",
        f"{rename}{lift} Optional columns: {', '.join(COLUMNS[1:])}.",
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
