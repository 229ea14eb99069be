"""A book that ends its process, or does not fit into its bounds, costs its own row and nothing else; own passages too."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.book import write_book
from tests.pdfs import Text, write_pdf
from tripletkit.books import REFUSED
from tripletkit.cli import main
from tripletkit.errors import SourceError
from tripletkit.pdf import pages
from tripletkit.pdf.book_tables import read_book_task
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.reader import RawPage
from tripletkit.pdf.workers import BookTables, BookTask, WorkerFunction
from tripletkit.stages import extract
from tripletkit.store import Store
from tripletkit.user_rows import PassageFile, read_passage_file


def fake_read(task: BookTask) -> BookTables | str:
    """Reads books, but for those whose name says what they do to who reads them."""
    if task.path.stem == "dying":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.path.stem == "hungry":
        bytearray(64 << 30)
    if task.path.stem == "faulty":
        raise KeyError("fonts")
    return read_book_task(task)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals, no bound of memory")
@pytest.mark.parametrize("workers", [1, 2])
def test_one_hostile_book_costs_one_row(
    book: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: int,
) -> None:
    monkeypatch.setattr(extract, "READ_BOOK", WorkerFunction(f"{__name__}:fake_read"))
    hostile = [tmp_path / f"{name}.pdf" for name in ("dying", "faulty", "hungry")]
    for path in hostile:
        path.write_bytes(b"%PDF-1.7 " + path.name.encode())
    flags = ["--output", str(tmp_path / "out"), "--encoder", str(tiny_encoder), "--set", f"workers={workers}"]
    with pytest.raises(SystemExit, match="1"):
        main(["extract", *map(str, hostile), str(book), *flags])
    assert "3 of the books could not be read; the others are done" in capsys.readouterr().err
    store = Store(tmp_path / "out")
    assert store.read("books")["path"].to_list() == [str(book)]
    refused = store.read("dropped").filter(reason=REFUSED)
    assert refused["item"].to_list() == [str(path) for path in hostile]
    dying, faulty, hungry = refused["detail"]
    assert "dying.pdf: reading it ended its process (SIGKILL)" in dying
    assert "hungry.pdf: reading it needs more than 4,096 MB of memory" in hungry
    assert "book_memory_mb" in hungry
    assert "faulty.pdf: a fault in tripletkit, not in the file (KeyError: 'fonts', at pdf/workers.py:" in faulty
    assert "report it in the issue tracker" in faulty
    assert "book_memory_mb" not in faulty


def test_a_book_alone_that_is_refused_is_an_error(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\n" + bytes(2000))
    with pytest.raises(SystemExit, match="1"):
        main(["extract", str(path), "--output", str(tmp_path / "out"), "--encoder", str(tiny_encoder)])
    assert f"{path}: damaged" in capsys.readouterr().err


def without_page(book: Path, number: int, path: Path) -> Path:
    """The book with one page's object missing."""
    data = book.read_bytes()
    kids = re.search(rb"/Kids\[((?:\d+ 0 R ?)+)\]", data)
    assert kids is not None
    page = kids[1].split()[3 * (number - 1)]
    path.write_bytes(re.sub(rb"\n%s 0 obj\n.*?\nendobj" % page, rb"\n%s 0 obj\nnull\nendobj" % page, data))
    return path


