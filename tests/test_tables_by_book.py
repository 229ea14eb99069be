"""Tables as files and by book, in a folder, in memory and on an S3 server of this machine: the same rows, never stale ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import fsspec
import polars as pl
import pytest

from tests.book import write_book
from tests.conftest import ANY_COSINE
from tripletkit import Project, store
from tripletkit.addresses import Address, Place, as_place, file_sizes
from tripletkit.errors import TableError
from tripletkit.rounds import RoundStore
from tripletkit.schemas import DROPPED, MENTIONS, PASSAGES, TERMS, TRIPLETS, Table, make_table
from tripletkit.store import NO_BOOK, Manifest, Store, write_atomically

MADE = ("books", "pages", "lines", "passages", "terms", "mentions", "splits", "triplets", "dropped")
#: Each way to keep tables: where, and whether by book.
WAYS = {
    "files": ("", False),
    "by_book": ("", True),
    "memory": ("memory:/", False),
    "memory_by_book": ("memory:/", True),
}


def row(table: Table, **values: object) -> dict[str, object]:
    """A row with these values; the others are empty."""
    blank: dict[object, object] = {pl.String: "", pl.Int32: 0, pl.Float32: 0.0, pl.Boolean: True}
    return {name: blank.get(column.dtype, []) for name, column in table.columns.items()} | values


def rows(table: Table, *given: Mapping[str, object]) -> pl.DataFrame:
    return make_table(table, [row(table, **values) for values in given])


def passages(*ids: str) -> pl.DataFrame:
    return rows(PASSAGES, *({"passage_id": one, "book_id": f"book_{one[0]}", "text": one} for one in ids))


def dropped(item: str, stage: str = "extract") -> dict[str, object]:
    return {"stage": stage, "item": item, "related": None, "reason": "r", "detail": None}


@pytest.fixture(params=[*WAYS, "s3"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return Store(Address(f"{request.getfixturevalue('s3')}/{uuid4().hex}"), by_book=True)
    where, by_book = WAYS[request.param]
    return Store(as_place(f"{where}/{uuid4().hex}") if where else tmp_path / "out", by_book=by_book)


def write_two_stages(kept: Store) -> None:
    kept.write_stage("extract", {"passages": passages("a1", "a2", "b1")}, [dropped("x")])
    terms = rows(
        TERMS, *({"term_id": of, "book_id": book, "term": of} for of, book in (("t1", "book_a"), ("t2", None)))
    )
    kept.write_stage("glossary", {"terms": terms}, [dropped("y", "glossary"), dropped("z", "glossary")])
    mentions = rows(MENTIONS, {"passage_id": "a1", "term_id": "t1"}, {"passage_id": "b1", "term_id": "t2"})
    kept.write_stage("tag", {"mentions": mentions}, [])


def test_what_is_written_is_read_however_it_is_kept(kept: Store) -> None:
    write_two_stages(kept)
    assert kept.has("passages")
    assert not kept.has("splits")
    assert kept.read("passages").equals(passages("a1", "a2", "b1"))
    assert kept.read("terms").select("term_id", "book_id").rows() == [("t1", "book_a"), ("t2", None)]
    assert kept.read("mentions")["passage_id"].to_list() == ["a1", "b1"]
    assert kept.read("dropped")["item"].to_list() == ["x", "y", "z"]
    assert kept.dropped("glossary") == {"r": 2}
    assert kept.dropped("tag") == {}
    assert kept.has_current_columns("mentions")
    assert kept.scan("passages").filter(book_id="book_b").select("text").collect()["text"].to_list() == ["b1"]
    with pytest.raises(TableError, match=r"splits.*: not there yet\n.*`tripletkit split`"):
        kept.read("splits")


def test_a_book_is_read_alone(kept: Store) -> None:
    write_two_stages(kept)
    assert kept.read_book("passages", "book_a").equals(passages("a1", "a2"))
    assert kept.read_book("mentions", "book_b")["term_id"].to_list() == ["t2"]
    assert kept.read_book("terms", "book_c").equals(make_table(TERMS, []))


def test_the_hash_of_a_table_follows_its_rows(kept: Store) -> None:
    write_two_stages(kept)
    before = kept.sha("passages.parquet")
    kept.write_stage("extract", {"passages": passages("a1", "a2", "b1")}, [])
    assert kept.sha("passages.parquet") == before
    kept.write_stage("extract", {"passages": passages("a1", "a2")}, [])
    assert kept.sha("passages.parquet") not in ("", before)
    assert kept.read("passages").equals(passages("a1", "a2"))
    assert kept.sha("splits.parquet") == ""


def names(kept: Store) -> set[str]:
    return {file for file in file_sizes(kept.folder) if not file.startswith("manifests")}


def test_what_is_no_longer_named_is_removed(tmp_path: Path) -> None:
    kept = Store(tmp_path, by_book=True)
    write_two_stages(kept)
    kept.write_stage("extract", {"passages": passages("b1")}, [])
    assert [p.name for p in (tmp_path / "passages").iterdir()] == ["book_id=book_b"]
    assert {p.name for p in (tmp_path / "terms").iterdir()} == {"book_id=book_a", f"book_id={NO_BOOK}"}


@pytest.mark.parametrize("where", ["", "memory://"])
def test_a_writer_that_dies_leaves_the_older_rows(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Store(as_place(f"{where}{uuid4().hex}") if where else tmp_path, by_book=True)
    write_two_stages(kept)
    before, sha = names(kept), kept.sha("passages.parquet")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.write_stage("extract", {"passages": passages("c1", "a1")}, [dropped("new")])
    assert names(kept) > before
    assert kept.read("passages").equals(passages("a1", "a2", "b1"))
    assert kept.read_dropped("extract")["item"].to_list() == ["x"]
    assert kept.sha("passages.parquet") == sha
    kept.write_stage("extract", {"passages": passages("b1")}, [])
    assert not any("book_c" in name or "book_a" in name for name in names(kept) if name.startswith("passages"))


def test_a_lost_part_is_a_missing_table_and_another_a_changed_one(tmp_path: Path) -> None:
    kept = Store(tmp_path, by_book=True)
    write_two_stages(kept)
    sha, [part] = kept.sha("passages.parquet"), (tmp_path / "passages" / "book_id=book_b").iterdir()
    part.write_bytes(part.read_bytes() + b"x")
    assert kept.sha("passages.parquet") not in ("", sha)
    part.unlink()
    assert kept.sha("passages.parquet") == ""
    with pytest.raises(TableError, match=r"passages: not a readable parquet file.*\n.*extract --force"):
        kept.read("passages")


def test_a_lost_or_damaged_part_at_an_address_is_said() -> None:
    kept = Store(Address(f"memory://{uuid4().hex}"), by_book=True)
    write_two_stages(kept)
    [part] = (Address(f"{kept.folder}/passages") / "book_id=book_a").glob("*")
    part.write_text("junk")
    with pytest.raises(TableError, match=r"passages: not a readable parquet file.*\n.*extract --force"):
        kept.read_book("passages", "book_a")
    part.unlink()
    with pytest.raises(TableError, match=r"passages: not a readable parquet file.*\n.*extract --force"):
        kept.read("passages")


def test_a_damaged_part_is_written_again(tmp_path: Path) -> None:
    kept = Store(tmp_path, by_book=True)
    write_two_stages(kept)
    [part] = (tmp_path / "passages" / "book_id=book_b").iterdir()
    part.write_bytes(b"")
    write_two_stages(kept)
    assert kept.read("passages").equals(passages("a1", "a2", "b1"))


def test_the_form_may_change_and_one_remains(tmp_path: Path) -> None:
    as_files, by_book = Store(tmp_path), Store(tmp_path, by_book=True)
    write_two_stages(as_files)
    by_book.write_stage("extract", {"passages": passages("c1")}, [dropped("new")])
    for one in (as_files, by_book):  # either reads both
        assert one.read("passages").equals(passages("c1"))
        assert one.read("dropped")["item"].to_list() == ["new", "y", "z"]
    assert "passages.parquet" not in names(as_files)
    as_files.write_stage("extract", {"passages": passages("a1")}, [dropped("last")])
    assert as_files.read("passages").equals(passages("a1"))
    assert as_files.read("dropped")["item"].to_list() == ["last", "y", "z"]
    assert not any(name.startswith(("passages/", "dropped/stage=extract")) for name in names(as_files))


def test_an_old_file_that_was_not_removed_is_not_read(tmp_path: Path) -> None:
    kept = Store(tmp_path, by_book=True)
    write_two_stages(kept)
    Store(tmp_path / "old").write("passages", passages("z1"))
    shutil.copy(tmp_path / "old" / "passages.parquet", tmp_path)
    assert kept.read("passages").height == 3
    kept.write_stage("extract", {"passages": passages("b1")}, [])
    assert not (tmp_path / "passages.parquet").exists()


def test_rows_may_be_written_where_the_book_is_read(tmp_path: Path) -> None:
    """Parts count when the stage is written, whoever wrote them; what the stage holds itself comes on top."""
    kept = Store(tmp_path, by_book=True)
    parts = [kept.write_part("passages", passages(f"{book}1"), f"book_{book}", "extract") for book in "ab"]
    parts.append(kept.write_part("dropped", rows_of_dropped("x"), "book_a", "extract"))
    assert not kept.has("passages")
    kept.write_stage("extract", {"passages": passages("c1")}, [dropped("y")], parts)
    assert kept.read("passages").equals(passages("a1", "b1", "c1"))
    assert kept.read("dropped")["item"].to_list() == ["x", "y"]
    assert [part.rows for part in parts] == [1, 1, 1]


def rows_of_dropped(*items: str) -> pl.DataFrame:
    return make_table(DROPPED, [dropped(item) for item in items])


def test_other_tools_read_the_parts(tmp_path: Path) -> None:
    from datasets import load_dataset

    kept = Store(tmp_path, by_book=True)
    write_two_stages(kept)
    for pattern in (tmp_path / "terms", tmp_path / "terms" / "**" / "*.parquet"):
        found = pl.scan_parquet(pattern).select("term_id", "book_id").collect()
        assert sorted(found.rows()) == [("t1", "book_a"), ("t2", None)]
    files = str(tmp_path / "passages" / "**" / "*.parquet")
    streamed = load_dataset("parquet", data_files=files, split="train", streaming=True, cache_dir=str(tmp_path / "c"))
    assert sorted(one["text"] for one in streamed) == ["a1", "a2", "b1"]


def test_a_round_keeps_its_own_parts_and_the_kept_one_is_copied(tmp_path: Path) -> None:
    output, of_round = Store(tmp_path, by_book=True), RoundStore(tmp_path, 1, by_book=True)
    write_two_stages(output)
    triplets = rows(TRIPLETS, {"triplet_id": "x", "passage_id": "a1"}, {"triplet_id": "y", "passage_id": "b1"})
    of_round.write_stage("mine", {"triplets": triplets}, [dropped("m", "mine")])
    made = Manifest("mine", {}, {"triplets.parquet": of_round.sha("triplets.parquet")})
    of_round.write_manifest(made)
    assert not output.has("triplets")
    output.copy_stage(of_round, made)
    assert output.read("triplets").equals(triplets)
    assert output.sha("triplets.parquet") == of_round.sha("triplets.parquet")
    assert output.dropped("mine") == {"r": 1}
    assert output.manifest("mine") == made


def test_a_round_in_files_keeps_what_it_dropped_where_the_folder_has_parts(tmp_path: Path) -> None:
    by_book, output, of_round = Store(tmp_path, by_book=True), Store(tmp_path), RoundStore(tmp_path, 1)
    write_two_stages(by_book)
    by_book.write_stage("mine", {"triplets": rows(TRIPLETS, {"passage_id": "a1"})}, [dropped("old", "mine")])
    of_round.write_stage("mine", {"triplets": rows(TRIPLETS, {"passage_id": "b1"})}, [dropped("new", "mine")])
    assert of_round.dropped("mine") == {"r": 1}
    output.copy_stage(of_round, Manifest("mine", {}, {"triplets.parquet": of_round.sha("triplets.parquet")}))
    assert output.read_dropped("mine")["item"].to_list() == ["new"]
    assert not any(name.startswith(("triplets/", "dropped/stage=mine")) for name in names(output))


@pytest.fixture(scope="module")
def made(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Runs the stages from two books to triplets in a folder."""
    folder = tmp_path_factory.mktemp("books")
    books = [write_book(folder / "a.pdf"), write_book(folder / "b.pdf", title="Sea")]
    (folder / "terms.csv").write_text("term\nloam\nriver bed\n")

    def make(output: str | Path, sources: object = None, **settings: object) -> Project:
        more = {"glossary.terms": str(folder / "terms.csv"), **ANY_COSINE, **settings}
        project = Project(output, books=sources or books, encoder=tiny_encoder, **more)  # type: ignore[arg-type]
        assert not any(report.fresh for report in project.stages("extract", "glossary", "tag", "split", "mine"))
        assert all(report.fresh for report in project.stages("extract", "glossary", "tag", "split", "mine"))
        return project

    return make


