"""A Hub on 127.0.0.1: the HTTP that huggingface_hub 2.4 and datasets 5.2 use, in memory, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WRITER, READER = "hf_loopbackwriter", "hf_loopbackreader"
OWNER = "ann"
LARGE = re.compile(r"\.(parquet|safetensors|bin)$")
WHEN = "2024-01-01T00:00:00.000Z"

Tree = dict[str, "Blob"]


@dataclass(frozen=True)
class Blob:
    """A file's bytes, and whether it lies in the store for large files."""

    data: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def git_oid(self) -> str:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        content = pointer.encode() if self.large else self.data
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    """A repository: commits are whole trees, branches and tags point at them."""

    kind: str
    name: str
    private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, tree: Tree) -> str:
        told = "".join(f"{path}{blob.sha256}" for path, blob in sorted(tree.items()))
        oid = hashlib.sha1(f"{len(self.commits)}{self.name}{told}".encode()).hexdigest()
        self.commits[oid], self.branches[branch] = tree, oid
        return oid

    def find(self, revision: str) -> str | None:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return oid if oid in self.commits else None


@dataclass
class Fault:
    """What befalls the next ``times`` requests that match: an answer, or a connection cut before or after the work."""

    method: str
    path: str  # regular expression, searched in the path
    status: int = 0  # 0: cut
    times: int = 1
    skip: int = 0  # matching requests to let pass first
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # the work is done, only the answer is lost
    page: bytes = b""  # HTML in place of JSON


class Answer(Exception):  # noqa: N818 - it is how a handler answers early
    """An HTTP status with its code and message."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class LoopbackHub:
    """The server's state, shared with the test that looks at it."""

    url: str = ""
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=lambda: {WRITER: "write", READER: "read"})
    on_put: Callable[[str], None] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def count(self, method: str, path: str) -> int:
        """How many requests had this method and a path in which the pattern is found."""
        return sum(m == method and bool(re.search(path, p)) for m, p in self.seen)

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.seen.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                    if fault.skip:
                        fault.skip -= 1
                        return None
                    fault.times -= 1
                    return fault
            return None

    def make(self, kind: str, name: str, *, private: bool = True) -> Repo:
        """A new repository with the one file that the Hub puts in."""
        self.repos[kind, name] = repo = Repo(kind, name, private)
        repo.commit("main", {".gitattributes": Blob(b"*.parquet filter=lfs\n", large=False)})
        return repo


