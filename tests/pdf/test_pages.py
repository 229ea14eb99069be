"""What cannot be read costs itself alone: pages, labels, bookmarks, fonts; and what is said of a page's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pikepdf
import pytest

from tests.book import write_book
from tests.pdf.make import count_words
from tests.pdfs import Text, write_pdf
from tripletkit.errors import SourceError
from tripletkit.pdf import book_tables, pages
from tripletkit.pdf.book_tables import extract_book
from tripletkit.pdf.kinds import text_metrics
from tripletkit.pdf.lines import Line, page_lines
from tripletkit.pdf.pages import UNSUPPORTED, complaint, read_book
from tripletkit.pdf.reader import RawPage, count_page_objects, open_pdf, security_handler
from tripletkit.pdf.workers import FAULT_START, BookTables, PassageLimits
from tripletkit.rules import load_rules

RULES = load_rules()


def extract(path: Path, backend: str = "pdfium") -> BookTables:
    limits = PassageLimits(120, 80, 10)
    return extract_book(path, book_id="b", limits=limits, count_tokens=count_words, rules=RULES, backend=backend)


def prose(number: int) -> list[Text]:
    lines = (f"The rivers of page {number} are told in line {i}, at some length, to the end" for i in range(1, 12))
    return [Text(60, 80 + 14 * i, text) for i, text in enumerate(lines)]


def text_of(tables: BookTables) -> str:
    return " ".join(str(row["text"]) for row in tables.passages)


def pages_told(tables: BookTables) -> set[int]:
    return set(map(int, re.findall(r"of page (\d+) are told", text_of(tables))))


def reasons(tables: BookTables) -> dict[str, str]:
    return {str(row["reason"]): f"{row['item']}: {row['detail']}" for row in tables.dropped}


@pytest.fixture
def six(tmp_path: Path) -> Path:
    return write_pdf(tmp_path / "six.pdf", [prose(n) for n in range(1, 7)], labels="0 <</S/A>>")


@pytest.mark.parametrize("backend", ["pdfium", "pdfplumber"])
def test_a_page_that_cannot_be_loaded_is_dropped_and_the_others_are_read(six: Path, backend: str) -> None:
    fourth = re.search(rb"/Kids\[(?:\d+ 0 R ){3}(\d+) 0 R", six.read_bytes())
    assert fourth is not None
    six.write_bytes(
        re.sub(rb"\n%s 0 obj\n.*?\nendobj" % fourth[1], rb"\n%s 0 obj\nnull\nendobj" % fourth[1], six.read_bytes())
    )
    tables = extract(six, backend)
    assert pages_told(tables) == {1, 2, 3, 5, 6}
    assert [row["role"] for row in tables.pages] == ["body"] * 3 + ["unread"] + ["body"] * 2
    assert [row["label"] for row in tables.pages] == list("ABCDEF")
    assert reasons(tables)["page not read"] == "b page 4: PDFium cannot load it"
    if backend == "pdfplumber":  # it does not count the page: its numbers would be those of other pages
        assert "it finds 5 pages, PDFium 6" in reasons(tables)["pdfplumber not used"]


def test_pages_behind_the_number_that_the_file_gives_are_read(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    six.write_bytes(six.read_bytes().replace(b"/Count 6", b"/Count 3"))
    why = "the file says that it has 3 pages, so PDFium reads no more"
    tables = extract(six)
    assert pages_told(tables) == {1, 2, 3, 4, 5, 6}
    assert reasons(tables) == {"read by pdfplumber": f"b pages 4 to 6: {why}"}
    monkeypatch.setattr(pages, "MOST_READ_AGAIN", 2)
    tables = extract(six)
    assert pages_told(tables) == {1, 2, 3, 4, 5}
    assert reasons(tables)["page not read"] == f"b page 6: {why}"


def test_pages_in_compressed_objects_are_counted(six: Path) -> None:
    with pikepdf.open(six, allow_overwriting_input=True) as document:
        document.save(six, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    assert b"/Kids" not in six.read_bytes()
    assert count_page_objects(six) == 6


def test_pages_of_an_earlier_version_are_no_pages(six: Path) -> None:
    six.write_bytes(b"%PDF-1.7\n7 0 obj\n<</Type/Page>>\nendobj\n" + six.read_bytes())
    tables = extract(six)
    assert pages_told(tables) == {1, 2, 3, 4, 5, 6}
    assert tables.dropped == []
    assert count_page_objects(six) == 7


def test_lines_without_a_common_left_edge(tmp_path: Path) -> None:
    centred = [Text(90 + 7 * i, 80 + 14 * i, f"A child who sees river {i} sees water") for i in range(14)]
    tables = extract(write_pdf(tmp_path / "centred.pdf", [prose(1), centred, prose(3), prose(4)]))
    assert pages_told(tables) == {1, 3, 4}
    assert re.findall(r"river (\d+)", text_of(tables)) == [str(i) for i in range(14)]
    assert tables.dropped == []


@pytest.mark.parametrize(
    "odd",
    [
        [Text(60, 80, "Rivers of the world, told in many lines, all of them in one place")] * 14,
        [Text(60, 80 + 0.01 * i, f"Rivers of the world, told in line {i} of page 2", size=0.01) for i in range(14)],
        [Text(10 ** (i % 12), 80 + 14 * i, f"Rivers of the world, in line {i}") for i in range(14)],
        [Text(60, 80, "Rivers", size=900), Text(60, 80, "and seas", size=2000)],
    ],
    ids=["no leading", "no size", "far away", "huge"],
)
def test_odd_geometry_costs_nothing(tmp_path: Path, odd: Sequence[Text]) -> None:
    tables = extract(write_pdf(tmp_path / "odd.pdf", [prose(1), odd, prose(3)]))
    assert {1, 3} <= pages_told(tables)
    assert not tables.faults
    alone = extract(write_pdf(tmp_path / "alone.pdf", [odd]))
    assert not alone.faults


def test_a_bookmark_that_leads_nowhere_is_named(six: Path) -> None:
    with pikepdf.open(six, allow_overwriting_input=True) as document:
        with document.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("Rivers", 0))
            outline.root.append(pikepdf.OutlineItem("Seas", pikepdf.Array([99, pikepdf.Name.Fit])))
            outline.root.append(pikepdf.OutlineItem("Lakes", pikepdf.Array([document.Root, pikepdf.Name.Fit])))
        document.Root.Outlines.First.Title = pikepdf.String(b"\xfe\xff\xd8\x00")  # half a character
        document.save(six)
    tables = extract(six)
    assert pages_told(tables) == set(range(1, 7))
    nowhere = [str(row["item"]) for row in tables.dropped if row["reason"] == "bookmark without a page"]
    assert nowhere == ["b Seas", "b Lakes"]


def test_what_ended_a_process_is_left_out_the_next_time(six: Path) -> None:
    why = "reading it took longer than 60 s"
    book = read_book(six, skip=dict.fromkeys(("page 2", "page labels", "outline"), why))
    assert [page.number for page in book.pages if page.unread == why] == [2]
    assert [(part.reason, part.why) for part in book.parts] == [
        ("page labels not read", why),
        ("outline not read", why),
    ]


def test_a_sample_of_pages_is_spread_over_the_book(six: Path) -> None:
    assert [page.number for page in read_book(six, sample=3).pages if page.lines] == [1, 3, 6]
    assert [page.number for page in read_book(six, sample=50).pages if page.lines] == [1, 2, 3, 4, 5, 6]


def broken_lines(page: RawPage) -> list[Line]:
    if page.number == 3:
        raise IndexError("no such column")
    return LINES(page)


def broken_metrics(lines: Sequence[Line], size: float) -> object:
    if any(line.page == 3 for line in lines):
        raise IndexError("no such column")
    return METRICS(lines, size)


LINES, METRICS = page_lines, text_metrics


def test_a_fault_of_ours_costs_its_page_and_is_called_one(six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a page is read, or when all are laid out together."""
    for module, name, broken in ((pages, "page_lines", broken_lines), (book_tables, "text_metrics", broken_metrics)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            tables = extract(six)
        assert pages_told(tables) == {1, 2, 4, 5, 6}, name
        dropped = reasons(tables)["page not read"]
        assert dropped.startswith(f"b page 3: {FAULT_START} (IndexError: no such column, at ")
        assert f"in {broken.__name__}" in tables.faults[0]


def test_a_fault_with_the_outline_costs_the_outline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_book(tmp_path / "earth.pdf")
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        with document.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("Rivers", 4))
        document.save(path)

    def broken(outline: Sequence[object], *_: object) -> list[object]:
        if outline:
            raise ZeroDivisionError("depth")
        return []

    monkeypatch.setattr(book_tables, "book_entries", broken)
    tables = extract(path)
    assert "ZeroDivisionError" in reasons(tables)["outline not read"]
    assert len(tables.passages) > 30


