from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.language.normalise import is_acronym, normalised_by, normaliser_of, term_key, tokens
from tripletkit.rules import Rules, load_rules


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Binary search trees", "binary search-tree"),
        ("neighbours", "neighbor"),
        ("principal component analyses", "principal component analysis"),
        ("Bayes’ theorem", "Bayes' theorem"),
        ("matrices", "matrix"),
        ("normalisation", "normalization"),
        ("ﬁnite automata", "finite automaton"),
        ("Dijkstra’s algorithm", "Dijkstra algorithm"),
        ("classes", "class"),
        ("boxes", "box"),
        ("families", "family"),
    ],
)
def test_ways_to_write_one_term_share_a_key(one: str, other: str) -> None:
    assert term_key(one) == term_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mean", "means"),
        ("C", "C++"),
        ("spacing", "space"),
        ("bias", "bia"),
        ("four", "for"),
        ("tree search", "search tree"),
        ("sort", "sorting"),
    ],
)
def test_other_terms_do_not(one: str, other: str) -> None:
    assert term_key(one) != term_key(other)


@given(st.text())
def test_offsets_point_into_the_text_as_it_is(text: str) -> None:
    found = list(tokens(text))
    assert all(0 <= t.start < t.end <= len(text) for t in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("form", "answer"),
    [("CNN", True), ("MLPs", True), ("TF-IDF", True), ("Set", False), ("a", False), ("SSet", False), ("heap", False)],
)
def test_acronyms_are_told_by_case(form: str, answer: bool) -> None:
    assert is_acronym(form) is answer


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("ratios", "ratio"),
        ("formulas", "formula"),
        ("GPUs", "GPU"),
        ("ReLUs", "ReLU"),
        ("caches", "cache"),
        ("quizzes", "quiz"),
        ("statistics", "statistic"),
    ],
)
def test_plurals(plural: str, one: str) -> None:
    assert term_key(plural) == term_key(one)


@pytest.mark.parametrize(
    ("field", "adjective"),
    [("economics", "economic"), ("semantics", "semantic"), ("dynamics", "dynamic"), ("mathematics", "mathematic")],
)
def test_fields_of_study_are_no_plurals(field: str, adjective: str) -> None:
    assert term_key(field) != term_key(adjective)


def rules_with(folder: Path, **files: str) -> Rules:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.extra.txt").write_text(text, encoding="utf-8")
    return load_rules(folder)


def test_rules_in_force_are_those_of_the_nearest_block_and_thread(tmp_path: Path) -> None:
    one = rules_with(tmp_path / "one", plurals="Kine: cow\n", variants="gaol: jail\n-ough: uff\n")
    other = rules_with(tmp_path / "other", plurals="kine: kin\n")
    with normalised_by(one):
        assert term_key("kine in gaols, thorough") == ("cow", "in", "jail", "thoruff")
        with normalised_by(other), ThreadPoolExecutor(1) as pool:
            assert term_key("kine") == ("kin",)
            assert pool.submit(term_key, "kine").result() == ("kine",)  # a thread of another project
        assert [token.key for token in tokens("kine")] == ["cow"]
    assert term_key("kine in gaols") == ("kine", "in", "gaol")


def test_equal_rules_share_a_normaliser_and_its_keys(tmp_path: Path) -> None:
    assert normaliser_of(load_rules()) is normaliser_of(load_rules())
    assert normaliser_of(rules_with(tmp_path / "one", plurals="kine: cow\n")) is not normaliser_of(load_rules())
