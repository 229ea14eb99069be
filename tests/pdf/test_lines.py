import re
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pdf.make import word
from tests.pdfs import Text, write_pdf
from tripletkit.pdf.glyphs import Frame, characters, style_of
from tripletkit.pdf.lines import page_lines, with_underscores
from tripletkit.pdf.paragraphs import without_notes
from tripletkit.pdf.raised import as_signs, compose, with_carets
from tripletkit.pdf.reader import RawPage, open_pdf, read_page
from tripletkit.pdf.words import Word, word_text


def lines_of(words: list[Word]) -> list[str]:
    return [line.text for line in page_lines(RawPage(1, "", 400, 600, words, 0))]


def row(text: str, x0: float, y: float) -> list[Word]:
    words, x = [], x0
    for part in text.split():
        words.append(word(part, x, y=y))
        x = words[-1].x1 + 3
    return words


def test_two_columns_are_read_one_after_the_other() -> None:
    left = [w for i in range(8) for w in row("left text of many words", 20, 100 + 12 * i)]
    right = [w for i in range(8) for w in row("right text of many words", 210, 100 + 12 * i)]
    assert lines_of(left + right) == ["left text of many words"] * 8 + ["right text of many words"] * 8


def test_a_block_over_both_columns_does_not_hide_them() -> None:
    wide = [
        w for i in range(8) for w in row("one line of the abstract goes over both of the two columns", 20, 100 + 12 * i)
    ]
    left = [w for i in range(15) for w in row("left text of many words", 20, 220 + 12 * i)]
    right = [w for i in range(15) for w in row("right text of many words", 195, 220 + 12 * i)]
    assert lines_of(wide + left + right) == [
        *["one line of the abstract goes over both of the two columns"] * 8,
        *["left text of many words"] * 15,
        *["right text of many words"] * 15,
    ]


def test_a_few_words_on_each_side_are_no_columns() -> None:
    """Two rows of a small table, or a heading and its number: one line each."""
    left = [w for i in range(2) for w in row("left", 20, 100 + 12 * i)]
    right = [w for i in range(2) for w in row("right", 210, 100 + 12 * i)]
    assert lines_of(left + right) == ["left right"] * 2


def test_a_sign_in_smaller_letters_opens_a_footnote() -> None:
    (line,) = page_lines(RawPage(1, "", 400, 600, [word("†", 20, size=7), *row("the older form", 27, 100)], 0))
    assert line.notes == (0,)


def test_a_drop_cap_stands_with_its_word_on_the_first_line() -> None:
    cap = word("W", 20, y=112, size=30, width=22)
    first = [word("e", 42, y=100, space=True), *row("are about to read", 52, 100)]
    second = row("of rivers and seas", 45, 112)
    assert lines_of([cap, *first, *second]) == ["We are about to read", "of rivers and seas"]


def test_a_raised_mark_is_a_word_of_its_own_and_an_exponent_is_not() -> None:
    text = [word("rivers.", 20), word("9", 55, y=96, size=6, space=False, note=True)]
    assert lines_of(text) == ["rivers. 9"]
    (line,) = page_lines(RawPage(1, "", 400, 600, text, 0))
    assert line.notes == (1,)
    assert lines_of([word("x", 20), word("2", 25, y=96, size=6, space=False)]) == ["x²"]


def test_cells_of_a_table_make_gaps() -> None:
    cells = [word(text, x) for text, x in (("Depth", 20), ("Speed", 100), ("Width", 180))]
    (line,) = page_lines(RawPage(1, "", 400, 600, cells, 0))
    assert (line.text, line.gaps) == ("Depth Speed Width", 2)


def test_styles_by_font_names() -> None:
    names = {
        "ABCDEF+CMBX12": "b",
        "CMTT10": "m",
        "Tt-Kp-Regular": "m",
        "CMTI10": "i",
        "Times-BoldItalic": "z",
        "NimbusRomNo9L-Medi": "b",
        "Times-Roman": "r",
        "Courier": "m",
        "Sf-Kp-Medium": "r",
    }
    assert {name: style_of(name, 400) for name in names} == names


