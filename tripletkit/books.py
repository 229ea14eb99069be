"""What the user calls books: files, folders and patterns → PDF paths in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tripletkit.errors import SourceError

#: The reason under which a book that cannot be read stands in `dropped`.
REFUSED = "book refused"


def find_books(given: Iterable[Path]) -> tuple[Path, ...]:
    """Every PDF named, once, folders searched to any depth. Raises SourceError if a name matches nothing."""
    found: dict[Path, Path] = {}
    for name in given:
        for path in _expand(name):
            found.setdefault(path.resolve(), path)
    if not found:
        raise SourceError(
            "no book was given",
            "Name a PDF, a folder or a pattern: `tripletkit run BOOK.pdf`, or `books = [...]` in tripletkit.toml.",
        )
    return tuple(found.values())


def _expand(name: Path) -> list[Path]:
    if name.is_dir():
        inside = sorted(p for p in name.rglob("*") if p.suffix.lower() == ".pdf" and p.is_file())
        if not inside:
            raise SourceError(f"{name}: the folder holds no PDF", "Check the path.")
        return inside
    if any(mark in str(name) for mark in "*?[") and not name.exists():
        base = Path(name.anchor) if name.is_absolute() else Path()
        matching = sorted(
            p for p in base.glob(str(name.relative_to(name.anchor)) if name.is_absolute() else str(name)) if p.is_file()
        )
        if not matching:
            raise SourceError(f"{name}: the pattern matches no file", "Check the path.")
        return matching
    # A file that is missing or no PDF is told by whoever reads it, so that the other books still finish.
    return [name]
