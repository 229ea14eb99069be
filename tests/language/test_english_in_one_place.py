"""English stands in language/ and rules/, so that a second language is a second set of data."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tripletkit

PACKAGE = Path(tripletkit.__file__).parent
FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}
#: What in a pattern is no word: a class of signs, a group's name or flags, an escape.
SYNTAX = re.compile(r"\[(?:\\.|[^\]\\])*\]|\(\?P<\w+>|\(\?P=\w+\)|\(\?[a-z]+[:)]|\\.")
WORD = re.compile(r"[A-Za-z]{2,}")
ROMAN_NUMERALS = {"iv", "ix", "xc", "xl"}


def patterns(tree: ast.AST) -> Iterator[str]:
    """The literal parts of every regular expression."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in FUNCTIONS
        ):
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_no_pattern_of_terms_and_tagging_holds_a_word() -> None:
    found = {
        f"{path.name}: {word}"
        for folder in ("terms", "tagging")
        for path in sorted((PACKAGE / folder).glob("*.py"))
        for pattern in patterns(ast.parse(path.read_text(encoding="utf-8")))
        for word in WORD.findall(SYNTAX.sub(" ", pattern))
        if word not in ROMAN_NUMERALS
    }
    assert not found


def test_a_word_in_a_pattern_is_found() -> None:
    told = [WORD.findall(SYNTAX.sub(" ", p)) for p in patterns(ast.parse('re.compile(rf"(?P<see>see\\\\b)[a-z]{x}")'))]
    assert ["see"] in told
