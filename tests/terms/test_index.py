"""Each kind of index line, drawn as it is printed."""

from __future__ import annotations

import pytest

from tests.terms.layout import book, column, page
from tripletkit.pdf.roles import title_label
from tripletkit.rules import load_rules
from tripletkit.terms.book_text import Labels
from tripletkit.terms.index import IndexEntry, clean_term, index_kind, parse_index, split_locators

RULES = load_rules()
KNOWN = Labels([str(n) for n in range(1, 501)])


def entries(*columns: str) -> list[IndexEntry]:
    """The entries of one index page of a book of 450 pages."""
    return parse_index(book({400: page(400, *columns)}, {400: "index"}, last=450), RULES)[0]


def said(*columns: str) -> list[str]:
    """Entries as "head / term 12 45–48"."""
    return [
        " / ".join((*e.parents, e.term)) + "".join(f" {s.first}{'–' + s.last if s.last else ''}" for s in e.locators)
        for e in entries(*columns)
    ]


def reasons(*columns: str) -> dict[str, str]:
    left = parse_index(book({400: page(400, *columns)}, {400: "index"}, last=450), RULES)[1]
    return {leftover.text: leftover.reason for leftover in left}


def test_ranges_end_with_the_digits_that_print_leaves_out() -> None:
    assert said("alpha, 12, 45–8\nbeta, 386–91\ngamma, xii") == ["alpha 12 45–48", "beta 386–391", "gamma xii"]


def test_notes_at_a_locator_are_left_off() -> None:
    assert said("alpha, 84n\nbeta, 85n3\ngamma, 86ff.\ndelta, 87f, 88t") == [
        "alpha 84",
        "beta 85",
        "gamma 86",
        "delta 87 88",
    ]


@pytest.mark.parametrize(
    ("line", "term", "pages"),
    [
        ("closure, of classes of formal languages, 192", "closure, of classes of formal languages", ["192"]),
        ("Abel, Niels Henrik, 376", "Abel, Niels Henrik", ["376"]),
        ("β-reduction, β-conversion, 293", "β-reduction, β-conversion", ["293"]),
        ("9-1-1, 2", "9-1-1", ["2"]),
        ("1/f noise, 12", "1/f noise", ["12"]),
        ("95%, 182", "95%", ["182"]),
        ("copy(a0,a1,b), 36", "copy(a0,a1,b)", ["36"]),
        ("Civil Rights Act of 1964, 211", "Civil Rights Act of 1964", ["211"]),
        ("Olympics, 1984, 45", "Olympics, 1984", ["45"]),  # the book has no page 1984
        ("rights, civil", "rights, civil", []),  # letters of roman numerals, but no number
        ("e (Euler's constant), 10", "e (Euler's constant)", ["10"]),
    ],
)
def test_terms_keep_their_own_commas_and_digits(line: str, term: str, pages: list[str]) -> None:
    found, spans = split_locators(line, KNOWN, strict=True)
    assert (found, [span.first for span in spans]) == (term, pages)


def test_an_index_without_commas_is_read_by_its_spaces() -> None:
    assert said("acceleration 12, 45–48\nBoeing 747 19\nenthalpy 5") == [
        "acceleration 12 45–48",
        "Boeing 747 19",
        "enthalpy 5",
    ]


def test_a_space_before_and_commas_between_the_pages() -> None:
    assert said("acceleration 12, 45\nBoeing 747 19, 20\nenthalpy 5, 6–8, xii") == [
        "acceleration 12 45",
        "Boeing 747 19 20",
        "enthalpy 5 6–8 xii",
    ]


def test_entries_of_another_face_a_little_further_left_are_no_heads() -> None:
    lines = column(
        400, "apple, 1\nhbox, 2\nitalic, 3\nkern, 4\nlemma, 5\nmark, 6\nmode, 7\n    first, 8\nskip, 9\nspace, 10"
    )
    for line in lines:
        line.x0 += 4 if line.text.split(",")[0] in ("apple", "italic", "lemma", "mode", "space") else 0
    found = parse_index(book({400: lines}, {400: "index"}, last=450), RULES)[0]
    assert [(entry.term, entry.parents) for entry in found if entry.parents] == [("first", ("mode",))]


