"""Reads a user's rows, passages or terms: JSON lines, a JSON list, CSV, Parquet and TXT files, lists and data frames.

Each row is checked by a model. A file of passages loses its bad rows only; terms, and rows from Python, are refused
at the first bad row.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Any, ClassVar, NamedTuple, TypeVar

import polars as pl
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from tripletkit.addresses import Place
from tripletkit.errors import SourceError
from tripletkit.schemas import INT, MENTIONS, SECTION_MARK, TERMS, TEXT

#: A longer row is a whole book or a broken file, not a passage.
MOST_CHARACTERS = 1_000_000
#: Every reason that starts so makes the command fail after all else is done.
BAD_ROW = "bad row"
EMPTY = "empty text"
#: A file with more bad rows than this, and more than good ones, is another kind of file than its name says.
MOST_BAD = 100
MOST_IN_TERM = 200
#: What other programs call the column `text`.
_OTHER_NAMES = ("Text", "TEXT", "page_content", "content", "chunk", "chunk_text", "passage", "body", "document")

#: Excel's own way to name the delimiter, in the first line.
_SEPARATOR = re.compile(r'"?sep=(?P<sign>.?)"?', re.I)
#: What a column without a name is called, by its place.
_NO_NAME = re.compile(r"column \d+ \(no name\)$")
#: The columns of the models that are no text, for polars.
_TYPES: dict[str, Any] = {**TERMS.schema, **MENTIONS.schema, "cited_pages": pl.List(INT), "line": INT}
_TYPES |= {"score": pl.Float64}

#: A list of texts or dictionaries, a data frame of polars, pandas, pyarrow or datasets, or the path of a file.
Given = Any


class Skipped(NamedTuple):
    """A row that is not used: ``line`` is a line of the file, in Parquet and JSON lists a row, from 1."""

    line: int
    reason: str
    detail: str


def _bad(line: int, what: str, detail: str) -> Skipped:
    return Skipped(line, f"{BAD_ROW}: {what}", detail)


def counted(number: int, noun: str) -> str:
    """The number and the noun, such as "1 row" or "1,200 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shown(value: object) -> str:
    """A value for a message: its type, and how it begins."""
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}" + ("…" if len(text) > 60 else "")


def _one_line(value: object, info: ValidationInfo) -> str | None:
    """A cell beside the text, as one line of text; None for an empty one."""
    page = info.field_name in ("page", "page_last")
    # A column of numbers with gaps is one of floats in pandas.
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        value = str(int(value))
    if info.field_name == "section" and isinstance(value, list) and all(isinstance(step, str) for step in value):
        value = SECTION_MARK.join(step for step in value if step.strip())
    if not isinstance(value, str):
        wanted = "a page number or a printed label such as 'xii'" if page else "a string or a whole number"
        raise ValueError(f"expected {wanted}, got {_shown(value)}")
    text, most = " ".join(value.split()), 40 if page else 1000
    text = re.sub(r"(?<=\d)\.0$", "", text) if page else text  # "12.0": pandas, in CSV
    if len(text) > most:
        raise ValueError(f"{len(text):,} characters ({_shown(text)}); at most {most:,} are read")
    return text or None


def _listed(value: Any) -> Any:  # noqa: ANN401 - a cell
    """A text is taken apart at each "|", arrays and tuples become lists; anything else stays, to be refused."""
    if isinstance(value, str):
        return value.split("|")
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, tuple) else value


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("the term is empty")
    return value


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can hold such as an escape
        half = f"half of a surrogate pair, \\u{ord(value[error.start]):04x}"
        raise PydanticCustomError("broken characters", "{half}", {"half": half}) from error
    return value


Text = Annotated[str, Field(strict=True), AfterValidator(_encodable)]
Label = Annotated[Text | None, BeforeValidator(_one_line)]
Item = TypeVar("Item")
Listed = Annotated[list[Item], BeforeValidator(_listed)]


class UserRow(BaseModel):
    """A row of a user: the columns that a file may have, of which it must have the first, and an example."""

    model_config = {"loc_by_alias": False}
    columns: ClassVar[tuple[str, ...]]
    example: ClassVar[str]


class PassageRow(UserRow):
    """A passage. From Python, columns may have the names of the table ``passages``."""

    columns = ("text", "id", "title", "section", "page", "book")
    example = 'Give texts, or rows such as {"text": "Soil is …", "page": 3}.'

    text: Text
    id: Label = Field(None, validation_alias=AliasChoices("passage_id", "id"))
    title: Label = None
    section: Label = None
    page: Label = Field(None, validation_alias=AliasChoices("page_first", "page"))
    page_last: Label = None
    book: Label = Field(None, validation_alias=AliasChoices("book_id", "book"))


