"""Files at addresses such as s3://bucket/book.pdf, read and written through fsspec.

An `Address` has those names of pathlib that this package uses, so that most code takes either. Credentials and endpoints
are fsspec's own matter: its configuration files and FSSPEC_* variables, or what the driver package reads by itself.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tripletkit.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

#: Between the protocol and the rest of an address.
_MARK = "://"


@dataclass(frozen=True, order=True)
class Address:
    """A file or folder, by its URL without a slash at the end.

    A method raises FileNotFoundError where the file is not there, and ConfigError where it cannot be reached: no driver
    package, no such bucket, no right or credentials.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | Path) -> Address:
        return Address(f"{self.url}/{name}") if str(name) not in ("", ".") else self

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(self.url.partition(_MARK)[2])

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """The name's extension, with its full stop."""
        return self._path.suffix

    @property
    def parent(self) -> Address:
        """The folder that it lies in."""
        return self if len(self._path.parts) < 2 else Address(self.url.rpartition("/")[0])

    def with_name(self, name: str) -> Address:
        """Another file of the same folder."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Address:
        """The same name with another extension."""
        return self.with_name(self.stem + suffix)

    def resolve(self) -> Address:
        """Itself: an address is absolute."""
        return self

    def is_file(self) -> bool:
        """Whether a file is there."""
        with _reached(self) as (files, key):
            return bool(files.isfile(key))

    def is_dir(self) -> bool:
        """Whether a file lies below it."""
        with _reached(self) as (files, key):
            return bool(files.isdir(key))

    def exists(self) -> bool:
        """Whether a file or folder is there."""
        with _reached(self) as (files, key):
            return bool(files.exists(key))

    def read_bytes(self) -> bytes:
        """The content."""
        with _reached(self) as (files, key):
            return bytes(files.cat_file(key))

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, data: bytes) -> None:
        """Replace the content by one request: a reader finds the old or the new one."""
        try:
            with _reached(self) as (files, key):
                files.pipe_file(key, data)
        except FileNotFoundError as error:
            problem = f"{self}: cannot be written ({_first_line(error)})"
            raise ConfigError(problem, "Make the bucket first, or name another one.") from error

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Replace the content by text."""
        self.write_bytes(text.encode(encoding))

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: there are no folders without files."""

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the file."""
        try:
            with _reached(self) as (files, key):
                files.rm_file(key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Remove all files below it."""
        for name in self.sizes():
            (self / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """The bytes of each file below it, by its path from here, in order."""
        with _reached(self) as (files, key):
            found: dict[str, dict[str, Any]] = files.find(key, detail=True)
        inside = {path.removeprefix(key).lstrip("/"): int(of["size"] or 0) for path, of in found.items() if path != key}
        return dict(sorted(inside.items()))

    def glob(self, pattern: str) -> list[Address]:
        """The files whose paths from here match, in order."""
        with _reached(self) as (files, key):
            found = sorted(path for path in files.glob(f"{key}/{pattern}") if files.isfile(path))
        return [self / path.removeprefix(key).lstrip("/") for path in found]

    def stamp(self) -> str:
        """Changes when the content does: of what the store says about the file (time, size, ETag)."""
        with _reached(self) as (files, key):
            return hashlib.sha256(f"{self.url} {files.ukey(key)}".encode()).hexdigest()

    def sha256(self) -> str:
        """Hex digest of the content, read in pieces."""
        with _reached(self) as (files, key), files.open(key, "rb") as file:
            return _digest(file)

    def fetch(self, to: Path) -> None:
        """Copy the file to a local one."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with _reached(self) as (files, key):
            files.get_file(key, str(to))

    def send(self, path: Path) -> None:
        """Replace it by a local file."""
        with _reached(self) as (files, key):
            files.put_file(str(path), key)


#: A local file or folder, or one at an address.
Place: TypeAlias = Path | Address


def as_place(given: object) -> Place:
    """A path or an address from text. ``file://`` is a path. Raises ValueError for anything but text, paths and addresses."""
    if isinstance(given, Path | Address):
        return given
    if not isinstance(given, str):
        raise ValueError("expected a path or an address such as s3://bucket/folder")
    if given.startswith("file://"):
        return Path(url2pathname(urlsplit(given).path))
    return Address(given.rstrip("/")) if _MARK in given else Path(given)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def files_of(folder: Place, pattern: str) -> list[Place]:
    """The files of a folder whose paths from there match."""
    return list(folder.glob(pattern))


def readable(place: Place) -> Path | IO[bytes]:
    """What numpy and polars read a file from."""
    return place if isinstance(place, Path) else io.BytesIO(place.read_bytes())


@contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """The file itself, or a copy of it in a temporary folder under its own name."""
    if isinstance(place, Path):
        yield place
        return
    with TemporaryDirectory(prefix="tripletkit-") as folder:
        copy = Path(folder) / place.name
        place.fetch(copy)
        yield copy


def file_sizes(place: Place) -> dict[str, int]:
    """The bytes of each file below a folder, by its path from there; none where the folder is not there."""
    if isinstance(place, Address):
        return place.sizes()
    files = (path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): path.stat().st_size for path in files}


