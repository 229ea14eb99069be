"""A folder → a repository on the Hub, in one commit or none. Nobody else imports huggingface_hub.

The Hub's own client retries uploads but not the commit, so that is done here: everything from opening the repository to
the tag is one attempt, and an attempt that is repeated sends only what is not there yet.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import validate_repo_id

from tripletkit.errors import HubError
from tripletkit.publishing.facts import PLACEHOLDER
from tripletkit.publishing.folder import MANIFEST, read_manifest

log = logging.getLogger(__name__)

Kind = Literal["dataset", "model"]
Files = Mapping[str, "Path | bytes"]

MAIN = "main"
CARD = "README.md"
#: What shows that a repository holds our kind of thing, so that nothing else is ever overwritten.
MARKERS: dict[Kind, str] = {"dataset": MANIFEST, "model": "modules.json"}
#: Data of an older version that a new one does not name would still be loaded: it goes in the same commit.
STALE: dict[Kind, tuple[str, ...]] = {"dataset": ("*.parquet",), "model": ("*.safetensors", "*.bin")}
IGNORED = (".*", "*/.*", "checkpoint-*", "*.partial", "__pycache__*")
#: Answers that a later try may get past: time-outs, a head that moved, too many requests, a server in trouble.
RETRY_STATUS = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
QUOTA = re.compile(r"storage limit|quota|out of storage|exceed\w* .*storage|payment required", re.IGNORECASE)
#: The base class of what the client raises when no answer comes; httpx or httpx2, as the client has it.
TransportError: type[Exception] = HfHubHTTPError.__mro__[1]


@dataclass(frozen=True)
class PushOptions:
    """Where on the Hub, and how patiently."""

    private: bool = True
    revision: str = MAIN
    tag: str | None = None
    message: str = "Publish with tripletkit"
    tries: int = 5
    first_wait_s: float = 1.0
    most_wait_s: float = 60.0
    endpoint: str | None = None  # None: HF_ENDPOINT, else huggingface.co
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)


@dataclass(frozen=True)
class PushPlan:
    """What a push would send; made without the network or a token."""

    kind: Kind
    repo: str
    endpoint: str
    options: PushOptions
    files: Mapping[str, int]  # path in the repository → bytes

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"

    @property
    def lines(self) -> tuple[str, ...]:
        """What a dry run prints."""
        tag = f", tag {self.options.tag}" if self.options.tag else ""
        head = f"{self.kind} {self.url} ({'private' if self.options.private else 'public'}), revision {self.options.revision}{tag}"
        total = f"{len(self.files)} files, {sum(self.files.values()):,} bytes; nothing was sent"
        return (head, *(f"{size:>14,}  {path}" for path, size in self.files.items()), total)


@dataclass(frozen=True)
class PushReport:
    """What a push did."""

    url: str
    commit: str
    changed: bool  # whether a commit was made
    sent: tuple[str, ...]  # paths that differed
    deleted: tuple[str, ...]
    tries: int
    private: bool
    tag: str | None

    @property
    def summary(self) -> str:
        """One line for a command to end with."""
        done = f"{len(self.sent)} files sent, {len(self.deleted)} removed" if self.changed else "nothing had changed, no commit made"
        return (f"{self.url} ({'private' if self.private else 'public'}): {done}; at {self.commit[:12]}{f', tag {self.tag}' if self.tag else ''}")


def plan_push(folder: Path, repo: str, kind: Kind, options: PushOptions | None = None) -> PushPlan:
    """What ``push_dataset`` or ``push_model`` would send. Raises HubError for a folder or name that cannot be pushed."""
    return _plan(_files(folder, repo, kind), repo, kind, options or PushOptions())


def push_dataset(folder: Path, repo: str, options: PushOptions | None = None) -> PushReport:
    """A folder of ``write_dataset`` → dataset OWNER/NAME, whose name its card then bears. Raises HubError."""
    return _push(folder, repo, "dataset", options or PushOptions())


def push_model(folder: Path, repo: str, options: PushOptions | None = None) -> PushReport:
    """A SentenceTransformer's folder → model OWNER/NAME. Raises HubError."""
    return _push(folder, repo, "model", options or PushOptions())


def _plan(files: Files, repo: str, kind: Kind, options: PushOptions) -> PushPlan:
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise HubError(f"{repo!r} is no repository name: {error}", "Write OWNER/NAME.") from None
    if repo.count("/") != 1:
        raise HubError(f"{repo!r} is no repository name: it has no owner", "Write OWNER/NAME.")
    sizes = {path: len(source) if isinstance(source, bytes) else source.stat().st_size for path, source in files.items()}
    return PushPlan(kind, repo, options.endpoint or constants.ENDPOINT, options, sizes)


