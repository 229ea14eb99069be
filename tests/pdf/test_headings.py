from tests.pdf.make import block, line
from tripletkit.pdf.headings import book_entries, chapter_outlines, contents_entries, find_headings, section_paths
from tripletkit.pdf.lines import Line
from tripletkit.pdf.paragraphs import book_vocabulary
from tripletkit.pdf.reader import Bookmark
from tripletkit.rules import load_rules

RULES = load_rules()
TEXT = [
    "Rivers bring sand and mud down to the sea, and",
    "they have done so for a very long time indeed, as far",
    "as anyone can say.",
]


def paths_of(lines: list[Line], entries: list[Bookmark]) -> list[str]:
    headings = find_headings(
        lines, entries, body_size=10, vocabulary=book_vocabulary(held.text for held in lines), rules=RULES
    )
    paths = section_paths(len(lines), headings)
    return list(dict.fromkeys(" › ".join(path) for path in paths))


def chapter() -> list[Line]:
    return [
        line("Chapter 2", y=60, size=18, style="b"),
        line("All about the re-", y=84, size=18, style="b"),
        line("birth of rivers", y=106, size=18, style="b"),
        *block(TEXT, y=140),
        line("2.1 Mud", y=200, size=12, style="b"),
        *block(TEXT, y=220),
        line("2.1.1 Mud in water", y=280, size=10, style="b"),
        *block(TEXT, y=300),
        line("2.2 Sand", y=360, size=12, style="b"),
        *block(TEXT, y=380),
    ]


def test_bookmark_found_over_lines_and_numbered_headings_below_it() -> None:
    assert paths_of(chapter(), [Bookmark("All about the rebirth of rivers", 0, 1, 60.0)]) == [
        "Chapter 2 All about the rebirth of rivers",
        "Chapter 2 All about the rebirth of rivers › 2.1 Mud",
        "Chapter 2 All about the rebirth of rivers › 2.1 Mud › 2.1.1 Mud in water",
        "Chapter 2 All about the rebirth of rivers › 2.2 Sand",
    ]


def test_signs_without_a_meaning_are_no_part_of_a_title() -> None:
    lines = [line("2.1 Mud \ufffd", y=60, size=14, style="b"), *block(TEXT, y=90)]
    assert paths_of(lines, [Bookmark("2.1 Mud", 0, 1, 60.0)]) == ["2.1 Mud"]


def test_of_two_equal_titles_on_a_page_the_bookmarks_is_the_nearer() -> None:
    lines = [
        line("Mud", y=60, size=12, style="b"),
        *block(TEXT, y=80),
        line("Sand", y=150, size=12, style="b"),
        *block(TEXT, y=170),
        line("Mud", y=400, size=12, style="b"),
        *block(TEXT, y=420),
    ]
    found = find_headings(
        lines,
        [Bookmark("Mud", 0, 1, 395.0)],
        body_size=10,
        vocabulary=book_vocabulary(held.text for held in lines),
        rules=RULES,
    )
    assert [heading.first for heading in found if heading.level == 0] == [8]


def test_a_number_in_big_letters_above_belongs_to_the_title() -> None:
    lines = [line("7", y=60, size=30, style="b"), line("Mud", y=90, size=18, style="b"), *block(TEXT, y=130)]
    assert paths_of(lines, [Bookmark("Mud", 0, 1, 80.0)]) == ["7 Mud"]


def test_titles_of_notes_captions_and_lead_ins_open_no_section() -> None:
    lines: list[Line] = []
    titles = ["Rivers", "Note", "Figure 1.1. A River In Its Bed", "To see a river:", "NOTES", "Important:", "Weirs"]
    sizes = {"Rivers": 16.0, "Weirs": 11.5}
    for n, title in enumerate(titles):
        lines += [
            line(title, y=60 + 90 * n, size=sizes.get(title, 12.0), style="b"),
            *block(TEXT, y=85 + 90 * n),
        ]
    assert paths_of(lines, []) == ["Rivers", "Rivers › Weirs"]
    assert paths_of(lines, [Bookmark("Notes", 0, 1, None)]) == ["Rivers", "NOTES", "NOTES › Weirs"]
    headings = find_headings(lines, [], body_size=10, vocabulary=book_vocabulary([]), rules=RULES)
    assert [heading.title for heading in headings] == ["Rivers", "Note", "NOTES", "Weirs"]


def test_signs_of_operators_end_a_title() -> None:
    lines = [line("3.1 The scope operator ::", y=60, size=12, style="b"), *block(TEXT, y=90)]
    assert paths_of(lines, [])[-1].endswith("3.1 The scope operator ::")


def test_single_letters_are_music_and_no_title() -> None:
    assert paths_of([line("12 H h h h h", y=60, size=14, style="b"), *block(TEXT, y=90)], []) == [""]


def test_a_section_directly_below_a_chapters_title_is_its_own() -> None:
    def opening(page: int, number: str, title: str, below: str) -> list[Line]:
        return [
            *([line(number, page=page, y=40, size=18, style="b")] if number else []),
            line(title, page=page, y=70, size=24, style="b"),
            line("of the water", page=page, y=100, size=24, style="b"),
            line(below, page=page, y=150, size=18, style="b"),
            *block(TEXT, page=page, y=180),
        ]

    lines = opening(1, "", "Ways to the springs", "Maps") + opening(2, "", "Ways to the sea", "Boats")
    assert paths_of(lines, [])[1::2] == [
        "Ways to the springs of the water › Maps",
        "Ways to the sea of the water › Boats",
    ]
    lines = opening(1, "Chapter One", "Ways to the springs", "Maps")
    lines += opening(2, "Chapter Two", "Ways to the sea", "Boats")
    assert paths_of(lines, [])[-1] == "Chapter Two Ways to the sea of the water › Boats"


