"""What pages are for, told by titles, outline and look."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.terms.layout import page
from tripletkit.pdf.kinds import text_size
from tripletkit.pdf.lines import Line
from tripletkit.pdf.reader import Bookmark
from tripletkit.pdf.roles import index_share, page_roles, section_role, title_label
from tripletkit.rules import load_rules

RULES = load_rules()
PROSE = "\n".join("The text of a chapter goes on and on in lines like this" for _ in range(20))
INDEX = "\n".join(
    f"{a}{b}c term, {n * 37 % 211}" for n, (a, b) in enumerate(((a, b) for a in "abcdefg" for b in "aeiou"), 1)
)
UNORDERED = "\n".join(f"{a} term, {n * 7 % 31}" for n, a in enumerate("qxbmzkacwjfuprdthgsyn"))
CITED = "\n".join(f"Somebody, A. {1950 + n}. A book that is about rivers and seas." for n in range(20))
CODE = "\n".join(f"river_{n} = open(sea, {n})  # as it is" if n % 3 else "close river" for n in range(20))
CONTENTS = "\n".join(f"{n} A chapter of the book {n * 9}" for n in range(1, 13))


def entries(letters: str) -> str:
    """A glossary's."""
    return "\n".join(f"*{a}{b}c* a thing of which the text says\n    more in its place" for a in letters for b in "aei")


def book(**titled: str) -> list[list[Line]]:
    """Front, contents, ten pages of text, then one page for each text given."""
    texts = [
        "A Book\nby Somebody",
        f"# Contents\n{CONTENTS}",
        *(f"# {n} Chapter\n{PROSE}" for n in range(1, 11)),
        *titled.values(),
    ]
    return [page(number, text) for number, text in enumerate(texts, 1)]


def roles_of(
    pages: list[list[Line]], outline: Sequence[Bookmark] = (), labels: Sequence[str] | None = None
) -> list[str]:
    labels = labels or [str(number) for number in range(1, len(pages) + 1)]
    return page_roles(pages, outline, labels=labels, body_size=text_size(pages), rules=RULES)


def test_titles_tell() -> None:
    roles = roles_of(
        book(
            glossary=f"# Glossary\n{entries('abcde')}",
            more=entries("fghij"),
            index=f"# Index\n{INDEX}",
            end=f"# Colophon\n{PROSE}",
        ),
    )
    assert roles == ["front", "toc", *["body"] * 10, "glossary", "glossary", "index", "front"]


def test_a_section_under_a_glossarys_title_that_is_none_is_text() -> None:
    for title in ("Glossary", "Definitions"):
        roles = roles_of(book(glossary=f"# {title}\n{PROSE}", more=PROSE, index=f"# Index\n{INDEX}"))
        assert roles[-3:] == ["body", "body", "index"]


def test_a_book_that_is_a_glossary_stays_text() -> None:
    texts = ["A Book\nby Somebody", f"# Glossary\n{entries('abc')}", *(entries(letter) for letter in "defgh")]
    assert roles_of([page(number, text) for number, text in enumerate(texts, 1)])[1:] == ["body"] * 6


def test_contents_end_where_prose_begins() -> None:
    """No heading of the text is as big as the contents' title."""
    texts = ["A Book\nby Somebody", f"# Contents\n{CONTENTS}", CONTENTS, *([PROSE] * 17)]
    roles = roles_of([page(number, text) for number, text in enumerate(texts, 1)])
    assert roles[1:3] == ["toc", "toc"]
    assert roles[3:] == ["body"] * 17


def test_contents_end_where_no_page_is_named() -> None:
    """The body is a manual's, of code and short lines: it has no page of prose."""
    texts = ["A Book\nby Somebody", f"# Contents\n{CONTENTS}", CONTENTS, *([CODE] * 17)]
    roles = roles_of([page(number, text) for number, text in enumerate(texts, 1)])
    assert roles[1:] == ["toc", "toc", *["body"] * 17]


def test_lists_of_symbols_name_no_pages() -> None:
    symbols = "\n".join(f"x_{n} the size of{n % 4 * ' great'} river {chr(97 + n)}" for n in range(20))
    texts = [f"# Contents\n{CONTENTS}", f"# List of Symbols\n{symbols}", symbols, *([PROSE] * 17)]
    roles = roles_of([page(number, text) for number, text in enumerate(texts, 1)])
    assert roles[:4] == ["toc", "toc", "toc", "body"]


