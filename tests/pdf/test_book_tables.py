import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.book import write_book
from tests.pdf.make import block, count_words
from tests.pdfs import Box, Text, write_pdf
from tripletkit import schemas
from tripletkit.errors import ConfigError, SourceError
from tripletkit.pdf.book_tables import SetRoles, extract_book, mark_book
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import RawBook, ReadPage, read_book
from tripletkit.pdf.workers import BookTables, PassageLimits
from tripletkit.reporting.book import draw_page
from tripletkit.rules import load_rules
from tripletkit.schemas import make_table
from tripletkit.settings import ExtractSettings

RULES = load_rules()
ODS = Path(__file__).parents[2] / "examples" / "ods-java.pdf"


def rows_of(tables: BookTables) -> list[dict[str, object]]:
    """The lines, one by one."""
    return [dict(zip(tables.lines, values, strict=True)) for values in zip(*tables.lines.values(), strict=True)]


def extract(path: Path, backend: str = "pdfium", roles: SetRoles = ()) -> BookTables:
    limits = PassageLimits(120, 80, 10)
    how = {"backend": backend, "roles": roles}
    return extract_book(path, book_id="b_1", limits=limits, count_tokens=count_words, rules=RULES, **how)  # type: ignore[arg-type]


def page(number: int, *, words: str = "rivers and seas") -> list[Text | Box]:
    """A page with a running head, eight lines and a page number."""
    lines = [f"The {words} of page {number} are told in line {i} at some" for i in range(1, 8)]
    lines.append("length, and that is the end.")
    return [
        Text(60, 40, "ON WATER"),
        *(Text(60, 80 + 14 * i, text) for i, text in enumerate(lines)),
        Text(200, 570, str(number)),
    ]


def test_a_small_book_is_read_whole(tmp_path: Path) -> None:
    tables = extract(write_pdf(tmp_path / "water.pdf", [page(n) for n in range(1, 7)]))
    text = " ".join(str(row["text"]) for row in tables.passages)
    assert all(f"of page {n} are told" in text for n in range(1, 7))
    assert "ON WATER" not in text
    assert [row["label"] for row in tables.pages] == list("123456")
    assert {row["kind"] for row in rows_of(tables) if row["text"] == "ON WATER"} == {"furniture"}
    assert tables.title == "water"
    assert tables.dropped == []


def test_a_passage_keeps_the_boxes_of_its_lines(tmp_path: Path) -> None:
    tables = extract(write_pdf(tmp_path / "water.pdf", [page(n) for n in range(1, 7)]))
    sides = ("page", "x0", "top", "x1", "bottom")
    printed = {tuple(row[side] for side in sides): str(row["text"]) for row in rows_of(tables)}
    for row in tables.passages:
        boxes = [tuple(box[side] for side in sides) for box in row["boxes"]]  # type: ignore[attr-defined]
        text = " ".join(printed[box] for box in boxes)
        assert str(row["text"]).replace("\n", " ") in text
        assert len(set(boxes)) == len(boxes)
        assert [boxes[0][0], boxes[-1][0]] == [row["page_first"], row["page_last"]]
    held = Counter(tuple(box.values()) for row in tables.passages for box in row["boxes"])  # type: ignore[attr-defined]
    assert sum(times > 1 for times in held.values()) > 0  # a line in which one passage ends and the next starts
    assert make_table(schemas.PASSAGES, tables.passages)["boxes"].list.len().min() > 0  # type: ignore[operator]


def test_the_contents_own_title_is_no_part_of_the_first_chapters(tmp_path: Path) -> None:
    names = ["Soil", "Rock", "Sand", "Clay", "Loam", "Peat", "Silt", "Chalk", "Marl"]
    contents = [Text(60, 60, "Contents", font="b")]
    contents += [Text(60, 74 + 14 * i, f"{name} . . . . . . . . . {i + 1}") for i, name in enumerate(names)]
    chapters = [page(i, words=f"{name.lower()} and water") for i, name in enumerate(names, 1)]
    tables = extract(write_pdf(tmp_path / "earth.pdf", [contents, *chapters], labels="0 <</S/r>> 1 <</S/D>>"))
    assert tables.pages[0]["role"] == "toc"
    assert tables.passages[0]["section"] == "Soil"


