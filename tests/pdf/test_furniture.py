import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pdf.make import SIZE, line
from tripletkit.pdf.furniture import (
    PageNumber,
    find_furniture,
    numbers_at_ends,
    page_labels,
    roman_value,
    to_roman,
)
from tripletkit.pdf.lines import Line

HEIGHT = 600.0


def furniture_texts(pages: list[list[Line]]) -> list[str]:
    found = find_furniture(pages, [HEIGHT] * len(pages), SIZE)
    return [pages[row.page][i].text for rows in found for row in rows for i in row.lines]


def text_of(page: int) -> list[Line]:
    words = [
        "river",
        "stone",
        "cloud",
        "forest",
        "desert",
        "ocean",
        "valley",
        "glacier",
        "island",
        "meadow",
        "canyon",
        "delta",
    ]
    return [
        line(
            f"The {words[(page * 5 + i * 7) % 12]} is like a {words[(page + i * i) % 12]} of {i} parts",
            page=page,
            y=80 + 12 * i,
        )
        for i in range(30)
    ]


def test_running_heads_and_page_numbers_go() -> None:
    pages = [
        [line("CHAPTER 2. RIVERS", page=n, y=40), *text_of(n), line(str(n + 3), page=n, y=570, x0=190, x1=200)]
        for n in range(1, 9)
    ]
    assert furniture_texts(pages) == [text for n in range(1, 9) for text in ("CHAPTER 2. RIVERS", str(n + 3))]


def test_head_said_once_goes_where_heads_stand() -> None:
    heads = [f"{n} RIVERS" if n % 2 else f"THE DELTA {n}" for n in range(1, 9)]
    heads[4] = "A SECTION OF ONE PAGE"
    pages = [[line(head, page=n, y=40), *text_of(n)] for n, head in enumerate(heads, 1)]
    assert "A SECTION OF ONE PAGE" in furniture_texts(pages)


def test_example_numbers_on_top_of_pages_are_text() -> None:
    # They count up, but not with the pages.
    pages = [[line(f"Example 2.{5 * n}", page=n, y=60), *text_of(n)] for n in range(1, 9)]
    assert furniture_texts(pages) == []


def test_heading_that_repeats_on_top_of_pages_is_text() -> None:
    pages = [text_of(n) for n in range(1, 9)]
    for n in (2, 4):
        pages[n - 1].insert(0, line("Exercises", page=n, y=60, size=14))
    assert furniture_texts(pages) == []


@pytest.mark.parametrize("size", [10, 18])
def test_a_title_with_the_number_of_its_page_is_text(size: float) -> None:
    pages = [[*text_of(n), line(str(n), page=n, y=570, x0=190, x1=200)] for n in range(1, 9)]
    pages[0].insert(0, line("1 Soil", page=1, y=66, size=size))
    for n in range(2, 9):
        pages[n - 1].insert(0, line(f"RIVERS {n}", page=n, y=40))
    assert furniture_texts(pages) == ["1", *(text for n in range(2, 9) for text in (f"RIVERS {n}", str(n)))]


def test_number_at_the_foot_of_a_chapters_first_page() -> None:
    pages = [
        [line(f"RIVERS {n}", page=n, y=40), *text_of(n)] if n != 4 else [*text_of(n), line("4", page=n, y=570)]
        for n in range(1, 9)
    ]
    assert "4" in furniture_texts(pages)


def test_watermark_in_the_middle_of_pages() -> None:
    pages = [[*text_of(n), line("DRAFT COPY", page=n, y=300, x0=120, x1=260, size=40)] for n in range(1, 9)]
    # It shares its row with a line of text on no page.
    for lines in pages:
        lines[:] = [held for held in lines if held.text == "DRAFT COPY" or abs(held.baseline - 300) > 5]
    assert furniture_texts(pages) == ["DRAFT COPY"] * 8


def test_no_pages_no_furniture() -> None:
    assert find_furniture([], [], SIZE) == []
    assert find_furniture([[], []], [HEIGHT, HEIGHT], SIZE) == [[], []]


@given(st.integers(1, 399))
def test_roman_there_and_back(number: int) -> None:
    assert roman_value(to_roman(number)) == number
    assert roman_value(to_roman(number).upper()) == number


def test_what_is_no_roman_number() -> None:
    assert [roman_value(text) for text in ("", "iiii", "vx", "mix", "it", "12")] == [None] * 6


def test_numbers_at_either_end_of_a_row() -> None:
    assert list(numbers_at_ends("48 CHAPTER 3. DEMAND")) == [PageNumber(48, False)]
    assert list(numbers_at_ends("PREFACE ix")) == [PageNumber(9, True)]
    assert list(numbers_at_ends("– 7 –")) == []
    assert list(numbers_at_ends("Chapter two")) == []


def test_inferred_from_printed_numbers_with_roman_front_matter() -> None:
    # Four roman pages, the first without a number; then ten arabic ones, the first and the fifth without.
    edges = [[], ["ii"], ["iii"], ["iv"]] + [[] if n in (1, 5) else [f"RIVERS {n}"] for n in range(1, 11)]
    assert page_labels([""] * 14, edges) == ["i", "ii", "iii", "iv"] + [str(n) for n in range(1, 11)]


def test_offset_without_front_matter_numbers() -> None:
    edges: list[list[str]] = [[], [], *([str(n)] for n in range(1, 9))]
    assert page_labels([""] * 10, edges) == ["i", "ii", *(str(n) for n in range(1, 9))]


def test_restart_in_the_middle() -> None:
    edges = [[str(n)] for n in range(1, 8)] + [[str(n)] for n in range(1, 8)]
    assert page_labels([""] * 14, edges) == [str(n) for n in range(1, 8)] * 2


def test_the_pdfs_own_labels_are_kept_if_pages_agree_and_not_if_they_differ() -> None:
    edges = [[str(n)] for n in range(5, 15)]
    agreeing, differing = [str(n) for n in range(5, 15)], [str(n) for n in range(1, 11)]
    assert page_labels(agreeing, edges) == agreeing
    assert page_labels(differing, edges) == agreeing
    assert page_labels(differing, [[]] * 10) == differing


def test_physical_numbers_where_nothing_is_printed() -> None:
    assert page_labels(["", "", ""], [[], [], []]) == ["1", "2", "3"]


@given(st.integers(0, 30), st.integers(6, 40), st.data())
def test_any_offset_with_numbers_missing_here_and_there(front: int, body: int, data: st.DataObject) -> None:
    silent = data.draw(st.sets(st.integers(0, body - 1), max_size=body // 6))
    edges: list[list[str]] = [[] for _ in range(front)] + [[] if n in silent else [str(n + 1)] for n in range(body)]
    assert page_labels([""] * len(edges), edges)[front:] == [str(n + 1) for n in range(body)]