def test_hyphens_at_a_lines_end_and_ligatures() -> None:
    assert [
        word_text(text)
        for text in ("eco\ufffe", "eco\x02", "eco\u00ad", "co\u00adop", "e\ufb03cient", "\u200bword\x01")
    ] == ["eco-", "eco-", "eco-", "coop", "efficient", "word"]


def test_codes_become_one_character_each() -> None:
    assert characters([0x41, 0, 0xE000]) == "A \ue000"
    # U+1D465 as two halves; a half alone, and a code that is none.
    assert characters([0xD835, 0xDC65, 0xDC65, 0x110000]) == "\U0001d465\u2060\ufffd\ufffd"


@given(
    st.lists(
        st.tuples(st.text("abcXY.,1", min_size=1, max_size=6), st.integers(0, 350), st.integers(0, 40)), max_size=40
    )
)
def test_every_word_is_in_exactly_one_line(parts: list[tuple[str, int, int]]) -> None:
    words = [word(text, float(x), y=50 + 12.0 * y) for text, x, y in parts]
    read = "".join("".join(lines_of(words)).split())
    assert sorted(read) == sorted("".join(text for text, _, _ in parts))


def test_a_stroke_on_the_baseline_is_an_underscore_and_one_elsewhere_is_not() -> None:
    words = [word("pop", 50), word("change", 69), word("is", 110)]
    joined = with_underscores(words, [Frame(65, 99.5, 69, 100.3)])
    assert [(w.text, w.x0, w.x1) for w in joined] == [("pop_change", 50, 99), ("is", 110, 120)]
    for stroke in (Frame(65, 90, 69, 90.8), Frame(80, 99.5, 84, 100.3), Frame(99, 99.5, 103, 100.3)):
        assert [w.text for w in with_underscores(words, [stroke])] == ["pop", "change", "is"]


def read_texts(path: Path, *lines: Text) -> list[str]:
    """The lines of a page with these texts, read from a file."""
    with open_pdf(write_pdf(path / "page.pdf", [lines])) as document:
        return [without_notes(line) for line in page_lines(read_page(document, 1))]


def with_signs(text: str, y: float = 100.0) -> list[Text]:
    """``^12 `` raises and ``_1 `` lowers what follows, up to a space, on a line from the left."""
    parts, x = [], 50.0
    for mark, part in re.findall(r"([\^_]?)([^\^_ ]+ ?| )", text):
        size, shown = (6.5, part.strip()) if mark else (10.0, part.rstrip())
        parts.append(Text(x, y + {"^": -3.5, "_": 2.0}.get(mark, 0.0), shown, size, "m"))
        x += 0.6 * size * len(shown) + (5.0 if part.endswith(" ") and not mark else 0)
    return parts


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("10^12 ,and", "10¹²,and"),
        ("x_1 =2^n-1 and", "x₁=2ⁿ⁻¹and"),
        ("about R^2 .", "about R²."),
        ("(a+b)^2 =c", "(a+b)²=c"),
        ("sin^2 x", "sin²x"),
        ("H_2 O", "H₂O"),
        ("10^-9 s", "10⁻⁹s"),
        ("Galton^12,13 .", "Galton."),
        ("(Galton)^3 said", "(Galton) said"),
        ("ends.^4", "ends."),
        ("on ^14 C", "on ¹⁴C"),
        ("expressed as^25 .", "expressed as."),
        ("a cm^2 =b", "a cm²=b"),
        ("10^1/2 =b", "10^(1/2)=b"),
    ],
)
def test_numbers_are_not_changed_by_raised_signs_and_notes_go(tmp_path: Path, printed: str, read: str) -> None:
    assert read_texts(tmp_path, *with_signs(printed)) == [read]