class TermRow(UserRow):
    """A term. From Python, columns may have the names of the table ``terms``."""

    columns = ("term", "forms", "definition")
    example = 'Such as {"term": "entropy", "forms": ["H"], "definition": "a measure"}; all but term may be left out.'

    term: Annotated[Text, BeforeValidator(_not_blank)]
    id: Label = Field(None, validation_alias=AliasChoices("term_id", "id"))
    book: Label = Field(None, validation_alias=AliasChoices("book_id", "book"))
    forms: Annotated[Listed[Text], AfterValidator(lambda forms: [form.strip() for form in forms if form.strip()])] = []
    definition: Text | None = None
    kept: bool = True
    parent_id: Label = None
    see_also: Listed[Any] = []
    cited_pages: Listed[int] = []
    locators: Listed[Any] = []


class MentionRow(UserRow):
    """A mention of a term in a passage: offsets of characters into its text."""

    columns = ("passage_id", "term_id", "start", "end")
    example = f"Needed: {', '.join(columns)}."

    passage_id: Annotated[str, BeforeValidator(_one_line)]
    term_id: Annotated[str, BeforeValidator(_one_line)]
    start: int
    end: int


class PairRow(UserRow):
    """Two texts and how alike they are."""

    columns = ("text1", "text2", "score")
    example = "Needed: text1, text2 (or sentence1, sentence2) and score, a number that is higher for texts more alike."

    text1: Text
    text2: Text
    score: Annotated[float, Field(allow_inf_nan=False)]


class SentencePairRow(UserRow):
    """The same with the column names of most public sets."""

    columns = ("sentence1", "sentence2", "score")
    example = PairRow.example

    sentence1: Text
    sentence2: Text
    score: Annotated[float, Field(allow_inf_nan=False)]


class UserTerm(NamedTuple):
    """A term of a file; ``forms`` without the term itself, ``place`` is file:line."""

    term: str
    forms: tuple[str, ...]
    definition: str | None
    place: str


@dataclass(frozen=True)
class PassageFile:
    """What a file holds: usable rows with their lines, the others with their reasons, and the columns nobody reads."""

    path: Place
    rows: pl.DataFrame
    skipped: list[Skipped]
    ignored: tuple[str, ...]

    @property
    def bad(self) -> list[Skipped]:
        """The skipped rows that are faults; an empty text is none."""
        return [row for row in self.skipped if row.reason.startswith(BAD_ROW)]


def read_passage_file(path: Path) -> PassageFile:
    """Every row of a file, texts trimmed. Raises SourceError for a file of which no row can be used, with a cure."""
    rows: list[tuple[int, UserRow]] = []
    skipped: list[Skipped] = []
    seen: dict[str, None] = {}
    for line, cells in _raw_rows(path, PassageRow):
        if isinstance(cells, Mapping):
            seen |= dict.fromkeys(cells)
        row = _checked(line, cells, PassageRow, in_file=True)
        skipped.append(row) if isinstance(row, Skipped) else rows.append((line, row))
    if seen and "text" not in seen:
        raise _without_column(path, seen, PassageRow)
    ignored = tuple(name for name in seen if name not in PassageRow.columns)
    file = PassageFile(path, _as_frame(rows, PassageRow), skipped, ignored)
    if not rows or len(file.bad) > max(len(rows), MOST_BAD):
        raise _unusable(file)
    return file


def has_text_column(path: Path) -> bool:
    """Whether a file's first row has a column ``text``. True for a file that cannot be read: reading it tells why."""
    try:
        first = next((cells for _, cells in _raw_rows(path, PassageRow) if isinstance(cells, Mapping)), None)
    except SourceError as error:
        return not isinstance(error, _NoColumnError)
    return first is None or "text" in first


