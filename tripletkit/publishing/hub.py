"""A folder → a repository on the Hub, in one commit or none.

The Hub's own client skips files that are there already and makes no empty commit. It repeats uploads that fail but not the
commit, so here everything from opening the repository to the tag is one attempt, which may be repeated.
``create_commit`` is used and not ``upload_folder``, which cuts a large folder into several commits.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from tripletkit.errors import HubError
from tripletkit.hub_answers import RETRY_STATUS, answered, describe_error, status_of
from tripletkit.publishing.cards import CARD, PLACEHOLDER
from tripletkit.publishing.dataset_folder import MANIFEST, read_manifest

log = logging.getLogger(__name__)

Kind = Literal["dataset", "model"]

MAIN = "main"
#: The file that shows that a folder or repository is one of ours, so that nothing else is ever sent or overwritten.
MARKERS: dict[Kind, str] = {"dataset": MANIFEST, "model": "modules.json"}
#: Files of an older version would still be loaded; those that the new one does not hold are deleted in the same commit.
STALE: dict[Kind, tuple[str, ...]] = {
    "dataset": ("*.parquet", "figures/*"),
    "model": ("*.safetensors", "*.bin", "figures/*"),
}
IGNORED = (".*", "*/.*", "checkpoint-*", "*.partial", "*__pycache__*")
REPO = re.compile(r"(?=.{3,96}$)[A-Za-z0-9][\w-]*(\.[\w-]+)*/[A-Za-z0-9][\w-]*(\.[\w-]+)*", re.ASCII)

QUOTA = re.compile(r"storage limit|quota|out of storage|exceed\w* .*storage|payment required", re.IGNORECASE)
_NO_ROOM = ("{url}: no room", "Free some storage or upgrade the account, then run the same command again.")
_NO_RIGHT = ("no right to write to {url}", "Use a token with write access to it, or push under your own name.")
#: What a status says about a push, and what to do.
REFUSALS = {
    401: ("{endpoint} does not accept the token", "Make a new one, then set HF_TOKEN or run `hf auth login`."),
    **dict.fromkeys((402, 413, 507), _NO_ROOM),
    **dict.fromkeys((403, 404), _NO_RIGHT),
}
#: What the client raises when no answer comes; from httpx or httpx2, whichever the client is built on.
TransportError: type[Exception] = HfHubHTTPError.__mro__[1]
FAILURES = (TransportError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True)
class PushOptions:
    """Where on the Hub, and how often and how long to try."""

    private: bool = True
    revision: str = MAIN
    tag: str | None = None
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
    sources: Mapping[str, Path | bytes] = field(repr=False)  # path in the repository → file, or bytes in its place

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every file."""
        held = self.sources.items()
        return {path: len(one) if isinstance(one, bytes) else one.stat().st_size for path, one in held}

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
    sent: tuple[str, ...]  # paths that were new or differed
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
        counts = f"{len(self.sent)} files sent, {len(self.deleted)} removed"
        done = counts if self.changed else "nothing had changed, no commit made"
        tag = f", tag {self.tag}" if self.tag else ""
        return f"{self.url} ({'private' if self.private else 'public'}): {done}; at {self.commit[:12]}{tag}"


def plan_push(folder: Path, repo: str, kind: Kind, options: PushOptions | None = None) -> PushPlan:
    """What a push of ``folder``, its card with the name OWNER/NAME, would send; neither network nor token is needed.

    Raises HubError for a folder that may not be pushed, or a name that the Hub does not allow.
    """
    if not REPO.fullmatch(repo) or "--" in repo or repo.endswith(".git"):
        cure = "Write OWNER/NAME: letters, digits, single - . and _, 96 at most."
        raise HubError(f"{repo!r} is no name of a repository", cure)
    if kind == "dataset" and read_manifest(folder).get("local_only"):
        problem = f"{folder}: was filled from a redacted dataset, and its text is not yours to publish"
        raise HubError(problem, "Publish from your own tables; `tripletkit publish` checks the books' licences.")
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    sources: dict[str, Path | bytes] = {
        name: path for name, path in paths.items() if not any(fnmatch(name, one) for one in IGNORED)
    }
    if MARKERS[kind] not in sources:
        problem = f"{folder}: has no {MARKERS[kind]}, so it is no {kind} that can be pushed"
        raise HubError(problem, "Make it with `tripletkit publish` (dataset) or `tripletkit train` (model).")
    if CARD in sources:
        sources[CARD] = paths[CARD].read_bytes().replace(PLACEHOLDER.encode(), repo.encode())
    options = options or PushOptions()
    endpoint = options.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return PushPlan(kind, repo, endpoint.rstrip("/"), options, sources)


