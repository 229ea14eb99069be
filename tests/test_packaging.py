"""The wheel that pip installs: the whole package, its rules, templates and type marker, and none of the tests or books."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path
from types import ModuleType

import pytest

import tripletkit
from tripletkit.rules import KINDS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def check_dist() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_dist", ROOT / ".ci/check_dist.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("*.whl")
    return file


def test_the_wheel_holds_the_package_and_the_rules_and_nothing_else(wheel: Path, check_dist: ModuleType) -> None:
    assert check_dist.wheel_faults(wheel) == []
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"tripletkit/rules/{name}.txt" for name in KINDS} <= names
    assert {"tripletkit/py.typed", "tripletkit/evaluation/similarity.tsv"} <= names
    templates = (ROOT / "tripletkit/publishing/templates").glob("*.jinja")
    assert {f"tripletkit/publishing/templates/{path.name}" for path in templates} <= names


def test_the_documents_name_the_wheel_as_it_is_called(wheel: Path) -> None:
    for page in ("README.md", "docs/getting-started.md"):
        assert f"pip install 'dist/{wheel.name}[embedded]'" in (ROOT / page).read_text(encoding="utf-8"), page


def test_the_source_distribution_can_be_built_and_tested(dist: Path, check_dist: ModuleType) -> None:
    (source,) = dist.glob("*.tar.gz")
    assert check_dist.source_faults(source) == []
    assert source.stat().st_size < 2_000_000, "the demo's book, or an output folder, went into the source distribution"


def test_what_a_wheel_lacks_or_should_not_hold_is_named(tmp_path: Path, check_dist: ModuleType) -> None:
    wheel = tmp_path / "tripletkit-0.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tests/test_cli.py", "")
    faults = check_dist.wheel_faults(wheel)
    assert f"{wheel}: holds tests/test_cli.py" in faults
    assert f"{wheel}: lacks tripletkit/py.typed" in faults
    assert f"{wheel}: lacks tripletkit/rules/titles.txt" in faults
    assert f"{wheel}: lacks the licence" in faults


def test_the_installed_rules_are_found_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    code = "import tripletkit.rules as r; print(r.__file__, len(r.load_rules().files))"
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    assert out[0].startswith(str(tmp_path))
    assert int(out[1]) == len(KINDS)


def test_the_metadata_names_version_extras_and_what_publishing_imports(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(file.read(name).decode())
    assert metadata["Version"] == tripletkit.__version__
    assert {"embedded", "lora", "tensorboard"} <= set(metadata.get_all("Provides-Extra", []))
    required = {line.split(">")[0].split("=")[0].strip() for line in metadata.get_all("Requires-Dist", [])}
    assert {"jinja2", "pyyaml", "torch", "sentence-transformers"} <= required
