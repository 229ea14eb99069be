"""Batches of one book each, so that in-batch negatives are terms of the same book."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler


class BookBatches(DefaultBatchSampler):  # type: ignore[misc]
    """Shuffled full batches of one book each, with different anchors as far as possible; the rest of the books is mixed."""

    def __init__(self, dataset: Any, books: Sequence[str], anchors: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(dataset, **kwargs)
        self.books, self.anchors = books, anchors

    def __iter__(self) -> Iterator[list[int]]:
        """As many batches as the default sampler has, different ones in each epoch."""
        self.generator.manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.books), generator=self.generator).tolist()
        full, last = batches_of(order, self.books, self.anchors, self.batch_size)
        for i in torch.randperm(len(full), generator=self.generator).tolist():
            yield full[i]
        if last and not self.drop_last:
            yield last


def batches_of(
    order: Sequence[int], books: Sequence[str], anchors: Sequence[str], size: int
) -> tuple[list[list[int]], list[int]]:
    """The full batches of the rows in ``order``, and the rows that are left over.

    The second row of an anchor comes after every first row of its book, the third after every second.
    """
    seen = Counter[str]()
    by_book: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in order:
        by_book[books[row]].append((seen[anchors[row]], row))
        seen[anchors[row]] += 1
    full, left = list[list[int]](), list[int]()
    for entries in by_book.values():
        rows = [row for _, row in sorted(entries, key=lambda entry: entry[0])]
        whole = len(rows) // size * size
        full += [rows[i : i + size] for i in range(0, whole, size)]
        left += rows[whole:]
    whole = len(left) // size * size
    return full + [left[i : i + size] for i in range(0, whole, size)], left[whole:]
