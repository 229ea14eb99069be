"""The wheel that pip installs: the package, its default rules, its type marker, and none of the tests or books."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tripletkit.rules import KINDS

ROOT = Path(__file__).parent.parent


def test_the_wheel_carries_rules_and_type_marker(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        file.extractall(tmp_path / "site")
    assert {f"tripletkit/rules/{name}.txt" for name in KINDS} <= names
    assert {"tripletkit/py.typed", "tripletkit/evaluation/similarity.tsv"} <= names
    assert not any(name.startswith(("tests/", "examples/")) for name in names)
    # The installed rules are found without the checkout.
    code = "import tripletkit.rules as r; print(r.__file__, len(r.load_rules().files))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", check=True, capture_output=True, text=True
    ).stdout.split()
    assert out[0].startswith(str(tmp_path))
    assert int(out[1]) == len(KINDS)