def test_text_in_a_drawn_frame_is_a_box(tmp_path: Path) -> None:
    def framed(number: int) -> list[Text | Box]:
        kind = ["sandy", "muddy", "stony", "broad", "narrow", "young"][number - 1]
        notes = [f"A {kind} delta is the land that a {kind} river", f"builds where it meets its {kind} sea."]
        return [
            *page(number),
            Box(50, 230, 320, 50),
            *(Text(60, 250 + 14 * i, text) for i, text in enumerate(notes)),
            *(Text(60, 320 + 14 * i, f"and more of it is told below, on page {number}, line {i},") for i in range(4)),
            Text(60, 376, "until the page ends."),
        ]

    tables = extract(write_pdf(tmp_path / "boxes.pdf", [framed(n) for n in range(1, 7)]))
    boxes = [str(row["text"]) for row in tables.passages if row["kind"] == "box"]
    assert "A stony delta is the land that a stony river builds where it meets its stony sea." in " ".join(boxes)
    assert not any("told" in text for text in boxes)
    assert not any("delta" in str(row["text"]) for row in tables.passages if row["kind"] == "prose")


def headings(path: Path) -> list[str]:
    return [str(row["text"]) for row in rows_of(extract(path)) if row["kind"] == "heading"]


SOILS = ["Soil", "Rock", "Clay", "Loam", "Peat", "Silt"]
BELOW = ["as far as anyone can say it is so and no other way", "and that is all that there is to be said of it."]


def titled(n: int, *titles: Text | Box) -> list[Text | Box]:
    """Page n with titles and two lines of text below the last."""
    y = titles[-1].y + 20
    return [*page(n), *titles, *(Text(60, y + 12 * i, text) for i, text in enumerate(BELOW))]


def test_labels_in_a_drawing_are_no_headings(tmp_path: Path) -> None:
    drawing: list[Text | Box] = [
        Box(230, 240, 90, 60),
        Text(235, 260, "Scheduler", 14, "b"),
        Text(251, 290, "Workers", 14, "b"),
    ]
    drawing += [Text(60, 260, "Jobs", 14, "b"), Text(130, 280, "Activating threads", 14, "b")]
    pages = [titled(n, Text(60, 220 + 9 * n, name, 14, "b")) for n, name in enumerate(SOILS, 1)]
    pages.append([*page(7), *drawing])
    assert headings(write_pdf(tmp_path / "water.pdf", pages)) == SOILS


@pytest.mark.parametrize(
    ("title", "x", "size", "opens"),
    [
        ("Sand and {}", 60, 14, True),
        ("Sand and {}", 110, 14, True),  # where titles of this style usually stand
        ("The {} in middle", 150, 14, True),
        ("Alto h P h h N {}", 60, 19, False),
        ("T T to", 130, 16, False),
        ("Sand", 130, 14, False),  # the same drawing on several pages
    ],
)
def test_what_a_title_in_big_letters_must_be(tmp_path: Path, title: str, x: int, size: int, opens: bool) -> None:
    titles = [title.format(name) for name in SOILS]
    pages = [titled(n, Text(x, 220 + 9 * n, name, size, "b")) for n, name in enumerate(titles, 1)]
    assert headings(write_pdf(tmp_path / "water.pdf", pages)) == (titles if opens else [])


def test_a_row_of_a_table_is_no_heading_and_a_number_apart_from_its_title_is(tmp_path: Path) -> None:
    pages = []
    for n, name in enumerate(SOILS, 1):
        y = 220 + 9 * n
        rows = [Text(60, y, "Key", font="b"), Text(160, y, f"Meaning of {name}", font="b")]
        rows += [Text(60, y + 12, "Up"), Text(160, y + 12, "one line up, and no further")]
        pages.append(titled(n, *rows, Text(60, y + 60, f"2.{n}", 14, "b"), Text(110, y + 60, name, 14, "b")))
    found = [f"2.{n} {name}" for n, name in enumerate(SOILS, 1)]
    assert headings(write_pdf(tmp_path / "water.pdf", pages)) == found


WIDE = "which is said here of all the rivers and of all the seas"


