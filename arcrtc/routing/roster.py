"""The targets of a load balancer and their health: who can take a session, and from when on."""
from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Iterator
from enum import Enum
from random import Random
from typing import Final

from arcrtc.errors import ArgumentError, LimitError
from arcrtc.routing.loads import (
    US_PER_S,
    BalancerConfig,
    Refusal,
    TargetLoad,
    TargetState,
    call_quality,
    checked_weight,
)
from arcrtc.routing.members import Target
from arcrtc.routing.pickers import Policy, make_picker

_RAMP_STEPS: Final = 20  # of a slow start
_ENOUGH_SESSIONS: Final = 100  # of ours in reports, to tell what part of all they are
_MOST_OTHERS: Final = 64.0
_OUT: Final = {TargetState.REMOVED: Refusal.REMOVED, TargetState.HELD: Refusal.HELD}


class _Timer(Enum):
    SILENCE = 0
    RAMP = 1


class Roster:
    """Targets by id, with their state. Time comes in with each call and only goes forward."""

    def __init__(self, policy: Policy, config: BalancerConfig, random: Random) -> None:
        self.config = config
        self.picker = make_picker(policy, random)
        self.targets: dict[Hashable, Target] = {}
        self.evicted: dict[Target, Refusal] = {}  # failed or removed with sessions on them, in that order
        self.drained: dict[Target, None] = {}
        self.refusals: Counter[Refusal] = Counter()
        self.now_us = 0
        self.failed_total = self.recovered_total = self.held_total = 0
        self._why_down: dict[Target, Refusal] = {}
        self._timers: list[tuple[int, int, _Timer, Target, int]] = []  # due, order, what, whose, its since_us
        self._order = 0
        self._free_slots: list[int] = []
        self._others = 1.0  # sessions placed by all balancers for each one placed here
        self._reported_sessions = self._settled_sessions = 0  # by all targets: that they know of; of these, ours
        self._slots = 0

    def find(self, target: Hashable) -> Target:
        """The target of an id.

        :raises ArgumentError: there is none.
        """
        found = self.targets.get(target)
        if found is None:
            raise ArgumentError(f"no target {target!r}")
        return found

    def add(self, target: Hashable, weight: float | None, capacity: int | None, now_us: int) -> None:
        """A new target, empty and warming."""
        checked = checked_weight(weight, capacity)
        if target in self.targets:
            raise ArgumentError(f"there is a target {target!r} already")
        if len(self.targets) >= self.config.max_targets:
            raise LimitError(f"add_target: there are {self.config.max_targets} targets, the limit")
        self.advance(now_us)
        if not self._free_slots:
            self._free_slots.append(self._slots)
            self._slots += 1
        made = Target(target, self._free_slots.pop(), checked, capacity, self.config, self.now_us)
        self.targets[target] = made
        self._warm(made)
        self.picker.add(made)

    def remove(self, target: Hashable) -> None:
        """Take a target out. Its sessions wait to be moved; it is forgotten with the last."""
        found = self.targets.pop(self.find(target).target)
        found.state = TargetState.REMOVED
        found.evict_until_us = self.now_us
        self.drained.pop(found, None)
        self._why_down.pop(found, None)
        self._reported_sessions -= found.reported_sessions
        self._settled_sessions -= found.settled
        self.settle(found)
        self.evicted[found] = Refusal.REMOVED
        self.forget_if_empty(found)

    def forget_if_empty(self, target: Target) -> None:
        """Drop what is kept of a removed target without sessions, and strike an empty one off the lists."""
        if target.sessions:
            return
        self.evicted.pop(target, None)
        if target.state is TargetState.REMOVED:
            self.refusals[Refusal.REMOVED] -= 1
            self._free_slots.append(target.slot)

    def report(self, target: Hashable, load: TargetLoad, now_us: int) -> None:
        """What a target says of itself."""
        self.advance(now_us)
        found = self.find(target)
        self._count_report(found, load)
        found.reported_us = self.now_us
        found.quality = call_quality(load.loss, load.rtt_ms, load.jitter_ms)
        if not load.healthy:
            self._fail(found, Refusal.FAILED)
        elif found.state in (TargetState.DOWN, TargetState.HELD):
            self._come_back(found)
        if not found.silence_armed:
            found.silence_armed = True
            self._arm(self.now_us + self._us(self.config.silence_s), _Timer.SILENCE, found)
        self.settle(found)

    def fail(self, target: Hashable, now_us: int) -> None:
        """The caller knows that a target is gone."""
        self.advance(now_us)
        found = self.find(target)
        self._fail(found, Refusal.FAILED)
        self.settle(found)

    def settle(self, target: Target) -> None:
        """After a change of a target: work out its load and whether it takes sessions, and tell the picker."""
        target.count_load(self._others)
        refusal = self._refusal_of(target)
        if refusal is target.refusal:
            if refusal is None:
                self.picker.update(target)
            return
        if target.refusal is None:
            self.picker.remove(target)
        else:
            self.refusals[target.refusal] -= 1
        target.refusal = refusal
        if refusal is None:
            self.picker.add(target)
        else:
            self.refusals[refusal] += 1

    def advance(self, now_us: int) -> None:
        """Let time pass: silence is noticed, slow starts go on."""
        self.now_us = max(self.now_us, now_us)
        while self._timers and self._timers[0][0] <= self.now_us:
            _, _, what, target, since_us = heapq.heappop(self._timers)
            if target.state is TargetState.REMOVED:
                continue
            if what is _Timer.SILENCE:
                self._listen(target)
            elif target.since_us == since_us and target.state is TargetState.WARMING:
                self._ramp(target)

    def next_us(self) -> int | None:
        """When :meth:`advance` has something to do; None: not by itself."""
        return self._timers[0][0] if self._timers else None

    def __iter__(self) -> Iterator[Target]:
        return iter(self.targets.values())

    def _count_report(self, target: Target, load: TargetLoad) -> None:
        self._reported_sessions -= target.reported_sessions
        self._settled_sessions -= target.settled
        target.take_report(load.load, load.sessions, self.now_us - self._us(load.age_s))
        self._reported_sessions += target.reported_sessions
        self._settled_sessions += target.settled
        if self.config.others_alike and self._settled_sessions >= _ENOUGH_SESSIONS:
            self._others = min(_MOST_OTHERS, max(1.0, self._reported_sessions / self._settled_sessions))

    def _refusal_of(self, target: Target) -> Refusal | None:
        if target.state in _OUT:
            return _OUT[target.state]
        if target.state is TargetState.DOWN:
            return self._why_down[target]
        if target.draining:
            return Refusal.DRAINING
        if target.is_full():
            return Refusal.FULL
        return Refusal.OVERLOADED if target.load >= self.config.max_load else None

    def _listen(self, target: Target) -> None:
        """The timer of silence is up: of an earlier report, or is it silent?"""
        target.silence_armed = False
        if target.state is TargetState.DOWN or target.reported_us is None:
            return
        due_us = target.reported_us + self._us(self.config.silence_s)
        if due_us <= self.now_us:
            self._fail(target, Refusal.SILENT)
            self.settle(target)
        else:
            target.silence_armed = True
            self._arm(due_us, _Timer.SILENCE, target)

    def _fail(self, target: Target, why: Refusal) -> None:
        if target.state is TargetState.DOWN:
            return
        config = self.config
        if target.state is not TargetState.HELD:  # held: it never came back
            self.failed_total += 1
            if self.now_us - target.since_us >= self._us(config.hold_max_s):
                target.failures = 0
            target.failures += 1
            hold_s = min(config.hold_max_s, config.hold_s * 2.0 ** min(target.failures - 1, 30))
            target.held_until_us = self.now_us + self._us(hold_s)
            target.evict_until_us = self.now_us
            if target.sessions:
                self.evicted.setdefault(target, why)
        target.state = TargetState.DOWN
        target.since_us = self.now_us
        target.shedding = False
        self._why_down[target] = why

    def _come_back(self, target: Target) -> None:
        if self.now_us < target.held_until_us:
            target.state = TargetState.HELD
            self.held_total += 1
            return
        self.recovered_total += 1
        self._why_down.pop(target, None)
        target.state = TargetState.WARMING
        target.since_us = self.now_us
        self._warm(target)

    def _warm(self, target: Target) -> None:
        """Begin a slow start."""
        if self.config.slow_start_s == 0:
            target.state, target.ramp = TargetState.UP, 1.0
            return
        target.ramp = self.config.slow_start_floor
        self._arm(self.now_us + self._us(self.config.slow_start_s) // _RAMP_STEPS, _Timer.RAMP, target)

    def _ramp(self, target: Target) -> None:
        """One step further, as far as it is known to have been there: a silent target does not grow."""
        length_us = self._us(self.config.slow_start_s)
        seen_us = self.now_us if target.reported_us is None else target.reported_us
        passed = max(0, seen_us - target.since_us) / max(1, length_us)
        if passed >= 1:
            target.state, target.ramp = TargetState.UP, 1.0
        else:
            floor = self.config.slow_start_floor
            target.ramp = floor + (1 - floor) * passed
            self._arm(self.now_us + max(1, length_us // _RAMP_STEPS), _Timer.RAMP, target)
        self.settle(target)

    def _arm(self, due_us: int, what: _Timer, target: Target) -> None:
        self._order += 1
        heapq.heappush(self._timers, (due_us, self._order, what, target, target.since_us))

    @staticmethod
    def _us(seconds: float) -> int:
        return round(seconds * US_PER_S)
