"""Numbers of a forwarded stream, kept packet by packet without bounds: what router/rewrite must agree with."""
from __future__ import annotations


class RewriteModel:
    """Every packet's fate in a dictionary."""

    def __init__(self, first: int) -> None:
        self.next_out = first
        self.placed: dict[int, int | None] = {}  # in: out; None: left out
        self.top: int | None = None
        self.dropping = False

    def forward(self, seq: int) -> int | None:
        """Number of the packet; None: it has none."""
        if self.top is None:
            self.top = seq - 1
        if seq <= self.top:
            return self.placed.get(seq)
        for missing in range(self.top + 1, seq):  # each keeps its place
            self.placed[missing] = self.next_out
            self.next_out += 1
        self.placed[seq] = self.next_out
        self.next_out += 1
        self.top, self.dropping = seq, False
        return self.placed[seq]

    def drop(self, seq: int) -> None:
        """Leave the packet out."""
        if self.top is None:
            self.top = seq - 1
        if seq <= self.top:
            return
        for missing in range(self.top + 1, seq):
            self.placed[missing] = None if self.dropping else self.next_out
            self.next_out += not self.dropping
        self.placed[seq] = None
        self.top, self.dropping = seq, True
