"""What a push would send and where, decided without the network, a token or the Hub's library."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, TypeAlias

from tripletkit.errors import HubError
from tripletkit.publishing.facts import PLACEHOLDER
from tripletkit.publishing.folder import MANIFEST, read_manifest

Kind = Literal["dataset", "model"]
Source: TypeAlias = Path | bytes

MAIN = "main"
CARD = "README.md"
#: What shows that a folder or repository holds our kind of thing, so that nothing else is ever sent or overwritten.
MARKERS: dict[Kind, str] = {"dataset": MANIFEST, "model": "modules.json"}
#: Data of an older version that a new one does not name would still be loaded: it goes in the same commit.
STALE: dict[Kind, tuple[str, ...]] = {"dataset": ("*.parquet", "figures/*.svg"), "model": ("*.safetensors", "*.bin")}
IGNORED = (".*", "*/.*", "checkpoint-*", "*.partial", "*__pycache__*")
REPO = re.compile(r"(?=.{3,96}$)[A-Za-z0-9][\w-]*(\.[\w-]+)*/[A-Za-z0-9][\w-]*(\.[\w-]+)*", re.ASCII)


@dataclass(frozen=True)
class PushOptions:
    """Where on the Hub, and how patiently."""

    private: bool = True
    revision: str = MAIN
    tag: str | None = None
    message: str = "Publish with tripletkit"
    tries: int = 5
    first_wait_s: float = 1.0  # doubled after every try
    most_wait_s: float = 60.0
    endpoint: str | None = None  # None: HF_ENDPOINT, else huggingface.co
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)


@dataclass(frozen=True)
class PushPlan:
    """What a push sends, and where to."""

    kind: Kind
    repo: str
    endpoint: str
    options: PushOptions
    sources: Mapping[str, Source] = field(repr=False)  # path in the repository → file, or bytes that stand for it

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every file."""
        return {
            path: len(source) if isinstance(source, bytes) else source.stat().st_size
            for path, source in self.sources.items()
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """What a dry run prints."""
        sizes, tag = self.sizes, f", tag {self.options.tag}" if self.options.tag else ""
        visibility = "private" if self.options.private else "public"
        head = f"{self.kind} {self.url} ({visibility}), revision {self.options.revision}{tag}"
        total = f"{len(sizes)} files, {sum(sizes.values()):,} bytes; nothing was sent"
        return (head, *(f"{size:>14,}  {path}" for path, size in sizes.items()), total)


@dataclass(frozen=True)
class PushReport:
    """What a push did."""

    url: str
    commit: str
    sent: tuple[str, ...]  # paths that differed
    deleted: tuple[str, ...]
    tries: int
    private: bool
    tag: str | None

    @property
    def changed(self) -> bool:
        """Whether a commit was made."""
        return bool(self.sent or self.deleted)

    @property
    def summary(self) -> str:
        """One line for a command to end with."""
        done = (
            f"{len(self.sent)} files sent, {len(self.deleted)} removed"
            if self.changed
            else "nothing had changed, no commit made"
        )
        tag = f", tag {self.tag}" if self.tag else ""
        return f"{self.url} ({'private' if self.private else 'public'}): {done}; at {self.commit[:12]}{tag}"


def plan_push(folder: Path, repo: str, kind: Kind, options: PushOptions | None = None) -> PushPlan:
    """What ``push_dataset`` or ``push_model`` would send. Raises HubError for a folder or name that will not do."""
    if not REPO.fullmatch(repo) or "--" in repo or repo.endswith(".git"):
        raise HubError(
            f"{repo!r} is no name of a repository", "Write OWNER/NAME: letters, digits, single - . and _, 96 at most."
        )
    options = options or PushOptions()
    endpoint = options.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return PushPlan(kind, repo, endpoint.rstrip("/"), options, _sources(folder, repo, kind))


def _sources(folder: Path, repo: str, kind: Kind) -> dict[str, Source]:
    if kind == "dataset" and read_manifest(folder).get("local_only"):
        raise HubError(
            f"{folder}: was filled from a redacted dataset, and its text is not yours to publish",
            "Publish from your own tables; `tripletkit publish` checks the books' licences.",
        )
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    sources: dict[str, Source] = {
        name: path for name, path in paths.items() if not any(fnmatch(name, pattern) for pattern in IGNORED)
    }
    if MARKERS[kind] not in sources:
        raise HubError(
            f"{folder}: has no {MARKERS[kind]}, so it is no {kind} that can be pushed",
            "Make it with `tripletkit publish` (dataset) or `tripletkit train` (model).",
        )
    if CARD in sources:
        sources[CARD] = paths[CARD].read_bytes().replace(PLACEHOLDER.encode(), repo.encode())
    return sources
