"""Section titles as terms."""

import pytest

from tests.terms.layout import page, tables
from tripletkit.rules import load_rules
from tripletkit.terms.harvest import harvest
from tripletkit.terms.heading_terms import heading_terms

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
    found = harvest("b", *tables(pages, {7: "index"}), RULES, headings=("interfaces", "hash table"))
    sources = {row["term"]: row["sources"] for row in found.terms}
    assert sources["interface"] == ["heading", "index"]
    assert sources["hash table"] == ["heading"]