@pytest.mark.parametrize("revision", [2, 3, 4, 6])
def test_encrypted_is_said_only_of_what_needs_a_password(six: Path, tmp_path: Path, revision: int) -> None:
    def encrypted(owner: str, user: str) -> Path:
        path, new = tmp_path / f"{owner}-{user}.pdf", revision >= 4
        with pikepdf.open(six) as document:
            document.save(path, encryption=pikepdf.Encryption(owner, user, R=revision, aes=new, metadata=new))  # type: ignore[arg-type]
        return path

    for path in (encrypted("", ""), encrypted("x", "")):
        assert pages_told(extract(path)) == set(range(1, 7))
    with pytest.raises(SourceError, match="encrypted, it needs a password to open\n  Save a copy without"):
        extract(encrypted("x", "y"))
    if revision == 6:  # before, an empty owner's password is replaced by the user's
        tables = extract(encrypted("", "y"))
        assert pages_told(tables) == set(range(1, 7))
        assert "read by pdfplumber" in reasons(tables)


@pytest.mark.parametrize(
    ("dictionary", "said"),
    [
        (b"<</Filter/Adobe.PubSec/V 4>>", "for the holders of certain certificates (security handler Adobe.PubSec)"),
        (b"<</V 1 /Filter /FOPN_fLock>>", "by a method that PDFium does not know (security handler FOPN_fLock)"),
    ],
)
def test_other_security_handlers_are_named(six: Path, dictionary: bytes, said: str) -> None:
    six.write_bytes(six.read_bytes().replace(b"/Root 1 0 R", b"/Root 1 0 R/ID[<00><00>]/Encrypt " + dictionary))
    with pytest.raises(SourceError, match=re.escape(f"encrypted {said}")):
        extract(six)
    assert security_handler(b"7 0 obj<</Filter/Standard>> trailer<</Encrypt 7 0 R>>") == "Standard"
    assert security_handler(b"1 0 obj<</Filter/FlateDecode>> trailer<<>>") is None


