"""Weighted random choice among many whose weights change."""
from __future__ import annotations


class WeightTree:
    """Whole-number weights of slots 0, 1, 2 ...: change one, or find one by a drawn number, in O(log n).

    A binary indexed tree (Fenwick, 1994). Whole numbers, since sums of floats drift with each change.
    """

    __slots__ = ("_size", "_sums", "_weights", "total")

    def __init__(self) -> None:
        self._size = 1
        self._weights = [0]
        self._sums = [0, 0]  # [i]: sum of the i & -i weights that end at slot i - 1
        self.total = 0

    def __getitem__(self, slot: int) -> int:
        return self._weights[slot] if slot < self._size else 0

    def set(self, slot: int, weight: int) -> None:
        """Give a slot a weight, 0 or more; slots not set have 0."""
        while slot >= self._size:
            self._double()
        change = weight - self._weights[slot]
        if not change:
            return
        self._weights[slot] = weight
        self.total += change
        at, sums, size = slot + 1, self._sums, self._size
        while at <= size:
            sums[at] += change
            at += at & -at

    def find(self, number: int) -> int:
        """The slot that ``number`` falls on, 0 <= number < total: each has as many numbers as its weight."""
        at, step, sums = 0, self._size, self._sums
        while step:
            ahead = at + step
            if ahead <= self._size and sums[ahead] <= number:
                number -= sums[ahead]
                at = ahead
            step >>= 1
        return at

    def _double(self) -> None:
        # The new upper half is empty; its last sum spans all.
        self._weights += [0] * self._size
        self._sums += [0] * self._size
        self._size *= 2
        self._sums[self._size] = self.total
