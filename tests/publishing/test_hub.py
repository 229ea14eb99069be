"""Pushing in this process, against a Hub on 127.0.0.1, with every fault that a commit can meet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils.tqdm import disable_progress_bars

from tests.publishing.loopback_hub import READER, WRITER, Blob, Fault, LoopbackHub, Repo, running_hub
from tests.publishing.tables import BETA, DETAILS, GAMMA, small_tables, unlicensed
from tests.publishing.trained import score, trained
from tripletkit.errors import HubError
from tripletkit.publishing.dataset_folder import write_dataset
from tripletkit.publishing.fill import fill_dataset
from tripletkit.publishing.hub import PushOptions, PushReport, plan_push, push
from tripletkit.settings import PublishSettings
from tripletkit.stages.publish import prepare_encoder

REPO = "ann/small"
KEY = ("dataset", REPO)
COMMIT = f"/api/datasets/{REPO}/commit/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "set"
    write_dataset(small_tables(), made, details=DETAILS)
    return made


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    disable_progress_bars()
    # The client waits between its own tries, too; nobody has to.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with running_hub() as server:
        yield server


class Waits(list[float]):
    """Options whose waits are noted, not slept."""

    def options(self, hub: LoopbackHub, **more: Any) -> PushOptions:  # noqa: ANN401 - any option
        return PushOptions(endpoint=hub.url, sleep=self.append, **more)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def push_dataset(folder: Path, repo: str, options: PushOptions) -> PushReport:
    return push(plan_push(folder, repo, "dataset", options))


def repo_of(hub: LoopbackHub) -> Repo:
    return hub.repos[KEY]


def test_first_push_makes_a_private_repository_in_one_commit(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    report = push_dataset(folder, REPO, waits.options(hub))
    repo = repo_of(hub)
    assert (repo.private, len(repo.commits), report.commit) == (True, 2, repo.branches["main"])
    held = {
        path: blob.data
        for path, blob in repo.commits[report.commit].items()
        if path not in (".gitattributes", "README.md")
    }
    assert held == {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    card = repo.commits[report.commit]["README.md"].data.decode()
    assert f'load_dataset("{REPO}", "triplet")' in card
    assert "OWNER/NAME" not in card
    assert report.summary == f"{hub.url}/datasets/{REPO} (private): 28 files sent, 0 removed; at {report.commit[:12]}"


def test_same_data_makes_no_new_commit(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    first = push_dataset(folder, REPO, waits.options(hub))
    uploads = hub.count("PUT", "/store/")
    again = push_dataset(folder, REPO, waits.options(hub))
    assert (again.commit, again.changed, again.tries) == (first.commit, False, 1)
    assert (hub.count("POST", COMMIT), hub.count("PUT", "/store/")) == (1, uploads)
    assert "nothing had changed, no commit made" in again.summary
    assert again.sent == ()


def test_new_data_sends_what_differs_and_removes_what_is_gone(
    hub: LoopbackHub, folder: Path, waits: Waits, tmp_path: Path
) -> None:
    write_dataset(small_tables(), tmp_path / "sharded", details=DETAILS, max_shard_bytes=1_000)
    push_dataset(tmp_path / "sharded", REPO, waits.options(hub))
    repo_of(hub).commits[repo_of(hub).branches["main"]]["NOTES.md"] = Blob(b"by hand", large=False)
    repo_of(hub).commits[repo_of(hub).branches["main"]]["figures/similarities-old.svg"] = Blob(b"<svg/>", large=False)
    report = push_dataset(folder, REPO, waits.options(hub))
    assert {"triplet/train-00003-of-00004.parquet", "figures/similarities-old.svg"} <= set(report.deleted)
    assert "triplet/validation-00000-of-00001.parquet" not in report.sent
    names = set(repo_of(hub).commits[report.commit])
    assert {name for name in names if name.endswith(".parquet")} == {
        p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")
    }
    assert "NOTES.md" in names


def test_a_new_card_alone_is_sent_alone(hub: LoopbackHub, folder: Path, waits: Waits, tmp_path: Path) -> None:
    push_dataset(folder, REPO, waits.options(hub))
    write_dataset(small_tables(), tmp_path / "renamed", details=replace(DETAILS, pretty_name="Two other names"))
    report = push_dataset(tmp_path / "renamed", REPO, waits.options(hub))
    assert report.sent == ("README.md", "tripletkit.json")


def test_branch_and_tag(hub: LoopbackHub, folder: Path, waits: Waits, tmp_path: Path) -> None:
    main = push_dataset(folder, REPO, waits.options(hub))
    write_dataset(small_tables(GAMMA), tmp_path / "other", details=DETAILS)
    report = push_dataset(tmp_path / "other", REPO, waits.options(hub, revision="next", tag="v2"))
    assert (repo_of(hub).branches, repo_of(hub).tags) == (
        {"main": main.commit, "next": report.commit},
        {"v2": report.commit},
    )
    again = push_dataset(tmp_path / "other", REPO, waits.options(hub, revision="next", tag="v2"))
    assert (again.changed, again.commit) == (False, report.commit)
    with pytest.raises(HubError, match="has a tag 'v2' already, at other data"):
        push_dataset(folder, REPO, waits.options(hub, tag="v2"))


def test_a_push_that_fails_leaves_no_branch(hub: LoopbackHub, folder: Path, waits: Waits, tmp_path: Path) -> None:
    push_dataset(folder, REPO, waits.options(hub))
    write_dataset(small_tables(GAMMA), tmp_path / "other", details=DETAILS)
    hub.faults.append(Fault("PUT", "/store/", times=1_000))
    with pytest.raises(HubError, match="broke off"):
        push_dataset(tmp_path / "other", REPO, waits.options(hub, revision="next", tries=2))
    assert list(repo_of(hub).branches) == ["main"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", COMMIT, 409, message="another operation is in progress"),
        Fault("POST", COMMIT, 412, message="A commit has happened since"),
        Fault("POST", COMMIT, 429, message="too many requests"),
        Fault("POST", COMMIT, 500),
        Fault("POST", COMMIT, 503),
        Fault("POST", COMMIT),
        Fault("POST", COMMIT, after=True),  # cut before, and when all was done
        Fault("POST", "/api/repos/create", 503),
        Fault("GET", f"/api/datasets/{REPO}$"),
        Fault("GET", "/refs$", 502),
        Fault("GET", "/tree/", 504),
        Fault("POST", "/api/validate-yaml", 500),
        Fault("POST", "/preupload/", 503),
        Fault("POST", "/objects/batch", 503),
        Fault("PUT", "/store/"),
        Fault("POST", "/store/verify", 500),
        Fault("POST", "/tag/", 503),
    ],
    ids=lambda fault: f"{fault.path.rsplit('/', 2)[-2]}-{fault.status or 'cut'}{'-after' if fault.after else ''}",
)
def test_a_passing_fault_is_passed(hub: LoopbackHub, folder: Path, waits: Waits, fault: Fault) -> None:
    hub.faults.append(replace(fault))  # a copy: the server counts down
    report = push_dataset(folder, REPO, waits.options(hub, tag="v1"))
    repo = repo_of(hub)
    assert hub.faults[0].times == 0  # it did befall
    assert len(repo.commits) == 2  # the first, and ours, once
    assert set(repo.commits[repo.branches["main"]]) == {".gitattributes", *plan_push(folder, REPO, "dataset").sources}
    assert repo.tags == {"v1": report.commit}
    if fault.path == COMMIT:
        assert (report.tries, len(waits)) == (2, 1)
        assert 0.75 <= waits[0] <= 1.25


def test_waits_grow_and_heed_the_server(
    hub: LoopbackHub, folder: Path, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults.append(Fault("POST", COMMIT, 503, times=2))
    hub.faults.append(Fault("POST", COMMIT, 429, headers={"Retry-After": "40"}))
    with caplog.at_level(logging.WARNING, "tripletkit"):
        report = push_dataset(folder, REPO, waits.options(hub))
    assert report.tries == 4
    for wait, planned in zip(waits, (1, 2, 40), strict=True):
        assert 0.75 * planned <= wait <= 1.25 * planned
    assert f"{REPO}: try 1 of 5 failed (HTTP 503), next in" in caplog.text
    assert WRITER not in caplog.text


def test_tries_are_bounded_and_nothing_half_made_is_left(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    hub.faults.append(Fault("POST", COMMIT, 503, times=1_000))
    with pytest.raises(HubError, match="the Hub answered 503"):
        push_dataset(folder, REPO, waits.options(hub, tries=3))
    assert (hub.count("POST", COMMIT), len(waits)) == (3, 2)
    assert set(repo_of(hub).commits[repo_of(hub).branches["main"]]) == {".gitattributes"}
    uploads = hub.count("PUT", "/store/")
    hub.faults.clear()
    assert push_dataset(folder, REPO, waits.options(hub)).changed
    assert hub.count("PUT", "/store/") == uploads  # nothing is sent twice


def test_somebody_was_quicker(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    push_dataset(folder, REPO, waits.options(hub))
    repo, other = repo_of(hub), folder.with_name("other")
    write_dataset(small_tables(GAMMA), other, details=DETAILS)

    def intrude(_: str) -> None:
        hub.on_put = None
        repo.commit("main", {**repo.commits[repo.branches["main"]], "NOTES.md": Blob(b"by hand", large=False)})

    hub.on_put = intrude
    report = push_dataset(other, REPO, waits.options(hub))
    assert report.tries == 2
    assert "NOTES.md" in repo.commits[report.commit]  # theirs is kept


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (
            Fault("POST", COMMIT, 403, message="Forbidden: write access needed"),
            "no right to write to .*/datasets/ann/small .Forbidden: write",
        ),
        (
            Fault("POST", "/objects/batch", 403, message="Private repository storage limit reached"),
            "no room .*storage limit",
        ),
        (Fault("POST", "/api/repos/create", 402, message="Payment required"), "no room"),
        (Fault("PUT", "/store/", 403, message=""), "no right to write"),
        (
            Fault("GET", f"/api/datasets/{REPO}$", 401, message="Invalid credentials in Authorization header"),
            "does not accept the token",
        ),
        (Fault("POST", COMMIT, 400, message="bad hf_loopbackwriter"), r"answered 400 for /api/.* \(.*bad hf_\*\*\*"),
    ],
)
def test_what_no_patience_helps_is_told_at_once(
    hub: LoopbackHub, folder: Path, waits: Waits, fault: Fault, match: str
) -> None:
    hub.faults.append(replace(fault, times=1_000))
    with pytest.raises(HubError, match=match) as refusal:
        push_dataset(folder, REPO, waits.options(hub))
    assert waits == []
    _says_no_secret(refusal.value)


def _says_no_secret(error: BaseException) -> None:
    import traceback

    told = "".join(traceback.format_exception(error))
    assert WRITER not in told
    assert "very-secret" not in told


def test_without_a_token(hub: LoopbackHub, folder: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=rf"no token for {hub.url}\n +Set HF_TOKEN"):
        push_dataset(folder, REPO, waits.options(hub))
    assert hub.seen == []


def test_tokens_without_the_right(
    hub: LoopbackHub, folder: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HubError, match=r"no right to write to .*bob/small"):
        push_dataset(folder, "bob/small", waits.options(hub))
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(HubError, match=r"no right to write to .*ann/small"):
        push_dataset(folder, REPO, waits.options(hub))
    monkeypatch.setenv("HF_TOKEN", "hf_madeup")
    with pytest.raises(HubError, match="does not accept the token") as refusal:
        push_dataset(folder, REPO, waits.options(hub))
    assert "hf_madeup" not in str(refusal.value)
    assert hub.repos == {}


def test_a_token_is_hidden_whatever_it_looks_like(
    hub: LoopbackHub,
    folder: Path,
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "open-sesame")
    hub.tokens["open-sesame"] = "write"
    hub.faults.append(Fault("POST", COMMIT, 400, message="cannot use open-sesame"))
    with pytest.raises(HubError, match=r"answered 400 for \S+ \(.*cannot use hf_\*\*\*"):
        push_dataset(folder, REPO, waits.options(hub))


def test_names_that_are_taken(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    hub.make("dataset", "bob/hidden")
    with pytest.raises(HubError, match="the name bob/hidden is taken"):
        push_dataset(folder, "bob/hidden", waits.options(hub))
    repo = hub.make("dataset", REPO)
    repo.commit("main", {"thesis.csv": Blob(b"years of work", large=False)})
    with pytest.raises(HubError, match="is taken: it holds something that tripletkit did not make"):
        push_dataset(folder, REPO, waits.options(hub))


def test_private_data_never_go_into_a_public_repository(hub: LoopbackHub, folder: Path, waits: Waits) -> None:
    hub.make("dataset", REPO, private=False)
    with pytest.raises(HubError, match="is there already and is public"):
        push_dataset(folder, REPO, waits.options(hub))
    assert (hub.count("PUT", "/store/"), hub.count("POST", "/commit/")) == (0, 0)
    assert push_dataset(folder, REPO, waits.options(hub, private=False)).private is False


def test_without_a_network(hub: LoopbackHub, folder: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        push_dataset(folder, REPO, PushOptions(endpoint="http://127.0.0.1:9", sleep=waits.append, tries=3))
    assert len(waits) == 2
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="switched off by HF_HUB_OFFLINE"):
        push_dataset(folder, REPO, waits.options(hub))


def test_dry_run_lists_everything_and_asks_nobody(
    hub: LoopbackHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (folder / ".DS_Store").write_bytes(b"junk")
    plan = plan_push(folder, REPO, "dataset", PushOptions(endpoint=hub.url, tag="v1"))
    assert plan.lines[0] == f"dataset {hub.url}/datasets/{REPO} (private), revision main, tag v1"
    assert (
        f"{(folder / 'triplet/train-00000-of-00001.parquet').stat().st_size:>14,}  triplet/train-00000-of-00001.parquet"
        in plan.lines
    )
    assert plan.lines[-1] == f"28 files, {sum(plan.sizes.values()):,} bytes; nothing was sent"
    assert not any("DS_Store" in line for line in plan.lines)
    assert hub.seen == []


@pytest.mark.parametrize("name", ["small", "a/b/c", "ann/", "ann/..", "ann/x--y", "ann/sm all", "ann/x.git", "../x"])
def test_names_of_no_repository(folder: Path, name: str) -> None:
    with pytest.raises(HubError, match="is no name of a repository"):
        plan_push(folder, name, "dataset")


def test_folders_that_are_not_ours_to_push(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"has no modules\.json, so it is no model"):
        plan_push(folder, REPO, "model")
    with pytest.raises(HubError, match="not a dataset folder of tripletkit"):
        plan_push(tmp_path, REPO, "dataset")
    tables = small_tables(unlicensed(BETA))
    write_dataset(tables, tmp_path / "redacted", details=DETAILS, redact=True)
    fill_dataset(tmp_path / "redacted", tables, tmp_path / "filled")
    with pytest.raises(HubError, match="its text is not yours to publish"):
        plan_push(tmp_path / "filled", REPO, "dataset")


def test_model_goes_the_same_way(hub: LoopbackHub, waits: Waits, tmp_path: Path) -> None:
    store = trained(tmp_path)
    score(store)
    folder = prepare_encoder(store, PublishSettings())
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10/optimizer.pt").write_bytes(b"not for others")
    report = push(plan_push(folder, "ann/encoder", "model", waits.options(hub)))
    made = hub.repos["model", "ann/encoder"].commits[report.commit]
    assert set(made) == {".gitattributes", "README.md", "figures/forest.png", "modules.json", "tripletkit.json"}
    card = made["README.md"].data.decode()
    assert 'SentenceTransformer("ann/encoder")' in card
    assert "OWNER/NAME" not in card
    assert report.url == f"{hub.url}/ann/encoder"
    (folder / "checkpoint-10/optimizer.pt").unlink()
    (folder / "checkpoint-10").rmdir()
    again = prepare_encoder(store, PublishSettings())
    assert push(plan_push(again, "ann/encoder", "model", waits.options(hub))).changed is False


@pytest.mark.parametrize("path", ["/api/validate-yaml", f"/api/datasets/{REPO}/refs", COMMIT])
def test_a_page_in_place_of_json_is_a_5xx_answer_like_any_other(
    hub: LoopbackHub, folder: Path, waits: Waits, path: str
) -> None:
    method = "GET" if path.endswith("refs") else "POST"
    hub.faults.append(Fault(method, path, 500, times=3, page=b"<html>Internal Server Error</html>"))
    with pytest.raises(HubError, match=f"the Hub answered 500 for {path}"):
        push_dataset(folder, REPO, waits.options(hub, tries=2))
    assert push_dataset(folder, REPO, waits.options(hub)).tries == 2
