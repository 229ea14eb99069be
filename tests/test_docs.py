"""The README is true: every command, table and column is in it, and its commands exist."""

import re
from pathlib import Path

from tripletkit.cli import app
from tripletkit.schemas import TABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme_and_no_other() -> None:
    known = {command.name for command in app.registered_commands}
    told = set(re.findall(r"`tripletkit ([a-z]+)", README)) | set(
        re.findall(r"^    tripletkit ([a-z]+)", README, re.MULTILINE)
    )
    assert told == known


def table_lines() -> list[str]:
    """The README's table of tables, as schemas.py has it."""
    lines = ["| table | one row a | columns |", "|---|---|---|"]
    return lines + [f"| `{t.name}` | {t.meaning} | {', '.join(t.columns)} |" for t in TABLES.values()]


def test_every_table_is_in_the_readme_as_it_is() -> None:
    for line in table_lines():
        assert line in README


def test_the_change_log_and_licence_are_there() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
