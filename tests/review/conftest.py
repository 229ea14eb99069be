"""A mined output folder of a book that tries to run scripts: its text, its file name and a term hold markup."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tests.book
from tests.book import write_book
from tripletkit.cli import main
from tripletkit.review.folder import OutputFolder
from tripletkit.settings import load_settings

#: A random encoder finds all texts alike.
ALIKE = {"mine.synonym_threshold": 1, "mine.relative_margin": 0, "mine.negatives": 2}
OPTIONS = [part for name, value in ALIKE.items() for part in ("--set", f"{name}={value}")]
SCRIPT = "<script>document.title='owned'</script>"
IMAGE = "<img src=x onerror=document.title='owned'>"
FILE = "<img src=x onerror=owned()> & 'earth'.pdf"
#: The first differs from a term of the index by a space only.
TERMS = f"floodplain\n<b onmouseover=owned()>sand\nterm that is mentioned nowhere\n{SCRIPT}\n"


@pytest.fixture(scope="session")
def mined(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tests.book, "_OPENINGS", (*tests.book._OPENINGS[:4], f"{SCRIPT} and {IMAGE} are shown as text."))
        write_book(folder / FILE)
    (folder / "terms.txt").write_text(TERMS)
    output = folder / "output"
    shared = ["--output", str(output), "--encoder", str(tiny_encoder), *OPTIONS, "--quiet"]
    for command in (
        ["extract", str(folder / FILE)],
        ["glossary", "--terms", str(folder / "terms.txt")],
        ["tag"],
        ["split"],
        ["mine"],
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, *shared])
        assert not end.value.code
    return output


@pytest.fixture
def output(mined: Path, tmp_path: Path) -> Path:
    shutil.copytree(mined, tmp_path / "output")
    return tmp_path / "output"


@pytest.fixture
def folder(output: Path, tiny_encoder: Path) -> OutputFolder:
    return OutputFolder(load_settings(None, {"output": str(output), "encoder": str(tiny_encoder), **ALIKE}))
