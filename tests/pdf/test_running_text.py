from tests.pdf.make import block, line
from tripletkit.pdf.running_text import TextMetrics, text_metrics, text_size, with_column_edges

PAGE = [*block(["Some text of the book"] * 20), line("Big", y=500, size=20)]


def test_the_text_size_is_that_of_most_letters() -> None:
    assert text_size([PAGE, [line("A title in big letters", size=16)]]) == 10.0
    assert text_size([]) == 10.0


def test_leading_is_the_usual_distance_of_lines() -> None:
    assert text_metrics(PAGE, 10.0) == TextMetrics(10.0, 12.0)
    assert text_metrics([], 10.0) == TextMetrics(10.0, 12.0)


def test_a_column_with_little_text_has_the_edges_of_other_pages() -> None:
    full = [line("A line of text of the usual length", page=page, y=100 + 12 * i) for page in (1, 3) for i in range(12)]
    short = line("The end.", page=5, x0=60, x1=90)
    moved = with_column_edges([*full, short], 10.0)[-1]
    assert (moved.col_x0, moved.col_x1) == (50.0, 350.0)