#: Widths of letters in Times, in thousandths of the size.
TIMES = {
    "A": 722, "X": 722, "V": 722, "I": 333, "e": 444, "k": 500, "n": 500, "x": 500, "r": 333, "i": 278, "v": 500, "s": 389,
    "2": 500, ")": 333, "(": 333, "+": 564, ".": 250,
}  # fmt: skip


@pytest.mark.parametrize(
    ("base", "letters", "rise", "read"),
    [
        ("X", "T", -3.5, "X^T"),
        ("e", "x", -3.5, "e^x"),
        ("2", "k", -3.5, "2^k"),
        ("x", "n", -3.5, "xⁿ"),
        ("(A+n)", "T", -3.5, "(A+n)^T"),
        ("x", "i", 2.0, "xᵢ"),
        ("k", "B", 2.0, "k_B"),
        ("exes", "a", -3.5, "exesa"),
    ],
)
def test_letters_behind_a_name_of_one_letter_are_signs(
    tmp_path: Path, base: str, letters: str, rise: float, read: str
) -> None:
    end = 60 + sum(TIMES[sign] for sign in base) / 100
    found = read_texts(
        tmp_path, Text(50, 100, "n", 10, "R"), Text(60, 100, base, 10, "R"), Text(end, 100 + rise, letters, 6.5, "R")
    )
    assert found == [f"n {read}"]


@pytest.mark.parametrize(
    ("base", "mark", "foot", "read"),
    [
        ("rivers", "a", "Some rivers", "rivers"),
        ("rivers.", "b", "Some rivers", "rivers."),
        ("(rivers)", "c", "Some rivers", "(rivers)"),
        ("rivers", "a", "", "riversa"),  # no note has this mark
        ("XVI", "e", "Some rivers", "XVIe"),
        ("rivers", "k", "Some rivers", "riversk"),  # so far no book counts its notes
    ],
)
def test_marks_of_footnotes_that_are_letters(tmp_path: Path, base: str, mark: str, foot: str, read: str) -> None:
    end = 60 + sum(TIMES[sign] for sign in base) / 100
    texts = [Text(60, 100, base, 10, "R"), Text(end, 96.5, mark, 6.5, "R"), Text(end + 9, 100, "in the sea.", 10, "R")]
    note = (
        [Text(60, 496.5, mark, 6, "R"), Text(63, 500, foot, 8, "R")] if foot else [Text(60, 500, "All rivers", 10, "R")]
    )
    found = read_texts(tmp_path, *texts, *note)
    assert found[0] == f"{read} in the sea."
    if read == base:
        assert found[1] == foot


def test_a_footnotes_own_mark_is_one_only_at_a_lines_start(tmp_path: Path) -> None:
    lines = [*with_signs("See it."), *with_signs("^9 Some rivers", 114), *with_signs("^10 B. Ritz", 128)]
    lines += [*with_signs("^11 H_0 is", 142), *with_signs("^12 x is be-", 156), *with_signs("^13 We saw", 170)]
    assert read_texts(tmp_path, *lines) == ["See it.", "Some rivers", "B. Ritz", "H₀is", "x is be-", "We saw"]


def test_signs_of_words_that_the_file_sets_apart() -> None:
    words = [
        word("r", 20),
        word("2", 25, y=96, size=6),
        word(".", 28),
        word("Galton", 40),
        word("12", 70, y=96, size=6),
    ]
    words += [word(",", 76), word("A", 90), word("−1", 95, y=96, size=6), word("n", 110)]
    (line,) = page_lines(RawPage(1, "", 400, 600, words, 0))
    assert (line.text, without_notes(line)) == ("r². Galton, 12 A⁻¹ n", "r². Galton, A⁻¹ n")