def fetch_dataset(repo: str, revision: str = MAIN) -> Path:
    """The folder of dataset OWNER/NAME, from the Hub or the cache that it shares with `datasets`. Raises HubError."""
    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision))
    except FAILURES as error:
        message = _message(error, get_token() or "hf_***")
        problem = f"dataset {repo} at {revision} cannot be fetched ({message})"
        raise HubError(problem, "Check its name, your access and the network.") from None


def find_dataset(dataset: str | Path, revision: str = MAIN) -> Path:
    """``dataset`` if it is a folder, else the folder of dataset OWNER/NAME of the Hub. Raises HubError."""
    folder = Path(dataset)
    return folder if folder.is_dir() else fetch_dataset(str(dataset), revision)


def push(plan: PushPlan) -> PushReport:
    """Carry out ``plan``, trying again where that may help. Raises HubError."""
    token = get_token()
    if token is None:
        raise HubError(f"no token for {plan.endpoint}", "Set HF_TOKEN, or log in with `hf auth login`.")
    attempts = _Attempts(HfApi(endpoint=plan.endpoint, token=token), plan)
    last = max(1, plan.options.tries)
    for number in range(1, last + 1):
        try:
            return attempts.run(number)
        except FAILURES as error:
            root = answered(error)
            if number == last or _hopeless(root, token):
                # Not chained: the client's errors carry addresses that are signed for this user.
                raise _explain(root, plan, token) from None
            _wait(root, number, plan)
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True)
class _Attempts:
    """A plan and the client that carries it out. ``run`` may be called again whatever came of the last call."""

    api: HfApi
    plan: PushPlan

    def run(self, number: int) -> PushReport:
        plan, tag, private = self.plan, self.plan.options.tag, self._open()
        refs = self.api.list_repo_refs(plan.repo, repo_type=plan.kind)
        heads = {branch.name: branch.target_commit for branch in refs.branches}
        before = self._blobs(heads.get(plan.options.revision, MAIN))
        commit = self._commit(before, heads)
        after = before if commit in heads.values() else self._blobs(commit)
        tags = {one.name: one.target_commit for one in refs.tags}
        if tag is not None and tag not in tags:
            self.api.create_tag(plan.repo, repo_type=plan.kind, tag=tag, revision=commit)
        elif tag is not None and tags[tag] != commit:
            problem = f"{plan.url} has a tag {tag!r} already, at other data ({tags[tag][:12]}, this is {commit[:12]})"
            raise HubError(problem, "Choose a new tag.")
        sent = tuple(path for path in plan.sources if after.get(path) != before.get(path))
        deleted = tuple(path for path in before if path not in after)
        return PushReport(plan.url, commit, sent, deleted, number, private, tag)

    def _open(self) -> bool:
        """Create the repository if it is not there; whether it is private."""
        plan, private = self.plan, self.plan.options.private
        try:
            info = self.api.repo_info(plan.repo, repo_type=plan.kind)
        except RepositoryNotFoundError:
            self._create()
            return private
        names = set(self.api.list_repo_files(plan.repo, repo_type=plan.kind))
        if MARKERS[plan.kind] not in names and names - {".gitattributes", CARD}:
            problem = f"{plan.url} is taken: it holds something that tripletkit did not make"
            raise HubError(problem, "Choose another name.")
        if private and not info.private:
            problem = f"{plan.url} is there already and is public, but a private push was asked for"
            raise HubError(problem, "Ask for a public push if everybody may see it, or choose another name.")
        return bool(info.private)

    def _create(self) -> None:
        plan = self.plan
        try:
            self.api.create_repo(plan.repo, repo_type=plan.kind, private=plan.options.private)
        except HfHubHTTPError as error:
            # Either somebody has just made it, and the next try will see it; or it belongs to others and is hidden from us.
            if status_of(error) != 409 or self.api.repo_exists(plan.repo, repo_type=plan.kind):
                raise
            cure = "Choose another name, or ask its owner for write access."
            raise HubError(f"the name {plan.repo} is taken", cure) from None

    def _blobs(self, revision: str) -> dict[str, str]:
        """Path → git's hash of each file at ``revision``."""
        plan = self.plan
        try:
            entries = list(self.api.list_repo_tree(plan.repo, repo_type=plan.kind, revision=revision, recursive=True))
        except RevisionNotFoundError:
            return {}  # a repository without a commit
        return {entry.path: entry.blob_id for entry in entries if isinstance(entry, RepoFile)}

    def _commit(self, before: Mapping[str, str], heads: Mapping[str, str]) -> str:
        """One commit with everything that differs; the head of the branch where nothing does."""
        plan, branch = self.plan, self.plan.options.revision
        additions = [CommitOperationAdd(path, source) for path, source in plan.sources.items()]
        old = (path for path in before if path not in plan.sources)
        stale = (path for path in old if any(fnmatch(path, one) for one in STALE[plan.kind]))
        if branch not in heads and heads:
            # Large files first, so that the branch appears when nothing but the commit is left to do.
            self.api.preupload_lfs_files(plan.repo, additions, repo_type=plan.kind, revision=MAIN, free_memory=False)
            self.api.create_branch(plan.repo, repo_type=plan.kind, branch=branch, exist_ok=True)
        made = self.api.create_commit(
            plan.repo,
            [*additions, *(CommitOperationDelete(path) for path in stale)],
            repo_type=plan.kind,
            revision=branch,
            commit_message="Publish with tripletkit",
            parent_commit=heads.get(branch, heads.get(MAIN)),  # the commit is refused if somebody was quicker
        )
        return made.oid


