"""Whether the distributions of a folder hold what they should and no more. Run: python .ci/check_dist.py dist."""

import sys
import tarfile
import zipfile
from pathlib import Path

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "tripletkit"
#: Folders that belong to the project and not to the installed package.
NOT_INSTALLED = ("tests/", "examples/", "docs/", ".ci/", "output/")
#: What a source distribution needs, so that a wheel can be built and tested from it.
IN_SOURCE = (
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "mkdocs.yml",
    "docs/generate.py",
)


def expected_in_wheel() -> set[str]:
    """Every file of the package and of rules/, at its place in the wheel."""
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    own = {path.relative_to(TOP).as_posix() for path in files}
    return own | {f"tripletkit/rules/{path.name}" for path in (TOP / "rules").glob("*.txt")}


def wheel_faults(wheel: Path) -> list[str]:
    """What the wheel lacks, or holds although it should not."""
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        info = [name for name in file.namelist() if ".dist-info/" in name]
    faults = [f"{wheel}: lacks {name}" for name in sorted(expected_in_wheel() - names)]
    faults += [f"{wheel}: holds {name}" for name in sorted(names) if name.startswith(NOT_INSTALLED)]
    faults += [
        f"{wheel}: holds {name}, which is no file of the package" for name in sorted(names - expected_in_wheel())
    ]
    if not any(name.endswith("licenses/LICENSE") for name in info):
        faults.append(f"{wheel}: lacks the licence")
    return faults


def source_faults(source: Path) -> list[str]:
    """What the source distribution lacks."""
    with tarfile.open(source) as file:
        names = {name.split("/", 1)[1] for name in file.getnames() if "/" in name}
    return [f"{source}: lacks {name}" for name in IN_SOURCE if name not in names]


def main(folder: Path) -> None:
    """Exit with the list of faults, or say how large each distribution is."""
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    if faults := wheel_faults(wheel) + source_faults(source):
        sys.exit("\n".join(faults))
    for path in (source, wheel):
        sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB, complete\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
