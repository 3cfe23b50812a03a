"""Choice of layers of VP8 and VP9, the plain way: a book with a line for each picture instead of bit maps.

Written from the rules in csrc/router/layers.h: pictures come as (number, layers, flags), already read.
"""
from __future__ import annotations

from dataclasses import dataclass, field

MEMORY = 64


@dataclass(frozen=True)
class Seen:
    """What a packet says of itself; ``refs`` None: not told."""

    picture: int
    tl0: int
    spatial: int = 0
    temporal: int = 0
    key: bool = False
    starts: bool = True
    in_order: bool = True
    sync: bool = False
    up: bool = False
    predicted: bool = True
    refs: tuple[int, ...] | None = None


@dataclass
class Line:
    """What was decided on a picture; ``number`` None: it has no PictureID."""

    kept: bool | None = None
    number: int | None = None


@dataclass
class Selector:
    """One subscriber. ``packet`` returns None (dropped), or (switch, PictureID, TL0PICIDX, marker to set)."""

    keeps_distance: bool = False  #: VP9: a picture that is left out has a number too
    want: tuple[int, int, int] = (0, 7, 7)
    source: int | None = None
    first_seq: int = 0
    book: dict[int, Line] = field(default_factory=dict)
    newest: int = 0
    last_number: int | None = None
    tl0_shift: int = 0
    last_tl0: int = 0
    temporal: int = 0
    steps: list[tuple[int, int]] = field(default_factory=list)  #: (first picture, spatial limit)

    def packet(self, source: int, seq: int, seen: Seen, ends: bool) -> tuple[bool, int, int, bool] | None:
        joins = (source == self.want[0] != self.source and seen.key and seen.starts and seen.in_order)
        if joins:
            self._join(source, seq, seen)
        elif source != self.source or seq < self.first_seq or not self._passes(seen):
            return None
        number, tl0 = self.book[seen.picture].number, (seen.tl0 + self.tl0_shift) & 255
        assert number is not None
        if seen.in_order:
            self.last_tl0 = tl0
        return joins, number, tl0, ends and seen.spatial == self._limit(seen.picture)

    def _join(self, source: int, seq: int, seen: Seen) -> None:
        first = self.last_number is None
        number = seen.picture if self.last_number is None else self.last_number + 1
        self.tl0_shift = 0 if first else self.last_tl0 + 1 - seen.tl0
        self.source, self.first_seq, self.newest, self.last_number = source, seq, seen.picture, number
        self.book = {seen.picture - n: Line(False) for n in range(1, MEMORY)}
        self.book[seen.picture] = Line(True, number)
        self.temporal = self.want[2]
        self.steps = [(seen.picture, self.want[1])]

    def _limit(self, picture: int) -> int:
        """Of the last two steps, the one that holds; older pictures are taken as of the step before."""
        (_, before), (since, now) = self.steps[-2] if len(self.steps) > 1 else (0, self.steps[-1][1]), self.steps[-1]
        return now if picture >= since else before

    def _next_number(self) -> int:
        assert self.last_number is not None
        self.last_number += 1
        return self.last_number

    def _advance(self, picture: int) -> None:
        gap = range(self.newest + 1, picture)
        for lost in gap if self.keeps_distance else gap[-(MEMORY - 1):]:
            self.book[lost] = Line(None, self._next_number())
        self.newest = picture

    def _passes(self, seen: Seen) -> bool:
        if seen.picture > self.newest:
            self._advance(seen.picture)
        if self.newest - seen.picture >= MEMORY:
            return False
        line = self.book.setdefault(seen.picture, Line())
        if line.kept is None:
            newest = seen.picture == self.newest
            line.kept = self._judge(seen, newest)
            if newest and (line.kept or self.keeps_distance):
                line.number = self._next_number()
        return line.kept and self._passes_spatial(seen)

    def _lacks(self, seen: Seen) -> bool:
        return any(0 < seen.picture - picture < MEMORY and self.newest - picture < MEMORY
                   and self.book.get(picture, Line()).kept is False
                   for picture in (seen.picture - d for d in seen.refs or ()))

    def _judge(self, seen: Seen, newest: bool) -> bool:
        _, want_spatial, want_temporal = self.want
        if newest:
            if (seen.key or want_spatial < self.steps[-1][1]) and want_spatial != self.steps[-1][1]:
                self.steps.append((seen.picture, want_spatial))
            self.temporal = want_temporal if seen.key else min(self.temporal, want_temporal)
        if seen.temporal > want_temporal or (seen.temporal and seen.refs is not None and self._lacks(seen)):
            return False
        known = seen.refs is not None or (seen.sync and seen.temporal == self.temporal + 1)
        if seen.temporal > self.temporal and not known:
            return False
        if newest:
            self.temporal = want_temporal if seen.up else max(self.temporal, seen.temporal)
        return True

    def _passes_spatial(self, seen: Seen) -> bool:
        limit = self._limit(seen.picture)
        if seen.spatial <= limit:
            return True
        since, now = self.steps[-1]
        if (seen.picture == self.newest and not seen.predicted and seen.spatial == now + 1
                and seen.spatial <= self.want[1]):
            if since == seen.picture:
                self.steps[-1] = (since, seen.spatial)
            else:
                self.steps.append((seen.picture, seen.spatial))
            return True
        return False