def test_letters_and_fractions_are_no_signs() -> None:
    assert as_signs("st", "1", up=True) == "st"
    assert (as_signs("n", "10", up=True), as_signs("n", "word", up=True)) == ("ⁿ", "n")
    assert as_signs("5", '"', up=False) == "5"
    assert [as_signs("th", "n", up=True), as_signs("A", "L", up=True), as_signs("A", "B", up=True)] == ["th", "A", "^A"]
    found = [as_signs(text, base, up=True) for text, base in (("−k", "2"), ("n/2", "x"), ("(l−1)", "h"), ("w", "2"))]
    assert found == ["^(−k)", "^(n/2)", "^(l−1)", "^w"]
    assert [as_signs(text, base, up=True) for text, base in (("o", "20"), ("TM", "3"), ("a", "word"))] == [
        "o",
        "TM",
        "a",
    ]
    assert [compose(text) for text in ("1½", "x²", "ﬁn", "2\u2044")] == ["1½", "x²", "fin", "2\u2044"]


def test_carets() -> None:
    assert with_carets("10¹², 10⁻⁹, 2ⁿ⁻¹, f⁽ⁿ⁾, x₁ and aₙ₋₁") == "10^12, 10^-9, 2^(n-1), f^(n), x_1 and a_(n-1)"


@pytest.mark.parametrize(
    ("printed", "accents", "read"),
    [
        ("fur alle", [(1, "¨")], "für alle"),
        ("Pade is", [(3, "´")], "Padé is"),
        ("Cetinkaya", [(0, "¸")], "Çetinkaya"),
        ("the y of x", [(4, "ˆ"), (9, "¯")], "the ŷ of x̄"),
    ],
)
def test_accents_of_their_own_are_composed(
    tmp_path: Path, printed: str, accents: list[tuple[int, str]], read: str
) -> None:
    for before in (True, False):  # set before its letter, or after it
        texts, x = [], 50.0
        for place, letter in enumerate(printed):
            marks = [Text(x, 100, mark, 10, "m") for at, mark in accents if at == place]
            texts += [*marks, Text(x, 100, letter, 10, "m")] if before else [Text(x, 100, letter, 10, "m"), *marks]
            x += 6
        assert read_texts(tmp_path, *texts) == [read]


def test_an_accents_sign_beside_a_letter_is_no_accent(tmp_path: Path) -> None:
    assert read_texts(tmp_path, Text(50, 100, "a^2 `b` ~c", font="m")) == ["a^2 `b` ~c"]


def turned(path: Path, matrix: str, text: str, *, before: str = "") -> Path:
    """A page of five lines with one more text, placed by ``matrix`` and set by the operators ``before``."""
    texts = [Text(60, 80 + 14 * i, f"A river of kind {i} brings sand and mud to its sea.") for i in range(5)]
    stamp = Text(0, 0, "STAMP")
    plain = write_pdf(path / "page.pdf", [[*texts, stamp]]).read_bytes()
    old = b"BT /r 10 Tf 0 600 Td (STAMP) Tj ET"
    new = f"BT {before} /r 10 Tf {matrix} Tm ({text}) Tj ET".encode()
    assert old in plain
    with pikepdf.open(path / "page.pdf") as document:
        content = document.pages[0].Contents
        content.write(content.read_bytes().replace(old, new))
        document.save(path / "turned.pdf")
    return path / "turned.pdf"


@pytest.mark.parametrize(
    ("matrix", "before"),
    [
        ("0 1 -1 0 55 450", ""),  # a library's stamp in the margin
        ("0.7 0.7 -0.7 0.7 100 450", ""),  # a watermark across the text
        ("1 0 0 1 60 500", "3 Tr"),  # invisible
        ("1 0 0 1 60 500", "1 1 1 rg"),  # white on white
        ("1 0 0 1 450 506", ""),  # outside of the page
    ],
)
def test_text_that_is_turned_hidden_or_outside_is_no_part_of_the_text(tmp_path: Path, matrix: str, before: str) -> None:
    with open_pdf(turned(tmp_path, matrix, "Downloaded by guest", before=before)) as document:
        lines = page_lines(read_page(document, 1))
    assert [line.text for line in lines if not line.aside] == [
        f"A river of kind {i} brings sand and mud to its sea." for i in range(5)
    ]
    assert "".join(line.text for line in lines if line.aside).replace(" ", "") == "Downloadedbyguest"


