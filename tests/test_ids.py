from pathlib import Path

from tripletkit.ids import file_sha256, rng_for, stable_id


def test_ids_come_from_content_and_know_where_a_part_ends() -> None:
    assert stable_id("p", "a", "b") == stable_id("p", "a", "b")
    assert stable_id("p", "ab", "c") != stable_id("p", "a", "bc")
    assert stable_id("p", "a") != stable_id("t", "a")


def test_draws_depend_on_what_is_drawn_not_on_order() -> None:
    first = [rng_for(0, "x", str(i)).random() for i in range(5)]
    second = [rng_for(0, "x", str(i)).random() for i in reversed(range(5))]
    assert first == second[::-1]
    assert rng_for(1, "x", "0").random() != first[0]


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
