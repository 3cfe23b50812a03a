"""What a load balancer keeps of each target, session and room, and the clockless limits of its moves."""
from __future__ import annotations

from collections.abc import Hashable

from arcrtc.routing.loads import US_PER_S, BalancerConfig, Refusal, TargetInfo, TargetState

_SMOOTHING = 0.3  # of the measured load of one session, per report
_ENOUGH_SESSIONS = 8  # below, load / sessions says more of the idle target than of the sessions


class Session:
    """A placed session."""

    __slots__ = ("moved_us", "room", "session", "target")

    def __init__(self, session: Hashable, target: Target, room: Room | None, moved_us: int) -> None:
        self.session = session
        self.target = target
        self.room = room
        self.moved_us = moved_us


class Target:
    """A target, its sessions in the order they came, and the load that the balancer expects of it."""

    __slots__ = (
        "_others", "_reported_load", "capacity", "cost", "drain_rate", "draining", "due", "due_weight",
        "evict_until_us", "failures", "held_until_us", "load", "quality", "ramp", "refusal", "reported_sessions",
        "reported_us", "sessions", "settled", "shedding", "silence_armed", "since_us", "slot", "state", "target",
        "version", "weight")

    def __init__(self, target: Hashable, slot: int, weight: float, capacity: int | None, config: BalancerConfig,
                 now_us: int) -> None:
        self.target = target
        self.slot = slot
        self.weight = weight
        self.capacity = capacity
        self.cost = 1 / capacity if capacity is not None else config.session_load / weight  # load of one session
        self.sessions: dict[Hashable, Session] = {}
        self.state = TargetState.WARMING
        self.since_us = now_us
        self.ramp = 1.0
        self.refusal: Refusal | None = None
        self.draining = False
        self.drain_rate: Rate | None = None
        self.shedding = False
        self.quality = 1.0
        self.load = 0.0
        self.reported_us: int | None = None
        self.silence_armed = False
        self.failures = 0
        self.held_until_us = 0
        self.evict_until_us = -1  # sessions placed up to then were lost by a failure
        self.version = 0  # of its place in a picker's heap
        self.due = 0.0  # its turn, for round robin, and the weight that this was reckoned with
        self.due_weight = 1.0
        self._reported_load = 0.0
        self.reported_sessions = 0
        self.settled = 0  # sessions of this balancer that the report knows of
        self._others = 0  # sessions in it of other balancers

    def count_load(self, others: float) -> None:
        """Work out ``load``: as reported, and what was placed or released since, here and by others alike.

        :param others: sessions placed by all balancers for each one placed by this one, 1 or more.
        """
        since = len(self.sessions) - self.settled
        self.load = max(0.0, self._reported_load + self.cost * since * others)

    def take_report(self, load: float, sessions: int | None, written_us: int) -> None:
        """Note what the target said at that time. Sessions that it could not know of stay counted on top."""
        known = len(self.sessions)
        for session in reversed(self.sessions.values()):
            if session.moved_us <= written_us:
                break
            known -= 1
        if sessions is not None:
            self._others = max(0, sessions - known)
            known = min(known, sessions)
            if sessions >= _ENOUGH_SESSIONS and load > 0:
                self.cost += _SMOOTHING * (load / sessions - self.cost)
        self.settled = known
        self.reported_sessions = sessions or 0
        self._reported_load = load

    def is_full(self) -> bool:
        """True at the capacity, with the sessions that other balancers placed."""
        return self.capacity is not None and len(self.sessions) + self._others >= self.capacity

    def is_working(self) -> bool:
        """True unless it failed or was removed."""
        return self.state in (TargetState.UP, TargetState.WARMING)

    def info(self) -> TargetInfo:
        """The same for callers."""
        return TargetInfo(self.target, self.state, self.refusal, self.weight, self.ramp, self.capacity,
                          len(self.sessions), self.load, self.quality, self.draining, self.reported_us, self.failures)


class Room:
    """On which targets the sessions of a room are; ``home`` has them all unless it was too small."""

    __slots__ = ("counts", "home", "room", "spill")

    def __init__(self, room: Hashable, home: Target) -> None:
        self.room = room
        self.home = home
        self.spill: Target | None = None
        self.counts: dict[Target, int] = {}

    def add(self, target: Target) -> None:
        """Count one more session of the room on a target."""
        self.counts[target] = self.counts.get(target, 0) + 1

    def remove(self, target: Target) -> bool:
        """Count one less; another target becomes home when that was its last. True: the room is empty."""
        left = self.counts[target] - 1
        if left:
            self.counts[target] = left
            return False
        del self.counts[target]
        if target is self.spill:
            self.spill = None
        if target is self.home and self.counts:
            self.home = next(iter(self.counts))
            if self.spill is self.home:
                self.spill = None
        return not self.counts


class Rate:
    """So many a second, and as many at once; a token bucket without a clock."""

    __slots__ = ("_at_us", "_tokens", "per_s")

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._tokens = max(1.0, per_s) if per_s else 0.0
        self._at_us: int | None = None

    def refill(self, now_us: int) -> None:
        """Let time pass; it does not go backwards."""
        if self._at_us is None:
            self._at_us = now_us
        elif now_us > self._at_us:
            gained = self.per_s * (now_us - self._at_us) / US_PER_S
            self._tokens = min(max(1.0, self.per_s), self._tokens + gained) if self.per_s else 0.0
            self._at_us = now_us

    def take(self) -> bool:
        """Take one, if there is one."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