def test_white_text_on_a_ground_and_a_page_that_is_all_turned_are_text(tmp_path: Path) -> None:
    with open_pdf(turned(tmp_path, "1 0 0 1 60 500", "White", before="0 g 50 490 100 30 re f 1 1 1 rg")) as document:
        assert not any(line.aside for line in page_lines(read_page(document, 1)))
    long = "A wide table that is set sideways holds most of what the page says. " * 8
    with open_pdf(turned(tmp_path, "0 1 -1 0 55 20", long)) as document:
        assert not any(line.aside for line in page_lines(read_page(document, 1)))


def lcs(first: list[str], second: list[str]) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(second) + 1)
    for a in first:
        before = 0
        for j, b in enumerate(second, 1):
            before, best[j] = best[j], before + 1 if a == b else max(best[j], best[j - 1])
    return best[-1]


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("above", ["nothing", "block", "figure"])
@pytest.mark.parametrize("by_row", [False, True])
def test_words_of_columns_keep_their_order(tmp_path: Path, columns: int, above: str, *, by_row: bool) -> None:
    """``by_row``: a program that writes the page from top to bottom, across its columns."""
    width = 500 / columns - 20
    fill = int(width / 4.4)
    texts, start = [], 60
    if above == "block":
        texts = [Text(40, 60 + 12 * i, wide_line(i, 480)) for i in range(8)]
        start = 170
    elif above == "figure":
        texts = [Text(120 + 90 * i, 60 + 15 * i, label) for i, label in enumerate(["input", "layer", "output"])]
        texts.append(Text(40, 130, "Figure 1. " + wide_line(0, 400)))
        start = 160
    body = [
        Text(40 + column * (width + 24), start + 12 * row, wide_line(100 + 40 * column + row, width), 9)
        for column in range(columns)
        for row in range(38)
    ]
    assert fill > 20
    shown = sorted(body, key=lambda text: (text.y, text.x)) if by_row else body
    path = write_pdf(tmp_path / "columns.pdf", [[*texts, *shown]], width=600, height=700)
    with open_pdf(path) as document:
        read = " ".join(line.text for line in page_lines(read_page(document, 1))).split()
    printed = " ".join(text.text for text in [*texts, *body]).split()
    assert lcs(printed, read) >= 0.99 * len(printed)


def wide_line(number: int, width: float) -> str:
    """Different words for each number, about so many points wide in letters of nine points."""
    words = ["river", "basin", "meadow", "valley", "soil", "stone", "water", "forest", "hill", "field"]
    line = f"w{number}"
    for i in range(100):
        longer = f"{line} {words[(number * 7 + i * 3) % 10]}{number}"
        if len(longer) * 4.6 > width:
            return line
        line = longer
    return line


@pytest.mark.parametrize(("sign", "columns"), [(1, 2), (-1, 1)], ids=["columns of an index", "cells of a table"])
def test_index_columns_that_the_file_holds_row_by_row(sign: int, columns: int) -> None:
    names = [f"{letter}{end}" for letter in "abcdefghi" for end in ("lpha", "lpha of all that there is")]
    words = []
    for at, (one, other) in enumerate(zip(names, names[::sign], strict=True)):
        y = 80 + 12 * at
        words += [*row(f"{one} {at + 3}", 20, y), *row(f"{other} {at + 5}", 210, y)]
    lines = page_lines(RawPage(1, "", 400, 600, words, 0))
    assert len({line.column for line in lines if line.column >= 0}) == columns
