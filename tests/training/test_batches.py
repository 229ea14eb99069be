from collections import Counter
from random import Random

import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tripletkit.training.batches import BookBatches, batches_of

ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5)), min_size=1, max_size=60)


@given(ROWS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_row_is_in_one_batch_and_full_batches_have_one_book(
    rows: list[tuple[str, int]], size: int, random: Random
) -> None:
    books = [book for book, _ in rows]
    anchors = [f"{book}{anchor}" for book, anchor in rows]
    order = list(range(len(rows)))
    random.shuffle(order)
    full, last = batches_of(order, books, anchors, size)
    assert sorted(row for batch in [*full, last] for row in batch) == list(range(len(rows)))
    assert {len(batch) for batch in full} <= {size}
    assert len(last) < size
    of_one = Counter(books[batch[0]] for batch in full if len({books[row] for row in batch}) == 1)
    assert all(of_one[book] >= count // size for book, count in Counter(books).items())


def test_a_batch_repeats_an_anchor_only_when_none_other_is_left() -> None:
    """Four passages with three positives each."""
    anchors = [str(i % 4) for i in range(12)]
    full, last = batches_of(range(12), ["x"] * 12, anchors, 4)
    assert [sorted(anchors[row] for row in batch) for batch in full] == [["0", "1", "2", "3"]] * 3
    assert last == []


def test_batches_differ_by_epoch_and_are_reproducible() -> None:
    def batches(epoch: int) -> list[list[int]]:
        made = BookBatches(
            Dataset.from_dict({"label": list(range(9))}),
            list("xxxxxyyyy"),
            list("abcdeabcd"),
            batch_size=2,
            drop_last=False,
            generator=torch.Generator(),
            seed=3,
        )
        made.set_epoch(epoch)
        assert len(made) == 5
        return list(made)

    assert batches(0) == batches(0) != batches(1)
    assert sorted(row for batch in batches(1) for row in batch) == list(range(9))
