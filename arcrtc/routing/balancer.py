"""Where a session goes: on which engine thread, or on which node."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable
from random import Random, SystemRandom

from arcrtc._ranges import check_float
from arcrtc.errors import ArgumentError, ConfigError, LimitError, NoTargetError
from arcrtc.routing.evening import Evening, lack_of, load_of
from arcrtc.routing.loads import BalancerConfig, Refusal, TargetInfo, TargetLoad, TargetState
from arcrtc.routing.members import Rate, Room, Session, Target
from arcrtc.routing.pickers import Pick, Policy
from arcrtc.routing.placing import BalancerStats, Move, MoveReason, Placement, PlaceReason
from arcrtc.routing.roster import Roster

_MOVE_REASONS = {Refusal.FAILED: MoveReason.FAILED, Refusal.SILENT: MoveReason.SILENT,
                 Refusal.REMOVED: MoveReason.REMOVED}


class LoadBalancer:
    """Places sessions on targets, and says which are to move.

    Pure policy: it talks to nobody. Targets are added, report their load about once a second, and are
    watched by that: one that says it fails, or falls silent, is left and comes back by degrees. The
    sessions of a room stay together while they fit. One owner at a time; it has no lock.

    A choice takes O(log n) time for n targets; :meth:`moves`, to be called about once a second, O(n).

    :param policy: ``round_robin`` (in turn, by weight), ``quality`` (drawn by weight and the worth of calls;
        the better of two), ``least_loaded``, or ``two_choices`` (the less loaded of two drawn by weight).
    :param config: None: the defaults.
    :param seed: makes choices repeatable; None: unpredictable.
    :raises ConfigError: there is no such policy.
    """

    def __init__(self, policy: Policy | str = Policy.TWO_CHOICES, *, config: BalancerConfig | None = None,
                 seed: int | None = None) -> None:
        try:
            self.policy = Policy(policy)
        except ValueError:
            raise ConfigError(f"policy={policy!r} is none of {', '.join(p.value for p in Policy)}") from None
        self.config = config or BalancerConfig()
        self._roster = Roster(self.policy, self.config, SystemRandom() if seed is None else Random(seed))
        self._sessions: dict[Hashable, Session] = {}
        self._rooms: dict[Hashable, Room] = {}
        self._own_reason = PlaceReason(self.policy.value)
        self._replacing = Rate(self.config.replace_per_s)
        self._evening = Evening(self.config, lack_of if self.policy is Policy.QUALITY else load_of)
        self._placed: Counter[PlaceReason] = Counter()
        self._moved: Counter[MoveReason] = Counter()
        self._rejected = self._released = 0

    # Targets

    def add_target(self, target: Hashable, *, weight: float | None = None, capacity: int | None = None,
                   now_us: int | None = None) -> None:
        """Add an engine thread or a node. It starts slowly, as one that comes back.

        :param weight: its share relative to the others, 0.001..1000000; None: its capacity, or 1 without one.
        :param capacity: sessions that it may have, 1..10**9; None: its load alone decides.
        :raises ArgumentError: the id is in use. :raises ConfigError: out of range.
        :raises LimitError: ``max_targets`` are there.
        """
        self._roster.add(target, weight, capacity, _now_us(now_us))

    def remove_target(self, target: Hashable) -> None:
        """Take a target out at once; :meth:`moves` places its sessions anew. To empty it before, :meth:`drain` it.

        :raises ArgumentError: there is no such target.
        """
        self._roster.remove(target)

    def report(self, target: Hashable, load: TargetLoad, now_us: int | None = None) -> None:
        """What a target says of itself. A target that has reported once has to go on (``silence_s``).

        :raises ArgumentError: there is no such target.
        """
        self._roster.report(target, load, _now_us(now_us))

    def fail(self, target: Hashable, now_us: int | None = None) -> None:
        """Say that a target is gone, when the caller knows it before the silence tells.

        :raises ArgumentError: there is no such target.
        """
        self._roster.fail(target, _now_us(now_us))

    def drain(self, target: Hashable, *, moves_per_s: float = 0.0) -> None:
        """No new sessions for a target.

        :param moves_per_s: sessions of it that :meth:`moves` gives away a second, 0..10**9; 0: they stay to their end.
        :raises ArgumentError: there is no such target. :raises ConfigError: out of range.
        """
        check_float("moves_per_s", moves_per_s, 0, 1e9)
        found = self._roster.find(target)
        found.draining = True
        found.drain_rate = Rate(moves_per_s) if moves_per_s else None
        self._roster.drained[found] = None
        self._roster.settle(found)

    def undrain(self, target: Hashable) -> None:
        """Let a target have new sessions again; one that is not drained is left as it is.

        :raises ArgumentError: there is no such target.
        """
        found = self._roster.find(target)
        found.draining, found.drain_rate = False, None
        self._roster.drained.pop(found, None)
        self._roster.settle(found)

    # Sessions

    def place(self, session: Hashable, room: Hashable | None = None, now_us: int | None = None) -> Placement:
        """Choose a target for a new session and count it there.

        :param room: sessions of the same room go to the same target, while it is below ``spill_load`` and
            ``room_limit``. What does not fit goes elsewhere, with ``relay_from`` set.
        :raises NoTargetError: no target can take it; nothing changes.
        :raises ArgumentError: the session is placed already.
        :raises LimitError: ``max_sessions`` are there.
        """
        roster = self._roster
        roster.advance(_now_us(now_us))
        if session in self._sessions:
            raise ArgumentError(f"session {session!r} is placed already, on {self._sessions[session].target.target!r}")
        if len(self._sessions) >= self.config.max_sessions:
            raise LimitError(f"place: there are {self.config.max_sessions} sessions, the limit")
        place = self._choose(room)
        if place is None:
            self._rejected += 1
            raise NoTargetError(f"no target can take session {session!r}: {self._why_none()}")
        target, reason, rival, home = place
        placement = Placement(session, target.target, reason, target.load, rival.target if rival else None,
                              rival.load if rival else None, home.target if home else None)
        self._sessions[session] = made = Session(session, target, None, roster.now_us)
        self._enter(made, target, room)
        self._placed[reason] += 1
        return placement

    def release(self, session: Hashable) -> bool:
        """A session has ended.

        :returns: False: no such session was placed.
        """
        found = self._sessions.pop(session, None)
        if found is None:
            return False
        self._leave(found)
        self._released += 1
        return True

    def target_of(self, session: Hashable) -> Hashable | None:
        """Where a session is; None: it is not placed."""
        found = self._sessions.get(session)
        return None if found is None else found.target.target

    def room_targets(self, room: Hashable) -> dict[Hashable, int]:
        """Sessions of a room on each of its targets, its home first; {}: there is no such room."""
        found = self._rooms.get(room)
        if found is None:
            return {}
        counts = {found.home: found.counts.get(found.home, 0), **found.counts}
        return {target.target: count for target, count in counts.items() if count}

    def moves(self, now_us: int | None = None, *, limit: int = 10_000) -> list[Move]:
        """Sessions that are to move now, already counted where they go.

        First those of failed and removed targets (``replace_per_s``), then those of drained ones (the rate
        given to :meth:`drain`), then some from targets loaded far above the mean (``rebalance_per_s``), if the
        others have room and the difference is worth it.

        :param limit: of moves in one call, 0 or more.
        """
        self._roster.advance(_now_us(now_us))
        out: list[Move] = []
        self._replace_evicted(out, limit)
        self._empty_drained(out, limit)
        for session, target in self._evening.choose(self._roster, limit - len(out)):
            out.append(self._move(session, target, MoveReason.BALANCED))
        return out

    def next_us(self) -> int | None:
        """When time alone changes something next, us; None: never. :meth:`place` and :meth:`moves` see to it."""
        return self._roster.next_us()

    # What there is

    def targets(self) -> list[TargetInfo]:
        """The targets, in the order they were added."""
        return [target.info() for target in self._roster]

    def target(self, target: Hashable) -> TargetInfo:
        """One target.

        :raises ArgumentError: there is no such target.
        """
        return self._roster.find(target).info()

    def stats(self) -> BalancerStats:
        """The counts as they are now."""
        roster = self._roster
        refusals = {why: roster.refusals[why] for why in Refusal if roster.refusals[why]}
        gone = sum(count for why, count in refusals.items() if why is not Refusal.REMOVED)
        return BalancerStats(
            policy=self.policy, targets=len(roster.targets), open=len(roster.targets) - gone, refusals=refusals,
            sessions=len(self._sessions), rooms=len(self._rooms),
            stranded=sum(self._stranded(target) for target in roster.evicted),
            placed_total={reason: self._placed[reason] for reason in PlaceReason},
            moved_total={reason: self._moved[reason] for reason in MoveReason}, rejected_total=self._rejected,
            released_total=self._released, failed_total=roster.failed_total,
            recovered_total=roster.recovered_total, held_total=roster.held_total)

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session: object) -> bool:
        return session in self._sessions

    def __repr__(self) -> str:
        return (f"LoadBalancer(policy={self.policy.value!r}, targets={len(self._roster.targets)}, "
                f"sessions={len(self._sessions)})")

    # Choosing

    def _choose(self, room_id: Hashable | None) -> tuple[Target, PlaceReason, Target | None, Target | None] | None:
        """(target, reason, rival, home to relay from); None: nobody can take it. Changes the picker's turn only."""
        room = None if room_id is None else self._rooms.get(room_id)
        if room is not None:
            if self._fits(room, room.home):
                return room.home, PlaceReason.ROOM, None, None
            if room.spill is not None and self._fits(room, room.spill):
                return room.spill, PlaceReason.ROOM, None, self._relay_home(room, room.spill)
        pick = self._roster.picker.pick() if room is None else self._pick_beside(room)
        if pick is None:
            return None
        home = None if room is None else self._relay_home(room, pick.target)
        return pick.target, self._own_reason if home is None else PlaceReason.SPILLED, pick.rival, home

    def _pick_beside(self, room: Room) -> Pick | None:
        """A target for a room that has outgrown its own; one at ``room_limit`` only if there is no other."""
        picker, limit = self._roster.picker, self.config.room_limit
        crowded = [target for target, count in room.counts.items()
                   if limit is not None and count >= limit and target.refusal is None]
        for target in crowded:
            picker.remove(target)
        pick = picker.pick()
        for target in crowded:
            picker.add(target)
        return pick or picker.pick()

    def _fits(self, room: Room, target: Target) -> bool:
        limit = self.config.room_limit
        return (target.refusal is None and target.load < self.config.spill_load
                and (limit is None or room.counts.get(target, 0) < limit))

    @staticmethod
    def _relay_home(room: Room, target: Target) -> Target | None:
        """Whence the room is relayed to ``target``: from home, if that is another one and works."""
        return room.home if room.home.is_working() and room.home is not target else None

    def _why_none(self) -> str:
        roster = self._roster
        parts = [f"{count} {why.value}" for why, count in roster.refusals.items()
                 if count and why is not Refusal.REMOVED]
        return f"of {len(roster.targets)} targets " + (", ".join(parts) if parts else "none is there")

    # Books

    def _enter(self, session: Session, target: Target, room_id: Hashable | None) -> None:
        session.target = target
        target.sessions[session.session] = session
        if room_id is not None:
            self._enter_room(session, target, room_id)
        self._roster.settle(target)

    def _enter_room(self, session: Session, target: Target, room_id: Hashable) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = Room(room_id, target)
        elif target is not room.home:
            if self._relay_home(room, target) is None:
                room.home, room.spill = target, None  # what has failed serves no relay
            else:
                room.spill = target
        room.add(target)
        session.room = room

    def _leave(self, session: Session) -> None:
        target, room = session.target, session.room
        del target.sessions[session.session]
        if room is not None:
            session.room = None
            if room.remove(target):
                del self._rooms[room.room]
        if target.sessions or target.state is not TargetState.REMOVED:
            self._roster.settle(target)
        self._roster.forget_if_empty(target)

    # Moving

    def _move(self, session: Session, target: Target, reason: MoveReason) -> Move:
        source, room_id = session.target, session.room.room if session.room else None
        self._leave(session)
        self._enter(session, target, room_id)
        session.moved_us = self._roster.now_us
        self._moved[reason] += 1
        home = self._relay_home(session.room, target) if session.room else None
        return Move(session.session, source.target, target.target, reason, home.target if home else None)

    def _give_away(self, session: Session, reason: MoveReason) -> Move | None:
        place = self._choose(session.room.room if session.room else None)
        return None if place is None else self._move(session, place[0], reason)

    def _replace_evicted(self, out: list[Move], limit: int) -> None:
        self._replacing.refill(self._roster.now_us)
        for target, why in list(self._roster.evicted.items()):
            while (session := _first_evicted(target)) is not None:
                if len(out) >= limit or not self._replacing.take():
                    return
                move = self._give_away(session, _MOVE_REASONS[why])
                if move is None:
                    return
                out.append(move)
            self._roster.evicted.pop(target, None)

    def _empty_drained(self, out: list[Move], limit: int) -> None:
        for target in self._roster.drained:
            rate = target.drain_rate
            if rate is None or target in self._roster.evicted:
                continue
            rate.refill(self._roster.now_us)
            while target.sessions and len(out) < limit and rate.take():
                move = self._give_away(next(iter(target.sessions.values())), MoveReason.DRAINED)
                if move is None:
                    return
                out.append(move)

    @staticmethod
    def _stranded(target: Target) -> int:
        return sum(session.moved_us <= target.evict_until_us for session in target.sessions.values())


def _first_evicted(target: Target) -> Session | None:
    """The oldest session, if it was there when the target failed."""
    session = next(iter(target.sessions.values()), None)
    return session if session is not None and session.moved_us <= target.evict_until_us else None


def _now_us(now_us: int | None) -> int:
    return time.monotonic_ns() // 1000 if now_us is None else now_us
