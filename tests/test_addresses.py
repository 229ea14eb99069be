"""Files at addresses: named as paths are, fetched and sent, and every error in one line."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from tests.book import write_book
from tripletkit import Project, addresses
from tripletkit.addresses import Address, WorkingCopy, as_place, local_copy
from tripletkit.books import find_books
from tripletkit.cli import main
from tripletkit.errors import ConfigError, SourceError
from tripletkit.settings import load_settings
from tripletkit.store import known_sha256, sha256_if_there


@pytest.fixture
def top() -> Address:
    return Address(f"memory://{uuid4().hex}")


def test_text_is_a_path_or_an_address(tmp_path: Path) -> None:
    assert as_place("a/b.pdf") == Path("a/b.pdf")
    assert as_place((tmp_path / "a b").as_uri()) == tmp_path / "a b"
    assert as_place("s3://bucket/out/") == Address("s3://bucket/out")
    settings = load_settings(None, {"output": "s3://bucket/out", "books": ["s3://bucket/*.pdf", "a.pdf"]})
    assert (settings.output, settings.books) == (
        Address("s3://bucket/out"),
        (Address("s3://bucket/*.pdf"), Path("a.pdf")),
    )
    assert settings.model_dump(mode="json")["books"] == ["s3://bucket/*.pdf", "a.pdf"]


def test_relative_books_of_a_settings_file_start_there_and_addresses_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('books = ["b.pdf", "s3://bucket/c.pdf"]')
    assert load_settings(tmp_path / "a.toml").books == (tmp_path / "b.pdf", Address("s3://bucket/c.pdf"))


def test_names(top: Address) -> None:
    file = top / "books" / "a.b.pdf"
    assert (file.name, file.stem, file.suffix, file.parent) == ("a.b.pdf", "a.b", ".pdf", top / "books")
    assert file.with_suffix(".license") == top / "books/a.b.license"
    assert Address("memory://out").parent == Address("memory://out")


def test_what_is_written_is_there(top: Address) -> None:
    (top / "a/b.txt").write_text("one")
    (top / "c.txt").write_bytes(b"three")
    assert (top / "a/b.txt").read_text() == "one"
    assert ((top / "a").is_dir(), (top / "a").is_file(), (top / "x").exists()) == (True, False, False)
    assert top.sizes() == {"a/b.txt": 3, "c.txt": 5}
    assert top.glob("a/*.txt") == [top / "a/b.txt"]
    (top / "c.txt").unlink()
    with pytest.raises(FileNotFoundError):
        (top / "c.txt").unlink()
    (top / "c.txt").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (top / "c.txt").read_bytes()


def test_a_hash_is_kept_until_the_file_changes(top: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file, cache = top / "a.pdf", top / "cache"
    assert known_sha256(file, cache) == ""
    file.write_text("one")
    (tmp_path / "a").write_text("one")
    assert known_sha256(file, cache) == sha256_if_there(tmp_path / "a")
    with monkeypatch.context() as patched:
        patched.setattr(Address, "sha256", lambda _: "read again")
        assert known_sha256(file, cache) != "read again"
        file.write_text("two")
        assert known_sha256(file, cache) == "read again"


def test_books_are_found_by_name_folder_and_pattern(top: Address) -> None:
    for name in ("a.pdf", "in/b.PDF", "in/c.txt", "rows.jsonl"):
        (top / name).write_text("x")
    assert find_books([top]) == (top / "a.pdf", top / "in/b.PDF")
    assert find_books([top / "*.pdf", top / "a.pdf"]) == (top / "a.pdf",)
    assert find_books([top / "rows.jsonl"]) == (top / "rows.jsonl",)
    assert find_books([top / "gone.pdf"]) == (top / "gone.pdf",)  # reported when it is read
    for name, why in (("*.epub", "the pattern matches no file"), ("empty/*/x", "the pattern matches no file")):
        with pytest.raises(SourceError, match=why):
            find_books([top / name])


def test_a_pattern_may_stand_at_the_top_or_in_a_name(top: Address) -> None:
    (at_top := Address(f"memory://{uuid4().hex}.pdf")).write_text("x")
    assert find_books([Address("memory://*.pdf")]) == (at_top,)
    at_top.unlink()
    (top / "[1]/a?b=1.pdf").write_text("x")
    assert find_books([top / "[1]/a?b=1.pdf"]) == (top / "[1]/a?b=1.pdf",)
    assert (top / "[1]").glob("*.pdf") == [top / "[1]/a?b=1.pdf"]


def test_a_protocol_alone_is_an_address() -> None:
    top = as_place("memory://")
    assert (top, top / "a") == (Address("memory://"), Address("memory://a"))


def test_a_file_of_a_web_server_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fsspec's own key of a file is its URL."""
    said = {"Last-Modified": "1"}
    files = SimpleNamespace(ukey=lambda _: "same", info=lambda key: {"name": key, **said})
    monkeypatch.setattr(addresses, "_file_system", lambda address: (files, address.url))
    first = (file := Address("http://127.0.0.1/a.pdf")).stamp()
    assert file.stamp() == first
    said["Last-Modified"] = "2"
    assert file.stamp() != first


