"""Passages and terms as people have them: every format, and every way in which a row or a file can be bad."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tripletkit.errors import SourceError
from tripletkit.user_rows import (
    MOST_CHARACTERS,
    PassageFile,
    PassageRow,
    has_text_column,
    read_passage_file,
    read_rows,
    read_user_terms,
    with_ids,
)

ROWS = [
    {"id": "a", "text": 'Humus, "black gold",\nis dark.', "section": "1 Soil", "page": "12", "book": "Earth"},
    {"id": "b", "text": "Loam drains wéll.", "section": "2 Loam", "page": "xii", "book": "Earth"},
]


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def lines(*rows: object) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def facts(file: PassageFile) -> list[tuple[str | None, ...]]:
    return file.rows.select("id", "text", "section", "page", "book").rows()


def as_csv(delimiter: str) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    body = "\n".join(delimiter.join(map(quoted, row.values())) for row in ROWS)
    return delimiter.join(ROWS[0]) + "\n" + body + "\n"


def test_every_format_says_the_same(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(tmp_path / "a.parquet")
    frame.with_columns(pl.col("book").cast(pl.Categorical)).write_parquet(tmp_path / "b.parquet")
    files = [
        write(tmp_path, "a.jsonl", lines(*ROWS)),
        write(tmp_path, "bom.jsonl", "\n" + lines(*ROWS), "utf-8-sig"),
        write(tmp_path, "list.json", json.dumps(ROWS, indent=1)),
        write(tmp_path, "list.jsonl", json.dumps(ROWS)),
        write(tmp_path, "a.csv", as_csv(",")),
        write(tmp_path, "excel.csv", as_csv(";"), "utf-8-sig"),
        write(tmp_path, "unicode.csv", as_csv("\t"), "utf-16"),
        write(tmp_path, "a.tsv", as_csv("\t")),
        tmp_path / "a.parquet",
        tmp_path / "b.parquet",
    ]
    wanted = [tuple(row[name] for name in ("id", "text", "section", "page", "book")) for row in ROWS]
    for path in files:
        assert facts(read_passage_file(path)) == wanted, path.name
        assert has_text_column(path), path.name


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    table = write(tmp_path, "a.csv", 'text,id\n"two\nlines",a\n\nlast,b\n')
    assert read_passage_file(table).rows.select("line", "id").rows() == [(2, "a"), (5, "b")]
    assert read_passage_file(write(tmp_path, "a.jsonl", "\n" + lines(*ROWS))).rows["line"].to_list() == [2, 3]


def test_numbers_lists_and_gaps_become_text(tmp_path: Path) -> None:
    rows = [
        {"text": " a ", "id": 7, "page": 3.0, "section": ["1 Soil", "1.1 Humus"], "book": 2024},
        {"text": "b", "id": None, "page": float("nan"), "section": "", "title": "  The   Earth "},
    ]
    read = read_passage_file(write(tmp_path, "a.jsonl", lines(*rows)))
    assert read.rows.select("line", *PassageRow.columns).rows() == [
        (1, "a", "7", None, "1 Soil › 1.1 Humus", "3", "2024"),
        (2, "b", None, "The Earth", None, None, None),
    ]
    # pandas writes whole numbers with gaps as floats.
    assert read_passage_file(write(tmp_path, "a.csv", "text,page\na,3.0\nb,\n")).rows["page"][0] == "3"


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    rows = [{"text": "a", "source": "x"}, {"text": "b", "metadata": {}}]
    assert read_passage_file(write(tmp_path, "a.jsonl", lines(*rows))).ignored == ("source", "metadata")
    assert read_passage_file(write(tmp_path, "a.csv", ",text,score\n0,a,1\n")).ignored == (
        "column 1 (no name)",
        "score",
    )
    pl.DataFrame({"text": ["a"], "embedding": [[0.1]]}).write_parquet(tmp_path / "a.parquet")
    assert read_passage_file(tmp_path / "a.parquet").ignored == ("embedding",)


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ('{"text": "a"', "bad row: invalid JSON", "Expecting ',' delimiter at column 13"),
        ("text: a", "bad row: invalid JSON", "Expecting value at column 1"),
        ("[" * 100_000, "bad row: invalid JSON", "nested too deeply"),
        ('["a"]', "bad row: not an object", "got list ['a']"),
        ('{"id": "x"}', "bad row: no text", "it has 'id'"),
        ("{}", "bad row: no text", "it has nothing"),
        ('{"text": 5}', "bad row: text is not a string", "got int 5"),
        ('{"text": ["a", "b"]}', "bad row: text is not a string", "got list ['a', 'b']"),
        ('{"text": ""}', "empty text", "the row holds no text"),
        ('{"text": " \\n "}', "empty text", "the row holds no text"),
        ('{"text": null}', "empty text", "the row holds no text"),
        ('{"text": NaN}', "empty text", "the row holds no text"),
        ('{"text": "\\ud83d"}', "bad row: broken characters", r"half of a surrogate pair, \ud83d"),
        (
            '{"text": "a", "page": 3.5}',
            "bad row: page",
            "expected a page number or a printed label such as 'xii', got float 3.5",
        ),
        ('{"text": "a", "page": [1, 2]}', "bad row: page", "got list [1, 2]"),
        ('{"text": "a", "page": true}', "bad row: page", "got bool True"),
        ('{"text": "a", "page": "%s"}' % ("x" * 50), "bad row: page", "50 characters (str 'xxx"),
        ('{"text": "a", "id": {"x": 1}}', "bad row: id", "expected a string or a whole number, got dict {'x': 1}"),
        ('{"text": "a", "section": [1]}', "bad row: section", "got list [1]"),
        (
            '{"text": "%s"}' % ("x" * (MOST_CHARACTERS + 1)),
            "bad row: too long",
            "1,000,001 characters; at most 1,000,000",
        ),
        (
            '{"text": "%s"}' % ("x" * 5 * MOST_CHARACTERS),
            "bad row: too long",
            "a line of more than 4,000,000 characters",
        ),
    ],
    ids=lambda value: value[:30],
)
def test_a_bad_line_costs_itself(tmp_path: Path, row: str, reason: str, detail: str) -> None:
    path = write(tmp_path, "a.jsonl", '{"text": "first"}\n' + row + '\n{"text": "last"}\n')
    read = read_passage_file(path)
    assert read.rows.select("line", "text").rows() == [(1, "first"), (3, "last")]
    assert [(skipped.line, skipped.reason) for skipped in read.skipped] == [(2, reason)]
    assert detail in read.skipped[0].detail
    assert len(read.bad) == (reason != "empty text")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ("a,1,x,y", '4 values in 2 columns; put a text that holds a delimiter in "quotes"'),
        ('"a" b,1', "',' expected after '\"'; double a quote inside a quoted text"),
    ],
)
def test_a_bad_row_of_csv_costs_itself(tmp_path: Path, row: str, detail: str) -> None:
    read = read_passage_file(write(tmp_path, "a.csv", f"text,page\nfirst,1\n{row}\nlast,2\n"))
    assert read.rows["text"].to_list() == ["first", "last"]
    assert [(skipped.line, skipped.reason, skipped.detail) for skipped in read.skipped] == [
        (3, "bad row: invalid CSV", detail)
    ]


def test_a_long_cell_is_read_and_the_librarys_limit_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    read = read_passage_file(write(tmp_path, "a.csv", f"text\n{'word ' * 60_000}\n{'x' * (MOST_CHARACTERS + 1)}\n"))
    assert read.rows["text"].str.len_chars().to_list() == [299_999]
    assert [skipped.reason for skipped in read.skipped] == ["bad row: too long"]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            lines({"page_content": "a", "metadata": {}}),
            r"has 'page_content', 'metadata'\n  Rename 'page_content' to 'text'\. Lift page, section or book out of 'metadata'",
        ),
        ("a.csv", "Text,id\na,1\n", r"a\.csv: no column 'text'; it has 'Text', 'id'\n  Rename 'Text' to 'text'"),
        ("a.csv", "body;id\na;1\n", r"no column 'text'; it has 'body;id'|no column 'text'; it has 'body', 'id'"),
        ("a.csv", "text,text\na,b\n", r"a\.csv:1: two columns are called 'text'"),
        ("a.csv", 'text\n"a\nb\nc\n', r"a\.csv:2: a quote is opened here and never closed"),
        ("a.csv", "", r"a\.csv: holds no row"),
        ("a.csv", "text,id\n", r"a\.csv: holds no row"),
        ("a.jsonl", "\n\n", r"a\.jsonl: holds no row"),
        ("a.json", "[]", r"a\.json: holds no row"),
        ("a.json", '[{"text": "a"},', r"a\.json: starts like a JSON list, but is not valid JSON \(Expecting value"),
        (
            "a.json",
            '{\n "chunks": []\n}',
            r"3 of its 3 rows cannot be used; line 1: bad row: invalid JSON \(Expecting property name",
        ),
        ("a.parquet", "PAR1 no", r"a\.parquet: not a readable Parquet file \("),
    ],
)
def test_a_bad_file_is_refused_with_a_cure(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as raised:
        read_passage_file(write(tmp_path, name, text))
    assert raised.value.hint


def test_a_file_of_mostly_bad_rows_is_refused(tmp_path: Path) -> None:
    good, bad = "a,b\n" * 90, "a,b,c\n" * 101
    path = write(tmp_path, "a.csv", f"text,id\n{good}{bad}")
    with pytest.raises(
        SourceError, match=r"101 of its 191 rows cannot be used; line 92: bad row: invalid CSV \(3 values"
    ):
        read_passage_file(path)
    assert len(read_passage_file(write(tmp_path, "b.csv", f"text,id\n{good}{bad[6:]}")).bad) == 100


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    text = "text\nfirst\nwéll\n" if name == "a.csv" else '{"text": "first"}\n\n{"text": "wéll"}\n'
    with pytest.raises(SourceError, match=rf"{name}:3: not UTF-8 text \(byte 0xe9\)\n  Save it as UTF-8: in Excel"):
        read_passage_file(write(tmp_path, name, text, "cp1252"))


def test_a_text_column_of_numbers_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"text": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="2 of its 2 rows cannot be used; line 1: bad row: text is not a string"):
        read_passage_file(tmp_path / "a.parquet")
    pl.DataFrame({"words": ["a"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet: no column 'text'; it has 'words'"):
        read_passage_file(tmp_path / "b.parquet")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        with pytest.raises(SourceError, match=rf"{name}: (cannot be read \(No such file|not a readable Parquet)"):
            read_passage_file(tmp_path / name)


def test_three_formats_of_terms_say_the_same(tmp_path: Path) -> None:
    csv = write(tmp_path, "a.csv", 'term,forms,definition\nentropy,"H|Shannon entropy","a measure, in bits"\n')
    jsonl = write(
        tmp_path,
        "a.jsonl",
        '{"term": "entropy", "forms": ["H", "Shannon entropy"], "definition": "a measure, in bits"}\n\n',
    )
    ((one,), (other,)) = read_user_terms(csv), read_user_terms(jsonl)
    assert (
        (one.term, one.forms, one.definition)
        == (other.term, other.forms, other.definition)
        == ("entropy", ("H", "Shannon entropy"), "a measure, in bits")
    )
    assert [
        term.term for term in read_user_terms(write(tmp_path, "a.txt", "# mine\nentropy\n\n  mutual   information \n"))
    ] == ["entropy", "mutual information"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "term,forms\nentropy,H\n,x\n", r"a\.csv:3: term \(the term is empty\)"),
        ("a.csv", "name\nentropy\n", r"a\.csv: no column 'term'; it has 'name'"),
        ("a.csv", "term\nentropy,H\n", r"a\.csv:2: invalid CSV \(2 values in 1 columns"),
        ("a.csv", 'term\n"entropy"x\n', r"a\.csv:2: invalid CSV"),
        ("a.jsonl", '{"term": "a"}\n{"term": \n', r"a\.jsonl:2: invalid JSON \(Expecting value at column"),
        ("a.jsonl", '{"term": "a", "form": "b"}\n', r"a\.jsonl:1: unknown column 'form'"),
        ("a.jsonl", '{"term": 3}\n', r"a\.jsonl:1: term is not a string \(got int 3\)"),
        (
            "a.jsonl",
            '{"term": "a", "forms": [1]}\n',
            r"a\.jsonl:1: forms is not a string \(got int 1\)",
        ),
        (
            "a.jsonl",
            '{"term": "a", "forms": {"b": 1}}\n',
            r"a\.jsonl:1: forms \(Input should be a valid list, got dict",
        ),
        ("a.txt", "\n# nothing\n", r"a\.txt: holds no term"),
        ("a.xlsx", "", r"a\.xlsx: terms are read from"),
    ],
)
def test_a_bad_term_is_named_by_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_user_terms(write(tmp_path, name, text))


def test_terms_of_another_encoding_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"entropy\nna\xefve Bayes\n")
    with pytest.raises(SourceError, match=r"a\.txt:2: not UTF-8"):
        read_user_terms(path)


def test_lists_frames_and_files_give_the_same_rows(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    wanted = read_rows(ROWS, PassageRow, "passages")
    assert wanted["place"].to_list() == ["passages: row 0", "passages: row 1"]
    assert wanted.select("id", "text", "section", "page", "book").rows() == [
        tuple(row[name] for name in ("id", "text", "section", "page", "book")) for row in ROWS
    ]
    renamed = frame.rename({"id": "passage_id", "book": "book_id", "page": "page_first"})
    for given_rows in (frame, frame.to_arrow(), frame.to_pandas(), renamed):
        assert read_rows(given_rows, PassageRow, "passages").equals(wanted)
    path = write(tmp_path, "a.jsonl", lines(*ROWS))
    in_file = read_rows(path, PassageRow, "")
    assert in_file.drop("line", "place").equals(wanted.drop("line", "place"))
    assert in_file["place"].to_list() == [f"{path}:1", f"{path}:2"]


def test_ids_are_given_where_there_is_none_and_may_not_occur_twice() -> None:
    rows = read_rows([{"text": "a", "id": 7}, {"text": "b"}], PassageRow, "passages")
    assert with_ids(rows, "passage_id", pl.col("text"))["passage_id"].to_list() == ["7", "b"]
    with pytest.raises(SourceError, match="passages: row 1: passage_id '7' occurs twice"):
        with_ids(rows, "passage_id", pl.lit("7"))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda text: bool(text.strip())
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_TEXTS, st.none() | st.integers(0, 9999)), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path: Path, given_rows: list[tuple[str, int | None]]) -> None:
    rows = [{"text": text, "page": page} for text, page in given_rows]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["page", "text"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    write(tmp_path, "a.jsonl", lines(*rows))
    pl.DataFrame(rows, schema={"text": pl.String, "page": pl.Int64}).write_parquet(tmp_path / "a.parquet")
    wanted = [(text.strip(), None if page is None else str(page)) for text, page in given_rows]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        read = read_passage_file(tmp_path / name)
        assert read.rows.select("text", "page").rows() == wanted, name
        assert not read.skipped


EXCEL = {
    "semicolons": "term;forms\nentropy;H|Shannon entropy\ncross entropy;\n",
    "tabs": "Term\tForms\nentropy\tH|Shannon entropy\ncross entropy\t\n",
    "sep": "sep=;\r\nterm;forms\r\nentropy;H|Shannon entropy\r\ncross entropy;\r\n",
    "sep, quoted": '"sep=;"\nterm;forms\nentropy;H|Shannon entropy\ncross entropy;\n',
    "sep is a tab": "sep=\t\nterm\tforms\nentropy\tH|Shannon entropy\ncross entropy\t\n",
    "trailing commas": "term,forms,\nentropy,H|Shannon entropy,\ncross entropy,,\n",
    "commas behind the header": "term,forms\nentropy,H|Shannon entropy,,\ncross entropy,,,\n",
    "empty columns between": "term,,forms\nentropy,,H|Shannon entropy\ncross entropy,,\n",
    "empty rows": "\n\nterm,forms\n,\nentropy,H|Shannon entropy\n\ncross entropy,\n,\n",
    "quoted header": '"term","forms"\n"entropy","H|Shannon entropy"\n"cross entropy",""\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("way", EXCEL)
def test_excels_ways_are_read(way: str, encoding: str, tmp_path: Path) -> None:
    endings = [".csv", *([".tsv", ".txt"] if way == "tabs" else [])]
    for ending in endings:
        path = tmp_path / f"a{ending}"
        path.write_bytes(EXCEL[way].encode(encoding))
        found = [(term.term, term.forms) for term in read_user_terms(path)]
        assert found == [("entropy", ("H", "Shannon entropy")), ("cross entropy", ())]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "term,notes\nentropy,ask Ann\n",
            r"a\.csv:2: unknown column 'notes' \(known are .*; rename it, or take it",
        ),
        (
            "a.csv",
            "term,forms,\nentropy,H,x\n",
            r"a\.csv:2: (invalid CSV \(3 values in 2 columns|unknown column 'column 3)",
        ),
        ("a.csv", "term,,forms\nentropy,x,H\n", r"a\.csv:2: unknown column 'column 2 \(no name\)'"),
        ("a.txt", "entropy\tH\n", r"a\.txt:1: a tab between two texts \(give the first line 'term'"),
        ("a.xlsx", "", r"In Excel, save it as 'CSV UTF-8'"),
    ],
)
def test_what_excel_writes_otherwise_is_refused_with_the_cure(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        read_user_terms(write(tmp_path, name, text))


def test_lines_are_those_of_the_file_behind_a_declared_delimiter(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "sep=;\nterm;forms\nentropy;H\n")
    assert [term.place for term in read_user_terms(path)] == [f"{path}:3"]