def test_a_missing_page_is_named_and_the_exit_code_says_so(
    book: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = without_page(book, 4, tmp_path / "torn.pdf")
    flags = [path, "--encoder", tiny_encoder, "--output", tmp_path / "out"]
    for again in (False, True):
        assert extract_code(*flags) == 1
        told = capsys.readouterr()
        assert "error: 1 page could not be read; the others are done" in told.err
        assert "page not read 1" in told.out
        if not again:
            assert f"{path}: 1 page could not be read, the others are read (page 4: PDFium cannot load it)" in told.err
    store = Store(tmp_path / "out")
    assert store.read("pages").filter(page=4)["role"].to_list() == ["unread"]
    assert store.read("passages").height > 30
    assert store.read("dropped").filter(reason="page not read")["detail"].to_list() == ["PDFium cannot load it"]


def faulty_layout(task: BookTask) -> BookTables | str:
    """Reads books with a fault on the page that tells of deltas."""

    def broken(page: RawPage) -> list[Line]:
        if any("delta" in word.text for word in page.words):
            raise IndexError("no such column")
        return page_lines(page)

    setattr(pages, "page_lines", broken)  # noqa: B010
    return read_book_task(task)


def test_a_fault_of_ours_is_not_laid_on_the_book_and_debug_shows_where(
    book: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extract, "READ_BOOK", WorkerFunction(f"{__name__}:faulty_layout"))
    flags = [book, "--encoder", tiny_encoder, "--output", tmp_path / "out"]
    assert extract_code(*flags) == 1
    told = capsys.readouterr().err
    assert "a fault in tripletkit, not in the file (IndexError: no such column, at pdf/pages.py:" in told
    assert "report it in the issue tracker of tripletkit's repository" in told
    assert "Traceback" not in told
    assert not re.search("book_seconds|book_memory_mb|damaged", told)
    with pytest.raises(SourceError):
        main(["extract", *map(str, flags), "--force", "--debug"])
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "in broken" in told


def test_no_passages_say_what_the_pages_were_taken_for_and_how_to_overrule_it(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heading = [Text(60, 60, "Bibliography", 20, "b")]
    lines = [
        Text(60, 90 + 14 * i, f"[{i}] A. Marl. The rivers of one valley, and what they know. 1999.") for i in range(20)
    ]
    path = write_pdf(tmp_path / "words.pdf", [[*heading, *lines], lines])
    flags = [path, "--encoder", tiny_encoder, "--output", tmp_path / "out"]
    assert extract_code(*flags) == 0
    told = capsys.readouterr()
    assert (
        f"{path}: no passages, though it has text: its pages were taken for bibliography 2 (1–2)\n  If a role is wrong"
        in told.err
    )
    assert "pages in no passage: bibliography 2 (1–2)" in told.out
    assert "book without passages 1" in told.out
    roles = 'extract.roles={"words.pdf"={"2-"="body"}}'
    assert extract_code(*flags, "--set", roles) == 0
    told = capsys.readouterr()
    assert "pages in no passage: bibliography 1 (1)" in told.out
    assert told.err == ""
    assert Store(tmp_path / "out").read("passages")["page_first"].unique().to_list() == [2]
    assert extract_code(*flags, "--set", 'extract.roles={"other.pdf"={"1-9"="body"}}') == 0
    assert "bibliography 2 (1–2)" in capsys.readouterr().out


def test_a_few_books_have_the_pages_kept_out_counted_and_listed(
    book: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = write_book(tmp_path / "second.pdf", title="Second")
    assert extract_code(book, other, "--encoder", tiny_encoder, "--output", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "; pages in no passage: front 2, toc 2, index 2" in told
    assert "second.pdf: pages in no passage: front 1 (1), toc 1 (2), index 1 (21)" in told
    monkeypatch.setattr("tripletkit.stages.extract.FEW_BOOKS", 1)
    assert extract_code(book, other, "--encoder", tiny_encoder, "--output", tmp_path / "out", "--force") == 0
    told = capsys.readouterr().out
    assert "; pages in no passage: front 2, toc 2, index 2" in told
    assert "second.pdf" not in told


def extract_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["extract", *map(str, arguments)])
    return int(end.value.code or 0)


@pytest.fixture
def chunks(tmp_path: Path) -> Path:
    path = tmp_path / "chunks.jsonl"
    rows = [{"id": f"c{n}", "text": f"The moraine was seen {n} times.", "section": "1 Ice", "page": n} for n in (1, 2)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_passages_of_ones_own_stand_beside_a_book(book: Path, chunks: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    flags = ["--encoder", tiny_encoder, "--output"]
    assert extract_code(book, *flags, tmp_path / "alone") == 0
    assert extract_code(book, chunks, *flags, tmp_path / "both") == 0
    alone, both = Store(tmp_path / "alone"), Store(tmp_path / "both")
    assert not (tmp_path / "alone" / "passage_ids.csv").exists()
    own = both.read("books").filter(path=str(chunks))
    assert own.select("title", "pages", "license").row(0) == ("chunks", 2, None)
    of_own = pl.col("book_id") == own["book_id"].item()
    for name in ("pages", "lines", "passages"):  # the book's rows are the same
        assert both.read(name).filter(~of_own).equals(alone.read(name)), name
    passages = both.read("passages").filter(of_own).sort("page_first")
    assert passages.select("section", "page_first", "label_last", "kind").rows() == [
        ("1 Ice", 1, "1", "prose"),
        ("1 Ice", 2, "2", "prose"),
    ]
    ids = pl.read_csv(tmp_path / "both" / "passage_ids.csv").sort("line")
    assert ids.rows() == [(p, f"c{n}", str(chunks), n) for n, p in enumerate(passages["passage_id"], 1)]
    # Without own passages the file of ids goes.
    assert extract_code(book, *flags, tmp_path / "both") == 0
    assert not (tmp_path / "both" / "passage_ids.csv").exists()


def test_bad_rows_are_dropped_with_their_place_and_fail_the_command(
    chunks: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chunks.open("a", encoding="utf-8") as file:
        file.write('no JSON\n{"text": 5}\n{"text": ""}\n{"text": "a", "page": 0.5}\n{"id": 1}\n[]\n')
        file.write('{"text": "The moraine was seen 1 times.", "id": "c2", "url": "x"}\n')
    flags = ["--encoder", tiny_encoder, "--output", tmp_path / "out"]
    for again in (False, True):
        assert extract_code(chunks, *flags) == 1
        told = capsys.readouterr()
        assert "5 rows of your passages could not be read; the others are done" in told.err
        assert "bad row: invalid JSON 1" in told.out
        if not again:
            assert f"{chunks}:3: bad row: invalid JSON (Expecting value at column 1)" in told.err
            assert f"{chunks}: and 2 more bad rows; all are in the table `dropped`" in told.err
            assert f"{chunks}:9: id 'c2' stands on line 2 too" in told.err
            assert f"{chunks}: columns ignored: url (read are text, id, title, section, page, book)" in told.err
    dropped = Store(tmp_path / "out").read("dropped")
    assert set(dropped.select("item", "reason").iter_rows()) == {
        (f"{chunks}:3", "bad row: invalid JSON"),
        (f"{chunks}:4", "bad row: text is not a string"),
        (f"{chunks}:5", "empty text"),
        (f"{chunks}:6", "bad row: page"),
        (f"{chunks}:7", "bad row: no text"),
        (f"{chunks}:8", "bad row: not an object"),
        (f"{chunks}:9", "repeated text"),
    }
    assert Store(tmp_path / "out").read("passages").height == 2


def test_an_empty_or_repeated_text_is_no_failure(chunks: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with chunks.open("a", encoding="utf-8") as file:
        file.write('{"text": " "}\n{"text": "The moraine was seen 1 times."}\n')
    assert extract_code(chunks, "--encoder", tiny_encoder, "--output", tmp_path / "out") == 0


def test_a_file_without_text_is_refused_and_the_others_are_read(
    chunks: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "langchain.csv"
    other.write_text("page_content,source\na,b\n", encoding="utf-8")
    missing = tmp_path / "gone.parquet"
    flags = ["--encoder", tiny_encoder, "--output", tmp_path / "out"]
    assert extract_code(other, chunks, missing, *flags) == 1
    told = capsys.readouterr().err
    assert f"{other}: no column 'text'; it has 'page_content', 'source'\n  Rename 'page_content' to 'text'." in told
    assert f"{missing}: no such file" in told
    refused = Store(tmp_path / "out").read("dropped").filter(reason=REFUSED)
    assert refused["item"].to_list() == [str(missing), str(other)]
    assert extract_code(other, *flags[:-1], tmp_path / "none") == 1
    assert (
        "Give at least one PDF with a text layer, or one file of passages with a column 'text'"
        in capsys.readouterr().err
    )


def test_an_unchanged_file_is_fresh_a_changed_one_is_read_again(
    chunks: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text\nA delta grows.\n", encoding="utf-8")
    flags = ["--encoder", tiny_encoder, "--output", tmp_path / "out"]
    assert extract_code(chunks, other, *flags) == 0
    assert extract_code(chunks, other, *flags) == 0
    assert "[fresh, skipped]" in capsys.readouterr().out
    other.write_text("text\nA delta grows slowly.\n", encoding="utf-8")
    read: list[Path] = []

    def counted(path: Path) -> PassageFile:
        read.append(path)
        return read_passage_file(path)

    monkeypatch.setattr(extract, "read_passage_file", counted)
    assert extract_code(chunks, other, *flags) == 0
    assert read == [other]  # the other's part is kept: a killed run continues
    assert "A delta grows slowly." in Store(tmp_path / "out").read("passages")["text"]
    assert extract_code(chunks, other, *flags, "--force") == 0
    assert read == [other, chunks, other]


def test_a_killed_reading_leaves_no_half_part(
    chunks: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    flags = ["--encoder", tiny_encoder, "--output", tmp_path / "out"]
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", killed)  # the last act of keeping a part
        with pytest.raises(SystemExit, match="130"):
            main(["extract", str(chunks), *map(str, flags)])
    assert not Store(tmp_path / "out").has("passages")
    assert extract_code(chunks, *flags) == 0
    assert Store(tmp_path / "out").read("passages").height == 2


def test_the_same_file_twice_is_read_once(
    chunks: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(chunks.read_bytes())
    assert extract_code(chunks, copy, "--encoder", tiny_encoder, "--output", tmp_path / "out") == 0
    assert f"{copy} is the same file as {chunks}; it is read once" in capsys.readouterr().err


def test_licences_come_from_the_settings_or_from_beside_the_file(
    chunks: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    chunks.write_text('{"text": "a", "book": "Earth"}\n{"text": "b", "book": "Sky"}\n', encoding="utf-8")
    chunks.with_name("chunks.jsonl.license").write_text("MIT", encoding="utf-8")
    settings = tmp_path / "tripletkit.toml"
    settings.write_text('[licenses]\nSky = "CC0-1.0"\n', encoding="utf-8")
    flags = ["--encoder", tiny_encoder, "--output", tmp_path / "out", "--config", settings]
    assert extract_code(chunks, *flags) == 0
    books = Store(tmp_path / "out").read("books")
    assert dict(books.select("title", "license").iter_rows()) == {"Earth": "MIT", "Sky": "CC0-1.0"}


def test_a_long_text_is_cut_and_the_summary_tells(
    chunks: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = " ".join(f"The moraine was seen {n} times." for n in range(60))
    chunks.write_text(json.dumps({"text": long, "id": "x"}), encoding="utf-8")
    assert extract_code(chunks, "--encoder", tiny_encoder, "--output", tmp_path / "out") == 0
    passages = Store(tmp_path / "out").read("passages")
    assert f"1 text over the encoder's limit cut into {passages.height}" in capsys.readouterr().out
    assert passages["n_tokens"].max() <= 128  # type: ignore[operator]
    assert pl.read_csv(tmp_path / "out" / "passage_ids.csv")["id"].to_list() == ["x"] * passages.height
