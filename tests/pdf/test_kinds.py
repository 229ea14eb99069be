from tests.pdf.make import LEFT, RIGHT, block, line
from tripletkit.pdf.kinds import TextMetrics, line_kinds, open_lone_frames, text_metrics, text_size, with_column_edges
from tripletkit.pdf.lines import Line
from tripletkit.rules import load_rules

RULES = load_rules()
PROSE = block(["Rivers bring sand and mud down to the sea, and", "they have done so for a very long time."])


def kinds_of(*lines: Line) -> list[str]:
    return line_kinds([*PROSE, *lines], set(), TextMetrics(10.0, 12.0), RULES)[len(PROSE) :]


def test_code_is_in_one_width() -> None:
    assert kinds_of(
        line("x = f(y)", y=140, style="m", x1=LEFT + 80), line("return x", y=152, style="m", x1=LEFT + 80)
    ) == ["code", "code"]


def test_display_equations_are_indented_and_have_few_words() -> None:
    assert kinds_of(line("E = m c 2 (2.1)", y=140, x0=150, x1=250)) == ["equation"]
    assert kinds_of(line("Energy is E = m c 2 and mass is m as you know", y=140)) == ["prose"]


def test_caption_with_a_colon_and_a_sentence_about_a_figure() -> None:
    assert kinds_of(line("Figure 2.1: A river", y=160, x0=120, x1=220)) == ["caption"]
    assert kinds_of(line("Figure 2.1 shows a river and the sea", y=124)) == ["prose"]


def test_footnotes_at_the_foot_of_a_column() -> None:
    notes = [
        line("9 Some rivers bring none.", y=540, size=8, notes=(0,)),
        line("at all, we are told.", y=550, size=8, x1=LEFT + 90),
    ]
    assert kinds_of(*notes) == ["footnote", "footnote"]
    # Small text without a mark is no note.
    assert kinds_of(line("Said someone who once saw one such river.", y=540, size=8)) == ["prose"]


def test_a_footnote_goes_on_at_the_foot_of_the_next_page() -> None:
    lines = [
        line("9 Some rivers bring none, as", y=540, size=8, notes=(0,)),
        line("Text of the next page that is long enough.", page=2, y=60),
        line("was found long ago by others.", page=2, y=540, size=8),
    ]
    assert kinds_of(*lines) == ["footnote", "prose", "footnote"]


def test_list_items_and_their_further_lines() -> None:
    lines = [
        line("• A first item that takes more than", y=140, x0=LEFT + 10),
        line("one line", y=152, x0=LEFT + 20, x1=LEFT + 80),
        line("• A second item", y=164, x0=LEFT + 10, x1=RIGHT - 100),
        line("Text again, from edge to edge.", y=190),
    ]
    assert kinds_of(*lines) == ["list", "list", "list", "prose"]


def test_a_name_that_ends_a_paragraph_is_no_code() -> None:
    lines = block(["Both of them can be shown to be simple calls to"], y=140, short_last=False)
    lines += [line("accumulate.", y=152, x1=LEFT + 60, style="m"), *block(["And so on, as it is."], y=170)]
    assert kinds_of(*lines) == ["prose", "prose", "prose"]
    lines[1] = line("accumulate()", y=158, x0=LEFT + 20, x1=LEFT + 80, style="m")
    assert kinds_of(*lines) == ["prose", "code", "prose"]


def test_a_dash_or_an_o_in_running_text_is_no_bullet() -> None:
    lines = block(["Rivers carry sand and mud", "– as some say – down to the sea, el", "o la mar, and that is all."])
    assert kinds_of(*lines) == ["prose"] * 3
    items = ["There are two:", "- rivers, which are long", "- seas", "- lakes"]
    assert kinds_of(*block(items, y=140)) == ["prose", "list", "list", "list"]
    items = ["We find rivers and seas here.", "o rivers", "o seas"]
    assert kinds_of(*block(items, y=140)) == ["prose", "list", "list"]


def test_a_mark_apart_from_its_note_starts_a_footnote() -> None:
    lines = [
        *block([f"Line {n} of the text goes on over the whole of the page" for n in range(12)], y=100),
        line("3", y=496, x0=LEFT + 4, x1=LEFT + 7, size=5.5),
        line("Some say that it is mud and not sand.", y=500, x0=LEFT + 13, size=8.0),
    ]
    assert kinds_of(*lines)[-2:] == ["footnote", "footnote"]


def test_a_mark_may_touch_its_note() -> None:
    lines = [
        *block([f"Line {n} of the text goes on over the whole of the page" for n in range(12)], y=100),
        line("1For how to find, unpack and build rivers see the last of the", y=500, x0=LEFT + 13, size=8.0),
        line("books that are named below.", y=510, x1=RIGHT - 150, size=8.0),
    ]
    assert kinds_of(*lines)[-2:] == ["footnote", "footnote"]


def test_a_highlight_round_one_line_is_no_box() -> None:
    lines = block(
        ["Rivers are long, and the most general of them is", "wide as well, as can be seen.", "Seas are deep."]
    )
    lines[0].frame = lines[2].frame = 1
    lines[2].page = 2
    open_lone_frames([*PROSE, *lines, *PROSE])
    assert [held.frame for held in lines] == [0, 0, 1]


def test_a_caption_goes_on_behind_a_hyphen_in_smaller_letters() -> None:
    lines = [
        line("Figure 1.5: The process that is made in com-", y=140, size=10),
        line("puting a river.", y=152, x1=LEFT + 70, size=9.3),
    ]
    assert kinds_of(*lines) == ["caption", "caption"]


def test_rows_of_a_table_and_labels_in_a_figure() -> None:
    assert kinds_of(line("Depth Speed Width", y=140, gaps=2), line("10 20 30", y=152, gaps=2)) == ["table", "table"]
    assert kinds_of(line("depth", y=200, size=6, x0=200, x1=220)) == ["figure"]


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
