"""What a soak must find true: packets accounted for, memory flat, nothing left open."""
from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arcrtc._native import lib

_PARTS: Final = 3  # memory: the first part is warm-up, the last is compared with the middle


@dataclass(frozen=True, slots=True)
class Accounts:
    """What became of every packet in a forwarder since it was made.

    :ivar received: datagrams taken from sockets.
    :ivar dropped_in: of these, given up before they belonged to a track, by reason.
    :ivar other_in: of these, not media: RTCP and the like.
    :ivar accepted: of these, packets of tracks.
    :ivar offered: packets given to routes; each accepted one once for each route of its track.
    :ivar sent: of these, handed to the kernel.
    :ivar dropped_out: of these, given up before they had a number, by reason: no subscriber misses them.
    :ivar unsent: of these, given up afterwards, by reason: the socket was full, the peer is gone.
    """

    received: int = 0
    dropped_in: Mapping[str, int] = field(default_factory=dict)
    other_in: int = 0
    accepted: int = 0
    offered: int = 0
    sent: int = 0
    dropped_out: Mapping[str, int] = field(default_factory=dict)
    unsent: Mapping[str, int] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """In words, what does not add up; empty: everything does."""
        found = []
        dropped = sum(self.dropped_in.values())
        if self.received != dropped + self.other_in + self.accepted:
            found.append(f"received {self.received} packets, but {dropped} dropped, {self.other_in} others and "
                         f"{self.accepted} accepted make {dropped + self.other_in + self.accepted}")
        dropped, unsent = sum(self.dropped_out.values()), sum(self.unsent.values())
        if self.offered != self.sent + dropped + unsent:
            found.append(f"{self.offered} packets for routes, but {self.sent} sent, {dropped} dropped and {unsent} "
                         f"unsent make {self.sent + dropped + unsent}")
        return found


@dataclass(frozen=True, slots=True)
class Holdings:
    """What this process holds now.

    :ivar native_bytes: allocated by the core.
    :ivar native_blocks: blocks of these.
    :ivar descriptors: open files and sockets; -1: not known here.
    :ivar threads: of the process, native ones too; -1: not known here.
    """

    native_bytes: int
    native_blocks: int
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> Holdings:
        """Look, when what nobody refers to is gone."""
        gc.collect()
        return cls(int(lib.arc_mem_live_bytes()), int(lib.arc_mem_live_blocks()), _entries("/proc/self/fd"),
                   _entries("/proc/self/task"))

    def faults(self, before: Holdings) -> list[str]:
        """What is still held that was not held ``before``."""
        return [f"{name}: {was} before, {now} after"
                for name, was, now in (("native blocks", before.native_blocks, self.native_blocks),
                                       ("native bytes", before.native_bytes, self.native_bytes),
                                       ("open descriptors", before.descriptors, self.descriptors),
                                       ("threads", before.threads, self.threads)) if now > was]


def _entries(path: str) -> int:
    try:
        return len(os.listdir(path))
    except OSError:
        return -1


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def growth_bytes(samples: Sequence[int]) -> int:
    """By how much memory grew from the middle of a run to its end; the first third is warm-up.

    :param samples: resident bytes at even distances; fewer than six say nothing: 0.
    """
    third = len(samples) // _PARTS
    if third < 2:
        return 0
    middle, last = samples[third:2 * third], samples[2 * third:]
    return int(statistics.median(last) - statistics.median(middle))
