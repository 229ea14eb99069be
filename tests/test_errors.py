from __future__ import annotations

import ast
import re
from pathlib import Path

from tripletkit import errors

PACKAGE = Path(errors.__file__).parent


def test_the_tree_in_the_docstring_is_the_tree_of_the_package() -> None:
    """Every class that inherits from an error of ours, wherever it stands, is drawn once."""
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    classes = [
        (node.name, [ast.unparse(base) for base in node.bases])
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    known, found = {"TripletkitError"}, list[str]()
    while new := [name for name, bases in classes if name not in known and known & set(bases)]:
        known.update(new)
        found += new
    assert sorted(found) == sorted(drawn)
    here = [getattr(errors, name) for name in drawn if hasattr(errors, name)]  # NoTextError stands beside its reader
    assert len(here) >= len(drawn) - 1
    assert all(issubclass(of, errors.TripletkitError) for of in here)


def test_an_error_says_the_problem_and_what_to_do() -> None:
    error = errors.RightsError("no licence", "Give one.")
    assert str(error) == "no licence\n  Give one."
    assert (error.problem, error.hint) == ("no licence", "Give one.")
    assert str(errors.HubError("no network")) == "no network"