def _hopeless(error: BaseException, token: str) -> bool:
    """Whether another try would fail in the same way."""
    status = status_of(error)
    passing = status in RETRY_STATUS if status is not None else isinstance(error, TransportError)
    return not passing or QUOTA.search(_message(error, token)) is not None


def _wait(error: BaseException, number: int, plan: PushPlan) -> None:
    """Wait before the next try: longer each time, and as long as the server asks."""
    options, status = plan.options, status_of(error)
    asked = str(error.response.headers.get("Retry-After", "")) if isinstance(error, HfHubHTTPError) else ""
    wait = max(options.first_wait_s * 2 ** (number - 1), float(asked) if asked.isdecimal() else 0.0)
    # Two pushes that met once should not meet again.
    wait = min(wait, options.most_wait_s) * (0.75 + secrets.randbelow(501) / 1000)
    what = f"HTTP {status}" if status else type(error).__name__
    log.warning("%s: try %d of %d failed (%s), next in %.1f s", plan.repo, number, options.tries, what, wait)
    options.sleep(wait)


def _explain(error: BaseException, plan: PushPlan, token: str) -> HubError:
    status, message = status_of(error), _message(error, token)
    again = "run the same command again; what was uploaded is not sent twice."
    known = _NO_ROOM if QUOTA.search(message) else REFUSALS.get(status or 0)
    if known:
        problem = known[0].format(url=plan.url, endpoint=plan.endpoint)
        return HubError(f"{problem} ({message})", known[1])
    if status is not None:
        return HubError(
            f"{plan.url}: the Hub answered {describe_error(error)} ({message})",
            f"Nothing half-made is visible; {again}",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return HubError("the Hub is switched off by HF_HUB_OFFLINE", "Unset it to push.")
    if isinstance(error, TransportError | OSError):
        problem = f"{plan.endpoint} cannot be reached or broke off ({type(error).__name__}: {message})"
        return HubError(problem, f"Check the network, then {again}")
    return HubError(f"{plan.url}: {message}", "Run with --dry-run to see what would be sent.")


def _message(error: BaseException, token: str) -> str:
    """The server's own words if it had any: one line, no token, no address with a signature."""
    text = (error.server_message if isinstance(error, HfHubHTTPError) else None) or str(error) or type(error).__name__
    text = re.sub(r"\bhf_\w+", "hf_***", text.replace(token, "hf_***"))
    return re.sub(r"\?\S*", "?…", " ".join(text.split()))[:300]
