"""The names that `from tripletkit import …` gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tripletkit


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    assert len(tripletkit.__all__) <= 12
    assert len(set(tripletkit.__all__)) == len(tripletkit.__all__)
    for name in tripletkit.__all__:
        assert getattr(tripletkit, name) is not None
        assert name in dir(tripletkit)


def test_every_public_function_and_class_says_what_it_does() -> None:
    for name in set(tripletkit.__all__) - {"__version__"}:
        assert getattr(tripletkit, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tripletkit' has no attribute 'Projekt'"):
        tripletkit.Projekt  # noqa: B018


_STATE = """
import logging, os, sys, warnings
import polars  # sets a variable of its own
def state():
    return [logging.root.handlers[:], logging.root.level, dict(os.environ), sys.argv[:], sys.stdout.errors, os.getcwd(),
            warnings.filters[:], sorted(os.listdir("."))]
before = state()
import tripletkit
assert [name for name in sys.modules if name.startswith("tripletkit")] == ["tripletkit"]
project = tripletkit.Project("output", books=["book.pdf"], encoder="embedded", mine={"negatives": 3})
assert state() == before
heavy = ("torch", "transformers", "datasets", "sentence_transformers", "spacy", "pypdfium2")
print([name for name in heavy if name in sys.modules])
"""


def test_importing_and_making_a_project_changes_nothing_and_loads_nothing_heavy(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STATE],
        check=True,
        capture_output=True,
        text=True,
        cwd=str(tmp_path),
        env=_environment(),
    )
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:

    return {**os.environ, "PYTHONPATH": str(Path(tripletkit.__file__).parent.parent)}
