from pathlib import Path

import polars as pl
import pytest

from tripletkit.errors import TableError
from tripletkit.schemas import MENTIONS, SPLITS, make_table
from tripletkit.store import Manifest, Store, write_atomically

TABLE = make_table(SPLITS, [{"passage_id": "a", "split": "train"}])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    Store(tmp_path).write("splits", TABLE)
    assert Store(tmp_path).read("splits").equals(TABLE)
    assert [p.name for p in tmp_path.iterdir()] == ["splits.parquet"]


def test_a_missing_table_names_its_command(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"splits\.parquet: not there yet\n.*`tripletkit split`"):
        Store(tmp_path).read("splits")


def test_a_damaged_table_names_its_command(tmp_path: Path) -> None:
    (tmp_path / "splits.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(TableError, match=r"not a readable parquet file.*\n.*tripletkit split --force"):
        Store(tmp_path).read("splits")


def test_a_foreign_table_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("splits", TABLE)
    with pytest.raises(TableError, match="differs in"):
        store.write("splits", pl.DataFrame({"x": [1]}))
    assert store.read("splits").equals(TABLE)


def test_dropped_rows_of_other_stages_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row: dict[str, object] = {"stage": "tag", "item": "x", "related": None, "reason": "r", "detail": None}
    store.write_dropped("tag", [row])
    store.write_dropped("mine", [{**row, "stage": "mine"}, {**row, "stage": "mine", "item": "y"}])
    store.write_dropped("mine", [{**row, "stage": "mine", "item": "z"}])
    assert store.read("dropped").select("stage", "item").rows() == [("mine", "z"), ("tag", "x")]


def test_a_failed_write_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_table_made_from_what_has_changed_is_stale(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("splits", TABLE)
    store.write_manifest(Manifest("split", {"inputs": {"passages.parquet": "of another day"}}, {}))
    with pytest.raises(
        TableError, match=r"splits\.parquet is out of date: passages\.parquet changed.*\n.*`tripletkit split`"
    ):
        store.check_current(("splits",))


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = Manifest(
        "split", {"a": 1}, {"splits.parquet": "00"}, {"rows": 1}, "one row", 0.5, 12, "2026-01-01T00:00:00+00:00"
    )
    store.write_manifest(manifest)
    assert store.manifest("split") == manifest
    store.forget("split")
    assert store.manifest("split") is None


def test_a_table_of_an_earlier_version_is_called_that(tmp_path: Path) -> None:
    """Such as `mentions` with the column `how`, which is `match` now."""
    store = Store(tmp_path)
    make_table(MENTIONS, []).rename({list(MENTIONS.columns)[-1]: "said_how"}).write_parquet(
        store.local("mentions.parquet")
    )
    assert not store.has_current_columns("mentions")
    with pytest.raises(
        TableError, match=r"mentions table of this version: made by an earlier version.*'said_how'.*\n.*`tripletkit tag"
    ):
        store.read("mentions")