def test_names_aligned_at_their_colon_have_no_levels() -> None:
    names = [
        "b:add",
        "sb-ext:all",
        "sb:any",
        "ext:bit",
        "b-ext:car",
        "seqs:cdr",
        "sequels:do",
        "s-thread:eq",
        "c:fill",
        "sb-threads:get",
    ]
    lines = column(400, "\n".join(f"{name}, {at}" for at, name in enumerate(names, 1)))
    for line in lines:
        line.x0 += 5.0 * (12 - line.text.index(":"))
    found = parse_index(book({400: lines}, {400: "index"}, last=450), RULES)[0]
    assert [(entry.term, entry.parents) for entry in found] == [(name, ()) for name in names]


def test_subentries_with_a_small_indent_stay_subentries() -> None:
    lines = column(400, "graph, 1\n    acyclic, 2\n    planar, 3\nheap, 4\n    binary, 5\nset, 6\n    open, 7\ntree, 8")
    for line in lines:
        line.x0 -= 14 if line.x0 > 60 else 0
    found = parse_index(book({400: lines}, {400: "index"}, last=450), RULES)[0]
    assert [entry.term for entry in found if entry.parents] == ["acyclic", "planar", "binary", "open"]


def test_an_introduction_over_the_columns_is_a_remark() -> None:
    above = (
        "The numbers in bold are those of the pages on which a notion is\ndefined. See page 3 for how signs are sorted."
        " First come\nthose that have no letter, as in the book by Knuth of 1999, 4\nand then the rest."
    )
    lines = column(400, above, left=50, top=80)
    for line in lines[:3]:
        line.column = -1
    lines += column(400, "alpha, 1\nbeta, 2\ngamma, 3\ndelta, 4", top=140)
    lines += column(400, "eta, 5\ntheta, 6\niota, 7", number=1, left=220, top=140)
    found, left = parse_index(book({400: lines}, {400: "index"}, last=450), RULES)
    assert [entry.term for entry in found] == ["alpha", "beta", "gamma", "delta", "eta", "theta", "iota"]
    assert [(one.text, one.reason) for one in left] == [(text, "remark about the index") for text in above.split("\n")]


def test_what_follows_the_index_under_another_title_is_no_entry() -> None:
    pages = {
        400: page(400, "# Index\nabacus, 12\nbeta, 14\ncode, 15"),
        401: page(401, "# About the authors\nShe was born in a small town\nand has written 12 books\nsince 1983"),
        402: page(402, "# List of concepts\nactive character 43\nalignment 44\nanatomy 46"),
    }
    found, left = parse_index(book(pages, dict.fromkeys(pages, "index"), last=450), RULES)
    assert [(entry.term, entry.locators[0].first) for entry in found] == [
        ("abacus", "12"),
        ("beta", "14"),
        ("code", "15"),
        ("active character", "43"),
        ("alignment", "44"),
        ("anatomy", "46"),
    ]
    assert {one.reason for one in left if one.page == 401} == {"heading", "under a title that is not an index"}


def test_the_main_page_is_the_one_in_bold() -> None:
    found = entries("alpha, 12, *45–48*, 50\nbeta, *xii*, 3, 8, 9\ngamma, 3\n*delta*, 5")
    assert [[span.first for span in entry.locators if span.main] for entry in found] == [["45"], ["xii"], [], []]
    assert not any(span.main for entry in entries("alpha, *12*, *13*\nbeta, *14*") for span in entry.locators)


def test_numbers_that_are_no_pages_behind_one_that_is() -> None:
    assert said("alpha, 64, 1768\nbeta, 65, 12\nHastings, 1066") == ["alpha 64", "beta 65 12", "Hastings, 1066"]


def test_places_other_than_pages_and_passim_inside_a_list() -> None:
    assert said("alpha, §4.4, Table 4.1, 12\nbeta, 12–14 passim, 20\ngamma, 3") == [
        "alpha 12",
        "beta 12–14 20",
        "gamma 3",
    ]


def test_a_long_list_glued_to_its_term_in_an_index_with_dots() -> None:
    assert said("alpha . . . 12\nbeta . . . . 34\nbit . . 40\ngamma83, 97\ndelta.109, 116") == [
        "alpha 12",
        "beta 34",
        "bit 40",
        "gamma 83 97",
        "delta 109 116",
    ]


def test_a_reference_over_two_lines_at_an_indent_of_its_own() -> None:
    found = entries(
        "alpha, 3\nbeta, 4\n    first of them, 5\nextensionality, /see/ function\n          extensionality\ngamma, 6\nzeta, 7"
    )
    assert [(entry.term, entry.see) for entry in found if entry.see] == [
        ("extensionality", ("function extensionality",)),
    ]


