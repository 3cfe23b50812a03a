"""What a load balancer answers: placements, moves, and counts of both with their reasons."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from arcrtc.routing.loads import Refusal
from arcrtc.routing.pickers import Policy


class PlaceReason(str, Enum):
    """Why a session was placed where it is."""

    ROUND_ROBIN = "round_robin"  # its turn
    LEAST_LOADED = "least_loaded"  # the lowest load of all
    TWO_CHOICES = "two_choices"  # the lower load of two
    QUALITY = "quality"  # the better score of two
    ROOM = "room"  # where the others of its room are
    SPILLED = "spilled"  # its room no longer fits there; a relay to the room's home is needed


class MoveReason(str, Enum):
    """Why a session is to move."""

    FAILED = "failed"
    SILENT = "silent"
    REMOVED = "removed"
    DRAINED = "drained"
    BALANCED = "balanced"  # its target is loaded well above the mean


class Placement(NamedTuple):
    """Where a session is placed, and why.

    ``load`` is the target's before the session, ``rival`` the other one of two that were drawn, and
    ``relay_from`` the home of its room if that is another target.
    """

    session: Hashable
    target: Hashable
    reason: PlaceReason
    load: float
    rival: Hashable | None = None
    rival_load: float | None = None
    relay_from: Hashable | None = None

    def explain(self) -> str:
        """One sentence for a log."""
        text = f"session {self.session!r} on {self.target!r} at load {self.load:.2f}: {self.reason.value}"
        if self.rival_load is not None:
            text += f", before {self.rival!r} at {self.rival_load:.2f}"
        if self.relay_from is not None:
            text += f", relayed from {self.relay_from!r}"
        return text


class Move(NamedTuple):
    """A session that is to go from one target to another; the balancer counts it there already.

    A failed target that came back may get its own sessions again: ``source`` is ``target`` then, and
    they are to be made anew. ``relay_from`` as in :class:`Placement`.
    """

    session: Hashable
    source: Hashable
    target: Hashable
    reason: MoveReason
    relay_from: Hashable | None = None


@dataclass(frozen=True, slots=True)
class BalancerStats:
    """Counts of a load balancer.

    :ivar policy: which one.
    :ivar targets: there are now.
    :ivar open: that take sessions now.
    :ivar refusals: the others, by reason.
    :ivar sessions: placed now.
    :ivar rooms: with sessions now.
    :ivar stranded: sessions on failed or removed targets that wait for a move.
    :ivar placed_total: by reason, since the start.
    :ivar moved_total: by reason.
    :ivar rejected_total: placements that no target could take.
    :ivar released_total: sessions.
    :ivar failed_total: times that a target failed.
    :ivar recovered_total: times that one came back.
    :ivar held_total: healthy reports that came too soon after a failure to count.
    """

    policy: Policy
    targets: int
    open: int
    refusals: dict[Refusal, int]
    sessions: int
    rooms: int
    stranded: int
    placed_total: dict[PlaceReason, int]
    moved_total: dict[MoveReason, int]
    rejected_total: int
    released_total: int
    failed_total: int
    recovered_total: int
    held_total: int
