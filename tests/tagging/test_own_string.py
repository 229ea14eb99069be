"""A kept term's own string is found in every text that holds it, whatever signs it has."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger

CONTEXT = Context(load_rules())
WORDS = (
    "lattice",
    "Vertex",
    "naïve",
    "NP",
    "x",
    "C",
    "λ",
    "2",
    "10",
    "Erdős",
    "B",
    "pH",
    "don’t",
    "II",
    "κ",
    "p̂",
    "é",
    "ß",
    "IT",
)
SIGNS = (" ", "-", "–", "/", ".", "+", "*", "#", "≤", "(", ")", "[", "]", "“", "”", '"', "'", "’", ", ", ": ", "_", "::", "=", "^", "% ",
         " & ", "@", "$", "!", "?", "…", "→", "|", "~", "∞", ". ", " (", ") ", "<", ">", "{", "}", "\\", ";")  # fmt: skip
TERMS = st.lists(st.tuples(st.sampled_from(("", *SIGNS)), st.sampled_from(WORDS)), min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from(("", *SIGNS)).map(lambda end: "".join(a + b for a, b in parts) + end)
)
FRAMES = (
    "{}",
    "Take {} here.",
    "Take ({}), or not.",
    "It is “{}”.",
    "One is {}; two is it.",
    "This has {}\nAnd no more.",
)


def places(term: str, text: str) -> list[int]:
    (tagged,) = Tagger(Matcher([Form("t", term, canonical=True)]), CONTEXT).tag([text])
    return [match.start for match in tagged.mentions if text[match.start : match.end] == term]


@given(TERMS.map(lambda term: " ".join(term.split())), st.sampled_from(FRAMES))
@example("support vector machine (SVM)", "Take {} here.")
@example("O(n log n)", "Take {} here.")
@example("“yes” vote", "Take {} here.")
@example("A* search", "Take {} here.")
@example("≤", "Take {} here.")
@example("C#", "Take {} here.")
@example(".NET", "Take {} here.")
@example("__init__", "Take {} here.")
@example("f(x)", "Take ({}), or not.")
@example("closure, of a set", "Take {} here.")
@example("std::vector<int>", "Take {} here.")
def test_its_own_string_is_found(term: str, frame: str) -> None:
    text = frame.format(term)
    assert frame.index("{}") in places(term, text), (term, text)


@pytest.mark.parametrize("term", [*SIGNS, "+=", "(*)", "<=>", "½", "²"])
def test_signs_alone_are_found(term: str) -> None:
    if term.strip():
        assert places(term.strip(), f"Take {term.strip()} here") == [5]


def test_terms_among_each_other() -> None:
    """Of many terms in one matcher each is found where it stands."""
    draw = random.Random(0)
    terms = sorted({" ".join(draw.choice(SIGNS).join(draw.sample(WORDS, 2)).split()) for _ in range(300)})
    matcher = Matcher(Form(term, term, canonical=True) for term in terms)
    for term in terms:
        (tagged,) = Tagger(matcher, CONTEXT).tag([f"Take {term} here."])
        assert term in {match.form.term_id for match in tagged.mentions}, term