def read_user_terms(path: Path) -> list[UserTerm]:
    """The file's terms in order. Raises SourceError naming file and line of the first bad row."""
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl", ".txt"):
        raise SourceError(
            f"{path}: terms are read from .csv, .tsv, .jsonl or .txt, not {path.suffix or 'a file without an ending'}",
            "CSV needs a header with 'term', and may have 'forms' (separated by |) and 'definition'. In Excel, save it as "
            "'CSV UTF-8'.",
        )
    found = []
    for term, forms, definition, place in read_rows(path, TermRow, "").select(*TermRow.columns, "place").iter_rows():
        name, *others = dict.fromkeys(" ".join(form.split()) for form in (term, *forms))
        if len(name) > MOST_IN_TERM:
            problem = f"{place}: a term of {len(name)} characters ({name[:40]!r}…)"
            raise SourceError(problem, "Definitions go into the column 'definition'.")
        found.append(UserTerm(name, tuple(others), " ".join((definition or "").split()) or None, place))
    if not found:
        raise SourceError(f"{path}: holds no term", "Write one term a line, or a CSV with a header 'term'.")
    return found


def read_user_pairs(path: Path) -> list[tuple[float, str, str]]:
    """Score and texts of each pair, in order. Raises SourceError naming file and line of the first bad row."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise SourceError(f"{path}: pairs are read from .csv or .tsv", PairRow.example)
    for model in (PairRow, SentencePairRow):
        try:
            rows = read_rows(path, model, "")
        except _NoColumnError:
            continue
        return list(rows.select("score", *model.columns[:2]).iter_rows())
    raise SourceError(f"{path}: no column 'text1' or 'sentence1'", PairRow.example)


def read_rows(given: Given, model: type[UserRow], what: str) -> pl.DataFrame:
    """Rows as the model has them, with ``line`` and ``place``. Raises SourceError at the first bad row.

    ``what`` names an object in messages, such as "passages". A file of terms may have the model's columns only.
    """
    in_file = isinstance(given, Path)
    prefix = f"{given}:" if in_file else f"{what}: row "
    rows = []
    for line, cells in _raw_rows(given, model) if in_file else enumerate(plain_rows(given, model, what)):
        row = _checked(line, cells, model, in_file=in_file)
        if isinstance(row, Skipped):
            reason = row.reason.removeprefix(f"{BAD_ROW}: ")
            raise SourceError(f"{prefix}{line}: {reason} ({row.detail})", model.example)
        rows.append((line, row))
    return _as_frame(rows, model).with_columns(place=prefix + pl.col("line").cast(TEXT))


def with_ids(rows: pl.DataFrame, name: str, default: pl.Expr | pl.Series) -> pl.DataFrame:
    """Rows with their id, else ``default``, as column ``name``. Raises SourceError if one occurs twice."""
    rows = rows.with_columns(pl.coalesce("id", default).alias(name))
    again = rows.filter(~pl.col(name).is_first_distinct())
    if not again.is_empty():
        raise SourceError(f"{again['place'][0]}: {name} {again[name][0]!r} occurs twice", f"Make each {name} unique.")
    return rows


def plain_rows(given: Given, model: type[UserRow], what: str) -> Iterator[object]:
    """Rows of a list or data frame; a string is the first column. Raises SourceError for one string or row."""
    if isinstance(given, str | bytes | Mapping):
        raise SourceError(f"{what}: one {type(given).__name__} was given", f"Give a list of {what}, or a frame.")
    if hasattr(given, "to_dicts"):  # polars
        given = given.to_dicts()
    elif hasattr(given, "to_pylist"):  # pyarrow
        given = given.to_pylist()
    elif hasattr(given, "columns"):  # pandas
        given = given.to_dict("records")
    return ({model.columns[0]: row} if isinstance(row, str) else row for row in given)


def _as_frame(rows: list[tuple[int, UserRow]], model: type[UserRow]) -> pl.DataFrame:
    columns = {name: [getattr(row, name) for _, row in rows] for name in model.model_fields}
    types = {name: _TYPES.get(name, TEXT) for name in ("line", *columns)}
    return pl.DataFrame({"line": [line for line, _ in rows], **columns}, types)


def _checked(line: int, cells: object, model: type[UserRow], *, in_file: bool) -> UserRow | Skipped:
    if isinstance(cells, Skipped):
        return cells
    if not isinstance(cells, Mapping):
        return _bad(line, "not an object", f'expected {{"{model.columns[0]}": …}}, got {_shown(cells)}')
    # NaN is what pandas writes for nothing.
    held = {k: v for k, v in cells.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}
    if in_file:
        unknown = sorted(cells.keys() - set(model.columns)) if model is TermRow else []
        if unknown:
            known = f"known are {', '.join(model.columns)}; rename it, or take it out"
            return _bad(line, f"unknown column {unknown[0]!r}", known)
        held = {name: held[name] for name in model.columns if name in held}
    try:
        row = model.model_validate(held)
    except ValidationError as error:
        return _invalid(line, cells, error, model)
    if in_file and isinstance(row, PassageRow):
        row.text = row.text.strip()
        if not row.text:
            return Skipped(line, EMPTY, "the row holds no text")
        if len(row.text) > MOST_CHARACTERS:
            return _too_long(line, f"{len(row.text):,} characters")
    return row


def _invalid(line: int, cells: Mapping[str, object], error: ValidationError, model: type[UserRow]) -> Skipped:
    """The first fault that the model found, in plain words."""
    first = error.errors(include_url=False)[0]
    field, got = str(first["loc"][0]), f"got {_shown(first['input'])}"
    match first["type"]:
        case "missing" if field in cells:
            return Skipped(line, EMPTY, f"the row holds no {field}")
        case "missing":
            return _bad(line, f"no {field}", f"it has {', '.join(map(repr, cells)) or 'nothing'}")
        case "string_type":
            return _bad(line, f"{field} is not a string", got)
        case "broken characters":
            return _bad(line, "broken characters", first["msg"])
        case "value_error":
            return _bad(line, field, str(first["ctx"]["error"]))
    return _bad(line, field, f"{first['msg']}, {got}")


def _too_long(line: int, what: str) -> Skipped:
    return _bad(line, "too long", f"{what}; at most {MOST_CHARACTERS:,} are read. Cut it into chunks")


def _raw_rows(path: Path, model: type[UserRow]) -> Iterator[tuple[int, object]]:
    """Each row of a file with its line, unchecked; what cannot be parsed is a Skipped."""
    readers = {".parquet": _parquet_rows, ".csv": _csv_rows, ".tsv": _csv_rows, ".txt": _txt_rows}
    try:
        yield from readers.get(path.suffix.lower(), _json_rows)(path, model)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})", "Check the path.") from error


def _open(path: Path) -> IO[str]:
    """The file as UTF-16 if its first two bytes say so, as in Excel's "Unicode text", else as UTF-8."""
    with path.open("rb") as file:
        first = file.read(2)
    encoding = "utf-16" if first in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if len(first) == 2 and 0 in first:  # half of a letter, without a byte order mark
        encoding = "utf-16-le" if first[1] == 0 else "utf-16-be"
    return path.open(encoding=encoding, newline="")


