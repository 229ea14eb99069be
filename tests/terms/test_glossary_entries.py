"""Each style of glossary, drawn as it is printed."""

from __future__ import annotations

from tests.terms.layout import book, page
from tripletkit.rules import load_rules
from tripletkit.terms.book_text import Labels, Span
from tripletkit.terms.glossary_entries import Definition, parse_glossaries, split_page_list

RULES = load_rules()


def parsed(*columns: str, role: str = "glossary") -> list[Definition]:
    return parse_glossaries(book({400: page(400, *columns)}, {400: role}), RULES)[0]


def pairs(*columns: str, role: str = "glossary") -> list[tuple[str, str]]:
    return [(entry.term, entry.text) for entry in parsed(*columns, role=role)]


def test_a_sign_parts_term_and_definition() -> None:
    assert pairs(
        "# Glossary\nalgorithm: a finite list of steps\n    that ends.\n"
        "bias: an error: the mean's.\ncohort — people.\ndata – facts."
    ) == [
        ("algorithm", "a finite list of steps that ends."),
        ("bias", "an error: the mean's."),
        ("cohort", "people."),
        ("data", "facts."),
    ]


def test_run_in_bold_with_hanging_indent() -> None:
    assert pairs(
        "# Glossary\n*algorithm* a finite list of steps\n    that ends\n*bias* an error\n"
        "*p-value (two-sided)* a *probability*\n    *of data*"
    ) == [
        ("algorithm", "a finite list of steps that ends"),
        ("bias", "an error"),
        ("p-value (two-sided)", "a probability of data"),
    ]


def test_run_in_bold_without_indent() -> None:
    assert pairs(
        "# Glossary\n*Algorithm* A finite list of steps\nthat ends.\n*Bias* An error. It may be\n"
        "*large* in small samples.\n\n*Cohort* People."
    ) == [
        ("Algorithm", "A finite list of steps that ends."),
        ("Bias", "An error. It may be large in small samples."),
        ("Cohort", "People."),
    ]


def test_run_in_bold_without_indent_or_full_stops() -> None:
    assert pairs(
        "# Glossary\n*Algorithm* a list of steps\nthat may come to an end\n\n*Bias* an error of the mean\n\n"
        "*Cohort* people of one year"
    ) == [
        ("Algorithm", "a list of steps that may come to an end"),
        ("Bias", "an error of the mean"),
        ("Cohort", "people of one year"),
    ]


def test_a_letter_in_italics_is_part_of_a_bold_term_and_a_stray_bracket_is_not() -> None:
    assert pairs("# Glossary\n*bias)* an error.\n*lower* /p/ *value* a share.\n*mean* a sum.") == [
        ("bias", "an error."),
        ("lower p value", "a share."),
        ("mean", "a sum."),
    ]


def test_a_section_that_does_not_show_its_own_style_has_that_of_the_others() -> None:
    dense = "\n".join(f"*{word}* a thing." for word in ("ab", "bc", "cd", "de", "ef"))
    long = "\n".join(
        f"*{word}* a thing\n" + "which is told at length\n" * 7 + "and ends." for word in ("fg", "gh", "hi")
    )
    found = parsed(f"# Key Terms\n{dense}\n# Key Terms\n{long}", role="body")
    assert [entry.term for entry in found] == ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"]


def test_terms_on_their_own_line_bold_or_not() -> None:
    bold = (
        "# Glossary\n*algorithm*\n    a list of steps\n    that ends\n*bias*\n    an error\n"
        "*a term on two*\n*lines*\n    what it means"
    )
    plain = (
        "# Glossary\nalgorithm\n    a list of steps\n    that ends\nbias\n    an error\n"
        "    of means\ncohort\n    people"
    )
    assert pairs(bold) == [
        ("algorithm", "a list of steps that ends"),
        ("bias", "an error"),
        ("a term on two lines", "what it means"),
    ]
    assert pairs(plain) == [
        ("algorithm", "a list of steps that ends"),
        ("bias", "an error of means"),
        ("cohort", "people"),
    ]


def test_a_chapters_section_ends_at_the_next_heading_of_its_rank() -> None:
    text = (
        "A last sentence of the chapter's own text, which is long.\n# Key Terms\n"
        "*algorithm* a list of steps\n    that ends\n*bias* an error\n"
        "*cohort* people\n# Exercises\n*1.* What is an algorithm?"
    )
    assert pairs(text, role="body") == [
        ("algorithm", "a list of steps that ends"),
        ("bias", "an error"),
        ("cohort", "people"),
    ]


