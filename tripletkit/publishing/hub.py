"""A folder → a repository on the Hub, in one commit or none. Nobody else imports huggingface_hub.

The Hub's own client repeats uploads that fail but not the commit, so that is done here: everything from opening the
repository to the tag is one attempt, and an attempt that is repeated sends only what is not there yet.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    get_token,
    snapshot_download,
)
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from tripletkit.errors import HubError
from tripletkit.ids import file_sha256
from tripletkit.publishing.plan import (
    CARD,
    MAIN,
    MARKERS,
    STALE,
    Kind,
    PushOptions,
    PushPlan,
    PushReport,
    Source,
    plan_push,
)

log = logging.getLogger(__name__)

#: Answers that a later try may get past: time-outs, a head that moved, too many requests, a server in trouble.
RETRY_STATUS = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
QUOTA = re.compile(r"storage limit|quota|out of storage|exceed\w* .*storage|payment required", re.IGNORECASE)
#: What the client raises when no answer comes; from httpx or httpx2, whichever the client is built on.
TransportError: type[Exception] = HfHubHTTPError.__mro__[1]


def push_dataset(folder: Path, repo: str, options: PushOptions | None = None) -> PushReport:
    """A folder of ``write_dataset`` → dataset OWNER/NAME, whose name its card then bears. Raises HubError."""
    return push(plan_push(folder, repo, "dataset", options))


def push_model(folder: Path, repo: str, options: PushOptions | None = None) -> PushReport:
    """A SentenceTransformer's folder → model OWNER/NAME. Raises HubError."""
    return push(plan_push(folder, repo, "model", options))


def fetch_dataset(repo: str, revision: str = MAIN, endpoint: str | None = None) -> Path:
    """The folder of dataset OWNER/NAME, from the Hub or the cache that it shares with `datasets`. Raises HubError."""
    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, endpoint=endpoint))
    except (TransportError, RuntimeError, ValueError, OSError) as error:
        said = _said(error, get_token() or "hf_***")
        raise HubError(
            f"dataset {repo} at {revision} cannot be fetched ({said})", "Check its name, your access and the network."
        ) from None


def push(plan: PushPlan) -> PushReport:
    """Carry out ``plan``, trying again where that may help. Raises HubError."""
    token = get_token()
    if token is None:
        raise HubError(f"no token for {plan.endpoint}", "Set HF_TOKEN, or log in with `hf auth login`.")
    way = _Way(HfApi(endpoint=plan.endpoint, token=token), plan)
    for number in range(1, max(1, plan.options.tries)):
        try:
            return way.attempt(number)
        except (TransportError, RuntimeError, ValueError, OSError) as error:
            _wait_or_raise(_root(error), number, plan, token)
    try:
        return way.attempt(max(1, plan.options.tries))
    except (TransportError, RuntimeError, ValueError, OSError) as error:
        # Not chained: the client's errors carry addresses that are signed for this user.
        raise _explain(_root(error), plan, token) from None


@dataclass(frozen=True)
class _Way:
    """A plan on its way; ``attempt`` may be called again whatever came of the last."""

    api: HfApi
    plan: PushPlan

    def attempt(self, number: int) -> PushReport:
        private = self._open()
        heads = self._heads()
        revision = self.plan.options.revision
        commit = heads.get(revision, heads.get(MAIN, ""))
        remote = self._remote(commit or MAIN)
        sent = self._different(remote)
        deleted = tuple(path for path in remote if path not in self.plan.sources and _is_stale(path, self.plan.kind))
        if sent or deleted:
            commit = self._commit(sent, deleted, heads)
        elif revision not in heads:
            self._branch()
        self._tag(commit)
        return PushReport(self.plan.url, commit, sent, deleted, number, private, self.plan.options.tag)

    def _open(self) -> bool:
        """Create the repository if it is not there; whether it is private."""
        plan = self.plan
        try:
            info = self.api.repo_info(plan.repo, repo_type=plan.kind)
        except RepositoryNotFoundError:
            self._create()
            return plan.options.private
        names = set(self.api.list_repo_files(plan.repo, repo_type=plan.kind))
        if MARKERS[plan.kind] not in names and names - {".gitattributes", CARD}:
            raise HubError(
                f"{plan.url} is taken: it holds something that tripletkit did not make", "Choose another name."
            )
        if plan.options.private and not info.private:
            raise HubError(
                f"{plan.url} is there already and is public, but a private push was asked for",
                "Ask for a public push if everybody may see it, or choose another name.",
            )
        return bool(info.private)

    def _create(self) -> None:
        plan = self.plan
        try:
            self.api.create_repo(plan.repo, repo_type=plan.kind, private=plan.options.private)
        except HfHubHTTPError as error:
            # Somebody made it since we looked, and the next try will see it; or it was there all along, hidden from us.
            if _status(error) != 409 or self._visible():
                raise
            raise HubError(
                f"the name {plan.repo} is taken", "Choose another name, or ask its owner for write access."
            ) from None

    def _visible(self) -> bool:
        try:
            self.api.repo_info(self.plan.repo, repo_type=self.plan.kind)
        except RepositoryNotFoundError:
            return False
        return True

    def _heads(self) -> dict[str, str]:
        refs = self.api.list_repo_refs(self.plan.repo, repo_type=self.plan.kind)
        return {branch.name: branch.target_commit for branch in refs.branches}

    def _remote(self, revision: str) -> dict[str, RepoFile]:
        try:
            tree = list(
                self.api.list_repo_tree(self.plan.repo, repo_type=self.plan.kind, revision=revision, recursive=True)
            )
        except RevisionNotFoundError:
            return {}  # a repository without a commit
        return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}

    def _different(self, remote: Mapping[str, RepoFile]) -> tuple[str, ...]:
        return tuple(path for path, source in self.plan.sources.items() if not _same(source, remote.get(path)))

    def _commit(self, sent: tuple[str, ...], deleted: tuple[str, ...], heads: Mapping[str, str]) -> str:
        repo, kind, options = self.plan.repo, self.plan.kind, self.plan.options
        additions = [CommitOperationAdd(path, _readable(self.plan.sources[path])) for path in sent]
        if options.revision not in heads and heads:
            # Large files first: the branch appears when nothing but the commit is left to do.
            self.api.preupload_lfs_files(repo, additions, repo_type=kind, revision=MAIN, free_memory=False)
            self._branch()
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [*additions]
        operations += [CommitOperationDelete(path) for path in deleted]
        parent = heads.get(options.revision, heads.get(MAIN))  # the commit is refused if somebody was quicker
        made = self.api.create_commit(
            repo,
            operations,
            repo_type=kind,
            revision=options.revision,
            commit_message=options.message,
            parent_commit=parent,
        )
        wrong = self._different(self._remote(made.oid))
        if wrong:
            raise HubError(
                f"{self.plan.url} at {made.oid[:12]} does not hold what was sent: {', '.join(wrong[:3])}", "Push again."
            )
        return made.oid

    def _branch(self) -> None:
        self.api.create_branch(
            self.plan.repo, repo_type=self.plan.kind, branch=self.plan.options.revision, exist_ok=True
        )

    def _tag(self, commit: str) -> None:
        tag, plan = self.plan.options.tag, self.plan
        if tag is None:
            return
        tags = {one.name: one.target_commit for one in self.api.list_repo_refs(plan.repo, repo_type=plan.kind).tags}
        if tags.get(tag, commit) != commit:
            raise HubError(
                f"{plan.url} has a tag {tag!r} already, at other data ({tags[tag][:12]}, this is {commit[:12]})",
                "Choose a new tag.",
            )
        if tag not in tags:
            self.api.create_tag(plan.repo, repo_type=plan.kind, tag=tag, revision=commit)