def paragraphs(path: Path) -> list[str]:
    return [text for row in extract(path).passages for text in str(row["text"]).split("\n")]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # A headword in another face, and one left of its explanation.
        ([(60, "Weirs of stone", "i"), (60, f"They hold the water back, {WIDE[:30]}.", "r")], ["They hold the water back"]),
        ([(60, "Weirs of stone", "r"), (85, "They hold the water back for the mills.", "r")], ["They hold the water"]),
        # Items without a mark: the next word would have stood on the line.
        ([(60, f"Stones, {WIDE},", "r"), (60, "Sand", "r"), (60, "Mud of all kinds and colours", "r")], ["Mud of all"]),
        # An explanation ends, and the next headword, in small letters, stands left of it.
        (
            [
                (60, "Weir", "b"), (85, f"It holds, {WIDE[:44]},", "r"), (85, "and it holds the water back for the mills.", "r"),
                (60, "sluice of wood", "r"), (85, "It lets the water go to where it wants to go.", "r"),
            ],
            ["sluice of wood", "It lets the water go"],
        ),
    ],
)  # fmt: skip
def test_what_a_line_above_an_item_or_an_explanation_says_does_not_run_into_it(
    tmp_path: Path, lines: list[tuple[int, str, str]], found: list[str]
) -> None:
    shown = [Text(x, 230 + 13 * i, text, font=font) for i, (x, text, font) in enumerate(lines)]
    texts = paragraphs(write_pdf(tmp_path / "water.pdf", [[*page(n), *(shown if n == 2 else [])] for n in range(1, 7)]))
    assert all(any(text.startswith(start) for text in texts) for start in found)


@pytest.mark.parametrize(
    "lines",
    [
        ["The water of the rivers comes from the hills and so it is of", "Old, and it is clear."],  # no room for more
        ["The water of the rivers is given by", "A = b, which is what it is, as all of us do know."],
    ],
)
def test_a_sentence_goes_on_with_a_name_or_a_formula(tmp_path: Path, lines: list[str]) -> None:
    shown = [Text(60, 230 + 13 * i, text) for i, text in enumerate(lines)]
    texts = paragraphs(write_pdf(tmp_path / "water.pdf", [[*page(n), *(shown if n == 2 else [])] for n in range(1, 7)]))
    assert " ".join(lines) in texts


@pytest.mark.parametrize(("start", "apart"), [("Each of them", True), ("and each of them", False)])
def test_a_list_ends_the_sentence_that_it_completes(tmp_path: Path, start: str, apart: bool) -> None:
    above, below = f"The kinds of rivers are, {WIDE[:35]}", f"{start} brings sand, {WIDE[:24]}."
    items = [Text(70, 245 + 13 * i, f"• rivers of kind {i}") for i in range(3)]
    shown = [Text(60, 230, above), *items, Text(60, 290, below)]
    texts = paragraphs(write_pdf(tmp_path / "water.pdf", [[*page(n), *(shown if n == 2 else [])] for n in range(1, 7)]))
    assert any(text.startswith(f"{above} {start}") for text in texts) != apart


def test_a_frame_around_every_page_is_decoration(tmp_path: Path) -> None:
    tables = extract(write_pdf(tmp_path / "frames.pdf", [[Box(50, 60, 330, 480), *page(n)] for n in range(1, 7)]))
    assert {row["kind"] for row in tables.passages} == {"prose"}


def test_rows_fit_their_tables_and_are_the_same_twice(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "water.pdf", [page(n) for n in range(1, 7)])
    tables = extract(path)
    for name in ("pages", "lines", "passages", "dropped"):
        schemas.make_table(schemas.TABLES[name], getattr(tables, name))
    assert extract(path) == tables


def test_both_backends_read_the_same(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "water.pdf", [page(n) for n in range(1, 7)])
    # Of the same lines, the boxes are as high as each backend takes the font's letters to be.
    plumber, pdfium = (
        [{**row, "boxes": len(row["boxes"])} for row in extract(path, backend).passages]  # type: ignore[arg-type]
        for backend in ("pdfplumber", "pdfium")
    )
    assert plumber == pdfium
    with pytest.raises(ConfigError, match="backend 'ocr' is not known"):
        extract(path, "ocr")


def test_repeated_texts_are_dropped_with_a_reason(tmp_path: Path) -> None:
    # Two pages that differ in nothing but their number.
    tables = extract(
        write_pdf(tmp_path / "again.pdf", [page(1), page(2), *(page(n, words="sand") for n in range(3, 7))])
    )
    assert len({row["text"] for row in tables.passages}) == len(tables.passages)
    texts = [row["passage_id"] for row in tables.passages]
    assert len(set(texts)) == len(texts)


