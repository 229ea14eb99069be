"""A book that ends its process, or does not fit into its bounds, costs its own row and nothing else."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tripletkit.books import REFUSED
from tripletkit.cli import main
from tripletkit.pdf.book_tables import read_book_task
from tripletkit.pdf.book_task import BookTables, BookTask
from tripletkit.pdf.workers import WorkerFunction
from tripletkit.stages import extract
from tripletkit.store import Store


def fake_read(task: BookTask) -> BookTables | str:
    """Reads books, but for those whose name says what they do to who reads them."""
    if task.path.stem == "dying":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.path.stem == "hungry":
        bytearray(64 << 30)
    if task.path.stem == "faulty":
        raise KeyError("fonts")
    return read_book_task(task)


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
    assert "faulty.pdf: a fault in tripletkit, not in the file (KeyError: 'fonts')" in faulty
    assert "book_memory_mb" not in faulty


def test_a_book_alone_that_is_refused_is_an_error(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\n" + bytes(2000))
    with pytest.raises(SystemExit, match="1"):
        main(["extract", str(path), "--output", str(tmp_path / "out"), "--encoder", str(tiny_encoder)])
    assert f"{path}: damaged" in capsys.readouterr().err