def test_a_file_without_pages_is_no_success(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "none.pdf", [])
    with pytest.raises(SourceError, match="damaged") as error, open_pdf(path):
        pass
    assert "Success" not in str(error.value)
    assert "PDFium:" not in str(error.value)


def test_a_file_that_pdfium_cannot_open_is_read_by_pdfplumber(six: Path) -> None:
    six.write_bytes(six.read_bytes().replace(b"1 0 obj\n<</Type/Catalog", b"1 0 obj\nnull %", 1))
    tables = extract(six)
    assert pages_told(tables) == set(range(1, 7))
    assert reasons(tables)["read by pdfplumber"] == "b six.pdf: damaged, PDFium finds no page in it"


def test_dot_leaders_are_not_glued_words() -> None:
    contents = [f"Soil{'.' * 60}{n}" for n in range(30)]
    assert complaint(contents) is None
    assert "glued together" in str(complaint(["theriversofthewholeworldaretoldhere"] * 10))


def test_scripts_without_spaces_are_not_supported_yet() -> None:
    chinese, japanese, thai = (
        "河流是地球上水循环的重要部分" * 3,
        "川は地球の水の循環の一部である" * 3,
        "แม่น้ำเป็นส่วนหนึ่งของวัฏจักรน้ำ" * 3,
    )
    for text in (chinese, japanese, thai):
        assert complaint([text] * 4) == UNSUPPORTED
    assert complaint(["The", "river", "(河流)", "is", "a", "part", "of", "the", "cycle", "of", "water"] * 10) is None
    assert complaint(["Der", "Fluß", "ist", "ein", "Teil", "des", "Wasserkreislaufs"] * 10) is None