def test_roman_numerals_after_a_space_alone_stay_with_the_term() -> None:
    assert split_locators("Henry vi", KNOWN, strict=False) == ("Henry vi", ())


def test_dot_leaders() -> None:
    assert said("alpha . . . . . 12\nbeta. . . . . 34, 36\ngamma ray . . 99\nno room for dots34") == [
        "alpha 12",
        "beta 34 36",
        "gamma ray 99",
        "no room for dots 34",
    ]


def test_subentries_by_indent_to_any_depth() -> None:
    assert said(
        "distribution, 43\n    binomial, 149\n      normal approximation, 153\n    normal, 133\ndot plot, 42"
    ) == [
        "distribution 43",
        "distribution / binomial 149",
        "distribution / binomial / normal approximation 153",
        "distribution / normal 133",
        "dot plot 42",
    ]


def test_a_column_of_subentries_alone_hangs_on_to_the_head_before() -> None:
    left = "alpha, 1\nbeta, 2\ndata, 3\n    first, 4"
    assert said(left, "    second, 5\n    third, 6\neta, 7\ntheta, 8")[4:7] == [
        "data / second 5",
        "data / third 6",
        "eta 7",
    ]


def test_continued_heads_are_no_second_entry() -> None:
    assert said(
        "abacus, 1\nalgorithms, 5\n    greedy, 12", "algorithms (continued)\n    stable, 77\nbeta, 9\ngamma, 10"
    ) == ["abacus 1", "algorithms 5", "algorithms / greedy 12", "algorithms / stable 77", "beta 9", "gamma 10"]


def test_wrapped_lines_and_hyphens() -> None:
    assert said(
        "absolute value, 5\nvery long entry that needs a second line of\n        text, 44, 55,\n        61–63\n"
        "binary opera-\n        tion, 40\ncode, 9"
    ) == [
        "absolute value 5",
        "very long entry that needs a second line of text 44 55 61–63",
        "binary operation 40",
        "code 9",
    ]


def test_a_full_line_without_pages_before_subentries_is_a_head() -> None:
    assert said(
        "direct product of abelian groups\n    external direct, 144\n    internal, 147\nempty set, 3\nfield, 9"
    )[:3] == [
        "direct product of abelian groups",
        "direct product of abelian groups / external direct 144",
        "direct product of abelian groups / internal 147",
    ]


def test_an_indent_of_subentries_may_hold_second_lines_too() -> None:
    assert said(
        "beta of a long name, 12, 13,\n    34\ngamma\n    first, 5\n    second, 6\n"
        "entry as long as the whole line\n    and more, 7\nhead of a long name (continued)\n    third, 8"
    ) == [
        "beta of a long name 12 13 34",
        "gamma",
        "gamma / first 5",
        "gamma / second 6",
        "entry as long as the whole line and more 7",
        "head of a long name / third 8",
    ]


def test_an_entry_that_ends_in_a_semicolon_goes_on() -> None:
    found = said("gamma\n    first, 5\n    second, 6\nsearch (linear;\n    binary), 10\ntheta, 11")
    assert found[3:] == ["search (linear; binary) 10", "theta 11"]


def test_full_subentries_do_not_make_their_indent_one_of_second_lines() -> None:
    found = said(
        "alpha, 3\ngamma\n    subentry as long as its line\n    another as long as its line\n    third one as long as its line\n"
        "    last, 9\na head that is as long as its line\n    external, 144\nomega, 150"
    )
    assert found[5:] == [
        "gamma / last 9",
        "a head that is as long as its line",
        "a head that is as long as its line / external 144",
        "omega 150",
    ]


def test_a_see_reference_goes_on_in_a_second_line() -> None:
    second_lines = "".join(
        f"{word} name that needs a second\n        line, 12\n" for word in ("alpha", "beta", "delta")
    )
    found = entries(f"{second_lines}very long name. See balanced\n        search trees\nzeta, 14")
    assert [(e.term, e.see) for e in found[3:]] == [("very long name", ("balanced search trees",)), ("zeta", ())]


def test_run_in_subentries() -> None:
    assert said(
        "bias: definition of, 12; in samples, 34–6;\n      selection, 50\ncode, 9\ntrees, 5; pruning of, 10"
    ) == [
        "bias",
        "bias / definition of 12",
        "bias / in samples 34–36",
        "bias / selection 50",
        "code 9",
        "trees 5",
        "trees / pruning of 10",
    ]