@pytest.fixture(scope="module")
def as_files(made: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return made(tmp_path_factory.mktemp("files") / "out")


def copy_cache(project: Project, to: Place, *parts: str) -> None:
    """So that the encoder is not loaded again, nor books read, if ``parts`` names them."""
    for part in parts:
        for file in file_sizes(project.store.work / "cache" / part):
            write_atomically(to / f"cache/{part}/{file}", (project.store.work / "cache" / part / file).read_bytes())


def assert_equal_rows(one: Project, other: Project) -> None:
    """But for the paths of the books, which are where they were read."""
    for name in MADE:
        found, expected = (of.table(name).drop("path", strict=False) for of in (one, other))
        assert found.equals(expected), name


@pytest.mark.slow
def test_by_book_has_the_rows_of_files(as_files: Project, made: Callable[..., Project], tmp_path: Path) -> None:
    copy_cache(as_files, tmp_path / "out", "books", "encoders", "embeddings")
    by_book = made(tmp_path / "out", tables="by_book")
    assert_equal_rows(by_book, as_files)
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert by_book.report()[0]["counts"] == as_files.report()[0]["counts"]
    # Another form of tables that nothing else changes is not taken without a word.
    settings = as_files.settings
    again = Project(tmp_path / "out", books=settings.books, encoder=settings.encoder).extract()  # type: ignore[arg-type]
    assert again.fresh
    assert again.notes == ("extract: its tables keep their form until they are made again: --force",)
    assert not by_book.extract().notes


@pytest.mark.slow
def test_books_and_output_in_memory_have_the_rows_of_files(as_files: Project, made: Callable[..., Project]) -> None:
    library = fsspec.filesystem("memory")
    for path in as_files.settings.books:
        library.pipe_file(f"/library/{path.name}", path.read_bytes())
    copy_cache(as_files, output := Address(f"memory://{uuid4().hex}"), "encoders", "embeddings")
    in_memory = made(str(output), ["memory://library/*.pdf"], tables="by_book")
    assert_equal_rows(in_memory, as_files)
    assert sorted(in_memory.table("books")["path"]) == ["memory://library/a.pdf", "memory://library/b.pdf"]
    proposals = (output / "proposals.txt").read_text()
    assert proposals == (as_files.store.work / "proposals.txt").read_text()


@pytest.mark.slow
def test_books_and_output_on_an_s3_server_have_the_rows_of_files(
    s3: str, as_files: Project, made: Callable[..., Project]
) -> None:
    library = fsspec.filesystem("s3")
    for path in as_files.settings.books:
        library.put_file(str(path), f"{s3}/library/{path.name}")
    copy_cache(as_files, Address(f"{s3}/out"), "books", "encoders", "embeddings")
    on_s3 = made(f"{s3}/out", [f"{s3}/library"])
    assert_equal_rows(on_s3, as_files)
    kept = {name.split("/")[0] for name in Address(f"{s3}/out").sizes()}
    assert kept == {*MADE, "cache", "manifests", "proposals.txt"}
