from pathlib import Path

import pikepdf
import pytest
from pdfminer.psparser import PSLiteral

from tests.pdfs import Text, write_pdf
from tripletkit.pdf.glyph_names import font_names, named_text, sign_text
from tripletkit.pdf.pages import RawBook, _differences, read_book


def book_with_codes(folder: Path, text: str, names: list[str], font_name: str = "/Helvetica") -> RawBook:
    """A page with this text, and one without: codes from 27 on have these names, and no Unicode."""
    plain = write_pdf(folder / "plain.pdf", [[Text(50, 100, text)], [Text(50, 100, "All of it can be read.")]])
    with pikepdf.open(plain) as pdf:
        differences = pikepdf.Array([27, *map(pikepdf.Name, names)])
        font = pdf.pages[0].Resources.Font.r
        font.BaseFont = pikepdf.Name(font_name)
        font.Encoding = pikepdf.Dictionary(BaseEncoding=pikepdf.Name.WinAnsiEncoding, Differences=differences)
        pdf.save(folder / "book.pdf")
    return read_book(folder / "book.pdf")


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("We de\x1bne a su\x1ccient \x1ble.", "We define a sufficient file."),
        ("A \x1brst o\x1dset", "A first offset"),
    ],
)
def test_ligatures_are_read_by_their_names(tmp_path: Path, printed: str, read: str) -> None:
    book = book_with_codes(tmp_path, printed, ["/f_i", "/f_f_i", "/uniFB00"])
    assert [[line.text for line in page.lines] for page in book.pages] == [[read], ["All of it can be read."]]
    assert book.parts == ()


def test_a_font_of_which_a_part_is_in_the_file(tmp_path: Path) -> None:
    book = book_with_codes(tmp_path, "a \x1bnger", ["/f_i"], "/EPQKLX+Helvetica")
    assert book.lines[0][0].text == "a finger"
    font = {
        "BaseFont": PSLiteral("EPQKLX+Libertine"),
        "Encoding": {"Differences": [27, PSLiteral("f_i"), PSLiteral("f_l")]},
    }
    other = {"BaseFont": PSLiteral("XKLPQE+Libertine"), "Encoding": {"Differences": [28, PSLiteral("ffl")]}}
    names = _differences({"F1": font, "F2": other})
    assert names["EPQKLX+Libertine"] == {27: "f_i", 28: "f_l"}
    assert names["Libertine"] == {27: "f_i", 28: ""}  # PDFium's name for both


def test_a_sign_that_nothing_names_stands_as_a_box_and_is_counted(tmp_path: Path) -> None:
    book = book_with_codes(tmp_path, "p(I | \x1b) p(like | I, \x1b)", ["/g99"])
    assert book.lines[0][0].text == "p(I | □) p(like | I, □)"
    [part] = book.parts
    assert (part.reason, part.item) == ("signs not read", "2 signs")
    assert part.why.endswith("on pages 1")


def test_the_mark_of_a_proofs_end_is_no_text(tmp_path: Path) -> None:
    book = book_with_codes(tmp_path, "This proves \x1bp and all. \x1b", ["/square"])
    assert [line.text for line in book.lines[0]] == ["This proves □p and all."]
    assert book.parts == ()


def test_names_of_a_type_1_font() -> None:
    program = b"%!PS-AdobeFont-1.0: CMSY10\n/Encoding 256 array\ndup 48 /prime put\ndup 104/angbracketleft put\n"
    assert font_names(program) == {48: "prime", 104: "angbracketleft"}
    assert font_names(b"\x01\x00\x04\x02 dup 48 /prime put") == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prime", "′"),
        ("summationdisplay", "∑"),
        ("parenleftbigg", "("),
        ("f_f_i", "ffi"),
        ("alpha", "α"),
        ("alpha.alt", "α"),
        ("f_uni0069.alt", "fi"),
        ("uni00660069", "fi"),
        ("u1D465", "\U0001d465"),
        ("uniD835", None),
        ("f_g99", None),
        (".notdef", None),
        ("g99", None),
    ],
)
def test_text_of_a_name(name: str, text: str | None) -> None:
    assert named_text(name) == text


def test_a_sign_without_a_name() -> None:
    assert sign_text("A", None, in_word=True) == "A"
    assert sign_text("\x0c", None, in_word=True) == "fi"
    assert sign_text("\x0c", None, in_word=False) is None
    assert sign_text("0", "prime", in_word=False) == "′"
