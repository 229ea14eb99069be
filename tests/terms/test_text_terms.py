"""Terms of section titles, of emphasis, of definitions, and by statistics."""

import pytest

from tests.terms.layout import book, page, tables
from tripletkit.rules import load_rules
from tripletkit.terms.book_text import Corpus
from tripletkit.terms.harvest import harvest_book
from tripletkit.terms.text_terms import c_values, defined_terms, emphasised_terms, heading_terms

RULES = load_rules()


def thrice(phrase: str) -> list[str]:
    return [f"We meet {phrase} here.", f"Again {phrase} and once more {phrase}."]


@pytest.mark.parametrize(
    ("title", "said", "terms"),
    [
        ("4.2 Hash Tables", "hash tables", ["hash tables"]),
        ("Chapter 7 Hash Tables and Chaining", "hash tables", ["hash tables"]),  # one word is a title or nothing
        ("Recursion", "recursion", ["recursion"]),
        ("Markov Chain", "a Markov chain", ["Markov chain"]),  # as the prose writes it
        ("Binary Search Tree: Removal", "a binary search tree", ["binary search tree"]),
        ("Hash Tables", "a hash table", ["hash table"]),
        ("Representing Sets", "representing sets", []),  # a deed
        ("Learning Rate", "the learning rate", ["learning rate"]),  # a thing
        ("Monopoly Power", "monopoly power", ["monopoly power"]),  # no adverb
        ("Surprisingly Fast Sorts", "surprisingly fast sorts", []),
        ("Introduction", "introduction", []),
        ("Practical Considerations", "practical considerations", []),
        ("Exercises", "exercises", []),
        ("Why It Works", "why it works", []),
        ("How far apart are two points of one line", "how far apart are two points of one line", []),
    ],
)
def test_what_a_title_names(title: str, said: str, terms: list[str]) -> None:
    assert heading_terms([title], thrice(said), RULES) == terms


def test_what_prose_hardly_says_is_no_term() -> None:
    assert heading_terms(["Hash Tables"], ["We meet hash tables here, and hash tables there."], RULES) == []


def test_plurals_count_and_the_commonest_wording_is_shown() -> None:
    texts = ["Random variables vary. A random variable is large, a random variable is small."]
    assert heading_terms(["Random Variables"], texts, RULES) == ["random variable"]


def test_a_heading_joins_the_index_entry_of_its_name() -> None:
    pages = {1: page(1, "An interface is abstract. A hash table is fast."), 7: page(7, "interface, 1\nqueue, 1")}
    found = harvest_book("b", *tables(pages, {7: "index"}), RULES, headings=("interfaces", "hash table"))
    sources = {row["term"]: row["sources"] for row in found.terms}
    assert sources["interface"] == ["heading", "index"]
    assert sources["hash table"] == ["heading"]


INDEX = "# Index\n\nalgorithm, 3\nbinary tree, 5\nlogit, 11\nqueue, 17\nzero, 19"
BODY = (
    "A /lattice/ is an ordered set. Such a thing is called a *complete lattice* here.\n"
    "It is /very/ useful. This method, known as *chaining,* is old. Let /x/ be a\n"
    "number. The book *Moby Dick* was read. We call this /backward induc-\n"
    "/tion/ in what follows."
)


def test_emphasised_phrases_that_are_defined() -> None:
    assert emphasised_terms(book({3: page(3, BODY)}, {})) == [
        "lattice",
        "complete lattice",
        "chaining",
        "backward induction",
    ]


def test_bold_terms_are_asked_for() -> None:
    lines, pages = tables({3: page(3, BODY)}, {}, last=9)
    assert not harvest_book("b", lines, pages, RULES).terms
    found = harvest_book("b", lines, pages, RULES, bold=True)
    assert {str(row["term"]): row["sources"] for row in found.terms}["lattice"] == ["bold"]


def test_c_values_prefer_the_longer_phrase() -> None:
    texts = [
        "The red black tree is here. A red black tree grows; the red black tree falls. Any red black tree is a tree."
    ] * 2
    (first, *rest) = c_values(texts, RULES)
    assert (first.term, first.score) == ("red black tree", 12.68)  # log2(3) * 8
    assert [scored.score for scored in rest] == [0.0, 0.0]  # only ever said inside it


def test_automatic_terms_only_where_there_is_no_index() -> None:
    text = "\n".join(["The hash function maps keys to slots here."] * 6)
    lines, pages = tables({3: page(3, text)}, {}, last=9)
    found = harvest_book("b", lines, pages, RULES, automatic=1)
    assert [(row["term"], row["sources"]) for row in found.terms] == [("hash function", ["automatic"])] or found.scores
    lines, pages = tables({3: page(3, text), 400: page(400, INDEX)}, {400: "index"}, last=500)
    assert not harvest_book("b", lines, pages, RULES, automatic=1).scores


def test_phrases_that_a_sentence_defines() -> None:
    texts = [
        "A hash function is a function that maps keys. This is called linear probing by some. It is called repeatedly.",
        "This problem is the one that we met. Such a tree is called a heap. We use a hash function and linear probing.",
        "A quine is a program that prints itself. Errors are often called residuals; residuals and a heap matter.",
    ]
    assert defined_terms(texts, Corpus(texts), RULES) == [
        "linear probing",
        "hash function",
        "heap",
        "residuals",
    ]  # "quine": said once