def _files(folder: Path, repo: str, kind: Kind) -> dict[str, Path | bytes]:
    if kind == "dataset" and read_manifest(folder).get("local_only"):
        raise HubError(f"{folder}: was filled from a redacted dataset, and its text is not yours to publish",
                       "Publish from your own tables; `tripletkit publish` checks the books' licences.")
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files: dict[str, Path | bytes] = {name: path for name, path in paths.items() if not any(fnmatch(name, pattern) for pattern in IGNORED)}
    if MARKERS[kind] not in files:
        raise HubError(f"{folder}: no {MARKERS[kind]} in it, so it is no {kind} that can be pushed", "Make it with `tripletkit publish` or `train`.")
    if kind == "dataset" and CARD in paths:
        files[CARD] = paths[CARD].read_bytes().replace(PLACEHOLDER.encode(), repo.encode())
    return files


def _push(folder: Path, repo: str, kind: Kind, options: PushOptions) -> PushReport:
    files = _files(folder, repo, kind)
    plan = _plan(files, repo, kind, options)
    token = get_token()
    if token is None:
        raise HubError(f"no token for {plan.endpoint}", "Set HF_TOKEN, or log in with `hf auth login`.")
    push = _Push(HfApi(endpoint=plan.endpoint, token=token), plan, files)
    for attempt in range(1, options.tries + 1):
        try:
            return push.attempt(attempt)
        except HubError:
            raise
        except (TransportError, RuntimeError, ValueError, OSError) as error:
            wait = _wait_s(_root(error), attempt, options)
            if wait is None or attempt == options.tries:
                # Not chained: the client's errors carry addresses that are signed for this user.
                raise _explain(_root(error), plan, token) from None
            log.warning("%s: try %d of %d failed (%s), next in %.1f s", plan.repo, attempt, options.tries, _label(_root(error)), wait)
            options.sleep(wait)
    raise HubError(f"options.tries = {options.tries} allows no try", "Allow at least one.")


@dataclass(frozen=True)
class _Push:
    """One folder on its way; ``attempt`` may be called again whatever came of the last."""

    api: HfApi
    plan: PushPlan
    files: Files

    def attempt(self, number: int) -> PushReport:
        private = self._open()
        heads = self._branches()
        revision = self.plan.options.revision
        base = revision if revision in heads else MAIN
        remote = self._remote(heads.get(base, base))
        sent = tuple(path for path, source in self.files.items() if not _same(source, remote.get(path)))
        deleted = tuple(path for path in remote if path not in self.files and any(fnmatch(path, p) for p in STALE[self.plan.kind]))
        commit = heads.get(base, "")
        if sent or deleted:
            commit = self._commit(sent, deleted, heads)
        elif revision not in heads:
            self._branch()
        self._tag(commit)
        return PushReport(self.plan.url, commit, bool(sent or deleted), sent, deleted, number, private, self.plan.options.tag)

    def _open(self) -> bool:
        """Create the repository if it is not there; whether it is private."""
        plan = self.plan
        try:
            info = self.api.repo_info(plan.repo, repo_type=plan.kind)
        except RepositoryNotFoundError:
            self._create()
            return plan.options.private
        names = {sibling.rfilename for sibling in info.siblings or ()}
        if MARKERS[plan.kind] not in names and names - {".gitattributes", CARD}:
            raise HubError(f"{plan.url} is taken: it holds something that tripletkit did not make", "Choose another name.")
        if plan.options.private and not info.private:
            raise HubError(f"{plan.url} is there already and is public, but a private push was asked for",
                           "Say --public if everybody may see it, or choose another name.")
        return bool(info.private)

    def _create(self) -> None:
        plan = self.plan
        try:
            self.api.create_repo(plan.repo, repo_type=plan.kind, private=plan.options.private)
        except HfHubHTTPError as error:
            # Made by somebody else since we looked, or there all along and not for our eyes: the next try will see.
            if _status(error) != 409 or self._visible():
                raise
            raise HubError(f"the name {plan.repo} is taken", "Choose another name, or ask its owner for write access.") from None

    def _visible(self) -> bool:
        try:
            self.api.repo_info(self.plan.repo, repo_type=self.plan.kind)
        except RepositoryNotFoundError:
            return False
        return True

    def _branches(self) -> dict[str, str]:
        refs = self.api.list_repo_refs(self.plan.repo, repo_type=self.plan.kind)
        return {branch.name: branch.target_commit for branch in refs.branches}

    def _remote(self, revision: str) -> dict[str, RepoFile]:
        try:
            tree = list(self.api.list_repo_tree(self.plan.repo, repo_type=self.plan.kind, revision=revision, recursive=True))
        except RevisionNotFoundError:
            return {}  # a repository without a commit
        return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}

    def _commit(self, sent: tuple[str, ...], deleted: tuple[str, ...], heads: Mapping[str, str]) -> str:
        repo, kind, revision = self.plan.repo, self.plan.kind, self.plan.options.revision
        additions = [CommitOperationAdd(path, _readable(self.files[path])) for path in sent]
        if revision not in heads and heads:
            # Large files first: the branch appears when nothing but the commit is left to do.
            self.api.preupload_lfs_files(repo, additions, repo_type=kind, revision=MAIN, free_memory=False)
            self._branch()
        made = self.api.create_commit(repo, [*additions, *(CommitOperationDelete(path) for path in deleted)], repo_type=kind, revision=revision,
                                      commit_message=self.plan.options.message, parent_commit=heads.get(revision, heads.get(MAIN)))
        self._verify(made.oid)
        return made.oid

    def _verify(self, commit: str) -> None:
        remote = self._remote(commit)
        wrong = [path for path, source in self.files.items() if not _same(source, remote.get(path))]
        if wrong:
            raise HubError(f"{self.plan.url} at {commit[:12]} does not hold what was sent: {', '.join(wrong[:3])}", "Push again.")

    def _branch(self) -> None:
        self.api.create_branch(self.plan.repo, repo_type=self.plan.kind, branch=self.plan.options.revision, exist_ok=True)

    def _tag(self, commit: str) -> None:
        tag, plan = self.plan.options.tag, self.plan
        if tag is None:
            return
        tags = {one.name: one.target_commit for one in self.api.list_repo_refs(plan.repo, repo_type=plan.kind).tags}
        if tags.get(tag, commit) != commit:
            raise HubError(f"{plan.url} has a tag {tag!r} already, at other data ({tags[tag][:12]}, this is {commit[:12]})", "Choose a new tag.")
        if tag not in tags:
            self.api.create_tag(plan.repo, repo_type=plan.kind, tag=tag, revision=commit, exist_ok=True)