def test_definitions_go_on_over_columns_and_undo_hyphens() -> None:
    left = (
        "# Glossary\n*algorithm* a list of steps\n    that ends\n*bias* an error\n    of means\n"
        "*cohort* a group of peo-"
    )
    right = "    ple over time, or of\n    people in a place\n*data* facts\n    and figures\n*error* a deviation"
    assert pairs(left, right)[2:4] == [
        ("cohort", "a group of people over time, or of people in a place"),
        ("data", "facts and figures"),
    ]


def test_prose_under_such_a_title_is_no_glossary_and_is_reported() -> None:
    held = book(
        {
            400: page(
                400,
                "# Vocabulary\nThis section is prose about words and\nholds no entries at all in it.\n"
                "It goes on, and then it stops.",
            )
        },
        {},
    )
    found, left = parse_glossaries(held, RULES)
    assert (found, [leftover.reason for leftover in left]) == ([], ["no glossary entries recognised in 3 lines"])


def test_references_and_synonyms() -> None:
    model, surplus, _ = parsed(
        "# Glossary\n*model* see theory\n*surplus* too much supply; also called excess supply.\n"
        "*theory* a representation"
    )
    assert (model.see, surplus.forms) == ("theory", ("excess supply",))


def test_page_lists_after_the_last_full_stop() -> None:
    known = Labels([str(n) for n in range(1, 601)])
    assert split_page_list("Fraction of true positives.. 314, 545", known) == (
        "Fraction of true positives.",
        (Span("314"), Span("545")),
    )
    assert split_page_list("An act of 1964", known) == ("An act of 1964", ())


def test_parts_of_speech_and_plurals_are_no_part_of_a_term() -> None:
    found = parsed(
        "# Glossary\n*abacus* n. a frame with beads\n*Configuration (v)* The task of setting up.\n"
        "*matrix (pl. matrices)* a table of numbers\n*to prune, v.* to cut back\n*DANTE e.V.* a users' group"
    )
    assert [(entry.term, entry.text, entry.forms) for entry in found] == [
        ("abacus", "a frame with beads", ()),
        ("Configuration", "The task of setting up.", ("Configuration (v)",)),
        ("matrix", "a table of numbers", ("matrices", "matrix (pl. matrices)")),
        ("to prune", "to cut back", ("to prune, v.",)),
        ("DANTE e.V.", "a users' group", ()),
    ]


def test_page_lists_behind_the_word_for_pages() -> None:
    known = Labels([str(n) for n in range(1, 601)])
    assert split_page_list("dummy text Pages: 2, 3", known) == ("dummy text", (Span("2"), Span("3")))
    assert split_page_list("a set (pp. 12–14)", known) == ("a set", (Span("12", "14"),))
    assert split_page_list("what stands on a page 900", known) == ("what stands on a page 900", ())


def test_pages_behind_dots_or_behind_every_definition_are_no_part_of_it() -> None:
    found = parsed(
        "# Glossary\n*abacus* a frame with beads . . . . . . . 7, 9\n*census* a count of all 12\n*datum* a fact 3\n"
        "*epoch* a time that began in 1970 . . . 8"
    )
    assert [(entry.text, [span.first for span in entry.locators]) for entry in found] == [
        ("a frame with beads", ["7", "9"]),
        ("a count of all", ["12"]),
        ("a fact", ["3"]),
        ("a time that began in 1970", ["8"]),
    ]


def test_entries_within_an_entry_are_part_of_it() -> None:
    assert pairs(
        "# Glossary\n*BIC* a bank's code\n*Credit* a unit of two kinds:\n    *Equity* of owners.\n    *Asset* of things.\n"
        "*Debit* a unit of two kinds:\n    *Equity* to owners.\n    *Asset* to things.\n*IBAN* a number\n    of an account"
    ) == [
        ("BIC", "a bank's code"),
        ("Credit", "a unit of two kinds: Equity of owners. Asset of things."),
        ("Debit", "a unit of two kinds: Equity to owners. Asset to things."),
        ("IBAN", "a number of an account"),
    ]
