"""One book's lines joined to text, what the text says, and page references with the pages that they cite."""

from __future__ import annotations

import pytest

from tests.terms.layout import book, page
from tripletkit.terms.book_text import Corpus, Labels, Span, parse_locators, repair_accents


def test_no_phrase_runs_over_a_pause() -> None:
    corpus = Corpus(
        ["The binomial distribution and the Euclidean algorithm. A kernel of a homomorphism is a subgroup."]
    )
    assert (corpus.count("algorithm a kernel"), corpus.count("Binomial Distributions")) == (0, 1)


def test_words_cut_at_line_ends_are_joined_as_the_book_writes_them() -> None:
    held = book(
        {1: page(1, "A relation, a cor-\nrelation of well-\nknown sums.\nAny correlation is well-known here.")},
        {},
        last=1,
    )
    assert held.running_text() == {
        0: "A relation, a correlation of well-known sums. Any correlation is well-known here."
    }
    assert held.join(["one", "", " two "]) == "one two"


def test_the_second_half_of_a_cut_word_is_no_word_of_the_book() -> None:
    text = "In proportion, a proportion and each proportion.\nIt goes immedi-\nately and deliber-\nately, and proportion-\nately."
    assert (
        book({1: page(1, text)}, {}, last=1)
        .running_text()[0]
        .endswith("immediately and deliberately, and proportionately.")
    )


def test_furniture_is_no_text() -> None:
    assert book({7: page(7, "One line of text.\n\n7")}, {}, last=7).running_text()[6] == "One line of text."


def test_accents_set_apart_are_put_on_their_letters() -> None:
    assert [repair_accents(text) for text in ("Jordan-H ̈older", "Weil, Andr ́e", "Mart ́ınez", "Patras ̧cu")] == [
        "Jordan-Hölder",
        "Weil, André",
        "Martínez",
        "Patraşcu",
    ]


@pytest.mark.parametrize(
    ("phrase", "shown"),
    [
        ("Vector space", "vector space"),
        ("Markov chain", "Markov chain"),
        ("Great Depression", "Great Depression"),
        ("SET", "SET"),  # an acronym
        ("Go", "Go"),  # more often a name
        ("Vector bundles", "vector bundles"),  # never said, but "vector" is
        ("A*-tree", "A*-tree"),
        ("Abelian variety", "Abelian variety"),
        ("Poisson Process", "Poisson process"),  # a name, and a word that the text writes small
    ],
)
def test_a_term_is_shown_as_the_text_mostly_writes_it(phrase: str, shown: str) -> None:
    text = (
        "In a vector space. Vector spaces are many. By a Markov chain in the Great Depression, in Go we go and Go on; a set."
        " The Poisson process."
    )
    assert Corpus([text]).as_written(phrase) == shown


@pytest.mark.parametrize(
    ("phrase", "shown"),
    [
        ("Smith, Lemma", "smith, lemma"),  # a pause inside
        ("Ring (Algebra)", "ring (algebra)"),  # one at the end
        ("Economic", "economic"),  # said as "economics" alone, a word of its own to the normaliser
        ("Dual Space", "dual space"),  # also where the plural ends in "es"
    ],
)
def test_spellings_are_looked_up_as_they_are_printed(phrase: str, shown: str) -> None:
    text = "By smith, lemma one, a ring (algebra) is taught in economics with one more of dual spacees."
    assert Corpus(["Smith.", text]).as_written(phrase) == shown


def test_a_phrase_that_follows_itself_is_counted_each_time() -> None:
    assert Corpus(["Buffalo buffalo buffalo."]).count("buffalo") == 3


@pytest.mark.parametrize(
    ("printed", "spans"),
    [
        ("12, 45–8", (Span("12"), Span("45", "48"))),
        ("84n, 85n3 and 86ff.", (Span("84"), Span("85"), Span("86"))),
        ("pp. 3 to 5; xii", (Span("3", "5"), Span("xii"))),
        ("A-12, 7", (Span("A-12"), Span("7"))),  # one page, as the book has this label
    ],
)
def test_spans(printed: str, spans: tuple[Span, ...]) -> None:
    assert parse_locators(printed, Labels(["xii", "3", "A-12", "99"])) == spans


def test_labels_that_no_page_of_the_book_can_bear() -> None:
    labels = Labels([str(n) for n in range(1, 100)])
    assert [label for label in ("7", "101", "102", "007", "xii", "c") if labels.plausible(label)] == ["7", "101", "xii"]
    assert not Labels(["i", "ii", "1"]).plausible("xii")  # its roman pages are known


def test_expansion_maps_labels_to_all_pages_that_bear_them() -> None:
    labels = Labels(["i", "ii", "1", "2", "3", "2"])
    assert labels.expand([Span("1", "2")]) == [
        {"label": "1", "page": 3, "range_end": "2", "main": False},
        {"label": "2", "page": 4, "range_end": "2", "main": False},
        {"label": "2", "page": 6, "range_end": "2", "main": False},
    ]
    assert labels.expand([Span("ii"), Span("9"), Span("ii", main=True)]) == [
        {"label": "ii", "page": 2, "range_end": None, "main": True},
        {"label": "9", "page": None, "range_end": None, "main": False},
    ]