def _readable(source: Path | bytes) -> str | bytes:
    return source if isinstance(source, bytes) else str(source)


def _same(source: Path | bytes, remote: RepoFile | None) -> bool:
    """Whether the Hub holds these very bytes: large files are known by sha256, small ones by git's own hash."""
    if remote is None:
        return False
    data = source if isinstance(source, bytes) else source.read_bytes()
    if remote.lfs is not None:
        return hashlib.sha256(data).hexdigest() == remote.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == remote.blob_id


def _root(error: BaseException) -> BaseException:
    """The client wraps what went wrong with an upload; its status is further down."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None


def _label(error: BaseException) -> str:
    status = _status(error)
    return f"HTTP {status}" if status else type(error).__name__


def _wait_s(error: BaseException, attempt: int, options: PushOptions) -> float | None:
    """Seconds before the next try, None if another try would end the same."""
    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled) or (status is not None and status not in RETRY_STATUS):
        return None
    if status is None and not isinstance(error, TransportError):
        return None
    wait = options.first_wait_s * 2 ** (attempt - 1)
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        asked = error.response.headers.get("Retry-After", "")
        wait = max(wait, float(asked)) if asked.isdecimal() else wait
    # Two pushes that met once should not meet again.
    return min(wait, options.most_wait_s) * (0.75 + secrets.randbelow(501) / 1000)


def _explain(error: BaseException, plan: PushPlan, token: str) -> HubError:
    status, said = _status(error), _said(error, token)
    if QUOTA.search(said) or status in (402, 413, 507):
        return HubError(f"{plan.url}: no room ({said})", "Free storage, upgrade the account, or push with --public, which has more room.")
    if status == 401:
        return HubError(f"{plan.endpoint} does not accept the token ({said})", "Make a new one, then set HF_TOKEN or run `hf auth login`.")
    if status in (403, 404):
        return HubError(f"no right to write to {plan.url} ({said})", "Use a token with write access to it, or push under your own name.")
    if status is not None:
        return HubError(f"{plan.url}: the Hub answered {status} ({said})",
                        "Nothing half-made is visible. Run the same command again; what was uploaded is not sent twice.")
    if isinstance(error, OfflineModeIsEnabled):
        return HubError("the Hub is switched off by HF_HUB_OFFLINE", "Unset it to push.")
    if isinstance(error, TransportError | OSError):
        return HubError(f"{plan.endpoint} cannot be reached or broke off ({type(error).__name__}: {said})",
                        "Check the network, then run the same command again; what was uploaded is not sent twice.")
    return HubError(f"{plan.url}: {said}", "Run with --dry-run to see what would be sent.")


def _said(error: BaseException, token: str) -> str:
    """The server's own words if it had any: one line, no token, no address with a signature."""
    text = (error.server_message if isinstance(error, HfHubHTTPError) else None) or str(error) or type(error).__name__
    text = re.sub(r"\bhf_\w+", "hf_***", text.replace(token, "hf_***"))
    return re.sub(r"\?\S*", "?…", " ".join(text.split()))[:300]