class QuietServer(ThreadingHTTPServer):
    """A client that hangs up is no error here."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def running_hub() -> Iterator[LoopbackHub]:
    """A server on a free port of 127.0.0.1 until the block ends."""
    hub = LoopbackHub()
    server = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


REPO = r"/api/(?P<kind>models|datasets)/(?P<name>[^/]+/[^/]+)"
GIT = r"(?:/(?P<kind>datasets))?/(?P<name>[^/]+/[^/]+?)"
ROUTES = (
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate_yaml"),
    ("GET", REPO, "info"),
    ("GET", rf"{REPO}/revision/(?P<revision>[^/]+)", "info"),
    ("GET", rf"{REPO}/refs", "refs"),
    ("GET", rf"{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", "tree"),
    ("POST", rf"{REPO}/paths-info/(?P<revision>[^/]+)", "paths_info"),
    ("POST", rf"{REPO}/branch/(?P<branch>[^/]+)", "branch"),
    ("POST", rf"{REPO}/tag/(?P<revision>[^/]+)", "tag"),
    ("POST", rf"{REPO}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"{REPO}/commit/(?P<revision>[^/]+)", "commit"),
    ("POST", rf"{GIT}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/store/(?P<oid>[0-9a-f]{64})", "put"),
    ("POST", r"/store/verify", "verify"),
    ("GET", rf"{GIT}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    ("HEAD", rf"{GIT}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
)


class Handler(BaseHTTPRequestHandler):
    """One request at a time per connection; state is in ``hub``."""

    hub: LoopbackHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the client's acknowledgement

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests read ``hub.seen`` instead."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        fault = self.hub.fault(self.command, path)
        if fault and not fault.status and not fault.after:
            return self._cut()
        self.query, self.body = parse_qs(parts.query), self._read_body()
        if fault and fault.page:
            return self._answer(fault.status, (fault.status, fault.page, {"Content-Type": "text/html"}), {})
        if fault and fault.status:
            return self._answer(
                fault.status, {"error": fault.message}, {"X-Error-Message": fault.message, **fault.headers}
            )
        try:
            answer = self._route(parts.path)
        except Answer as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            return self._answer(
                refusal.status, {"error": refusal.message}, {key: value for key, value in headers.items() if value}
            )
        if fault and fault.after:
            return self._cut()
        return self._answer(200, answer, {})

    def _route(self, path: str) -> object:
        for method, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                groups = {key: unquote(value) for key, value in match.groupdict().items() if value is not None}
                self._check_token()
                with self.hub.lock:
                    return getattr(self, f"on_{name}")(**groups)
        raise Answer(404, "", f"no such address: {self.command} {path}")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, content: object, headers: dict[str, str]) -> None:
        if isinstance(content, tuple):  # a file: status, bytes, headers
            status, body, headers = content
        else:
            body, headers = json.dumps(content).encode(), {**headers, "Content-Type": "application/json"}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": headers.get("Content-Length", str(len(body)))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # Who asks

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _check_token(self) -> None:
        if self._token() and self._token() not in self.hub.tokens:
            raise Answer(401, "", "Invalid credentials in Authorization header")

    def _repo(self, kind: str, name: str, *, write: bool = False) -> Repo:
        repo = self.hub.repos.get((kind.removesuffix("s"), name))
        if repo is None or (repo.private and not self._token()) or (repo.private and not name.startswith(f"{OWNER}/")):
            raise Answer(404 if self._token() else 401, "RepoNotFound", "Repository not found")
        if write:
            self._check_writer(name)
        return repo

    def _check_writer(self, name: str) -> None:
        if self.hub.tokens.get(self._token()) != "write" or not name.startswith(f"{OWNER}/"):
            raise Answer(403, "", "You don't have the rights to write here")

    def _tree(self, repo: Repo, revision: str) -> tuple[str, Tree]:
        oid = repo.find(revision)
        if oid is None:
            raise Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return oid, repo.commits[oid]

    # What is asked

    def on_whoami(self) -> object:
        if not self._token():
            raise Answer(401, "", "Invalid username or password.")
        return {
            "type": "user",
            "name": OWNER,
            "auth": {"accessToken": {"role": self.hub.tokens[self._token()]}},
            "orgs": [],
        }

    def on_create(self) -> object:
        asked = json.loads(self.body)
        kind, name = asked.get("type", "model"), f"{asked['organization'] or OWNER}/{asked['name']}"
        if (kind, name) in self.hub.repos:
            raise Answer(409, "", "You already created this repo")
        self._check_writer(name)
        self.hub.make(kind, name, private=asked.get("visibility") == "private")
        return {"url": f"{self.hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}", "id": name}

    def on_validate_yaml(self) -> object:
        if not json.loads(self.body)["content"].startswith("---\n"):
            raise Answer(400, "", "no metadata")
        return {"errors": [], "warnings": []}

    def on_info(self, kind: str, name: str, revision: str = "main") -> object:
        repo = self._repo(kind, name)
        oid, tree = self._tree(repo, revision)
        return {
            "_id": oid[:24],
            "id": name,
            "author": name.split("/")[0],
            "sha": oid,
            "private": repo.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "createdAt": WHEN,
            "lastModified": WHEN,
            "siblings": [{"rfilename": path} for path in tree],
        }

    def on_refs(self, kind: str, name: str) -> object:
        repo = self._repo(kind, name)
        groups = (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
        return {
            "converts": [],
            **{
                key: [{"name": one, "ref": f"refs/{ref}/{one}", "targetCommit": oid} for one, oid in points.items()]
                for key, ref, points in groups
            },
        }

    def on_tree(self, kind: str, name: str, revision: str, path: str = "") -> object:
        _, tree = self._tree(self._repo(kind, name), revision)
        prefix = f"{path.rstrip('/')}/" if path else ""
        inside = [one for one in tree if one.startswith(prefix)]
        if path and not inside:
            raise Answer(404, "EntryNotFound", f"{path} does not exist on {revision}")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        folders = sorted(
            {
                prefix + "/".join(one.removeprefix(prefix).split("/")[:depth])
                for one in inside
                for depth in range(1, one.removeprefix(prefix).count("/") + 1)
                if deep or depth == 1
            }
        )
        shown = [one for one in inside if deep or "/" not in one.removeprefix(prefix)]
        return [_folder_entry(one) for one in folders] + [_entry(one, tree[one]) for one in shown]

    def on_paths_info(self, kind: str, name: str, revision: str) -> object:
        _, tree = self._tree(self._repo(kind, name), revision)
        json_asked = self.headers.get("Content-Type", "").startswith("application/json")
        paths = json.loads(self.body)["paths"] if json_asked else parse_qs(self.body.decode()).get("paths", [])
        files = [_entry(path, tree[path]) for path in paths if path in tree]
        return files + [_folder_entry(path) for path in paths if any(one.startswith(f"{path}/") for one in tree)]

    def on_branch(self, kind: str, name: str, branch: str) -> object:
        repo = self._repo(kind, name, write=True)
        if branch in repo.branches:
            raise Answer(409, "", "Reference already exists")
        repo.branches[branch] = repo.branches["main"]
        return {}

    def on_tag(self, kind: str, name: str, revision: str) -> object:
        repo, tag = self._repo(kind, name, write=True), json.loads(self.body)["tag"]
        if tag in repo.tags:
            raise Answer(409, "", "Tag reference exists already")
        repo.tags[tag], _ = self._tree(repo, revision)
        return {}

    def on_preupload(self, kind: str, name: str, revision: str) -> object:
        _, tree = self._tree(self._repo(kind, name, write=True), revision)
        files = []
        for asked in json.loads(self.body)["files"]:
            blob = tree.get(asked["path"])
            oid = (blob.sha256 if blob.large else blob.git_oid) if blob else None
            mode = "lfs" if LARGE.search(asked["path"]) else "regular"
            files.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": files}

    def on_batch(self, name: str, kind: str = "models") -> object:
        self._repo(kind, name, write=True)
        return {
            "transfer": "basic",
            "objects": [self._upload(one["oid"], one["size"]) for one in json.loads(self.body)["objects"]],
        }

    def _upload(self, oid: str, size: int) -> object:
        if oid in self.hub.store:
            return {"oid": oid, "size": size}
        # Addresses are signed for whoever may write, as the Hub's are.
        upload = {"href": f"{self.hub.url}/store/{oid}?X-Amz-Signature=very-secret"}
        return {
            "oid": oid,
            "size": size,
            "actions": {"upload": upload, "verify": {"href": f"{self.hub.url}/store/verify"}},
        }

    def on_put(self, oid: str) -> object:
        if self.hub.on_put:
            self.hub.on_put(oid)
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Answer(400, "", "the content is not what its hash says")
        self.hub.store[oid] = self.body
        return {}

    def on_verify(self) -> object:
        asked = json.loads(self.body)
        if len(self.hub.store.get(asked["oid"], b"")) != asked["size"]:
            raise Answer(404, "", "the object is not here")
        return {}

    def on_commit(self, kind: str, name: str, revision: str) -> object:
        repo = self._repo(kind, name, write=True)
        if revision not in repo.branches:
            raise Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        lines = [json.loads(line) for line in self.body.splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repo.branches[revision]:
            raise Answer(412, "", "A commit has happened since. Please refresh and try again.")
        tree = dict(repo.commits[repo.branches[revision]])
        for line in lines[1:]:
            self._apply(tree, line["key"], line["value"])
        oid = repo.commit(revision, tree)
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "hookOutput": ""}

    def _apply(self, tree: Tree, key: str, value: dict[str, Any]) -> None:
        if key == "file":
            tree[value["path"]] = Blob(base64.b64decode(value["content"]), large=False)
        elif key == "lfsFile" and value["oid"] in self.hub.store:
            tree[value["path"]] = Blob(self.hub.store[value["oid"]], large=True)
        elif key == "deletedFile" and value["path"] in tree:
            del tree[value["path"]]
        else:
            raise Answer(400, "", f"cannot do {key} of {value['path']}")

    def on_resolve(self, name: str, revision: str, path: str, kind: str = "models") -> object:
        oid, tree = self._tree(self._repo(kind, name), revision)
        if path not in tree:
            raise Answer(404, "EntryNotFound", "Entry not found")
        blob = tree[path]
        headers = {
            "ETag": f'"{blob.sha256 if blob.large else blob.git_oid}"',
            "X-Repo-Commit": oid,
            "X-Linked-Size": str(len(blob.data)),
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return 200, blob.data, {**headers, "Content-Length": str(len(blob.data))}
        first, last = int(asked[1]), min(int(asked[2] or len(blob.data) - 1), len(blob.data) - 1)
        return 206, blob.data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(blob.data)}"}


def _entry(path: str, blob: Blob) -> dict[str, object]:
    large = {"lfs": {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 130}} if blob.large else {}
    return {"type": "file", "oid": blob.git_oid, "size": len(blob.data), "path": path, **large}


def _folder_entry(path: str) -> dict[str, object]:
    return {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