def opened(*, title: str, before: str = "") -> list[list[Line]]:
    """A book whose pages 4 and 5, behind the contents and page 3, stand before its first chapter."""
    texts = ["A Book\nby Somebody", f"# Contents\n{CONTENTS}", before, f"# {title}\n{PROSE}", PROSE]
    texts += [f"# {n} Chapter\n{PROSE}" for n in range(1, 16)]
    return [page(number, text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize("title", ["Introduction", "Introduction to Rivers", "Preface"])
def test_what_stands_on_page_1_is_body(title: str) -> None:
    labels = ["i", "ii", "iii", *map(str, range(1, 18))]
    roles = roles_of(opened(title=title, before=f"# Foreword\n{PROSE}"), labels=labels)
    assert roles == ["front", "toc", "front", *["body"] * 17]


def test_an_introduction_behind_the_contents_is_body_and_a_preface_is_not() -> None:
    assert roles_of(opened(title="Introduction"))[3:] == ["body"] * 17
    assert roles_of(opened(title="Preface"))[3:6] == ["front", "front", "body"]
    roman = ["i", "ii", "iii", "iv", "v", *map(str, range(1, 16))]
    assert roles_of(opened(title="Introduction"), labels=roman)[3:6] == ["front", "front", "body"]


def test_contents_behind_page_1_are_not_text() -> None:
    roles = roles_of(opened(title="Preface"), labels=["i", *map(str, range(1, 20))])
    assert roles[:4] == ["front", "toc", "body", "body"]


def test_a_page_without_text_between_two_of_the_contents_is_theirs() -> None:
    texts = ["A Book\nby Somebody", f"# Contents\n{CONTENTS}", "", CONTENTS, *([PROSE] * 17)]
    roles = roles_of([page(number, text) for number, text in enumerate(texts, 1)])
    assert roles[1:5] == ["toc", "toc", "toc", "body"]


def test_an_index_is_known_without_a_title_or_under_a_lying_one() -> None:
    assert roles_of(book(index=INDEX))[-1] == "index"
    assert roles_of(book(index=f"Bibliography\n\n{INDEX}"))[-1] == "index"


def test_a_section_that_is_only_called_index_is_body() -> None:
    assert roles_of(book(physics=f"# Index of Functions\n{PROSE}"))[-1] == "body"


def test_bookmarks_tell_where_no_heading_is_seen() -> None:
    marks = [Bookmark("References", 0, 13, None)]
    assert roles_of(book(references=CITED), marks)[-1] == "bibliography"


def test_a_section_that_is_only_called_references_is_body() -> None:
    assert roles_of(book(cpp=f"# 3.1 References\n{PROSE}"))[-1] == "body"


def test_sections_that_fill_half_a_page_leave_it_body() -> None:
    assert roles_of(book(half=f"{PROSE}\n# Key Terms\n{PROSE}"))[-1] == "body"


def test_a_title_on_top_of_the_second_column_does_not_take_the_first() -> None:
    pages = [*book(), page(13, PROSE, f"# Key Terms\n{PROSE}")]
    assert roles_of(pages)[-1] == "body"


def test_index_share_asks_for_order_and_short_lines() -> None:
    assert index_share(page(1, INDEX)) > 0.9
    assert index_share(page(1, UNORDERED)) == 0.0
    assert index_share(page(1, CONTENTS)) == 0.0  # numbers rise


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("Index", "index"),
        ("Subject Index", "index"),
        ("I N D E X", "index"),
        ("Function and variable index", "index"),
        ("Key Terms", "glossary"),
        ("12 Glossary", "glossary"),
        ("Appendix C Glossary", "glossary"),
        ("Works Cited", "bibliography"),
        ("Table of Contents", "toc"),
        ("List of Exercises", "toc"),
        ("Index of a subgroup", None),
        ("Indexing", None),
        ("Definitions", "glossary"),
        ("GnuCash Glossary", "glossary"),
        ("3.3 Terms and definitions", "glossary"),
        ("Defining Terms", None),
    ],
)
def test_title_labels(title: str, label: str | None) -> None:
    assert title_label(title, RULES) == label


@pytest.mark.parametrize(
    "title",
    [
        "Appendix A Exercise solutions",
        "Answers to selected exercises",
        "Hints and Answers to Odd-Numbered Problems",
        "Answers, Hints, and Solutions",
        "Solutions to all exercises",
        "Answer key",
    ],
)
def test_appendices_of_answers_are_exercises(title: str) -> None:
    assert section_role((title, "1 Rivers"), RULES) == "exercise"


@pytest.mark.parametrize(
    "title", ["Solutions", "5.4 Solutions of linear systems", "Question answering", "Problem solving"]
)
def test_titles_of_topics_are_not(title: str) -> None:
    assert section_role((title,), RULES) is None