def test_a_page_of_signs_without_meaning_is_left_out_and_told(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "signs.pdf",
        [page(1), [Text(60, 80 + 14 * i, "#$% ^&* ()_ +{} <>? ~~ @!" * 2) for i in range(9)], page(3)],
    )
    tables = extract(path)
    assert [(row["item"], row["reason"]) for row in tables.dropped] == [("b_1 page 2", "unreadable page")]
    assert not any("^&*" in str(row["text"]) for row in tables.passages)
    assert sum(row["page"] == 2 for row in rows_of(tables)) == 9


def test_points_of_a_plot_are_no_reason_to_read_a_page_again(tmp_path: Path) -> None:
    points = [Text(60 + 4 * i, 300 + 7 * (i % 9), "*") for i in range(90)]
    assert extract(write_pdf(tmp_path / "plot.pdf", [page(1), [*page(2), *points], page(3)])).dropped == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello, I am no PDF\n" * 9, "is not a PDF"),
        (b"%PDF-1.7\n" + b"\x00" * 2000, "damaged"),
    ],
)
def test_files_that_are_no_books(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=told):
        extract(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        extract(tmp_path / "none.pdf")


def test_a_truncated_file_is_an_error_or_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "cut.pdf", [page(n) for n in range(1, 7)])
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with suppress(SourceError):
            assert len(extract(path).pages) <= 6


def test_images_only(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"drawings only or empty, none of its 3 pages[\s\S]*ocrmypdf"):
        extract(write_pdf(tmp_path / "empty.pdf", [[], [], []]))
    scans = [Image.new("L", (60, 80), 200) for _ in range(2)]
    scans[0].save(tmp_path / "scan.pdf", save_all=True, append_images=scans[1:])
    with pytest.raises(SourceError, match=r"image-only, none of its 2 pages[\s\S]*ocrmypdf"):
        extract(tmp_path / "scan.pdf")


def test_ten_thousand_empty_pages(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "empty.pdf", [page(1), []])
    first, empty = re.findall(rb"(\d+ 0 R)", re.search(rb"/Kids\[(.*?)\]", path.read_bytes())[1])  # type: ignore[index]
    kids = b"/Kids[" + first + b" " + b" ".join([empty] * 10_000) + b"]/Count 10001"
    path.write_bytes(re.sub(rb"/Kids\[.*?\]/Count 2", kids, path.read_bytes()))
    tables = extract(path)
    assert len(tables.pages) == 10_001
    assert len(tables.passages) >= 1


def test_a_page_of_two_hundred_thousand_characters(tmp_path: Path) -> None:
    lines = [Text(2, 2 + 1.4 * i, "water " * 84, size=1) for i in range(420)]
    tables = extract(write_pdf(tmp_path / "dense.pdf", [lines]))
    assert max(int(str(row["n_tokens"])) for row in tables.passages) <= 120
    assert sum(len(str(row["text"])) for row in rows_of(tables)) > 200_000


def test_one_word_without_an_end(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "word.pdf", [[Text(10, 100, "a" * 30_000)]])
    with pytest.raises(SourceError, match=r"none of its 1 pages can be read; .* glued together\n.* set extract.roles"):
        extract(path)
    tables = extract(path, roles=[(1, 1, "body")])
    assert "".join(str(row["text"]) for row in rows_of(tables)) == "a" * 30_000


def test_bookmarks_that_loop_and_fonts_that_are_missing(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "loop.pdf", [page(n) for n in range(1, 7)])
    data = path.read_bytes().replace(b"/BaseFont/Helvetica/", b"/BaseFont/NoSuchFo/")
    loop = (
        b"900 0 obj\n<</First 901 0 R/Last 901 0 R/Count 1>>\nendobj\n"
        b"901 0 obj\n<</Title(A)/Parent 900 0 R/Next 901 0 R/First 901 0 R/Dest[0/Fit]>>\nendobj\n"
    )
    # Without a table of places PDFium looks for the objects itself.
    body = data[: data.rindex(b"xref\n0")].replace(b"/Type/Catalog", b"/Type/Catalog/Outlines 900 0 R") + loop
    path.write_bytes(body + b"trailer\n<</Size 902/Root 1 0 R>>\n%%EOF\n")
    assert len(extract(path).pages) == 6


