"""What the user calls books: files, folders and patterns → paths of PDFs and of files of passages, in a fixed order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from tripletkit.addresses import Address, Place
from tripletkit.errors import SourceError
from tripletkit.user_rows import has_text_column

log = logging.getLogger(__name__)

#: The reason in `dropped` for a book that cannot be read.
REFUSED = "book refused"
#: Files that hold a user's own passages. A folder is not searched for .json: those are mostly other things.
_FOUND_IN_FOLDERS = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"})
_PASSAGE_FILES = _FOUND_IN_FOLDERS | {".json"}


def is_passage_file(path: Place) -> bool:
    """Whether the file's extension is one for passages; any other file is read as a PDF."""
    return path.suffix.lower() in _PASSAGE_FILES


def find_books(given: Iterable[Place]) -> tuple[Place, ...]:
    """Every PDF and file of passages named, once, folders searched to any depth; in a folder at an address, PDFs only.

    In a folder, a table without a column ``text`` is passed over with a warning. Raises SourceError if a name matches nothing.
    """
    found: dict[Place, Place] = {}
    for name in given:
        for path in _expand(name) if isinstance(name, Path) else _expand_address(name):
            found.setdefault(path.resolve(), path)
    if not found:
        raise SourceError(
            "no book was given",
            "Name a PDF, a file of passages, a folder or a pattern after the command, as in `tripletkit run BOOK.pdf`, or `books = [...]` "
            "in tripletkit.toml.",
        )
    return tuple(found.values())


def _expand(name: Path) -> list[Path]:
    if name.is_dir():
        inside = sorted(p for p in name.rglob("*") if _is_book(p, name))
        if not inside:
            raise SourceError(
                f"{name}: the folder holds no PDF and no passages ({', '.join(sorted(_FOUND_IN_FOLDERS))} with a column 'text')",
                "Check the path.",
            )
        return inside
    if any(mark in str(name) for mark in "*?[") and not name.exists():
        pattern = name.relative_to(name.anchor)
        matching = sorted(p for p in Path(name.anchor).glob(str(pattern)) if p.is_file())
        if not matching:
            raise SourceError(f"{name}: the pattern matches no file", "Check the path.")
        return matching
    # A missing or invalid file is reported when it is read, so that the other books still finish.
    return [name]


def _expand_address(name: Address) -> Sequence[Address]:
    if any(mark in name.url for mark in "*?["):
        top = name
        while any(mark in top.url for mark in "*?["):
            top = top.parent
        matching = top.glob(name.url.removeprefix(f"{top.url}/"))
        if not matching:
            raise SourceError(f"{name}: the pattern matches no file", "Check the address.")
        return matching
    inside = [name / file for file in name.sizes() if file.lower().endswith(".pdf")]
    if not inside and name.is_dir():
        raise SourceError(f"{name}: the folder holds no PDF", "Check the address; name files of passages themselves.")
    return inside or [name]


def _is_book(path: Path, folder: Path) -> bool:
    """Whether a file found in ``folder`` is a PDF or a table of passages that tripletkit did not make itself."""
    if path.suffix.lower() == ".pdf":
        return path.is_file()
    if path.suffix.lower() not in _FOUND_IN_FOLDERS or not path.is_file():
        return False
    # An output folder holds tables with a column `text` too.
    if any((above / "manifests").is_dir() for above in path.parents if above.is_relative_to(folder)):
        return False
    if not has_text_column(path):
        log.warning("%s: passed over, it has no column 'text'; name the file itself to be told more", path)
        return False
    return True