def _txt_rows(path: Path, model: type[UserRow]) -> Iterator[tuple[int, object]]:
    """One text a line. Excel's "Unicode text" is a table with tabs, and is read as one if it has a header."""
    with _open(path) as file:
        first = next((line for line in file if line.strip()), "")
        if "\t" in first and model.columns[0] in _names(first.split("\t")):
            yield from _csv_rows(path, model)
            return
        file.seek(0)
        for number, line in enumerate(file, 1):
            text = line.strip()
            if "\t" in text and not text.startswith("#"):
                cure = f"give the first line {model.columns[0]!r} and names for the other columns, or one text a line"
                yield number, _bad(number, "a tab between two texts", cure)
            elif text and not text.startswith("#"):
                yield number, {model.columns[0]: text}


def _json_rows(path: Path, model: type[UserRow]) -> Iterator[tuple[int, object]]:
    with _open(path) as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        first = next(lines, (0, ""))
        if not first[1].lstrip().startswith("["):
            yield from ((number, _parsed(number, line)) for number, line in chain([first], lines) if number)
            return
        try:
            values = json.loads(first[1] + file.read())
        except (json.JSONDecodeError, RecursionError) as error:
            raise SourceError(
                f"{path}: starts like a JSON list, but is not valid JSON ({error})",
                "Write one JSON object a line (JSON lines), then one bad line costs only itself.",
            ) from error
        yield from enumerate(values, 1)


def _parsed(line: int, text: str) -> object:
    if len(text) > 4 * MOST_CHARACTERS:
        return _too_long(line, f"a line of more than {4 * MOST_CHARACTERS:,} characters")
    try:
        return json.loads(text.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}"
    except ValueError as error:
        what = str(error)
    except RecursionError:
        what = "nested too deeply"
    return _bad(line, "invalid JSON", what)


def _csv_rows(path: Path, model: type[UserRow]) -> Iterator[tuple[int, object]]:
    # The library's limit of 131,072 characters a cell is one for the whole process; it is put back.
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with _open(path) as file:
            lines = (line for line in file if line.strip())
            first = next(lines, "")
            declared = _SEPARATOR.fullmatch(first.strip(" \r\n"))
            delimiter = declared["sign"] if declared else _delimiter_of(first, model.columns[0])
            file.seek(0)
            yield from _csv_cells(path, csv.reader(file, delimiter=delimiter, strict=True), model)
    finally:
        csv.field_size_limit(limit)


