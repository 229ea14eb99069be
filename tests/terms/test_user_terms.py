"""A user's file of terms, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tripletkit.errors import SourceError
from tripletkit.terms.user_terms import read_user_terms


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_three_formats_say_the_same(tmp_path: Path) -> None:
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
        ("a.csv", "term,forms\nentropy,H\n,x\n", r"a\.csv:3: the term is empty"),
        ("a.csv", "name\nentropy\n", r"a\.csv:1: unknown column 'name' in the header"),
        ("a.csv", "term\nentropy,H\n", r"a\.csv:2: 2 values in 1 columns"),
        ("a.csv", 'term\n"entropy"x\n', r"a\.csv:2: not valid CSV"),
        ("a.jsonl", '{"term": "a"}\n{"term": \n', r"a\.jsonl:2: not valid JSON"),
        ("a.jsonl", '{"term": "a", "form": "b"}\n', r"a\.jsonl:1: unknown key 'form'"),
        ("a.jsonl", '{"term": 3}\n', r"a\.jsonl:1: 'term' must be a text, got 3"),
        ("a.jsonl", '{"term": "a", "forms": "b"}\n', r"a\.jsonl:1: 'forms' must be a list of texts, got 'b'"),
        ("a.txt", "\n# nothing\n", r"a\.txt: holds no term"),
        ("a.xlsx", "", r"a\.xlsx: terms are read from"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_user_terms(write(tmp_path, name, text))


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"entropy\nna\xefve Bayes\n")
    with pytest.raises(SourceError, match=r"a\.txt:2: not UTF-8"):
        read_user_terms(path)
