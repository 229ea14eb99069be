import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.errors import TableError
from tripletkit.schemas import SPLITS, TABLES, check_table, make_table

ROWS = [{"passage_id": "b", "split": "test"}, {"passage_id": "a", "split": "train"}]


def test_rows_are_sorted_by_the_key() -> None:
    assert make_table(SPLITS, ROWS)["passage_id"].to_list() == ["a", "b"]


@given(st.permutations([{"passage_id": str(i), "split": "train"} for i in range(6)]))
def test_order_of_rows_never_matters(rows: list[dict[str, object]]) -> None:
    assert make_table(SPLITS, rows).equals(make_table(SPLITS, sorted(rows, key=str)))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"passage_id": ["a"]}), "differs in 'split'"),
        (pl.DataFrame({"passage_id": ["a"], "split": [1]}), "differs in 'split'"),
        (pl.DataFrame({"passage_id": ["a", "a"], "split": ["x", "y"]}), "two rows share passage_id='a'"),
        (pl.DataFrame({"passage_id": ["a"], "split": [None]}, schema=SPLITS.schema), "'split' has 1 empty values"),
    ],
)
def test_a_foreign_table_is_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(TableError, match=message):
        check_table(frame, SPLITS)


def test_every_empty_table_is_valid_and_every_column_has_a_meaning() -> None:
    for table in TABLES.values():
        assert make_table(table, []).height == 0
        assert set(table.key) <= set(table.columns)
        assert all(column.meaning for column in table.columns.values())