def _csv_cells(path: Path, reader: Any, model: type[UserRow]) -> Iterator[tuple[int, object]]:  # noqa: ANN401
    header: list[str] = []
    while line := reader.line_num + 1:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                problem = f"{path}:{line}: a quote is opened here and never closed"
                raise SourceError(problem, 'Close it, and double a quote inside a text: "He said ""yes""."') from error
            yield line, _bad(line, "invalid CSV", f"{error}; double a quote inside a quoted text")
            continue
        if not any(cell.strip() for cell in row) or (not header and _SEPARATOR.match(row[0])):
            continue
        row = row[: max(len(header), *(at for at, cell in enumerate(row, 1) if cell.strip()))]  # commas behind the last
        if not header:
            header = _header(f"{path}:{line}", path, row, model)
        elif len(row) > len(header):
            what = f'{len(row)} values in {len(header)} columns; put a text that holds a delimiter in "quotes"'
            yield line, _bad(line, "invalid CSV", what)
        else:
            cells = dict(zip(header, row + [""] * (len(header) - len(row)), strict=True))
            yield line, {name: cell for name, cell in cells.items() if cell.strip() or not _NO_NAME.match(name)}


def _header(place: str, path: Path, row: list[str], model: type[UserRow]) -> list[str]:
    names = _names(row) if model is TermRow else [cell.strip() for cell in row]
    twice = next((name for name in model.columns if names.count(name) > 1), None)
    if twice:
        raise SourceError(f"{place}: two columns are called {twice!r}", "Rename or remove one of them.")
    if model.columns[0] not in names:
        raise _without_column(path, names, model)
    return [name or f"column {number} (no name)" for number, name in enumerate(names, 1)]


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in cells]


def _delimiter_of(header: str, main: str) -> str:
    """The first of comma, semicolon, tab and bar with which the header has the column ``main``."""
    names = {sign: _names(header.split(sign)) for sign in ",;\t|"}
    return next((sign for sign, cells in names.items() if main in cells), max(names, key=header.count))


def _parquet_rows(path: Path, model: type[UserRow]) -> Iterator[tuple[int, object]]:
    try:
        names = list(pl.read_parquet_schema(path))
        if model.columns[0] not in names:
            raise _without_column(path, names, model)
        frame = pl.read_parquet(path, columns=[name for name in model.columns if name in names])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})",
            "Write it again, for example with DataFrame.to_parquet (pandas) or DataFrame.write_parquet (polars).",
        ) from error
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    others = dict.fromkeys(name for name in names if name not in model.columns)
    for number, cells in enumerate(frame.iter_rows(named=True), 1):
        # The first row names the columns that are not read.
        yield number, {**cells, **others} if number == 1 else cells


class _NoColumnError(SourceError):
    """A file that can be read, but has no column ``text``."""


def _without_column(path: Path, names: Iterable[str], model: type[UserRow]) -> SourceError:
    main, *optional = model.columns
    held = [name for name in names if name]
    other = next((name for name in _OTHER_NAMES if name in held and main == "text"), None)
    rename = f"Rename {other!r} to {main!r}." if other else f"Rename the column that holds the {main}s to {main!r}."
    lift = " Lift page, section or book out of 'metadata'." if "metadata" in held and main == "text" else ""
    return _NoColumnError(
        f"{path}: no column {main!r}; it has {', '.join(map(repr, held[:20])) or 'none with a name'}",
        f"{rename}{lift} Optional columns: {', '.join(optional)}.",
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


def _unusable(file: PassageFile) -> SourceError:
    if not file.skipped:
        return SourceError(f"{file.path}: holds no row", 'Write one passage a row, such as {"text": "Soil is …"}.')
    first, good = (file.bad or file.skipped)[0], len(file.rows)
    bad, rows = len(file.bad) if good else len(file.skipped), counted(good + len(file.skipped), "row")
    return SourceError(
        f"{file.path}: {bad:,} of its {rows} cannot be used; line {first.line}: {first.reason} ({first.detail})",
        'Write one JSON object a line, such as {"text": "Soil is …", "page": 3} (pandas: orient="records", lines=True); '
        "or CSV with quoted texts, or Parquet, with a column 'text'.",
    )