@pytest.fixture(scope="module")
def ods() -> BookTables:
    return extract_book(ODS, book_id="ods", limits=PassageLimits(250), count_tokens=count_words, rules=RULES)


@pytest.mark.skipif(not ODS.exists(), reason="the example book is not part of this copy")
class TestGolden:
    """A few pages of the bundled book, as a reader sees them."""

    def test_labels_and_roles(self, ods: BookTables) -> None:
        roles = {row["label"]: row["role"] for row in ods.pages}
        assert (roles["iii"], roles["1"], roles["317"]) == ("toc", "body", "index")
        assert next(row["page"] for row in ods.pages if row["label"] == "68") == 80

    def test_a_page_of_text_and_code(self, ods: BookTables) -> None:
        lines = [(row["kind"], row["text"]) for row in rows_of(ods) if row["page"] == 80]
        assert lines[0] == ("furniture", "§3.2 Linked Lists")
        assert lines[-1] == ("furniture", "68")
        assert ("code", "dummy.next = dummy;") in lines
        start = next(
            i for i, (_, text) in enumerate(lines) if str(text).startswith("Finding the node with a particular index")
        )
        assert {kind for kind, _ in lines[start : start + 3]} == {"prose"}

    def test_a_passage_goes_on_past_code(self, ods: BookTables) -> None:
        (passage,) = [
            row
            for row in ods.passages
            if "Finding the node with a particular index in a DLList is easy" in str(row["text"])
        ]
        assert passage["kind"] == "prose"
        assert passage["section"] == "Chapter 3 Linked Lists › 3.2 DLList: A Doubly-Linked List"
        assert "The get(i) and set(i,x) operations are now also easy." in " ".join(
            str(row["text"]) for row in ods.passages if row["kind"] == "prose"
        )

    def test_exercises_summaries_and_captions_are_told_apart(self, ods: BookTables) -> None:
        starts = {
            kind: [str(row["text"]) for row in ods.passages if row["kind"] == kind]
            for kind in ("exercise", "caption", "summary", "prose")
        }
        assert any(text.startswith("Exercise 3.1") for text in starts["exercise"])
        assert any(text.startswith("Figure 3.1:") for text in starts["caption"])
        assert not any(re.match(r"Exercise \d|Figure \d+\.\d+:", text) for text in starts["prose"])

    def test_a_page_is_drawn(self) -> None:
        image = draw_page(ODS, 80, RULES, ExtractSettings(), scale=1.0)
        assert image.size == (432, 648 + 34)
        assert (211, 47, 47) in {colour for _, colour in image.getcolors(1 << 20) or ()}
        with pytest.raises(SourceError, match="has no page 999"):
            draw_page(ODS, 999, RULES, ExtractSettings())


def read_page(number: int, lines: list[Line], *, images: int = 0, complaint: str | None = None) -> ReadPage:
    chars = sum(len(line.text) for line in lines)
    return ReadPage(number, "", 600.0, chars, images, lines, complaint)


def prose_lines(number: int) -> list[Line]:
    return block([f"Line {i} of page {number} goes on and on with its words" for i in range(12)], page=number)


def test_pages_without_lines_are_blank_or_images() -> None:
    pages = [read_page(1, prose_lines(1)), read_page(2, []), read_page(3, [], images=1), read_page(4, prose_lines(4))]
    marked = mark_book(RawBook("", pages, []), RULES)
    assert marked.roles == ["body", "blank", "image_only", "body"]
    assert [len(kinds) for kinds in marked.kinds] == [12, 0, 0, 12]


def test_an_unreadable_page_makes_no_paragraph() -> None:
    pages = [read_page(1, prose_lines(1)), read_page(2, prose_lines(2), complaint="its words are glued together")]
    marked = mark_book(RawBook("", pages, []), RULES)
    assert {number for paragraph in marked.paragraphs for _, number, _ in paragraph.places} == {1}


def test_a_chapter_whose_number_is_its_pages_ends_the_contents(tmp_path: Path) -> None:
    """The first chapter's title, "1 Soil" on page 1, looks like furniture."""
    roles = mark_book(read_book(write_book(tmp_path / "earth.pdf")), load_rules()).roles
    assert roles == ["front", "toc", *["body"] * 18, "index"]