def test_see_and_see_also_inline_and_on_their_own_line() -> None:
    found = {
        e.term: (e.see, e.see_also)
        for e in entries(
            "abstract data type, /see/ interface\nBayes, 5\n    /See/ /also/ probability; prior\n"
            "bar chart. See charts, bar\nbeta, 9. See also gamma"
        )
    }
    assert found == {
        "abstract data type": (("interface",), ()),
        "Bayes": ((), ("probability", "prior")),
        "bar chart": (("charts, bar",), ()),
        "beta": ((), ("gamma",)),
    }


def test_see_after_a_space_alone_refers_in_italics_or_where_its_target_cites_no_page() -> None:
    found = entries("abacus, 4\nBayes /See/ probability\nbeta, 9\ndata type see interface\ngamma, 12")
    assert {e.term: e.see for e in found if e.see} == {"Bayes": ("probability",), "data type": ("interface",)}


def test_see_inside_a_term_is_no_reference() -> None:
    assert said("see-saw principle, 14\nwhat you see is what you get, 15") == [
        "see-saw principle 14",
        "what you see is what you get 15",
    ]


def test_letters_groups_and_notes_are_dropped_with_a_reason() -> None:
    columns = (
        "Note: Page numbers followed by f indicate figures.\n\n*Symbols*\n∀, 3\n*A*\nabacus, 12f\n"
        "*B*\nbit, 22\nc (speed of light), 9\n\n\n400"
    )
    assert said(columns) == ["∀ 3", "abacus 12", "bit 22", "c (speed of light) 9"]
    assert reasons(columns) == {
        "Note: Page numbers followed by f indicate figures.": "remark about the index",
        "Symbols": "heading of a letter",
        "A": "heading of a letter",
        "B": "heading of a letter",
    }


def test_a_line_in_big_letters_is_a_heading() -> None:
    columns = "abacus, 12\nbeta, 14\n# Functions\ncosine, 15\nsine, 16"
    assert said(columns) == ["abacus 12", "beta 14", "cosine 15", "sine 16"]
    assert reasons(columns) == {"Functions": "heading"}


def test_several_indexes_are_kept_apart() -> None:
    found = entries(
        "# Author Index\nAbel, N., 12\nBoole, G., 14\n\n# Subject Index\nabelian group, 12\nboolean ring, 14"
    )
    assert [(e.kind, e.term) for e in found] == [
        ("names", "Abel, N."),
        ("names", "Boole, G."),
        ("subject", "abelian group"),
        ("subject", "boolean ring"),
    ]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Index", "subject"),
        ("Name Index", "names"),
        ("Index of Authors", "names"),
        ("Author and Subject Index", "subject"),
        ("Symbol Index", "symbols"),
        ("Index of Notation", "symbols"),
        ("Index général", "subject"),
        ("Index nominum", "names"),
        ("Personenregister", "names"),
    ],
)
def test_kind_of_index(title: str, kind: str) -> None:
    assert (title_label(title, RULES), index_kind(title)) == ("index", kind)


def test_a_long_entry_that_crosses_the_gutter_stays_in_its_column() -> None:
    lines = page(
        400, "alpha, 1\nbeta, 2\nrandomized binary search trees, 169\ndelta, 4", "eta, 5\ntheta, 6\niota, 7\nkappa, 8"
    )
    for line in lines:
        if line.text.startswith("randomized"):
            line.column = -1  # as page_lines has it
    found = parse_index(book({400: lines}, {400: "index"}), RULES)[0]
    assert [e.term for e in found] == [
        "alpha",
        "beta",
        "randomized binary search trees",
        "delta",
        "eta",
        "theta",
        "iota",
        "kappa",
    ]


@pytest.mark.parametrize(
    ("printed", "term"),
    [
        ("null hypothesis ( H0)", "null hypothesis (H0)"),
        ("adjusted R2 (R2 adj )", "adjusted R2 (R2 adj)"),
        ("B + -tree", "B+-tree"),
        ("B ∗ -trees", "B∗-trees"),
        ("scope (of a name", "scope (of a name)"),
        ("(∞, 1)-category", "(∞,1)-category"),
        ("K(G, n)", "K(G,n)"),
        ("copy(a0, a1)", "copy(a0, a1)"),
        ("a + b", "a + b"),
        ("Jordan, C.", "Jordan, C."),
    ],
)
def test_spaces_around_raised_signs_go_and_brackets_are_closed(printed: str, term: str) -> None:
    assert clean_term(printed) == term
