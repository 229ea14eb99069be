"""Files, folders and patterns → what is read."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from tripletkit.books import find_books
from tripletkit.errors import SourceError


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_gives_its_pdfs_and_its_tables_of_passages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wanted = [
        touch(tmp_path / "a.PDF"),
        touch(tmp_path / "chunks.jsonl", '{"text": "a"}\n'),
        touch(tmp_path / "deep" / "b.csv", "text,page\na,1\n"),
        touch(tmp_path / "deep" / "broken.csv", 'text\n"a'),  # told by whoever reads it
        touch(tmp_path / "deep" / "c.pdf"),
    ]
    touch(tmp_path / "notes.md")
    touch(tmp_path / "package.json", "{}")
    terms = touch(tmp_path / "terms.csv", "term\nsoil\n")
    (tmp_path / "output" / "manifests").mkdir(parents=True)
    pl.DataFrame({"text": ["made by an earlier run"]}).write_parquet(tmp_path / "output" / "passages.parquet")
    with caplog.at_level(logging.WARNING, logger="tripletkit"):
        assert find_books([tmp_path]) == tuple(wanted)
    assert caplog.messages == [f"{terms}: passed over, it has no column 'text'; name the file itself to be told more"]


def test_a_pattern_and_a_name_take_what_they_match(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "a.jsonl"), touch(tmp_path / "b.jsonl")
    assert find_books([tmp_path / "*.jsonl", one]) == (one, two)
    terms = touch(tmp_path / "terms.csv", "term\nsoil\n")
    assert find_books([terms]) == (terms,)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the folder holds no PDF and no passages \(\.csv, \.jsonl"):
        find_books([tmp_path])
    with pytest.raises(SourceError, match="the pattern matches no file"):
        find_books([tmp_path / "*.csv"])
    with pytest.raises(SourceError, match="no book was given\n  Name a PDF, a file of passages, a folder or a pattern"):
        find_books([])