def test_local_copies_are_fetched_and_changes_sent(top: Address) -> None:
    (top / "encoder/a.json").write_text("one")
    (top / "encoder/b.json").write_text("two")
    work = WorkingCopy(top)
    assert {p.name for p in work.fetch("encoder").iterdir()} == {"a.json", "b.json"}
    assert not work.fetch("dataset").exists()
    (work.folder / "encoder/a.json").write_text("three")
    (work.folder / "encoder/b.json").unlink()
    (work.folder / "scores.json").write_text("{}")
    work.push()
    assert top.sizes() == {"encoder/a.json": 5, "scores.json": 2}
    (top / "scores.json").write_text("changed elsewhere")
    assert work.fetch("scores.json").read_text() == "changed elsewhere"


def test_a_copy_has_the_name_of_the_file_and_goes_away(top: Address) -> None:
    (top / "a.pdf").write_text("one")
    with local_copy(top / "a.pdf") as copy:
        assert (copy.name, copy.read_text()) == ("a.pdf", "one")
    assert not copy.exists()


def test_a_driver_that_is_not_installed_is_named() -> None:
    if importlib.util.find_spec("adlfs"):
        pytest.skip("adlfs is installed")
    with pytest.raises(ConfigError, match=r"abfs://x/y: .*\n.*pip install adlfs"):
        Address("abfs://x/y").is_file()


def test_an_unknown_protocol_is_said() -> None:
    with pytest.raises(ConfigError, match=r"nope://x: cannot be reached \(ValueError: Protocol not known: nope\)"):
        Address("nope://x").exists()


def test_a_bucket_that_is_not_there_is_said(s3: str) -> None:
    assert not Address("s3://no-such-bucket/a").is_file()
    with pytest.raises(ConfigError, match=r"s3://no-such-bucket/a: cannot be written .*\n.*Make the bucket first"):
        Address("s3://no-such-bucket/a").write_text("x")


def test_no_credentials_are_said(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import fsspec

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    fsspec.filesystem("s3").clear_instance_cache()
    try:
        with pytest.raises(ConfigError, match=r"s3://bucket/a: cannot be reached \(NoCredentialsError"):
            Address("s3://bucket/a").write_text("x")
    finally:
        fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.parametrize("name", ["rules", "glossary.terms", "evaluate.pairs", "publish.to"])
def test_other_files_are_of_this_machine(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*only books and output may be at an address"):
        load_settings(None, {name: "s3://bucket/x"})


def test_what_needs_a_folder_here_is_refused(top: Address, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is an address, and verdicts are added to a file under a lock"):
        Project(str(top)).review(say=print)
    with pytest.raises(ConfigError, match="rounds need a folder on this machine"):
        list(Project(str(top), books="a.pdf", rounds=2).run())


def test_the_command_line_takes_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (top := Address(f"memory://{uuid4().hex}") / "a.pdf").write_bytes(write_book(tmp_path / "a.pdf").read_bytes())
    main_quietly(["inspect", str(top), "--page", "3", "--to", str(tmp_path / "page.png")])
    assert (tmp_path / "page.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="1"):
        main(["report", "--output", "memory://nothing"])
    assert "memory://nothing: nothing was made here yet" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(["report", "memory://none"])
    assert "memory://none: nothing was made here yet" in capsys.readouterr().err


def main_quietly(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
