from hypothesis import given
from hypothesis import strategies as st

from tripletkit.pdf.labels import PageNumber, numbers_at_ends, page_labels, roman_value, to_roman


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
