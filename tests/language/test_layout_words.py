import pytest

from tripletkit.language.layout_words import CHAPTER_HEADING, ENTRY_NUMBER, INDEX_ENTRY, PART_TITLE


@pytest.mark.parametrize(
    "text", ["rivers, 12", "delta, 3, 45–47", "flood plain, see meander", "silt, 9n.", "preface, xii"]
)
def test_index_entries(text: str) -> None:
    assert INDEX_ENTRY.search(text)


@pytest.mark.parametrize("text", ["The river is wide.", "x, 12", "see"])
def test_other_lines_are_no_index_entries(text: str) -> None:
    assert INDEX_ENTRY.search(text) is None


def test_numbers_of_entries_and_chapters() -> None:
    number = ENTRY_NUMBER.match("Section 1.2.3 Rivers")
    chapter = CHAPTER_HEADING.match("CHAPTER IV Water")
    assert number is not None
    assert chapter is not None
    assert (number.groups(), chapter.group(1)) == (("1", ".2.3"), "IV")


def test_titles_of_parts() -> None:
    assert [bool(PART_TITLE.match(text)) for text in ("Part II Water", "Appendices", "Particles")] == [
        True,
        True,
        False,
    ]