def test_a_title_that_is_not_printed_still_starts_its_section() -> None:
    assert paths_of(block(TEXT), [Bookmark("Rivers of old", 0, 1, 50.0)]) == ["Rivers of old"]


def test_a_bookmark_of_an_index_on_a_wrong_page_is_left_out() -> None:
    assert paths_of(block(TEXT), [Bookmark("Bibliography", 0, 1, 50.0)]) == [""]


def test_a_paragraph_in_big_letters_is_no_heading() -> None:
    big = [line(text, y=100 + 20 * i, size=14) for i, text in enumerate([*TEXT, "And more than that", "it goes on"])]
    assert paths_of([*big, *block(TEXT, y=300)], []) == [""]


def test_parts_hold_chapters_and_chapters_come_first_in_paths() -> None:
    outline = [
        Bookmark("I Water", 0, 1, None),
        Bookmark("1 Rivers", 1, 2, None),
        Bookmark("Mud", 2, 3, None),
        Bookmark("II Land", 0, 5, None),
        Bookmark("2 Hills", 1, 6, None),
    ]
    levels = {entry.title: entry.level for entry in book_entries(outline, [], {})}
    assert levels == {"I Water": 0, "1 Rivers": 0, "Mud": 1, "II Land": 0, "2 Hills": 0}


def test_roman_chapters_are_no_parts() -> None:
    outline = [
        Bookmark("I Water", 0, 1, None),
        Bookmark("1 Rivers", 1, 1, None),
        Bookmark("II Land", 0, 5, None),
        Bookmark("1 Hills", 1, 5, None),
    ]
    assert [entry.level for entry in book_entries(outline, [], {})] == [0, 1, 0, 1]


def test_printed_contents_with_dots_a_title_of_two_lines_and_numbers() -> None:
    lines = [
        line("Contents", size=20),
        line("1 Rivers 3", y=120),
        line("1.1 Mud . . . . . . . . 4", y=132, x0=60),
        line("1.2 A long title that goes", y=144, x0=60),
        line("on and on . . . 5", y=156, x0=70),
        line("2 Seas 9", y=168),
    ]
    pages = {str(n): [n + 2] for n in range(1, 20)}
    assert contents_entries(lines, pages) == [
        Bookmark("1 Rivers", 0, 5, None),
        Bookmark("1.1 Mud", 1, 6, None),
        Bookmark("1.2 A long title that goes on and on", 1, 7, None),
        Bookmark("2 Seas", 0, 11, None),
    ]


def test_entries_of_the_contents_with_numbers_of_their_own_go_on_with_no_line_above() -> None:
    lines = [
        line("Contents", y=100),
        line("1 Soil . . . 3", y=112),
        line("Part Two", y=124),
        line("2 Rock . . . 9", y=136),
        line("War and peace in", y=148),
        line("1812 and after . . . 12", y=160),
    ]
    pages = {str(n): [n + 2] for n in range(1, 20)}
    found = [entry.title for entry in contents_entries(lines, pages)]
    assert found == ["1 Soil", "2 Rock", "War and peace in 1812 and after"]


def test_two_numbered_headings_under_each_other_are_two() -> None:
    lines = [line("1 Soil", y=60, size=14, style="b"), line("1.1 Mud", y=78, size=14, style="b"), *block(TEXT, y=140)]
    assert paths_of(lines, [])[-1].endswith("1.1 Mud")
    assert "1 Soil 1.1 Mud" not in paths_of(lines, [])


def test_headings_of_a_chapter_are_one_text() -> None:
    lines = chapter()
    headings = find_headings(
        lines,
        [Bookmark("All about the rebirth of rivers", 0, 1, 60.0)],
        body_size=10,
        vocabulary=book_vocabulary([]),
        rules=RULES,
    )
    (outline,) = chapter_outlines(headings, section_paths(len(lines), headings), lines)
    assert outline.text.split("\n") == [
        "Chapter 2 All about the re- birth of rivers",
        "2.1 Mud",
        "2.1.1 Mud in water",
        "2.2 Sand",
    ]


def test_chapters_without_outline_and_contents() -> None:
    one = [line("Chapter 1", y=60, size=14, style="b"), line("Rivers", y=90, size=20, style="b"), *block(TEXT, y=140)]
    two = [line("Chapter 2", page=2, y=60, size=14, style="b"), line("Seas", page=2, y=90, size=20, style="b")]
    two += [line("2.1 Salt", page=2, y=130, size=12, style="b"), *block(TEXT, page=2, y=160)]
    assert paths_of([*one, *two], []) == ["Chapter 1 Rivers", "Chapter 2 Seas", "Chapter 2 Seas › 2.1 Salt"]


def test_a_new_first_number_is_a_new_chapter_even_if_its_title_is_not_seen() -> None:
    lines = []
    for page, number in enumerate(("1.1", "1.2", "2.1"), 1):
        lines += [line(f"{number} Mud", page=page, y=60, size=12, style="b"), *block(TEXT, page=page, y=90)]
    assert paths_of(lines, []) == ["1 › 1.1 Mud", "1 › 1.2 Mud", "2 › 2.1 Mud"]