def _is_stale(path: str, kind: Kind) -> bool:
    return any(fnmatch(path, pattern) for pattern in STALE[kind])


def _readable(source: Source) -> str | bytes:
    return source if isinstance(source, bytes) else str(source)


def _same(source: Source, remote: RepoFile | None) -> bool:
    """Whether the Hub holds these very bytes: large files are known by sha256, small ones by git's own hash."""
    if remote is None:
        return False
    if remote.lfs is not None:
        return remote.lfs.sha256 == (
            hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else file_sha256(source)
        )
    data = source if isinstance(source, bytes) else source.read_bytes()
    return remote.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _root(error: BaseException) -> BaseException:
    """The client wraps what went wrong with an upload; its status is further down."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    return int(error.response.status_code) if isinstance(error, HfHubHTTPError) else None


def _wait_or_raise(error: BaseException, number: int, plan: PushPlan, token: str) -> None:
    """Wait before the next try, or raise HubError if another try would end the same."""
    status = _status(error)
    hopeless = status not in RETRY_STATUS if status is not None else not isinstance(error, TransportError)
    if hopeless or QUOTA.search(_said(error, token)):
        raise _explain(error, plan, token) from None
    wait = _wait_s(error, number, plan.options)
    log.warning(
        "%s: try %d of %d failed (%s), next in %.1f s",
        plan.repo,
        number,
        plan.options.tries,
        f"HTTP {status}" if status else type(error).__name__,
        wait,
    )
    plan.options.sleep(wait)


def _wait_s(error: BaseException, number: int, options: PushOptions) -> float:
    asked = str(error.response.headers.get("Retry-After", "")) if isinstance(error, HfHubHTTPError) else ""
    wait = max(options.first_wait_s * 2 ** (number - 1), float(asked) if asked.isdecimal() else 0.0)
    # Two pushes that met once should not meet again.
    return float(min(wait, options.most_wait_s)) * (0.75 + secrets.randbelow(501) / 1000)


def _explain(error: BaseException, plan: PushPlan, token: str) -> HubError:
    status, said = _status(error), _said(error, token)
    if QUOTA.search(said) or status in (402, 413, 507):
        return HubError(
            f"{plan.url}: no room ({said})",
            "Free some storage or upgrade the account, then run the same command again.",
        )
    if status == 401:
        return HubError(
            f"{plan.endpoint} does not accept the token ({said})",
            "Make a new one, then set HF_TOKEN or run `hf auth login`.",
        )
    if status in (403, 404):
        return HubError(
            f"no right to write to {plan.url} ({said})",
            "Use a token with write access to it, or push under your own name.",
        )
    if status is not None:
        return HubError(
            f"{plan.url}: the Hub answered {status} ({said})",
            "Nothing half-made is visible. Run the same command again; what was uploaded is not sent twice.",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return HubError("the Hub is switched off by HF_HUB_OFFLINE", "Unset it to push.")
    if isinstance(error, TransportError | OSError):
        return HubError(
            f"{plan.endpoint} cannot be reached or broke off ({type(error).__name__}: {said})",
            "Check the network, then run the same command again; what was uploaded is not sent twice.",
        )
    return HubError(f"{plan.url}: {said}", "Run with --dry-run to see what would be sent.")


def _said(error: BaseException, token: str) -> str:
    """The server's own words if it had any: one line, no token, no address with a signature."""
    text = (error.server_message if isinstance(error, HfHubHTTPError) else None) or str(error) or type(error).__name__
    text = re.sub(r"\bhf_\w+", "hf_***", text.replace(token, "hf_***"))
    return re.sub(r"\?\S*", "?…", " ".join(text.split()))[:300]