def remove_folder(place: Place) -> None:
    """Remove a folder and all files below it, if it is there."""
    if isinstance(place, Address):
        place.remove_tree()
    else:
        shutil.rmtree(place, ignore_errors=True)


class WorkingCopy:
    """Local copies of files at an address, for those who need local ones, in a folder that lasts as long as this process."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._held = TemporaryDirectory(prefix="tripletkit-")  # removed when the interpreter ends
        self.folder = Path(self._held.name)
        self._known: dict[str, tuple[str, object]] = {}  # file: what it was there and here when both were equal

    def fetch(self, file: str) -> Path:
        """The local copy of a file or of a folder; nothing is there if nothing is at the address."""
        there = self.address / file
        for name in [file] if there.is_file() else [f"{file}/{name}" for name in there.sizes()]:
            if self._known.get(name, ("",))[0] != (stamp := (self.address / name).stamp()):
                (self.address / name).fetch(self.folder / name)
                self._known[name] = (stamp, _stamp_of(self.folder / name))
        return self.folder / file

    def push(self) -> None:
        """Send what changed here, and remove at the address what was removed here."""
        here = file_sizes(self.folder)
        for name in self._known.keys() - here.keys():
            (self.address / name).unlink(missing_ok=True)
            del self._known[name]
        for name in here:
            path, target = self.folder / name, self.address / name
            if self._known.get(name, ("", None))[1] != _stamp_of(path):
                target.send(path)
                self._known[name] = (target.stamp(), _stamp_of(path))


def _stamp_of(path: Path) -> object:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@cache
def working_copy(address: Address) -> WorkingCopy:
    """The one of this process."""
    return WorkingCopy(address)


def scan_parquet(places: Sequence[Place]) -> pl.LazyFrame:
    """Parquet files, unread, as one table. All at addresses must be of one store."""
    import polars as pl

    local = [place for place in places if isinstance(place, Path)]
    if local:
        # The files hold all columns, so the folders' names add none; a path is no pattern.
        return pl.scan_parquet(local, hive_partitioning=False, glob=False)
    from pyarrow.dataset import dataset

    with _reached(next(place for place in places if isinstance(place, Address))) as (files, _):
        keys = [files._strip_protocol(str(place)) for place in places]
        return pl.scan_pyarrow_dataset(dataset(keys, filesystem=files, format="parquet"))


@contextmanager
def _reached(address: Address) -> Iterator[tuple[Any, str]]:
    """The address's fsspec file system and the key in it; errors of drivers in words."""
    try:
        yield _file_system(address)
    except (ConfigError, FileNotFoundError):
        raise
    except ImportError as error:
        raise ConfigError(f"{address}: {_first_line(error)}", f"pip install {_driver(address)}") from error
    except Exception as error:  # each driver has errors of its own
        what = f"{type(error).__name__}: {_first_line(error)}" if str(error) else type(error).__name__
        hint = "Check the address, and the credentials that fsspec's driver finds (docs/storage.md)."
        if str(error).startswith("Protocol not known"):
            hint = "Addresses begin with s3://, gs://, hf:// or another protocol of fsspec (docs/storage.md)."
        raise ConfigError(f"{address}: cannot be reached ({what})", hint) from error


def _file_system(address: Address) -> tuple[Any, str]:
    import fsspec

    # What another process wrote must be seen, so no listing is kept.
    files, key = fsspec.url_to_fs(address.url, use_listings_cache=False)
    return files, str(key)


def _driver(address: Address) -> str:
    """The package that reads such addresses."""
    from fsspec.registry import known_implementations

    return str(known_implementations[address.url.partition(_MARK)[0]]["class"]).partition(".")[0]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
